//! `cargo +nightly fuzz run sql_sqlite --features libfuzzer`: the target of this name, driven by coverage.
#![no_main]

tailwater_fuzz::libfuzzer_program!(sql_sqlite);
