//! Damage at rest: a byte of a closed or crashed database is changed, and nobody may notice too late.
//!
//! In the log, what was confirmed is complete or the database does not open. In the storage file a row is right or
//! refused, and none is missing. Nothing panics. Next door: `astray`, where bytes go wrong on their way.

use std::path::Path;
use std::sync::Arc;

use tailwater::spawn::Stepped;
use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};

use super::honest::{refusal, shows};
use super::model::State;
use super::operation::{Operation, View};
use super::panics;
use super::recovered::{PATH, open};
use super::tally::Tally;
use crate::rng::Rng;

/// Places that are damaged in one database.
const PLACES: usize = 24;

/// Builds the database of a seed, and damages copies of it.
///
/// # Errors
/// What does not hold, with the seed.
pub fn run(seed: u64, tally: &mut Tally) -> Result<(), String> {
    let rng = &mut Rng::of_part(seed, 3);
    let (disk, state, lsn) = built(seed, rng)?;
    for place in 0..PLACES {
        let copy = disk.image();
        let damage = damage(&copy, rng).map_err(|error| error.to_string())?;
        tally.damaged += 1;
        let looked = panics::caught(|| look(&copy, seed, &state, lsn));
        looked.map_err(|what| {
            format!("violation: seed {seed}, damage {place}: {damage}: {what}\n")
        })?;
    }
    Ok(())
}

fn built(seed: u64, rng: &mut Rng) -> Result<(MemoryVfs, State, u64), String> {
    let disk = MemoryVfs::new();
    let text = |error: tailwater::Error| error.to_string();
    let db = open(Arc::new(disk.clone()), seed, &Stepped::default()).map_err(text)?;
    let mut state = State::default();
    let mut lsn = 0;
    let schema = [
        Operation::CreateTable { table: 0 },
        Operation::CreateIndex { table: 0 },
        Operation::CreateView(View::Groups(0)),
    ];
    let count = 5 + rng.below(60);
    let random: Vec<_> = (0..count).map(|_| Operation::random(rng)).collect();
    for operation in schema.iter().chain(&random) {
        if *operation == Operation::Checkpoint {
            db.checkpoint().map_err(text)?;
        }
        let Some(sql) = operation.sql() else {
            continue;
        };
        state.apply(operation);
        if let Ok(done) = db.exec(&sql, ()) {
            lsn = done.lsn.map_or(lsn, |done| done.0.max(lsn));
        }
    }
    match rng.below(2) {
        0 => db.close().map_err(text)?,
        _ => {
            let crashed = disk.crash();
            drop(db);
            return Ok((crashed, state, lsn));
        }
    }
    Ok((disk, state, lsn))
}

/// Changes a byte; says which.
fn damage(disk: &MemoryVfs, rng: &mut Rng) -> std::io::Result<String> {
    let mut files = Vec::new();
    for dir in [PATH.to_owned(), format!("{PATH}/log")] {
        let names = disk.list(Path::new(&dir))?;
        files.extend(names.into_iter().map(|name| format!("{dir}/{name}")));
    }
    files.retain(|name| !name.ends_with("LOCK"));
    files.retain(|name| {
        disk.open(Path::new(name), OpenMode::Read)
            .is_ok_and(|file| file.len().is_ok_and(|len| len > 0))
    });
    let name = &files[rng.below(files.len())];
    let file = disk.open(Path::new(name), OpenMode::ReadWrite)?;
    let len = usize::try_from(file.len()?).unwrap_or(usize::MAX);
    let mut byte = [0];
    // Mostly where something is.
    let mut offset = 0;
    for _ in 0..200 {
        offset = rng.below(len);
        file.read_exact_at(&mut byte, offset as u64)?;
        if byte[0] != 0 || rng.below(40) == 0 {
            break;
        }
    }
    byte[0] ^= 1 << rng.below(8);
    file.write_all_at(&byte, offset as u64)?;
    file.sync_data()?;
    Ok(format!("byte {offset} of {name}"))
}

fn look(disk: &MemoryVfs, seed: u64, state: &State, lsn: u64) -> Result<(), String> {
    let db = match open(Arc::new(disk.clone()), seed, &Stepped::default()) {
        Ok(db) => db,
        Err(error) => return refusal(&error),
    };
    let found = db.recovery();
    if found.last_lsn.0 != lsn {
        // Only the newest group has no later witness, and then it says so.
        return match &found.tail_cut {
            Some(_) if found.last_lsn.0 + 1 == lsn => Ok(()),
            cut => Err(format!(
                "it opens at {}, not at {lsn}, tail cut: {cut:?}",
                found.last_lsn
            )),
        };
    }
    shows(&db, state)
}
