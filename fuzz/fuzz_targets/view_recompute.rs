//! `cargo +nightly fuzz run view_recompute --features libfuzzer`: the target of this name, driven by coverage.
#![no_main]

tailwater_fuzz::libfuzzer_program!(view_recompute);
