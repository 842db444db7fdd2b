//! `MEASURES`: every budget of the design is a row here, and a row is all that another measure takes.

use crate::measure::{Contenders, Measure, Suite, Unit};
use crate::workload::{commit, feed, group, ingest, latency, module, nexmark, read, recover, view};
use crate::{Field, Place, Result, Sampler};

/// Over gRPC, beside a service by hand.
const fn served(
    name: &'static str,
    aim: &'static str,
    operations: u64,
    field: fn(&Place) -> Result<Vec<Sampler>>,
) -> Measure {
    Measure {
        name,
        suite: Suite::Module,
        unit: Unit::PerSecond,
        aim,
        operations,
        rows: 1,
        contenders: Contenders::Sampled(field),
    }
}

/// One of Nexmark's queries.
const fn per_core(name: &'static str, field: fn(&Place) -> Result<Field>) -> Measure {
    Measure {
        name,
        suite: Suite::View,
        unit: Unit::PerSecond,
        aim: "at least 1 x the dbsp crate, which is not here (440 packages, some in C)",
        operations: 10,
        rows: nexmark::EVENTS,
        contenders: Contenders::Measured(field),
    }
}

/// How long each commit takes, by so many writers.
const fn latency(
    name: &'static str,
    operations: u64,
    field: fn(&Place) -> Result<Vec<Sampler>>,
) -> Measure {
    Measure {
        name,
        suite: Suite::Commit,
        unit: Unit::Micros,
        aim: "p99 while 256 MiB are checkpointed at most 1.5 x without",
        operations,
        rows: 1,
        contenders: Contenders::Sampled(field),
    }
}

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
    latency("durable commit, 1 writer", 4_000, latency::field::<1>),
    latency("durable commit, 8 writers", 16_000, latency::field::<8>),
    latency("durable commit, 64 writers", 64_000, latency::field::<64>),
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
    per_core(
        "Nexmark per core, q0: bids as they are",
        nexmark::field::<0>,
    ),
    per_core(
        "Nexmark per core, q1: prices converted",
        nexmark::field::<1>,
    ),
    per_core("Nexmark per core, q2: bids filtered", nexmark::field::<2>),
    per_core(
        "Nexmark per core, q3: sellers joined, filtered",
        nexmark::field::<3>,
    ),
    per_core(
        "Nexmark per core, q4: average of best bids",
        nexmark::field::<4>,
    ),
    per_core(
        "Nexmark per core, q7: best bids of windows",
        nexmark::field::<7>,
    ),
    per_core(
        "Nexmark per core, q8: new sellers of windows",
        nexmark::field::<8>,
    ),
    per_core(
        "Nexmark per core, q10: dates formatted",
        nexmark::field::<10>,
    ),
    per_core("Nexmark per core, q14: expressions", nexmark::field::<14>),
    per_core(
        "Nexmark per core, q15: counts of days, distinct",
        nexmark::field::<15>,
    ),
    per_core(
        "Nexmark per core, q16: counts of channels, distinct",
        nexmark::field::<16>,
    ),
    per_core(
        "Nexmark per core, q17: counts and sums of auctions",
        nexmark::field::<17>,
    ),
    per_core(
        "Nexmark per core, q20: bids joined with auctions",
        nexmark::field::<20>,
    ),
    per_core(
        "Nexmark per core, q21: regular expressions",
        nexmark::field::<21>,
    ),
    per_core("Nexmark per core, q22: parts of URLs", nexmark::field::<22>),
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
    served(
        "module: durable inserts one by one, 64 clients",
        "at least 2 x the service by hand",
        16_000,
        module::unary,
    ),
    served(
        "module: durable inserts in streams, 64 clients",
        "at least 2 x the service by hand",
        32_000,
        module::streamed,
    ),
    served(
        "module: fan-out to 1,000 streams, message after message",
        "at least 5 x the service by hand",
        100,
        module::told,
    ),
    served(
        "module: fan-out to 1,000 streams, a stream of messages",
        "at least 5 x the service by hand",
        1_000,
        module::poured,
    ),
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

    #[test]
    fn every_nexmark_query_is_measured_under_its_number() {
        for query in nexmark::QUERIES {
            let named = format!("q{}:", query.number);
            assert!(MEASURES.iter().any(|measure| measure.name.contains(&named)));
        }
    }
}
