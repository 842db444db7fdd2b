//! `MEASURES`: every budget of the design is a row here, and a row is all that another measure takes.

use crate::measure::{Contenders, Measure, Suite, Unit};
use crate::workload::{commit, feed, group, ingest, read, recover, view};

/// All measures, suite by suite.
pub const MEASURES: &[Measure] = &[
    Measure {
        name: "lone durable commit",
        suite: Suite::Commit,
        unit: Unit::Micros,
        aim: "at most 1.15 x the bare twin",
        operations: 300,
        rows: 1,
        contenders: Contenders::Measured(commit::lone),
    },
    Measure {
        name: "64 outstanding durable commits, 64 blocked threads",
        suite: Suite::Commit,
        unit: Unit::PerSecond,
        aim: "at least 0.8 x the bare twin, 20 x SQLite",
        operations: 3_200,
        rows: 1,
        contenders: Contenders::Measured(group::blocked),
    },
    Measure {
        name: "64 outstanding durable commits, 2 threads x 32 tickets",
        suite: Suite::Commit,
        unit: Unit::PerSecond,
        aim: "at least 0.8 x the bare twin, 20 x SQLite",
        operations: 3_200,
        rows: 1,
        contenders: Contenders::Measured(group::tickets),
    },
    Measure {
        name: "1,000-row transactions, no view, per row",
        suite: Suite::Ingest,
        unit: Unit::Micros,
        aim: "at least 1 x SQLite",
        operations: 20,
        rows: ingest::ROWS,
        contenders: Contenders::Measured(ingest::thousand),
    },
    Measure {
        name: "one-row transaction with a GROUP BY view, no sync",
        suite: Suite::View,
        unit: Unit::Micros,
        aim: "at most 3 us, at least 4 x SQLite's trigger",
        operations: 20_000,
        rows: 1,
        contenders: Contenders::Measured(view::one),
    },
    Measure {
        name: "1,000-row transactions with a GROUP BY view, per row",
        suite: Suite::View,
        unit: Unit::Micros,
        aim: "at most 0.7 us, at least 3 x SQLite's trigger",
        operations: 20,
        rows: view::THOUSAND,
        contenders: Contenders::Measured(view::thousand),
    },
    Measure {
        name: "40,000-row transactions, a GROUP BY view alone, per row",
        suite: Suite::View,
        unit: Unit::Micros,
        aim: "at most 0.25 us",
        operations: 1,
        rows: view::MANY,
        contenders: Contenders::Measured(view::cost_alone),
    },
    Measure {
        name: "Nexmark per core",
        suite: Suite::View,
        unit: Unit::PerSecond,
        aim: "at least 1 x the dbsp crate",
        operations: 1,
        rows: 1,
        contenders: Contenders::Unmeasured(
            "its event generator and its queries' windows are not here yet, nor is the dbsp crate",
        ),
    },
    Measure {
        name: "point read through SQL, prepared, from the storage file",
        suite: Suite::Query,
        unit: Unit::Micros,
        aim: "at most 2 us, at least 3 x SQLite",
        operations: 20_000,
        rows: 1,
        contenders: Contenders::Measured(read::stored),
    },
    Measure {
        name: "point read through SQL, prepared, from the memtable",
        suite: Suite::Query,
        unit: Unit::Micros,
        aim: "at most 2 us, at least 3 x SQLite",
        operations: 20_000,
        rows: 1,
        contenders: Contenders::Measured(read::fresh),
    },
    Measure {
        name: "commit to subscriber beyond the sync, p50",
        suite: Suite::Feed,
        unit: Unit::Micros,
        aim: "at most 1.5 x a bare channel hop",
        operations: 500,
        rows: 1,
        contenders: Contenders::Measured(feed::hop_p50),
    },
    Measure {
        name: "commit to subscriber beyond the sync, p99",
        suite: Suite::Feed,
        unit: Unit::Micros,
        aim: "at most 1.5 x a bare channel hop",
        operations: 1_000,
        rows: 1,
        contenders: Contenders::Measured(feed::hop_p99),
    },
    Measure {
        name: "commit among 100,000 keyed subscriptions",
        suite: Suite::Feed,
        unit: Unit::Micros,
        aim: "about 1 x among 10",
        operations: 200,
        rows: 1,
        contenders: Contenders::Measured(feed::crowd),
    },
    Measure {
        name: "reopen after crash, rows in the storage file",
        suite: Suite::Recover,
        unit: Unit::Micros,
        aim: "at most 100,000 us",
        operations: 1,
        rows: 1,
        contenders: Contenders::Measured(recover::open),
    },
    Measure {
        name: "reopen after crash, rows replayed with their view",
        suite: Suite::Recover,
        unit: Unit::PerSecond,
        aim: "at least 500,000, nothing evaluated",
        operations: 1,
        rows: recover::ROWS,
        contenders: Contenders::Measured(recover::replay),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_has_measures_and_no_name_is_there_twice() {
        for suite in Suite::ALL {
            assert!(MEASURES.iter().any(|measure| measure.suite == suite));
        }
        let mut names: Vec<&str> = MEASURES.iter().map(|measure| measure.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair.first() != pair.last()));
    }
}
