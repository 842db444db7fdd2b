//! Fuzzing of Tailwater: properties that must hold for any bytes, and three ways to find bytes for which they do not.
//!
//! A target is a function that panics when its property is violated; [`target::TARGETS`] lists them all. They run
//! under `cargo test` (fixed seeds, seconds), under the program `fuzz` (random inputs, as long as one likes, on stable
//! Rust) and under cargo-fuzz (guided by coverage). It holds no expectation about results but those properties.
//! Next door: `target`, then `campaign`, which makes the inputs.
//!
//! # A seed is the whole run
//!
//! Input number `i` of a [`Campaign`] depends on the target, the seed, `i` and the corpus only. So a run can be
//! repeated, or entered in the middle, and what it finds is shrunk before it is shown.
//!
//! ```
//! use tailwater_fuzz::{Campaign, target};
//!
//! let campaign = Campaign::new(target::find("key_codec").unwrap(), 1, Vec::new());
//! assert_eq!(campaign.input(7), campaign.input(7));
//! assert!(campaign.failure(&campaign.input(7)).is_none());
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod campaign;
pub mod choices;
pub mod corpus;
pub mod hex;
pub mod memory;
mod mutate;
pub mod rng;
mod shrink;
mod sql_text;
mod sqlite_text;
pub mod target;
pub mod torture;
mod value;

pub use campaign::Campaign;
pub use choices::Choices;
pub use rng::Rng;

/// What the macro below needs from the driver.
#[cfg(feature = "libfuzzer")]
#[doc(hidden)]
pub use libfuzzer_sys;

/// The program of one target for cargo-fuzz; its file adds `#![no_main]`.
#[cfg(feature = "libfuzzer")]
#[macro_export]
macro_rules! libfuzzer_program {
    ($target:ident) => {
        $crate::libfuzzer_sys::fuzz_target!(|bytes: &[u8]| $crate::target::$target::run(bytes));
    };
}
