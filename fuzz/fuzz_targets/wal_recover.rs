//! `cargo +nightly fuzz run wal_recover --features libfuzzer`: the target of this name, driven by coverage.
#![no_main]

tailwater_fuzz::libfuzzer_program!(wal_recover);
