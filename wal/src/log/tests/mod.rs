//! Tests of the log over a disk in memory that crashes and fails, and over real files.
//!
//! Each file has one subject; this one holds what they share. Next door: `crash`, `twin`, `commit`, `damage`.

mod commit;
mod crash;
mod damage;
mod full;
mod large;
#[cfg(shuttle)]
mod models;
mod slots;
mod survey;
mod tail;
mod twin;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tailwater_proto::Lsn;

use super::format::segment_name;
use super::recover::RecoveryReport;
use super::wal::Wal;
use crate::error::Result;
use crate::log::dump::{Dump, Dumped, DumpedFrame};
use crate::settings::{Background, Settings};
use crate::vfs::{MemoryVfs, OpenMode, Vfs, VfsFile};

pub(crate) const DIR: &str = "/db/wal";
pub(crate) const ID: [u8; 16] = *b"0123456789abcdef";

/// Small segments, no threads, seeded salts: the whole run depends on nothing else.
pub(crate) fn quiet() -> Settings {
    let usual = Settings::default();
    Settings {
        segment_bytes: 64 << 10,
        background: Background::Caller,
        seed: Some(1),
        // Filling it takes Miri minutes.
        reserve_bytes: few(usual.reserve_bytes, 0),
        ..usual
    }
}

/// As many as there are to be; under Miri, which takes some hundred times as long, a few.
pub(crate) fn few(usual: u64, under_miri: u64) -> u64 {
    if cfg!(miri) { under_miri } else { usual }
}

pub(crate) fn payload(lsn: u64, len: usize) -> Arc<[u8]> {
    let mut rng = Rng(lsn);
    (0..len).map(|_| rng.next() as u8).collect()
}

pub(crate) fn create(vfs: &MemoryVfs, settings: Settings) -> Arc<Wal> {
    Wal::create(
        Arc::new(vfs.clone()),
        Path::new(DIR),
        ID,
        settings,
        Box::new(|_| ()),
    )
    .unwrap()
}

/// Recovered records, log and report.
pub(crate) struct Recovered {
    pub(crate) wal: Arc<Wal>,
    pub(crate) report: RecoveryReport,
    pub(crate) records: Vec<(Lsn, Vec<u8>)>,
}

pub(crate) fn recover(vfs: &MemoryVfs, settings: Settings, applied: Lsn) -> Result<Recovered> {
    let mut records = Vec::new();
    let (wal, report) = Wal::recover(
        Arc::new(vfs.clone()),
        Path::new(DIR),
        settings,
        ID,
        applied,
        &mut |lsn, bytes| {
            records.push((lsn, bytes.to_vec()));
            Ok(())
        },
        Box::new(|_| ()),
    )?;
    Ok(Recovered {
        wal,
        report,
        records,
    })
}

/// Commits the records `lsns` one by one, each of `len` bytes.
pub(crate) fn commit(wal: &Wal, lsns: std::ops::RangeInclusive<u64>, len: usize) {
    for lsn in lsns {
        wal.append(Lsn(lsn), payload(lsn, len)).unwrap();
        wal.ticket(Lsn(lsn)).wait().unwrap();
    }
}

pub(crate) fn assert_records(records: &[(Lsn, Vec<u8>)], lsns: std::ops::RangeInclusive<u64>) {
    let found: Vec<u64> = records.iter().map(|(lsn, _)| lsn.0).collect();
    assert_eq!(found, lsns.collect::<Vec<_>>());
    for (lsn, bytes) in records {
        assert_eq!(**bytes, *payload(lsn.0, bytes.len()), "record {lsn}");
    }
}

pub(crate) fn segment_path(segment_no: u64) -> PathBuf {
    Path::new(DIR).join(segment_name(1, segment_no))
}

pub(crate) fn open(vfs: &MemoryVfs, path: &Path) -> Arc<dyn VfsFile> {
    vfs.open(path, OpenMode::ReadWrite).unwrap()
}

/// All frames that lie in the log.
pub(crate) fn frames(vfs: &MemoryVfs) -> Vec<DumpedFrame> {
    let dump = Dump::open(Arc::new(vfs.clone()), Path::new(DIR)).unwrap();
    dump.filter_map(|line| match line.unwrap() {
        Dumped::Frame(frame) => Some(frame),
        _ => None,
    })
    .collect()
}

/// A copy of the whole disk's log directory, as if it were another machine's.
pub(crate) fn copy(vfs: &MemoryVfs) -> MemoryVfs {
    let other = MemoryVfs::new();
    let dir = Path::new(DIR);
    other.create_dir_all(dir).unwrap();
    for name in vfs.list(dir).unwrap() {
        let from = vfs.open(&dir.join(&name), OpenMode::Read).unwrap();
        let to = other.open(&dir.join(&name), OpenMode::CreateNew).unwrap();
        let mut bytes = vec![0; usize::try_from(from.len().unwrap()).unwrap()];
        from.read_exact_at(&mut bytes, 0).unwrap();
        to.write_all_at(&bytes, 0).unwrap();
        to.sync_data().unwrap();
    }
    other.sync_dir(dir).unwrap();
    other
}

/// xorshift*, so that a seed is a whole run.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        let mut x = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15) | 1;
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.0 = x;
        x.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}
