//! Panics are violations: caught, and told with their message and place.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};

thread_local! {
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// From now on panics of this process print nothing; each thread keeps its last one. Called by programs, not by tests.
pub fn keep_quiet() {
    set_hook(Box::new(|panic| {
        LAST.with(|last| *last.borrow_mut() = panic.to_string())
    }));
}

/// Does something; a panic of it is an error like any other.
///
/// # Errors
/// What the work fails or panics with.
pub fn caught<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let place = LAST.with(|last| last.borrow().clone());
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(match place.is_empty() {
            true => format!("it panicked: {}", text.unwrap_or("without a message")),
            false => format!("it panicked: {place}"),
        })
    })
}
