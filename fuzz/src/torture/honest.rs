//! Right or refused: what a database on a disk that is not to be trusted may show.
//!
//! Next door: `damage` and `astray`, which spoil the disk; `recovered`, for disks that keep their promises.

use tailwater::{Database, ErrorKind};

use super::model::State;
use super::operation::View;
use super::recovered::{assert_rows, assert_view_rows, rows_of, view_rows};

/// Whether a database shows just what the model holds, or refuses to.
///
/// # Errors
/// What it shows instead.
pub fn shows(db: &Database, state: &State) -> Result<(), String> {
    for (number, table) in &state.tables {
        let sql = format!("SELECT id, grp, n, body FROM t{number}");
        match rows_of(db, &sql) {
            Ok(rows) if rows.len() == table.rows.len() => assert_rows(*number, table, &rows)?,
            Ok(rows) => {
                let (shown, held) = (rows.len(), table.rows.len());
                return Err(format!("t{number} shows {shown} rows of {held}"));
            }
            Err(error) => refusal(&error)?,
        }
    }
    for view in View::ALL {
        if !state.views.contains_key(&view) {
            continue;
        }
        match view_rows(db, view) {
            Ok(rows) => assert_view_rows(&rows, view, state)?,
            Err(error) => refusal(&error)?,
        }
    }
    Ok(())
}

/// Whether an error is an honest one on a disk that is not.
///
/// # Errors
/// The error, when it is not.
pub fn refusal(error: &tailwater::Error) -> Result<(), String> {
    match error.kind() {
        ErrorKind::Corrupted | ErrorKind::Io | ErrorKind::Unavailable => Ok(()),
        _ => Err(format!("{error} ({})", error.sqlstate())),
    }
}
