//! Recovery of the log from files that chance, a disk or an attacker has written.
//!
//! Three kinds of input: any bytes as a segment; frames with right checksums and any fields; a log written by `wal`
//! itself and then damaged in one place. Payloads stay opaque. Next door: `wal::log::recover`, and its FORMAT.md.

use std::path::Path;
use std::sync::Arc;

use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};
use tailwater_wal::{
    Background, Dump, Dumped, DumpedFrame, Error, FrameKind, Lsn, RecoveryReport, Settings, Wal,
    checksum, survey,
};

use crate::choices::Choices;
use crate::memory;
use crate::rng::Rng;

const DIR: &str = "/log";
const DATABASE: [u8; 16] = [7; 16];
const BLOCK: usize = 4096;
/// Small, so that a few groups fill several.
const SEGMENT_BYTES: u64 = 16 << 10;
/// Bytes of a frame before its payload.
const FRAME_BYTES: usize = 32;

type Records = Vec<(Lsn, Vec<u8>)>;

/// Recovers the log the input describes.
///
/// # Panics
/// If recovery panics, leaves a gap, gives what was never written, loses what was confirmed, or cannot be repeated.
pub fn run(input: &[u8]) {
    let choices = &mut Choices::new(input);
    match choices.below(3) {
        0 => {
            let vfs = MemoryVfs::new();
            put_file(&vfs, 1, 1, choices.rest());
            // A refusal is a right answer to any bytes.
            let _ = recovered(&vfs, choices);
        }
        1 => {
            let vfs = MemoryVfs::new();
            for number in 1..=1 + choices.below(3) as u64 {
                let segment = forged(choices, number);
                put_file(&vfs, 1, number, &segment);
            }
            // A refusal is a right answer to any bytes.
            let _ = recovered(&vfs, choices);
        }
        _ => damaged(choices),
    }
}

fn settings() -> Settings {
    Settings {
        segment_bytes: SEGMENT_BYTES,
        chunk_bytes: BLOCK,
        seed: Some(1),
        background: Background::Caller,
        ..Settings::default()
    }
}

fn put_file(vfs: &MemoryVfs, epoch: u32, number: u64, bytes: &[u8]) {
    let path = Path::new(DIR).join(format!("{epoch:08x}-{number:016x}.seg"));
    let written = vfs
        .create_dir_all(Path::new(DIR))
        .and_then(|()| vfs.open(&path, OpenMode::Create))
        .and_then(|file| file.write_all_at(bytes, 0).and_then(|()| file.sync_data()))
        .and_then(|()| vfs.sync_dir(Path::new(DIR)));
    written.expect("memory takes it");
}

fn recover(vfs: &MemoryVfs, applied: Lsn) -> Result<(Records, RecoveryReport), Error> {
    let mut records = Vec::new();
    let (_, report) = memory::bounded(|| {
        Wal::recover(
            Arc::new(vfs.clone()),
            Path::new(DIR),
            settings(),
            DATABASE,
            applied,
            &mut |lsn, payload| {
                records.push((lsn, payload.to_vec()));
                Ok(())
            },
            Box::new(|_| ()),
        )
    })?;
    Ok((records, report))
}

/// Looks at the log as the tools do that mend nothing: line by line, and for what can be read.
fn look_at(vfs: &MemoryVfs) {
    let vfs: Arc<dyn Vfs> = Arc::new(vfs.clone());
    memory::bounded(|| {
        if let Ok(dump) = Dump::open(Arc::clone(&vfs), Path::new(DIR)) {
            // A line that cannot be read is the last.
            dump.take_while(Result::is_ok).for_each(drop);
        }
        let mut last = Lsn::ZERO;
        // A refusal is a right answer to any bytes.
        let _ = survey(&*vfs, Path::new(DIR), &mut |piece| {
            assert!(piece.lsn >= last, "records come in order");
            last = piece.lsn;
        });
    });
}

