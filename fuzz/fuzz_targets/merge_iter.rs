//! `cargo +nightly fuzz run merge_iter --features libfuzzer`: the target of this name, driven by coverage.
#![no_main]

tailwater_fuzz::libfuzzer_program!(merge_iter);
