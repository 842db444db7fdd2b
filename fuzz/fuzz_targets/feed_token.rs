//! `cargo +nightly fuzz run feed_token --features libfuzzer`: the target of this name, driven by coverage.
#![no_main]

tailwater_fuzz::libfuzzer_program!(feed_token);
