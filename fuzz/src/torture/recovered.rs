//! What must hold of a database that was opened after a crash: one of the states it may be in, whole and consistent.
//!
//! Rows against the model, views against their queries and the model, indexes against tables, feeds against what was
//! stored before. Next door: `simulation`, which crashes; `model`, which knows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tailwater::spawn::Stepped;
use tailwater::{Builder, Database, Lsn, ManualClock, SyncMode};
use tailwater_wal::vfs::{Fate, SimulatedVfs, Vfs};

use super::consumer::{Consumer, Taken};
use super::model::{State, Table};
use super::operation::View;
use super::tally::Tally;
use crate::rng::Rng;

/// Where the database lives on its disk.
pub const PATH: &str = "db";

/// The states by LSN that the model knows.
pub type History = BTreeMap<u64, State>;

/// What a crash may leave.
#[derive(Clone, Debug)]
pub struct Promise {
    /// Everything up to here was acknowledged, shown or fed.
    pub acknowledged: u64,
    /// Nothing after this was ever asked for.
    pub submitted: u64,
    /// Who follows the feed, as they had stored it.
    pub consumers: Arc<Vec<Consumer>>,
    /// Whether segments of the log may have been released before consumers had read them.
    pub may_release: bool,
}

/// Opens a database on a disk, with everything small and nothing left to chance.
///
/// # Errors
/// As `Builder::open`.
pub fn open(vfs: Arc<dyn Vfs>, seed: u64, scheduler: &Stepped) -> tailwater::Result<Database> {
    builder(seed)
        .spawn(Arc::new(scheduler.clone()))
        .vfs(vfs)
        .open(PATH)
}

/// The settings of a seed.
#[must_use]
pub fn builder(seed: u64) -> Builder {
    let rng = &mut Rng::new(seed);
    let mut settings = tailwater::Settings::default();
    settings.wal.segment_bytes = [16 << 10, 32 << 10, 64 << 10][rng.below(3)];
    settings.wal.seed = Some(seed);
    settings.wal.sync = SyncMode::Commit;
    settings.wal.group_bytes_max = 8 << 10;
    settings.wal.spare_segments = rng.below(2);
    settings.wal.read_window_bytes = [4 << 10, 64 << 10][rng.below(2)];
    if retains_little(seed) {
        settings.wal.retain_bytes_max = 16 << 10;
        settings.wal.retain_age = Duration::ZERO;
    }
    settings.store.cache_bytes = 1 << 20;
    settings.store.memtable_soft_bytes = [4 << 10, 64 << 10, 1 << 20][rng.below(3)];
    settings.store.history_bytes_max = 4 << 10;
    settings.store.checkpoint_step_rows = [3, 30][rng.below(2)];
    // As often as no real one: so that a crash comes behind each of them, too.
    settings.store.checkpoint_sync_bytes = 8 << 10;
    settings.feed.ring_bytes_max = [2 << 10, 1 << 20][rng.below(2)];
    if seed % 4 == 2 {
        settings.store.compact_bytes_min = 0;
    }
    // Now and then so little memory for a transaction that some are too large for it, or every one.
    settings.transaction_memory_bytes_max = match rng.below(12) {
        0 => 0,
        1 => 1_500,
        _ => 64 << 20,
    };
    settings.wal.chunk_bytes = [256 << 10, 4 << 10][rng.below(2)];
    Database::builder()
        .settings(settings)
        .clock(Arc::new(ManualClock::at(1_000_000)))
}

/// Whether the log of this seed lets segments go as soon as it can.
#[must_use]
pub fn retains_little(seed: u64) -> bool {
    seed % 3 == 1
}

/// Opens what a crash has left, and compares it with what it may be. Then it commits once more, and the power goes: returns
/// the LSN of that commit, and the disk.
///
/// # Errors
/// What does not hold.
pub fn check(
    disk: &SimulatedVfs,
    seed: u64,
    promise: &Promise,
    history: &History,
    tally: &mut Tally,
) -> Result<(u64, SimulatedVfs), String> {
    let scheduler = Stepped::default();
    let db = open(Arc::new(disk.clone()), seed, &scheduler);
    let db = db.map_err(|error| format!("it does not open: {error}"))?;
    let report = db.recovery();
    let lsn = report.last_lsn.0;
    if report.rows_evaluated > 0 {
        return Err(format!("recovery evaluated {} rows", report.rows_evaluated));
    }
    if lsn < promise.acknowledged || lsn > promise.submitted {
        return Err(format!(
            "it holds commits up to {lsn}; {} were acknowledged or shown, {} submitted ({:?})",
            promise.acknowledged, promise.submitted, report.tail_cut
        ));
    }
    let Some(state) = history.get(&lsn) else {
        return Err(format!("the model has no state at {lsn}"));
    };
    assert_state(&db, state, tally)?;
    for consumer in promise.consumers.iter() {
        resume(consumer, &db, state, promise, tally)?;
    }
    // It goes on from there.
    let done = db.exec("CREATE TABLE after_the_crash (id INT PRIMARY KEY)", ());
    let next = done
        .map_err(|error| format!("it takes no commit: {error}"))?
        .lsn;
    if next != Some(Lsn(lsn + 1)) {
        return Err(format!("the commit after {lsn} is {next:?}"));
    }
    let after = disk.crash_with(&mut |_| Fate::Lost);
    drop(db);
    Ok((lsn + 1, after))
}

