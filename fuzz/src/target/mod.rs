//! The table of targets: one row, one file each; a new one is a file here and a row below.
//!
//! A target is a property of all bytes: `run` returns for inputs that have it and panics for those that do not. None
//! keeps anything between two inputs. The canary stands apart: it must fail, which proves that failures are seen.
//! Next door: any of them.

pub mod canary;
pub mod feed_token;
pub mod json;
pub mod key_codec;
pub mod merge_iter;
pub mod proto_module;
pub mod proto_wire;
pub mod record_codec;
pub mod row_codec;
pub mod sql_execute;
pub mod sql_parse;
pub mod sql_plan;
pub mod sql_sqlite;
pub mod value_codec;
pub mod view_recompute;
pub mod wal_ops;
pub mod wal_recover;

use crate::rng::Rng;

/// A property of all bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What it is called: its module, and its program for cargo-fuzz.
    pub name: &'static str,
    /// What holds for every input.
    pub doc: &'static str,
    /// Panics if it does not hold.
    pub run: fn(&[u8]),
    /// An input that gets far.
    pub generate: fn(&mut Rng) -> Vec<u8>,
    /// Inputs from outside that get far.
    pub corpus: fn() -> Vec<Vec<u8>>,
    /// What inputs are made of, for mutations to put in.
    pub words: &'static [&'static str],
    /// Executions under `cargo test`: as many as a debug build does in about a second.
    pub smoke: u64,
}

/// All targets, the cheap ones first.
pub const TARGETS: &[Target] = &[
    Target {
        name: "value_codec",
        doc: "values are decoded or refused, and come back from their bytes exactly",
        run: value_codec::run,
        generate: value_codec::generate,
        corpus: nothing,
        words: &[],
        smoke: 4_000,
    },
    Target {
        name: "row_codec",
        doc: "rows are read or refused, every way of reading one agrees, and they come back exactly",
        run: row_codec::run,
        generate: row_codec::generate,
        corpus: nothing,
        words: &[],
        smoke: 2_000,
    },
    Target {
        name: "key_codec",
        doc: "keys order as values do in both directions, tell their length and come back as equal values",
        run: key_codec::run,
        generate: key_codec::generate,
        corpus: nothing,
        words: &[],
        smoke: 4_000,
    },
    Target {
        name: "record_codec",
        doc: "records are read or refused, and come back from their bytes exactly",
        run: record_codec::run,
        generate: record_codec::generate,
        corpus: nothing,
        words: &[],
        smoke: 4_000,
    },
    Target {
        name: "feed_token",
        doc: "a resume token has one text, and no other text is taken for it",
        run: feed_token::run,
        generate: feed_token::generate,
        corpus: nothing,
        words: &[],
        smoke: 4_000,
    },
    Target {
        name: "json",
        doc: "JSON is read or refused; what was read is written so that it reads the same",
        run: json::run,
        generate: json::generate,
        corpus: nothing,
        words: json::WORDS,
        smoke: 4_000,
    },
    Target {
        name: "wal_recover",
        doc: "a log is recovered or refused; its records are a prefix of those written, without gaps, \
              and a second recovery finds the same",
        run: wal_recover::run,
        generate: wal_recover::generate,
        corpus: nothing,
        words: &[],
        smoke: 800,
    },
    Target {
        name: "wal_ops",
        doc: "whatever is done to a log, and whenever it crashes: what was acknowledged is there, in order, as it was \
              written, and nothing that was never written",
        run: wal_ops::run,
        generate: wal_ops::generate,
        corpus: nothing,
        words: &[],
        smoke: 400,
    },
    Target {
        name: "merge_iter",
        doc: "a snapshot reads through memtables and file what one map would hold, by key and by range, both ways",
        run: merge_iter::run,
        generate: merge_iter::generate,
        corpus: nothing,
        words: &[],
        smoke: 150,
    },
    Target {
        name: "proto_module",
        doc: "a module's text is a plan or an error, and the SQL of a plan runs",
        run: proto_module::run,
        generate: proto_module::generate,
        corpus: nothing,
        words: proto_module::WORDS,
        smoke: 60,
    },
    Target {
        name: "proto_wire",
        doc: "bytes of a module's message are a row or refused, as a dynamic message has it; what is written comes back",
        run: proto_wire::run,
        generate: proto_wire::generate,
        corpus: nothing,
        words: &[],
        smoke: 6_000,
    },
    Target {
        name: "sql_parse",
        doc: "SQL is parsed or refused at a place within the text, and each statement parses alone",
        run: sql_parse::run,
        generate: sql_parse::generate,
        corpus: crate::corpus::sql,
        words: crate::sql_text::WORDS,
        smoke: 600,
    },
    Target {
        name: "sql_plan",
        doc: "what binds can be explained or is refused with an SQLSTATE, and explaining changes nothing",
        run: sql_plan::run,
        generate: sql_plan::generate,
        corpus: crate::corpus::sql,
        words: crate::sql_text::WORDS,
        smoke: 100,
    },
    Target {
        name: "sql_execute",
        doc: "a statement succeeds or fails with an SQLSTATE and without a trace, within its limits; \
              views still equal their queries",
        run: sql_execute::run,
        generate: sql_execute::generate,
        corpus: crate::corpus::sql,
        words: crate::sql_text::WORDS,
        smoke: 60,
    },
    Target {
        name: "sql_sqlite",
        doc: "a query of the common subset answers as SQLite does, in the same order where one is asked for",
        run: sql_sqlite::run,
        generate: sql_sqlite::generate,
        corpus: nothing,
        words: &[],
        smoke: 150,
    },
    Target {
        name: "view_recompute",
        doc: "after any history of changes views equal their queries, before and after a reopening",
        run: view_recompute::run,
        generate: view_recompute::generate,
        corpus: nothing,
        words: &[],
        smoke: 40,
    },
];

/// The target that must fail.
pub const CANARY: Target = Target {
    name: "canary",
    doc: "no input has a byte FF: wrong, and so must be found",
    run: canary::run,
    generate: canary::generate,
    corpus: nothing,
    words: &[],
    smoke: 1_000,
};

/// The target of a name, the canary too.
#[must_use]
pub fn find(name: &str) -> Option<&'static Target> {
    let mut all = TARGETS.iter().chain([&CANARY]);
    all.find(|target| target.name == name)
}

fn nothing() -> Vec<Vec<u8>> {
    Vec::new()
}

/// What two things look like; for values, whose `==` knows no kinds and no signs of zero, this is identity.
fn assert_same(left: &impl std::fmt::Debug, right: &impl std::fmt::Debug) {
    let (left, right) = (format!("{left:?}"), format!("{right:?}"));
    assert_eq!(left, right);
}
