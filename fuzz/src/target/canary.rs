//! A target that is wrong on purpose. If nobody notices, nobody would notice anything.
//!
//! It is in no list of targets that must hold. Next door: `tests/smoke.rs`, which insists on the failure.

use crate::rng::Rng;

/// Claims that no input has a byte FF.
///
/// # Panics
/// If one has.
pub fn run(input: &[u8]) {
    assert!(!input.contains(&0xFF), "the canary sings");
}

/// Any bytes.
pub fn generate(rng: &mut Rng) -> Vec<u8> {
    rng.bytes(40)
}
