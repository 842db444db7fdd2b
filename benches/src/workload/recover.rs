//! Opening after a crash: the files are copied while the database is open, and the copy is opened.
//! Rows, view and operator state come out of the log; copying is not timed.

use std::path::Path;
use std::time::Instant;

use tailwater::{Database, SyncMode, params};

use super::ours::{Ours, View, make_tables};
use super::row::{Row, Rows};
use crate::{Contender, Field, Place, Result};

/// Rows in the log when the replay is measured.
pub const ROWS: u64 = 200_000;
const ROWS_PER_COMMIT: u64 = 1_000;

/// A database as a crash left it.
struct Crashed {
    ours: Ours,
    /// What the view must say when it is open again.
    sum: i64,
}

impl Crashed {
    /// Commits the rows; checkpoints them if the log shall hold only the last commit.
    fn prepare(place: &Place, checkpointed: bool) -> Result<Self> {
        let ours = Ours::open_quiet(place, View::Groups)?;
        let rows = Rows::default();
        for _ in 0..ROWS / ROWS_PER_COMMIT {
            ours.insert(rows.some(ROWS_PER_COMMIT))?;
        }
        if checkpointed {
            ours.database.checkpoint()?;
            ours.insert_one(rows.one())?;
        }
        let sum = sum_of(&ours.database)?;
        Ok(Self { ours, sum })
    }

    /// Opens copies of it so many times; returns the seconds that opening took.
    fn reopen(&self, place: &Place, times: u64) -> Result<f64> {
        let mut seconds = 0.0;
        for _ in 0..times {
            let folder = place.folder()?;
            copy_tree(&self.ours.path(), folder.path())?;
            let begun = Instant::now();
            let database = Database::open(folder.path())?;
            seconds += begun.elapsed().as_secs_f64();
            if database.recovery().rows_evaluated != 0 {
                return Err("opening evaluated rows".into());
            }
            let found = sum_of(&database)?;
            if found != self.sum {
                return Err(format!("the view says {found}, it was {}", self.sum).into());
            }
        }
        Ok(seconds)
    }
}

impl Ours {
    /// A new database without background work, so that nothing moves while its files are copied.
    fn open_quiet(place: &Place, view: View) -> Result<Self> {
        let ours = Self::in_folder(place, |path| {
            Database::builder()
                .sync(SyncMode::Commit)
                .without_background()
                .open(path)
        })?;
        make_tables(&ours.database, view)?;
        Ok(ours)
    }
}

fn sum_of(database: &Database) -> Result<i64> {
    let rows = database.query("SELECT s FROM by_g WHERE g = ?", params![7])?;
    Ok(rows.scalar()?)
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn bytes_below(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        bytes += if path.is_dir() {
            bytes_below(&path)?
        } else {
            std::fs::read(&path)?.len() as u64
        };
    }
    Ok(bytes)
}

/// Opening with the rows in the storage file and one commit in the log.
///
/// # Errors
/// When the disk fails.
pub fn open(place: &Place) -> Result<Field> {
    field(place, true)
}

/// Opening with all rows in the log.
///
/// # Errors
/// When the disk fails.
pub fn replay(place: &Place) -> Result<Field> {
    field(place, false)
}

fn field(place: &Place, checkpointed: bool) -> Result<Field> {
    let crashed = Crashed::prepare(place, checkpointed)?;
    let path = crashed.ours.path();
    let own_place = place.clone();
    let mut field = vec![Contender::new(Ours::name(SyncMode::Commit), move |n| {
        crashed.reopen(&own_place, n)
    })];

    field.push(Contender::new(
        "reading every byte of the files, unused ones too (no floor: opening skips those)",
        move |n| {
            let begun = Instant::now();
            for _ in 0..n {
                if bytes_below(&path)? == 0 {
                    return Err("the files are empty".into());
                }
            }
            Ok(begun.elapsed().as_secs_f64())
        },
    ));

    #[cfg(feature = "peers")]
    {
        add_sqlite(&mut field, place, checkpointed)?;
        add_fjall(&mut field, place, checkpointed)?;
    }
    Ok(field)
}

#[cfg(feature = "peers")]
fn add_sqlite(field: &mut Field, place: &Place, checkpointed: bool) -> Result<()> {
    use crate::peer::sqlite::{Sqlite, Sync, View};
    let mut sqlite = Sqlite::open(place, Sync::Full, View::Trigger)?;
    let rows = Rows::default();
    if !checkpointed {
        sqlite.keep_log()?;
    }
    for _ in 0..ROWS / ROWS_PER_COMMIT {
        sqlite.insert(rows.some(ROWS_PER_COMMIT))?;
    }
    let place = place.clone();
    // It does less: it indexes its log and moves no row until a checkpoint.
    let name = format!("{} (indexes its log, moves no row)", sqlite.name());
    field.push(Contender::new(name, move |n| {
        let mut seconds = 0.0;
        for _ in 0..n {
            let folder = place.folder()?;
            sqlite.copy_files(folder.path())?;
            let begun = Instant::now();
            let (connection, _) = Sqlite::reopen(folder.path())?;
            seconds += begun.elapsed().as_secs_f64();
            drop(connection);
        }
        Ok(seconds)
    }));
    Ok(())
}

/// It flushes its memtable by itself when that is full, which these rows do not fill.
#[cfg(feature = "peers")]
fn add_fjall(field: &mut Field, place: &Place, checkpointed: bool) -> Result<()> {
    use crate::peer::fjall::Fjall;
    let fjall = Fjall::open(place, fjall::PersistMode::SyncData)?;
    let rows = Rows::default();
    for _ in 0..ROWS / ROWS_PER_COMMIT {
        fjall.insert(rows.some(ROWS_PER_COMMIT))?;
    }
    if checkpointed {
        fjall.flush()?;
        fjall.insert(std::iter::once(rows.one()))?;
    }
    let place = place.clone();
    let name = format!("{} (no view)", fjall.name());
    field.push(Contender::new(name, move |n| {
        let mut seconds = 0.0;
        for _ in 0..n {
            let folder = place.folder()?;
            copy_tree(fjall.path(), folder.path())?;
            let begun = Instant::now();
            let (database, v) = Fjall::reopen(folder.path(), 7)?;
            seconds += begun.elapsed().as_secs_f64();
            if v != Row::numbered(7).v {
                return Err("fjall found another row".into());
            }
            drop(database);
        }
        Ok(seconds)
    }));
    Ok(())
}
