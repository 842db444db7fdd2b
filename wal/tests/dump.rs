//! The dump of a log against a reader in plain Python that was written from FORMAT.md alone: fresh, recycled, torn,
//! damaged logs, of several epochs and with records in parts, must give the same lines, byte for byte.
//!
//! So FORMAT.md says enough to read a log without this library. Seeds are printed; without python3 it says so and skips.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};
use tailwater_wal::{Background, Dump, Dumped, EndReason, Lsn, Settings, SyncMode, Wal};

const DIR: &str = "/log";
const ID: [u8; 16] = *b"0123456789abcdef";

struct Rng(u64);

impl Rng {
    fn below(&mut self, n: u64) -> u64 {
        let mut x = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15) | 1;
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.0 = x;
        (x.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % n
    }
}

fn recover(vfs: &MemoryVfs, settings: &Settings, applied: u64) -> (Arc<Wal>, u64) {
    let (wal, report) = Wal::recover(
        Arc::new(vfs.clone()),
        Path::new(DIR),
        settings.clone(),
        ID,
        Lsn(applied),
        &mut |_, _| Ok(()),
        Box::new(|_| ()),
    )
    .unwrap();
    (wal, report.last_lsn.0)
}

/// A log that lived through some restarts, as a crash or a clean close leaves it.
fn written(rng: &mut Rng, seed: u64) -> MemoryVfs {
    let settings = Settings {
        segment_bytes: 16 << 10 << rng.below(3),
        sync: match rng.below(3) {
            0 => SyncMode::Off,
            _ => SyncMode::Commit,
        },
        group_bytes_max: 1 << (8 + rng.below(8)),
        chunk_bytes: 4096 << rng.below(4),
        retain_age: match rng.below(2) {
            0 => Duration::ZERO,
            _ => Duration::MAX,
        },
        reserve_bytes: rng.below(2) * 8192,
        background: Background::Caller,
        seed: Some(seed),
        ..Settings::default()
    };
    let mut vfs = MemoryVfs::new();
    let mut applied = 0;
    for _ in 0..=rng.below(3) {
        let (wal, mut last) = recover(&vfs, &settings, applied);
        for _ in 0..rng.below(60) {
            match rng.below(20) {
                0 => _ = wal.begin_epoch().unwrap(),
                1 => wal.flush().unwrap(),
                // Slots come and go, and there is a reserve now and then.
                3 => {
                    let name = ["search", "mail", "a-b_2"][rng.below(3) as usize];
                    match rng.below(4) {
                        0 => _ = wal.drop_slot(name).unwrap(),
                        _ => _ = wal.slot(name).unwrap(),
                    }
                    wal.prepare().unwrap();
                }
                2 => {
                    applied = wal.durable_lsn().0;
                    wal.release(Lsn(applied)).unwrap();
                }
                _ => {
                    last += 1;
                    let len = match rng.below(12) {
                        0 => rng.below(30_000),
                        _ => rng.below(400),
                    };
                    let payload: Vec<u8> = (0..len).map(|_| rng.below(256) as u8).collect();
                    wal.append(Lsn(last), payload.into()).unwrap();
                    if rng.below(2) == 0 {
                        wal.ticket(Lsn(last)).wait().unwrap();
                    }
                }
            }
        }
        if rng.below(2) == 0 {
            wal.close().unwrap();
        }
        let crashed = vfs.crash_keeping(&mut |_| rng.below(2) == 0);
        drop(wal);
        vfs = crashed;
    }
    vfs
}

/// Cuts a file, flips bits or zeroes sectors, headers included.
fn damage(rng: &mut Rng, vfs: &MemoryVfs) {
    let dir = Path::new(DIR);
    let names = vfs.list(dir).unwrap();
    for _ in 0..rng.below(4) {
        let name = &names[rng.below(names.len() as u64) as usize];
        let file = vfs.open(&dir.join(name), OpenMode::ReadWrite).unwrap();
        let len = file.len().unwrap();
        // Mostly where something has been written.
        let reach = 4096 << rng.below(5);
        let place = rng.below(len.min(reach).max(1));
        match rng.below(4) {
            0 => file.set_len(place).unwrap(),
            1 => file.write_all_at(&[0; 512], place / 512 * 512).unwrap(),
            _ => {
                let mut byte = [0];
                if file.read_at(&mut byte, place).unwrap() == 1 {
                    byte[0] ^= 1 << rng.below(8);
                    file.write_all_at(&byte, place).unwrap();
                }
            }
        }
    }
}

