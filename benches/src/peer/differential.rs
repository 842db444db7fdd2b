//! differential-dataflow: the counts and sums of groups, kept in memory only. What a view costs without a database.
//! Its worker belongs to one thread, so it has one, which takes orders from a channel.

use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded};
use differential_dataflow::input::Input;
use differential_dataflow::operators::count::CountTotal;
use timely::dataflow::operators::probe::Handle;

use super::locked_version;
use crate::Result;
use crate::workload::row::Row;

/// So many transactions of so many rows.
struct Order {
    transactions: u64,
    rows: u64,
}

/// A worker on its own thread.
#[derive(Debug)]
pub struct Differential {
    orders: Sender<Order>,
    seconds: Receiver<f64>,
}

impl Differential {
    /// Starts one with nothing in it.
    #[must_use]
    pub fn start() -> Self {
        let (orders, received) = bounded(1);
        let (done, seconds) = bounded(1);
        std::thread::spawn(move || work(received, done));
        Self { orders, seconds }
    }

    /// Name and version.
    #[must_use]
    pub fn name() -> String {
        format!(
            "differential-dataflow {} in memory, no table",
            locked_version("differential-dataflow")
        )
    }

    /// Steps so many transactions of so many rows, and returns the seconds it took.
    ///
    /// # Errors
    /// When its thread has ended.
    pub fn insert(&self, transactions: u64, rows: u64) -> Result<f64> {
        self.orders.send(Order { transactions, rows })?;
        Ok(self.seconds.recv()?)
    }
}

fn work(orders: Receiver<Order>, done: Sender<f64>) {
    timely::execute_directly(move |worker| {
        let probe = Handle::new();
        let mut input = worker.dataflow::<u64, _, _>(|scope| {
            let (input, rows) = scope.new_collection::<(i64, i64), isize>();
            rows.explode(|(g, v)| Some((g, (1_isize, v as isize))))
                .count_total()
                .probe_with(&probe);
            input
        });
        let (mut ids, mut time) = (0..i64::MAX, 0);
        for Order { transactions, rows } in orders {
            let begun = Instant::now();
            for _ in 0..transactions {
                for id in ids
                    .by_ref()
                    .take(usize::try_from(rows).unwrap_or(usize::MAX))
                {
                    let row = Row::numbered(id);
                    input.insert((row.g, row.v));
                }
                time += 1;
                input.advance_to(time);
                input.flush();
                worker.step_while(|| probe.less_than(input.time()));
            }
            if done.send(begun.elapsed().as_secs_f64()).is_err() {
                break;
            }
        }
    });
}
