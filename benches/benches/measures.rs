//! The measures under criterion, one group a suite and one benchmark for each that takes part:
//! `cargo bench -p tailwater-benches -- "view/one-row"`. An iteration is one operation of the measure.
//! The work is the same as `compare`'s; opening after a crash, and what has several figures, is measured only there.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tailwater_benches::{Contenders, MEASURES, Place, Suite};

fn measures(criterion: &mut Criterion) {
    let place = Place::new(std::env::temp_dir());
    for measure in MEASURES {
        let Contenders::Measured(set_up) = measure.contenders else {
            continue;
        };
        if measure.suite == Suite::Recover {
            continue;
        }
        let mut group =
            criterion.benchmark_group(format!("{}/{}", measure.suite.name(), measure.name));
        group
            .sample_size(10)
            .throughput(Throughput::Elements(measure.rows));
        let field = set_up(&place).unwrap_or_else(|error| panic!("{}: {error}", measure.name));
        for mut contender in field {
            let name = contender.name.clone();
            group.bench_function(&name, |bencher| {
                bencher.iter_custom(|iterations| {
                    let seconds = (contender.run)(iterations)
                        .unwrap_or_else(|error| panic!("{name}: {error}"));
                    Duration::from_secs_f64(seconds.max(0.0))
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, measures);
criterion_main!(benches);
