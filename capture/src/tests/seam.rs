//! The feed against a model: whatever the readers' pace, every commit reaches each of them once and in order, and
//! what they fold is what there is. First as one thread in an order that comes from the seed, then with real threads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use tailwater_proto::{Change, KeyRange, Record};
use tailwater_wal::sync::Mutex;

use super::*;
use crate::testing::{Rng, seeds};
use crate::{Expected, Filter, Op, ResetReason, RowPredicate, SnapshotRow, Token};

type State = BTreeMap<(StorageId, Key), Arc<[u8]>>;

/// Shows rows whose first byte is even.
struct Even;

impl RowPredicate for Even {
    fn matches(&self, _: StorageId, _: &[u8], row: &[u8]) -> bool {
        row.first().is_some_and(|byte| byte % 2 == 0)
    }
    fn fingerprint(&self) -> u64 {
        0xe7e2
    }
}

fn random_selection(rng: &mut Rng) -> Selection {
    let storages = [vec![1], vec![2], vec![2, 1]][rng.below(3)].clone();
    let storage = StorageId(storages[0]);
    let (a, b) = (
        key(&[rng.below(3) as u8]),
        key(&[rng.below(3) as u8, rng.below(3) as u8]),
    );
    let filter = match rng.below(5) {
        0 | 1 => Filter::All,
        2 => Filter::KeyEquals(storage, b),
        3 => Filter::KeyRange(storage, KeyRange::prefix(a)),
        _ => {
            let lo = std::ops::Bound::Excluded(a);
            Filter::KeyRange(
                storage,
                KeyRange {
                    lo,
                    hi: std::ops::Bound::Included(b),
                },
            )
        }
    };
    Selection {
        storages: storages.into_iter().map(StorageId).collect(),
        filter,
        predicate: if rng.below(3) == 0 {
            Some(Arc::new(Even))
        } else {
            None
        },
    }
}

/// Whether the selection shows this row: the slow twin of routing and cutting.
fn shows(selection: &Selection, storage: StorageId, key: &Key, row: &[u8]) -> bool {
    let inside = match &selection.filter {
        Filter::KeyEquals(filtered, wanted) if *filtered == storage => key == wanted,
        Filter::KeyRange(filtered, range) if *filtered == storage => range.contains(key),
        _ => true,
    };
    selection.storages.contains(&storage)
        && inside
        && selection
            .predicate
            .as_ref()
            .is_none_or(|p| p.matches(storage, key, row))
}

fn selected(state: &State, selection: &Selection) -> State {
    state
        .iter()
        .filter(|((storage, key), row)| shows(selection, *storage, key, row))
        .map(|(at, row)| (at.clone(), Arc::clone(row)))
        .collect()
}

/// Everything that was ever committed: the state after each commit, and what each did.
struct Model {
    states: Vec<State>,
    records: Vec<Record>,
}

impl Model {
    fn new() -> Self {
        Self {
            states: vec![State::new()],
            records: vec![Record::default()],
        }
    }

    fn last(&self) -> Lsn {
        Lsn(self.states.len() as u64 - 1)
    }

    /// A random commit; the bytes of its record.
    fn commit(&mut self, rng: &mut Rng) -> Arc<[u8]> {
        let mut state = self.states.last().unwrap().clone();
        let mut record = Record {
            commit_time_us: self.states.len() as i64,
            ..Record::default()
        };
        for (section, storage) in [(&mut record.base, 1), (&mut record.derived, 2)] {
            let mut touched = BTreeMap::new();
            for _ in 0..rng.below(3) {
                let key = key(&[rng.below(3) as u8, rng.below(3) as u8]);
                let after: Option<Arc<[u8]>> = (rng.below(4) > 0)
                    .then(|| Arc::from(&[rng.below(256) as u8, rng.below(256) as u8][..]));
                touched.insert(key, after);
            }
            for (key, after) in touched {
                let at = (StorageId(storage), key.clone());
                let before = match &after {
                    Some(row) => state.insert(at, Arc::clone(row)),
                    None => state.remove(&at),
                };
                if before.is_some() || after.is_some() {
                    section.push(Change {
                        storage: StorageId(storage),
                        schema_version: 1,
                        key,
                        before,
                        after,
                    });
                }
            }
        }
        let bytes = tailwater_proto::encode_record((&record).into()).unwrap();
        self.states.push(state);
        self.records.push(record);
        bytes
    }

