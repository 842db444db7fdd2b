//! Slots of the feed: names under which the log keeps what a consumer that is away has not seen.
//!
//! The room `wal` has them; here tokens become positions, and its errors become the engine's.

use tailwater_capture::token::Token;
use tailwater_proto::sqlstate;
use tailwater_wal::Error as WalError;

use crate::commit::is_disk_full;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};

/// Makes a slot if there is none of that name.
pub(super) fn keep(engine: &Engine, name: &str) -> Result<()> {
    engine.wal.slot(name).map(drop).map_err(slot_error)
}

/// Moves a slot to where a token stands.
///
/// # Errors
/// `42704` if there is no such slot, `22023` for a token of another database, or none.
pub(crate) fn advance(engine: &Engine, name: &str, token: &str) -> Result<()> {
    let parsed: Option<Token> = token.parse().ok();
    let token = parsed.filter(|token| token.database_id == engine.feed.database_id());
    let Some(token) = token else {
        return Err(Error::statement(
            sqlstate::INVALID_PARAMETER_VALUE,
            "the resume token is none of this database",
        )
        .on(name)
        .with_hint("give the token of the last event that was dealt with"));
    };
    let advanced = engine.wal.advance_slot(name, token.lsn);
    advanced.map(drop).map_err(slot_error)
}

/// Removes a slot; says whether there was one.
///
/// # Errors
/// `53100` on a full disk, `58030` if the system refuses it otherwise.
pub(crate) fn remove(engine: &Engine, name: &str) -> Result<bool> {
    engine.wal.drop_slot(name).map_err(slot_error)
}

fn slot_error(error: WalError) -> Error {
    let message = error.to_string();
    let own = match &error {
        WalError::SlotName { name } => {
            Error::statement(sqlstate::INVALID_PARAMETER_VALUE, message).on(name.clone())
        }
        WalError::UnknownSlot { name } => Error::statement(sqlstate::UNDEFINED_OBJECT, message)
            .on(name.clone())
            .with_hint("subscribe with FeedRequest::slot, and look at tailwater.slots"),
        WalError::Io(failure) if is_disk_full(failure.source.kind()) => {
            Error::new(ErrorKind::Io, sqlstate::DISK_FULL, message)
                .with_hint("free some space and try again")
        }
        WalError::Closed => Error::new(
            ErrorKind::Unavailable,
            sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
            message,
        ),
        _ => Error::new(ErrorKind::Io, sqlstate::IO_ERROR, message),
    };
    own.because(error)
}