fn export(vfs: &MemoryVfs, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    let dir = Path::new(DIR);
    for name in vfs.list(dir).unwrap() {
        let file = vfs.open(&dir.join(&name), OpenMode::Read).unwrap();
        let mut bytes = vec![0; file.len().unwrap() as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        std::fs::write(to.join(&name), bytes).unwrap();
    }
}

fn has_python() -> bool {
    let found = Command::new("python3").arg("--version").output();
    found.is_ok_and(|output| output.status.success())
}

#[test]
fn a_reader_written_from_the_format_page_prints_the_same_dump() {
    if !has_python() {
        println!("skipped: there is no python3");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut expected, mut folders) = (String::new(), Vec::new());
    let mut kinds = std::collections::BTreeSet::new();
    for seed in 1..=150 {
        let rng = &mut Rng(seed);
        let vfs = written(rng, seed);
        if rng.below(3) > 0 {
            damage(rng, &vfs);
        }
        for line in Dump::open(Arc::new(vfs.clone()), Path::new(DIR)).unwrap() {
            let line = line.unwrap();
            kinds.insert(match &line {
                Dumped::Segment(segment) if segment.recycled => "recycled",
                Dumped::Segment(segment) if segment.history.len() > 1 => "epochs",
                Dumped::Segment(segment) if segment.lazy => "lazy",
                Dumped::Segment(_) => "segment",
                Dumped::Unreadable(fault) => fault.reason.name(),
                Dumped::Frame(frame) => frame.kind.name(),
                Dumped::End(end) if end.groups_behind > 0 => "groups behind",
                Dumped::End(end) => end.reason.name(),
                _ => "other",
            });
            expected.push_str(&line.to_json());
            expected.push('\n');
        }
        let to = folder.path().join(format!("{seed}"));
        export(&vfs, &to);
        folders.push(to);
    }
    for kind in [
        "recycled",
        "epochs",
        "lazy",
        "segment",
        "short",
        "header",
        "record",
        "noop",
        "begin",
        "chunk",
        "commit",
        "clean",
        "torn_header",
        "torn_payload",
        "groups behind",
    ] {
        assert!(kinds.contains(kind), "no {kind} among {kinds:?}");
    }
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dump.py");
    let output = Command::new("python3")
        .arg(reader)
        .args(&folders)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let printed = String::from_utf8(output.stdout).unwrap();
    for (place, (ours, theirs)) in expected.lines().zip(printed.lines()).enumerate() {
        assert_eq!(ours, theirs, "line {place}, seeds 1 to 150");
    }
    assert_eq!(expected.len(), printed.len());
}

/// A dump may read a file that the writer takes back and fills anew: it says so instead of naming damage.
#[test]
fn a_file_that_is_taken_back_meanwhile_is_gone() {
    let settings = Settings {
        segment_bytes: 16 << 10,
        retain_age: Duration::ZERO,
        background: Background::Caller,
        seed: Some(1),
        ..Settings::default()
    };
    let vfs = MemoryVfs::new();
    let (wal, _) = recover(&vfs, &settings, 0);
    for lsn in 1..=4 {
        wal.append(Lsn(lsn), vec![7; 3000].into()).unwrap();
        wal.ticket(Lsn(lsn)).wait().unwrap();
    }
    let mut dump = Dump::open(Arc::new(vfs.clone()), Path::new(DIR)).unwrap();
    assert!(matches!(dump.next(), Some(Ok(Dumped::Segment(_)))));
    wal.release(Lsn(3)).unwrap();
    wal.prepare().unwrap();
    let rest: Vec<Dumped> = dump.map(Result::unwrap).collect();
    let first_end = rest.iter().find_map(|line| match line {
        Dumped::End(end) => Some(end.reason),
        _ => None,
    });
    assert_eq!(first_end, Some(EndReason::Gone), "{rest:?}");
    let last = rest.last().map(ToString::to_string).unwrap();
    assert!(last.contains("end: clean"), "{last}");
}
