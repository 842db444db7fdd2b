//! Bugs on demand, for the harness that must find them: each is a place that asks whether it shall be wrong.
//!
//! Without the feature `mutants` the answer is no, at compile time, and nothing of this is left. With it, nothing is wrong
//! until a test program says so; no file, variable or option of a database does. The list of all is in `fuzz`.

#[cfg(feature = "mutants")]
static ACTIVE: std::sync::OnceLock<&'static str> = std::sync::OnceLock::new();

/// Whether this place shall be wrong.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
#[must_use]
pub const fn is(_: &'static str) -> bool {
    false
}

/// Whether this place shall be wrong.
#[cfg(feature = "mutants")]
#[inline]
#[must_use]
pub fn is(name: &'static str) -> bool {
    ACTIVE.get().is_some_and(|active| *active == name)
}

/// Makes the places of this name wrong, for as long as the process lives.
///
/// # Panics
/// When another one was made wrong before.
#[cfg(feature = "mutants")]
pub fn activate(name: &'static str) {
    assert_eq!(
        *ACTIVE.get_or_init(|| name),
        name,
        "one mutant in a process"
    );
}

/// Which one is wrong.
#[cfg(feature = "mutants")]
#[must_use]
pub fn active() -> Option<&'static str> {
    ACTIVE.get().copied()
}
