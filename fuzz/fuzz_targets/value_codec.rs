//! `cargo +nightly fuzz run value_codec --features libfuzzer`: the target of this name, driven by coverage.
#![no_main]

tailwater_fuzz::libfuzzer_program!(value_codec);
