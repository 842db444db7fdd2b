//! Ctrl-C: stops the statement that is running, or a feed that is being watched, and lets the shell live.
//! A signal belongs to the whole process, so this is the one place with globals.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tailwater::CancelToken;

use crate::failure::Failure;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static RUNNING: Mutex<Option<CancelToken>> = Mutex::new(None);

/// From now on Ctrl-C stops statements instead of the process.
///
/// # Errors
/// When the system refuses the handler.
pub(crate) fn install() -> Result<(), Failure> {
    ctrlc::set_handler(|| {
        INTERRUPTED.store(true, Ordering::SeqCst);
        if let Ok(running) = RUNNING.lock()
            && let Some(token) = &*running
        {
            token.cancel();
        }
    })
    .map_err(|error| Failure::Io {
        what: "listening to Ctrl-C".to_owned(),
        source: std::io::Error::other(error),
    })
}

/// A statement begins: what was pressed before does not concern it.
pub(crate) fn watch(token: &CancelToken) {
    INTERRUPTED.store(false, Ordering::SeqCst);
    if let Ok(mut running) = RUNNING.lock() {
        *running = Some(token.clone());
    }
}

/// Something begins that looks by itself whether Ctrl-C was pressed.
pub(crate) fn begin() {
    INTERRUPTED.store(false, Ordering::SeqCst);
}

/// Whether Ctrl-C was pressed since the statement began.
pub(crate) fn is_set() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}
