//! What the tests of this room share: numbers from a seed, records, and a log in memory.
//! The log keeps the contract of `LogTail` and no more; it can be told to let go of records. For tests only.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use tailwater_proto::{Change, Key, Lsn, Record, StorageId, encode_record};
use tailwater_wal::sync::Mutex;

use crate::error::LogError;
use crate::log_tail::{LogCursor, LogTail, LoggedRecord};

/// splitmix64.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// Some seeds; `TAILWATER_SEED=n` gives just that one.
pub(crate) fn seeds(count: u64) -> Vec<u64> {
    if let Some(seed) = std::env::var("TAILWATER_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
    {
        return vec![seed];
    }
    let first = RandomState::new().hash_one(0) >> 1;
    eprintln!("seeds {first} to {}", first + count - 1);
    (first..first + count).collect()
}

pub(crate) fn change(
    storage: u32,
    key: &[u8],
    before: Option<&[u8]>,
    after: Option<&[u8]>,
) -> Change {
    Change {
        storage: StorageId(storage),
        schema_version: 1,
        key: Key::from(key),
        before: before.map(Arc::from),
        after: after.map(Arc::from),
    }
}

pub(crate) fn record(base: &[Change]) -> Arc<[u8]> {
    let record = Record {
        commit_time_us: 1,
        base: base.to_vec(),
        ..Record::default()
    };
    encode_record((&record).into()).unwrap()
}

/// A log in memory.
#[derive(Clone)]
pub(crate) struct TestLog(Arc<Mutex<Inner>>);

struct Inner {
    epochs: Vec<(u32, Lsn)>,
    oldest: u64,
    records: VecDeque<Arc<[u8]>>,
}

impl TestLog {
    pub(crate) fn new(epochs: &[(u32, u64)]) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            epochs: epochs
                .iter()
                .map(|(epoch, first)| (*epoch, Lsn(*first)))
                .collect(),
            oldest: 0,
            records: VecDeque::new(),
        })))
    }

    pub(crate) fn append(&self, record: Arc<[u8]>) {
        self.0.lock().records.push_back(record);
    }

    /// Lets go of the records up to `lsn`.
    pub(crate) fn release(&self, lsn: u64) {
        let mut inner = self.0.lock();
        while inner.oldest < lsn && inner.records.pop_front().is_some() {
            inner.oldest += 1;
        }
    }
}

impl LogTail for TestLog {
    fn epoch_history(&self) -> Vec<(u32, Lsn)> {
        self.0.lock().epochs.clone()
    }

    fn oldest(&self) -> Lsn {
        Lsn(self.0.lock().oldest)
    }

    fn newest(&self) -> Lsn {
        let inner = self.0.lock();
        Lsn(inner.oldest + inner.records.len() as u64)
    }

    fn read_after(&self, lsn: Lsn) -> Result<Box<dyn LogCursor>, LogError> {
        let oldest = self.oldest();
        if lsn < oldest {
            return Err(LogError::Released { oldest });
        }
        Ok(Box::new(TestCursor {
            log: self.clone(),
            next: lsn.0 + 1,
        }))
    }
}

struct TestCursor {
    log: TestLog,
    next: u64,
}

impl LogCursor for TestCursor {
    fn next(&mut self) -> Result<Option<LoggedRecord>, LogError> {
        let inner = self.log.0.lock();
        let Some(at) = self.next.checked_sub(inner.oldest + 1) else {
            return Err(LogError::Released {
                oldest: Lsn(inner.oldest),
            });
        };
        Ok(inner.records.get(at as usize).map(|record| {
            self.next += 1;
            (Lsn(self.next - 1), Arc::clone(record))
        }))
    }
}