/// Recovers twice, with a crash in between, and returns what was found if it was.
fn recovered(vfs: &MemoryVfs, choices: &mut Choices<'_>) -> Result<Records, Error> {
    look_at(vfs);
    let applied = Lsn(choices.below(4) as u64);
    let (records, report) = recover(vfs, applied)?;
    for (place, (lsn, _)) in records.iter().enumerate() {
        assert_eq!(lsn.0, applied.0 + 1 + place as u64, "without gaps");
    }
    assert_eq!(report.records, records.len() as u64);
    assert!(report.last_lsn >= applied);
    let rebooted = vfs.crash();
    match recover(&rebooted, applied) {
        Ok((again, second)) => {
            assert_eq!(again, records);
            assert_eq!((second.last_lsn, second.tail_cut), (report.last_lsn, None));
        }
        Err(error) => panic!("recovered once, but not again: {error}"),
    }
    Ok(records)
}

/// A segment with right checksums whose fields are decided.
fn forged(choices: &mut Choices<'_>, number: u64) -> Vec<u8> {
    let salt = choices.below(3) as u64;
    let mut header = Vec::with_capacity(BLOCK);
    header.extend(b"TWLOG\r\n\x1a");
    header.extend(pick_word(choices, 1).to_le_bytes()[..4].iter());
    header.extend(u32::from(choices.below(2) == 1).to_le_bytes());
    header.extend(DATABASE);
    header.extend(1_u32.to_le_bytes());
    header.extend(pick_word(choices, 1).to_le_bytes()[..4].iter());
    header.extend(pick_word(choices, number).to_le_bytes());
    header.extend(salt.to_le_bytes());
    header.extend(pick_word(choices, 0).to_le_bytes());
    header.resize(80, 0);
    for word in [pick_word(choices, 1), pick_word(choices, 1)] {
        header.extend(word.to_le_bytes());
    }
    header.resize(BLOCK, 0);
    let crc = checksum(&header);
    header[72..76].copy_from_slice(&crc.to_le_bytes());
    let mut segment = header;
    for lsn in 1..=choices.below(6) as u64 {
        forge_frame(choices, salt, lsn, &mut segment);
    }
    if choices.below(2) == 1 {
        segment.resize(segment.len().next_multiple_of(BLOCK), 0);
    }
    segment
}

fn forge_frame(choices: &mut Choices<'_>, salt: u64, lsn: u64, segment: &mut Vec<u8>) {
    let payload = choices.bytes(100);
    let len = pick_word(choices, payload.len() as u64) as u32;
    let mut frame = Vec::from(len.to_le_bytes());
    frame.extend([0; 4]);
    let crc = checksum(payload) ^ u32::from(choices.below(8) == 7);
    frame.extend(crc.to_le_bytes());
    let kind = choices.pick(&[1, 1, 1, 2, 1, 2, 3, 4, 5, 0]);
    frame.extend([kind, 1 + u8::from(choices.below(16) == 15), 0, 0]);
    frame.extend(pick_word(choices, lsn).to_le_bytes());
    frame.extend(pick_word(choices, 0).to_le_bytes());
    let mut hasher = crc32fast::Hasher::new_with_initial(checksum(&salt.to_le_bytes()));
    hasher.update(&frame[..4]);
    hasher.update(&frame[8..]);
    frame[4..8].copy_from_slice(&hasher.finalize().to_le_bytes());
    frame.extend(payload);
    frame.resize(frame.len().next_multiple_of(8), 0);
    segment.extend(frame);
}

/// Mostly what is right; else a number at which arithmetic ends.
fn pick_word(choices: &mut Choices<'_>, right: u64) -> u64 {
    match choices.below(24) {
        17 => 0,
        18 => u64::MAX,
        19 => u64::MAX - 1,
        20 => u64::from(u32::MAX),
        21 => 1 << 30,
        22 => right.wrapping_add(1),
        23 => choices.word(),
        _ => right,
    }
}