    fn snapshot(&self, lsn: Lsn) -> Box<dyn crate::SnapshotRows> {
        let rows: Vec<SnapshotRow> = self.states[lsn.0 as usize]
            .iter()
            .map(|((storage, key), row)| (*storage, key.clone(), Arc::clone(row)))
            .collect();
        Box::new(rows.into_iter())
    }

    /// Whether a commit changes anything the selection shows.
    fn concerns(&self, lsn: u64, selection: &Selection) -> bool {
        let record = &self.records[lsn as usize];
        record.base.iter().chain(&record.derived).any(|change| {
            [&change.before, &change.after]
                .into_iter()
                .flatten()
                .any(|row| shows(selection, change.storage, &change.key, row))
        })
    }
}

/// A consumer that folds its feed and remembers its last token.
struct Reader {
    selection: Selection,
    subscription: Option<Subscription>,
    folded: State,
    position: Lsn,
    token: Option<Token>,
    in_snapshot: bool,
}

impl Reader {
    fn new(selection: Selection) -> Self {
        Self {
            selection,
            subscription: None,
            folded: State::new(),
            position: Lsn::ZERO,
            token: None,
            in_snapshot: false,
        }
    }

    /// Subscribes again after its token, if that is still good, else with a snapshot.
    fn subscribe(&mut self, feed: &Arc<Feed>, model: &Model) {
        let expected = Expected {
            selection: &self.selection,
            schema_version: 0,
            principal: "",
            policy_version: 0,
        };
        let resumed = self.token.as_ref().and_then(|token| {
            let token: Token = token.to_string().parse().unwrap();
            token.check(feed, &expected).ok()
        });
        let start = match resumed {
            Some(lsn) => {
                assert_eq!(lsn, self.position);
                Start::After(lsn)
            }
            None => {
                let lsn = feed.published();
                Start::SnapshotThenDeltas {
                    lsn,
                    rows: model.snapshot(lsn),
                }
            }
        };
        let request = SubscribeRequest::new(self.selection.clone(), start);
        self.subscription = Some(feed.subscribe(request).unwrap());
    }

    /// Takes an event and checks it against the model; `false` after a reset.
    fn take(&mut self, event: Event, feed: &Feed, model: &Model, seed: u64) -> bool {
        let before = self.position;
        match event {
            Event::SnapshotBegin { lsn } => {
                self.folded.clear();
                self.token = None;
                self.position = lsn;
                self.in_snapshot = true;
                return true;
            }
            Event::SnapshotRows { rows } => {
                assert!(self.in_snapshot && !rows.is_empty(), "seed {seed}");
                for (storage, key, row) in rows {
                    assert!(
                        self.folded.insert((storage, key), row).is_none(),
                        "seed {seed}"
                    );
                }
                return true;
            }
            Event::SnapshotEnd { lsn, token } => {
                assert_eq!((lsn, token.lsn), (self.position, lsn), "seed {seed}");
                self.in_snapshot = false;
                self.token = Some(token);
                self.check(model, lsn, seed);
                return true;
            }
            Event::Frame(frame) => {
                assert!(
                    frame.lsn > before && !frame.changes.is_empty(),
                    "seed {seed}"
                );
                assert_eq!(frame.commit_time_us, frame.lsn.0 as i64);
                for change in &frame.changes {
                    let at = (change.storage, change.key.clone());
                    let had = match &change.after {
                        Some(row) => self.folded.insert(at, Arc::clone(row)),
                        None => self.folded.remove(&at),
                    };
                    assert_eq!(had, change.before, "seed {seed}, lsn {}", frame.lsn);
                    let op = match (&change.before, &change.after) {
                        (None, _) => Op::Insert,
                        (Some(_), Some(_)) => Op::Update,
                        (Some(_), None) => Op::Delete,
                    };
                    assert_eq!(op, change.op);
                }
                self.position = frame.lsn;
                self.token = Some(frame.token);
                assert!(model.concerns(frame.lsn.0, &self.selection), "seed {seed}");
                self.check_skipped(model, before.0 + 1..frame.lsn.0, seed);
            }
            Event::Progress { lsn, token } => {
                assert!(lsn > before, "seed {seed}");
                self.position = lsn;
                self.token = Some(token);
                self.check_skipped(model, before.0 + 1..lsn.0 + 1, seed);
            }
            Event::Reset { reason, oldest } => {
                assert_eq!(reason, ResetReason::Released);
                assert!(
                    self.position < oldest && oldest <= feed.oldest(),
                    "seed {seed}"
                );
                self.token = None;
                return false;
            }
        }
        assert!(!self.in_snapshot, "seed {seed}");
        assert_eq!(self.token.as_ref().unwrap().lsn, self.position);
        self.check(model, self.position, seed);
        true
    }

