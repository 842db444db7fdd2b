//! `cargo +nightly fuzz run json --features libfuzzer`: the target of this name, driven by coverage.
#![no_main]

tailwater_fuzz::libfuzzer_program!(json);