/// Opens a disk that was lost after `lsn` was acknowledged and nothing else was asked for.
///
/// # Errors
/// When it is not exactly there.
pub fn check_again(disk: &SimulatedVfs, seed: u64, lsn: u64) -> Result<(), String> {
    let opened = open(Arc::new(disk.clone()), seed, &Stepped::default());
    let db = opened
        .map_err(|error| format!("after one more commit and crash it does not open: {error}"))?;
    let found = db.recovery().last_lsn.0;
    // Nothing that closing does is of interest.
    let _ = disk.crash_with(&mut |_| Fate::Lost);
    match found == lsn {
        true => Ok(()),
        false => Err(format!(
            "after one more commit, {lsn}, and a crash it is at {found}"
        )),
    }
}

/// Compares what a database shows with a state of the model.
///
/// # Errors
/// How they differ.
pub fn assert_state(db: &Database, state: &State, tally: &mut Tally) -> Result<(), String> {
    for number in 0..super::operation::TABLES {
        let rows = rows_of(
            db,
            &format!("SELECT id, grp, n, body FROM t{number} ORDER BY id"),
        );
        match (state.tables.get(&number), rows) {
            (None, Err(error)) if error.sqlstate() == "42P01" => {}
            (None, shown) => return Err(format!("t{number} should not be there: {shown:?}")),
            (Some(_), Err(error)) => return Err(format!("t{number}: {error}")),
            (Some(table), Ok(rows)) => {
                assert_rows(number, table, &rows)?;
                assert_index(db, number, table)?;
            }
        }
    }
    for view in View::ALL {
        let checked = rows_of(db, &format!("CHECK VIEW {}", view.name()));
        match (state.views.contains_key(&view), checked) {
            (false, Err(error)) if error.sqlstate() == "42P01" => {}
            (true, Ok(rows)) => {
                tally.view_comparisons += 1;
                let differences = rows
                    .first()
                    .and_then(|row| row.get::<i64>("differences").ok());
                if differences != Some(0) {
                    return Err(format!("{} is not its query: {rows:?}", view.name()));
                }
                assert_view(db, view, state)?;
            }
            (there, shown) => return Err(format!("{} (there: {there}): {shown:?}", view.name())),
        }
    }
    Ok(())
}

pub(super) fn rows_of(db: &Database, sql: &str) -> tailwater::Result<Vec<tailwater::ResultRow>> {
    db.query(sql, ()).and_then(tailwater::Rows::collect_rows)
}

pub(super) fn assert_rows(
    number: u8,
    table: &Table,
    rows: &[tailwater::ResultRow],
) -> Result<(), String> {
    let shown = rows.iter().map(|row| {
        let text = |error: tailwater::Error| error.to_string();
        let id: i64 = row.get(0).map_err(text)?;
        let group: i64 = row.get(1).map_err(text)?;
        let n: i64 = row.get(2).map_err(text)?;
        let body: String = row.get(3).map_err(text)?;
        Ok((id, (group, n, body)))
    });
    let shown: BTreeMap<i64, (i64, i64, String)> = shown.collect::<Result<_, String>>()?;
    let wanted = table.rows.iter();
    let wanted: BTreeMap<_, _> = wanted
        .map(|(id, row)| (*id, (row.group, row.n, row.body.clone())))
        .collect();
    if shown != wanted {
        let missing: Vec<_> = wanted
            .iter()
            .filter(|(id, row)| shown.get(id) != Some(row))
            .map(brief)
            .collect();
        let extra: Vec<_> = shown
            .iter()
            .filter(|(id, row)| wanted.get(id) != Some(row))
            .map(brief)
            .collect();
        return Err(format!("t{number} holds {extra:?} instead of {missing:?}"));
    }
    Ok(())
}

