//! Opening: what the storage file holds, then every record after it, applied blindly. Nothing is evaluated: rows,
//! index entries, views and operator state come out of the records as they went in. Next door: `replay`, which applies.

use std::time::Duration;

use tailwater_proto::{Direction, KeyRange, Lsn};

use crate::catalog::{Catalog, decode_object, system_storage};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::storage::Store;

/// Version of the layout of files and system storages. Persisted, never reused.
const FORMAT_VERSION: u32 = 1;

/// Names of values written with each checkpoint. Persisted, never renamed.
mod meta_name {
    pub(super) const DATABASE_ID: &str = "database_id";
    pub(super) const FORMAT_VERSION: &str = "engine_format";
    pub(super) const NEXT_ID: &str = "next_id";
    pub(super) const COMMIT_TIME: &str = "commit_time_us";
}

/// What opening the database took: `SELECT * FROM tailwater.recovery`.
///
/// ```
/// # fn main() -> tailwater::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("app.db");
/// let db = tailwater::Database::open(&path)?;
/// let last = db.exec("CREATE TABLE t", ())?.lsn;
/// db.close()?;
/// let db = tailwater::Database::open(&path)?;
/// let report = db.recovery();
/// assert_eq!(Some(report.last_lsn), last);
/// assert!(report.tail_cut.is_none() && report.duration.as_secs() < 60);
/// assert_eq!(db.query("SELECT rows_evaluated FROM tailwater.recovery", ())?.scalar::<i64>()?, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// The LSN the storage file held.
    pub applied_lsn: Lsn,
    /// The last LSN found.
    pub last_lsn: Lsn,
    /// Log records applied.
    pub records: u64,
    /// Row images applied.
    pub rows: u64,
    /// Bytes of payload applied.
    pub bytes: u64,
    /// Rows on which an expression was evaluated: 0.
    pub rows_evaluated: u64,
    /// What was cut off the end of the log: records that were never acknowledged.
    pub tail_cut: Option<String>,
    /// Whether the storage file had to be read as a whole, since neither a checkpoint nor a clean close was its end.
    pub repaired: bool,
    /// How long opening took.
    pub duration: Duration,
}

/// What stands in the storage file beside the rows.
pub(crate) struct Meta {
    pub(crate) database_id: [u8; 16],
    pub(crate) next_id: u32,
    pub(crate) commit_time_us: i64,
}

/// Reads what an earlier checkpoint wrote; `None` in a new file.
///
/// # Errors
/// When the file is of another format.
pub(crate) fn read_meta(store: &Store) -> Result<Option<Meta>> {
    let Some(id) = store.meta_get(meta_name::DATABASE_ID) else {
        return Ok(None);
    };
    let number = |name: &str| -> Result<u64> {
        let bytes = store.meta_get(name).unwrap_or_default();
        <[u8; 8]>::try_from(bytes.as_slice())
            .map(u64::from_le_bytes)
            .map_err(|_| Error::corrupted(format!("the storage file's \"{name}\" is damaged")))
    };
    let version = number(meta_name::FORMAT_VERSION)?;
    if version != u64::from(FORMAT_VERSION) {
        return Err(Error::new(
            crate::error::ErrorKind::Unavailable,
            tailwater_proto::sqlstate::FEATURE_NOT_SUPPORTED,
            format!(
                "the database has format {version}, this version reads format {FORMAT_VERSION}"
            ),
        )
        .with_hint("open it with the version of Tailwater that wrote it"));
    }
    Ok(Some(Meta {
        database_id: <[u8; 16]>::try_from(id.as_slice())
            .map_err(|_| Error::corrupted("the storage file's database id is damaged"))?,
        next_id: u32::try_from(number(meta_name::NEXT_ID)?).unwrap_or(u32::MAX),
        commit_time_us: number(meta_name::COMMIT_TIME)?.cast_signed(),
    }))
}

/// What the next checkpoint writes beside the rows.
pub(crate) fn meta(engine: &Engine) -> Vec<(&'static str, Vec<u8>)> {
    // Never the sequencer: who holds it may wait for a checkpoint.
    let (next_id, commit_time_us) = engine.sequenced();
    new_meta(engine.database_id, next_id, commit_time_us)
}

/// What stands beside the rows of a database.
pub(crate) fn new_meta(
    database_id: [u8; 16],
    next_id: u32,
    commit_time_us: i64,
) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        (meta_name::DATABASE_ID, database_id.to_vec()),
        (
            meta_name::FORMAT_VERSION,
            u64::from(FORMAT_VERSION).to_le_bytes().to_vec(),
        ),
        (
            meta_name::NEXT_ID,
            u64::from(next_id).to_le_bytes().to_vec(),
        ),
        (
            meta_name::COMMIT_TIME,
            commit_time_us.to_le_bytes().to_vec(),
        ),
    ]
}

/// Reads the catalog at the tip.
///
/// # Errors
/// When the storage fails or an object does not decode.
pub(crate) fn load_catalog(store: &Store, next_id: u32) -> Result<Catalog> {
    let mut catalog = Catalog::default();
    catalog.reserve_below(next_id);
    let snapshot = store.snapshot_tip();
    let mut rows = snapshot.scan(system_storage::OBJECTS, KeyRange::all(), Direction::Forward);
    while let Some((key, row)) = rows.next()? {
        let object = decode_object(&row).map_err(|why| {
            Error::corrupted(format!("the catalog's row {key:?} is damaged: {why}"))
        })?;
        catalog.put(object);
    }
    Ok(catalog)
}