    fn check(&self, model: &Model, lsn: Lsn, seed: u64) {
        let expected = selected(&model.states[lsn.0 as usize], &self.selection);
        assert_eq!(
            self.folded, expected,
            "seed {seed}, lsn {lsn}, {:?}",
            self.selection
        );
    }

    /// None of these commits may have concerned it.
    fn check_skipped(&self, model: &Model, lsns: std::ops::Range<u64>, seed: u64) {
        for lsn in lsns {
            assert!(
                !model.concerns(lsn, &self.selection),
                "seed {seed}: lsn {lsn} lost"
            );
        }
    }
}

fn random_settings(rng: &mut Rng) -> FeedSettings {
    FeedSettings {
        ring_records_max: 1 + rng.below(12),
        ring_bytes_max: 100 + rng.below(2_000),
        queue_frames_max: 1 + rng.below(4),
        snapshot_rows_max: 1 + rng.below(3),
        scan_records_max: 1 + rng.below(6),
        progress_after: std::time::Duration::from_millis(1),
        ..FeedSettings::default()
    }
}

/// One run in which the seed decides who does what next.
fn run(seed: u64) {
    let mut rng = Rng(seed);
    let mut model = Model::new();
    let log = TestLog::new(&[(7, 1)]);
    let feed = Feed::new(random_settings(&mut rng), DATABASE, Arc::new(log.clone()));
    let mut unlogged: std::collections::VecDeque<Arc<[u8]>> = std::collections::VecDeque::new();
    let mut readers: Vec<Reader> = (0..6)
        .map(|_| Reader::new(random_selection(&mut rng)))
        .collect();
    for _ in 0..1_500 {
        match rng.below(20) {
            0..6 => {
                let bytes = model.commit(&mut rng);
                feed.push(model.last(), Arc::clone(&bytes));
                unlogged.push_back(bytes);
            }
            6..8 => {
                for _ in 0..=rng.below(unlogged.len() + 1) {
                    unlogged
                        .pop_front()
                        .into_iter()
                        .for_each(|bytes| log.append(bytes));
                }
            }
            8..11 => {
                // Published before it can be read from the log, or after: both happen (sync modes `off` and `commit`).
                let published = feed.published().0;
                let upto = published + rng.below((model.last().0 - published) as usize + 1) as u64;
                feed.publish(Lsn(upto), rng.below(2) == 0);
            }
            11 if rng.below(8) == 0 => {
                let newest = crate::LogTail::newest(&log).0.min(feed.published().0);
                log.release(newest.saturating_sub(rng.below(30) as u64));
            }
            _ => {
                let at = rng.below(readers.len());
                let reader = &mut readers[at];
                if reader.subscription.is_none() || rng.below(25) == 0 {
                    reader.subscribe(&feed, &model);
                }
                for _ in 0..rng.below(12) {
                    let Some(subscription) = &mut reader.subscription else {
                        break;
                    };
                    let event = match subscription.try_recv().unwrap() {
                        Some(event) => Some(event),
                        None => subscription.progress(),
                    };
                    let Some(event) = event else { break };
                    if !reader.take(event, &feed, &model, seed) {
                        reader.subscription = None;
                    }
                }
            }
        }
    }
    unlogged.drain(..).for_each(|bytes| log.append(bytes));
    feed.publish(model.last(), true);
    for reader in &mut readers {
        if reader.subscription.is_none() {
            reader.subscribe(&feed, &model);
        }
        loop {
            let subscription = reader.subscription.as_mut().unwrap();
            let event = match subscription.try_recv().unwrap() {
                Some(event) => Some(event),
                None => subscription.progress(),
            };
            let Some(event) = event else { break };
            if !reader.take(event, &feed, &model, seed) {
                reader.subscribe(&feed, &model);
            }
        }
        assert_eq!(reader.position, model.last(), "seed {seed}");
    }
}

