//! `cargo +nightly fuzz run proto_wire --features libfuzzer`: the target of this name, driven by coverage.
#![no_main]

tailwater_fuzz::libfuzzer_program!(proto_wire);