fn brief((id, (group, n, body)): (&i64, &(i64, i64, String))) -> String {
    format!("({id}, {group}, {n}, {} bytes)", body.len())
}

/// By the index on `grp`, if there is one, each group has the same rows as without.
fn assert_index(db: &Database, number: u8, table: &Table) -> Result<(), String> {
    for group in 0..5 {
        let sql = format!("SELECT id FROM t{number} WHERE grp = {group} ORDER BY id");
        let rows = rows_of(db, &sql).map_err(|error| format!("{sql}: {error}"))?;
        let shown: Vec<i64> = rows.iter().filter_map(|row| row.get(0).ok()).collect();
        let wanted = table.rows.iter().filter(|(_, row)| row.group == group);
        let wanted: Vec<i64> = wanted.map(|(id, _)| *id).collect();
        if shown != wanted {
            return Err(format!("{sql} finds {shown:?} instead of {wanted:?}"));
        }
    }
    Ok(())
}

/// A view holds what the model says, computed without the database.
fn assert_view(db: &Database, view: View, state: &State) -> Result<(), String> {
    let rows = view_rows(db, view).map_err(|error| format!("{}: {error}", view.name()))?;
    assert_view_rows(&rows, view, state)
}

/// The rows of a view.
pub(super) fn view_rows(db: &Database, view: View) -> tailwater::Result<Vec<tailwater::ResultRow>> {
    let name = view.name();
    rows_of(
        db,
        &match view {
            View::Groups(_) => {
                format!("SELECT grp, rows, CAST(total AS BIGINT) AS total FROM {name}")
            }
            View::Big(_) => format!("SELECT id, n FROM {name}"),
            View::Joined => format!("SELECT a, b, n FROM {name}"),
        },
    )
}

/// Compares the rows of a view with what the model says.
pub(super) fn assert_view_rows(
    rows: &[tailwater::ResultRow],
    view: View,
    state: &State,
) -> Result<(), String> {
    let rows_of_table = |number: u8| {
        let table = state.tables.get(&number).into_iter();
        table.flat_map(|table| table.rows.iter())
    };
    let mut wanted: Vec<Vec<i64>> = match view {
        View::Groups(table) => state
            .groups(table)
            .into_iter()
            .map(|(group, (rows, total))| vec![group, rows, total])
            .collect(),
        View::Big(table) => rows_of_table(table)
            .filter(|(_, row)| row.n > 50)
            .map(|(id, row)| vec![*id, row.n])
            .collect(),
        View::Joined => rows_of_table(0)
            .flat_map(|(a, left)| {
                let matching = rows_of_table(1).filter(|(_, right)| right.group == left.group);
                matching.map(|(b, right)| vec![*a, *b, left.n + right.n])
            })
            .collect(),
    };
    let columns = if matches!(view, View::Big(_)) { 2 } else { 3 };
    let mut shown: Vec<Vec<i64>> = rows
        .iter()
        .map(|row| (0..columns).filter_map(|at| row.get(at).ok()).collect())
        .collect();
    shown.sort_unstable();
    wanted.sort_unstable();
    match shown == wanted {
        true => Ok(()),
        false => Err(format!(
            "{} holds {shown:?} instead of {wanted:?}",
            view.name()
        )),
    }
}

/// A follower goes on from its token, and arrives where the database is.
fn resume(
    stored: &Consumer,
    db: &Database,
    state: &State,
    promise: &Promise,
    tally: &mut Tally,
) -> Result<(), String> {
    let mut consumer = stored.clone();
    match consumer.take(db)? {
        Taken::Reset if promise.may_release => Ok(()),
        Taken::Reset => match incarnation(&stored.object, state) == Some(stored.incarnation) {
            true => Err(format!(
                "the feed of {} cannot go on after {}, which was stored",
                stored.object, stored.lsn
            )),
            false => Ok(()),
        },
        Taken::All | Taken::Some => {
            tally.feeds += 1;
            consumer.compare(db)
        }
    }
}

/// Which one of its name an object is; `None` if there is none.
#[must_use]
pub fn incarnation(object: &str, state: &State) -> Option<u64> {
    let table = (0..super::operation::TABLES).find(|number| object == format!("t{number}"));
    match table {
        Some(number) => state.tables.get(&number).map(|table| table.incarnation),
        None => {
            let view = View::ALL.into_iter().find(|view| view.name() == object)?;
            state.views.get(&view).copied()
        }
    }
}