/// Writes a log, damages one place and recovers.
fn damaged(choices: &mut Choices<'_>) {
    let vfs = MemoryVfs::new();
    let written = write_log(&vfs, choices);
    let dump = Dump::open(Arc::new(vfs.clone()), Path::new(DIR)).expect("it was written");
    let frame = |line| match line {
        Dumped::Frame(frame) => Some(frame),
        _ => None,
    };
    let frames: Vec<DumpedFrame> = dump
        .filter_map(|line| frame(line.expect("it was written")))
        .collect();
    let Some(frame) = frames.get(choices.below(frames.len())) else {
        return;
    };
    let confirmed = frames.iter().map(|frame| frame.durable_lsn).max();
    let len = FRAME_BYTES + frame.len as usize;
    let place = frame.offset + (choices.word() % len as u64);
    let file = vfs
        .open(&frame.file, OpenMode::ReadWrite)
        .expect("it is there");
    let mut byte = [0];
    file.read_exact_at(&mut byte, place).expect("it is there");
    let change = match choices.below(4) {
        3 => {
            file.set_len(place).expect("memory takes it");
            0
        }
        _ => choices.byte(),
    };
    if change != 0 {
        byte[0] ^= change;
        file.write_all_at(&byte, place).expect("memory takes it");
    }
    file.sync_data().expect("memory takes it");
    let must_be_seen = change != 0
        && frame.kind != FrameKind::Noop
        && confirmed.is_some_and(|confirmed| {
            frame.lsn <= confirmed && confirming_frame_stands(&frames, frame)
        });
    match recovered(&vfs, &mut Choices::new(&[])) {
        Ok(records) => {
            assert!(written.starts_with(&records), "{records:?} of {written:?}");
            assert!(
                !must_be_seen,
                "confirmed and damaged, but no error: {frame:?}"
            );
            if change == 0 && file.len().is_ok_and(|len| len > place) {
                assert_eq!(records, written, "nothing was damaged");
            }
        }
        Err(Error::Damaged { .. } | Error::Unsupported { .. } | Error::Gap { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}

/// Whether a frame other than the damaged one says that the damaged one was durable.
fn confirming_frame_stands(frames: &[DumpedFrame], damaged: &DumpedFrame) -> bool {
    // Frames behind the damaged one in the same segment are found again only from the next block on, so only
    // those of later blocks are counted.
    let block = |frame: &DumpedFrame| frame.offset / BLOCK as u64;
    frames.iter().any(|frame| {
        frame.durable_lsn >= damaged.lsn
            && (frame.file != damaged.file
                || block(frame) > block(damaged) + u64::from(damaged.len) / BLOCK as u64 + 1)
    })
}

/// Records in groups of one to four; at the end the log is closed or left as a crash leaves it.
fn write_log(vfs: &MemoryVfs, choices: &mut Choices<'_>) -> Records {
    let hook = Box::new(|_| ());
    let shared = Arc::new(vfs.clone());
    let wal = Wal::create(shared, Path::new(DIR), DATABASE, settings(), hook);
    let wal = wal.expect("memory takes it");
    let mut records = Vec::new();
    for _ in 0..choices.below(8) {
        for _ in 0..=choices.below(4) {
            let lsn = Lsn(records.len() as u64 + 1);
            let payload = choices.bytes(255).repeat(1 + choices.below(40));
            wal.append(lsn, payload.as_slice().into())
                .expect("memory takes it");
            records.push((lsn, payload));
        }
        let ticket = wal.ticket(Lsn(records.len() as u64));
        ticket.wait().expect("memory takes it");
    }
    if choices.below(3) > 0 {
        wal.close().expect("memory takes it");
    }
    records
}

/// Decisions, the kind of input among them; or a whole forged segment as bytes.
pub fn generate(rng: &mut Rng) -> Vec<u8> {
    let mut input = rng.bytes(400);
    if rng.below(4) == 0 {
        let segment = forged(&mut Choices::new(&input), 1);
        input = [vec![0], segment].concat();
    }
    input
}