#[test]
fn whatever_the_order_of_things_every_reader_folds_what_there_is() {
    for seed in seeds(150) {
        run(seed);
    }
}

#[test]
fn with_threads_every_reader_folds_what_there_is() {
    const COMMITS: u64 = 4_000;
    for seed in seeds(3) {
        let mut rng = Rng(seed);
        let log = TestLog::new(&[(1, 1)]);
        let feed = Feed::new(random_settings(&mut rng), DATABASE, Arc::new(log.clone()));
        let model = Mutex::new(Model::new());
        let publishing = Mutex::new(());
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..2)
                .map(|writer| {
                    let (feed, log, model, publishing) = (&feed, &log, &model, &publishing);
                    scope.spawn(move || {
                        let mut rng = Rng(seed ^ (writer + 1));
                        for _ in 0..COMMITS / 2 {
                            {
                                let mut model = model.lock(); // the sequencer
                                let bytes = model.commit(&mut rng);
                                feed.push(model.last(), Arc::clone(&bytes));
                                log.append(bytes);
                            }
                            if rng.below(3) == 0 {
                                let _leader = publishing.lock();
                                let upto = crate::LogTail::newest(log);
                                feed.publish(upto, true);
                            }
                            if rng.below(200) == 0 {
                                let newest = feed.published().0;
                                log.release(newest.saturating_sub(300));
                            }
                        }
                    })
                })
                .collect();
            for number in 0..4 {
                let (feed, model, done) = (&feed, &model, &done);
                scope.spawn(move || {
                    let mut rng = Rng(seed ^ (number + 100));
                    let mut reader = Reader::new(random_selection(&mut rng));
                    reader.subscribe(feed, &model.lock());
                    loop {
                        let finished = done.load(Ordering::SeqCst);
                        let subscription = reader.subscription.as_mut().unwrap();
                        let wait = std::time::Duration::from_micros(rng.below(2_000) as u64);
                        let event = match subscription.recv_timeout(wait).unwrap() {
                            Some(event) => Some(event),
                            None => subscription.progress(),
                        };
                        let Some(event) = event else {
                            if finished {
                                break;
                            }
                            continue;
                        };
                        let goes_on = reader.take(event, feed, &model.lock(), seed);
                        if !goes_on || rng.below(400) == 0 {
                            reader.subscribe(feed, &model.lock());
                        }
                        // A slow reader: others run first.
                        for _ in 0..rng.below(1 + 10 * number as usize) {
                            std::thread::yield_now();
                        }
                    }
                    assert_eq!(reader.position, Lsn(COMMITS), "seed {seed}");
                });
            }
            for writer in writers {
                writer.join().unwrap();
            }
            feed.publish(Lsn(COMMITS), true);
            done.store(true, Ordering::SeqCst);
        });
    }
}
