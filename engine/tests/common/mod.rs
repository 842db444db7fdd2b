//! What the tests of whole databases share: random numbers, rows as typed multisets, the folder of public suites.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use tailwater::{Outcome, Params, Result, Session, Value};
use tailwater_proto::value_codec::encode_value;

/// SplitMix64: the seed is the whole run.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Less than `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    /// From `low` up to and with `high`.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + i64::try_from(self.below(usize::try_from(high - low + 1).unwrap())).unwrap()
    }

    pub(crate) fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }

    pub(crate) fn pick<'t, T>(&mut self, items: &'t [T]) -> &'t T {
        &items[self.below(items.len())]
    }
}

/// The number in an environment variable, or what it is without one.
pub(crate) fn number_from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// The folder of other projects' tests and data. A missing one fails the test.
pub(crate) fn suites() -> PathBuf {
    let folder = std::env::var_os("TAILWATER_SUITES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/suites"),
        PathBuf::from,
    );
    assert!(
        folder.is_dir(),
        "{} is missing: set TAILWATER_SUITES to the folder of public suites",
        folder.display()
    );
    folder
}

/// The rows of a query, in its order.
pub(crate) fn rows(
    session: &mut Session,
    sql: &str,
    params: impl Params,
) -> Result<Vec<Vec<Value>>> {
    match session.execute(sql, params)? {
        Outcome::Rows(rows) => rows
            .map(|row| Ok(row?.values().to_vec()))
            .collect::<Result<_>>(),
        other => panic!("{sql} brought {other:?} and not rows"),
    }
}

/// A row as bytes that differ wherever a value or its type differs.
pub(crate) fn typed_bytes(row: &[Value]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(row.len() * 8);
    for value in row {
        encode_value(&mut bytes, value).unwrap();
    }
    bytes
}

/// The rows of a query as a typed multiset: sorted, duplicates kept, 1 and 1.0 told apart.
pub(crate) fn multiset(session: &mut Session, sql: &str) -> Result<Vec<Vec<u8>>> {
    let mut found: Vec<Vec<u8>> = rows(session, sql, ())?
        .iter()
        .map(|row| typed_bytes(row))
        .collect();
    found.sort_unstable();
    Ok(found)
}

/// The rows of a query as text, one a line, for people.
pub(crate) fn text(session: &mut Session, sql: &str) -> String {
    let found = rows(session, sql, ()).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let lines: Vec<String> = found
        .iter()
        .map(|row| {
            let cells: Vec<String> = row.iter().map(ToString::to_string).collect();
            cells.join("|")
        })
        .collect();
    lines.join("\n")
}
