//! differential-dataflow keeping three of Nexmark's queries: a projection, a join with two filters, a wide join. Their
//! rows are kept in memory, there are no tables, and nothing can be asked of them: what maintenance alone costs.
//! Next door: `differential`, counts and sums of groups.

use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded};
use differential_dataflow::input::{Input, InputSession};
use differential_dataflow::trace::TraceReader;
use differential_dataflow::{ExchangeData, Hashable, VecCollection};
use timely::dataflow::operators::probe::{Handle, Probe};
use timely::progress::frontier::AntichainRef;

use super::locked_version;
use crate::Result;
use crate::workload::nexmark::Event;

/// The queries it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dataflow {
    /// Bids with converted prices.
    Q1,
    /// Auctions of one category with their sellers of three states.
    Q3,
    /// Bids with their auctions of one category.
    Q20,
}

/// A worker on its own thread.
#[derive(Debug)]
pub struct DifferentialNexmark {
    transactions: Sender<Vec<Event>>,
    seconds: Receiver<f64>,
}

impl DifferentialNexmark {
    /// Starts one with nothing in it.
    #[must_use]
    pub fn start(dataflow: Dataflow) -> Self {
        let (transactions, received) = bounded(1);
        let (done, seconds) = bounded(1);
        std::thread::spawn(move || work(dataflow, received, done));
        Self {
            transactions,
            seconds,
        }
    }

    /// Name and version.
    #[must_use]
    pub fn name() -> String {
        format!(
            "differential-dataflow {} in memory, no table",
            locked_version("differential-dataflow")
        )
    }

    /// Steps one transaction and returns the seconds that took.
    ///
    /// # Errors
    /// When its thread has ended.
    pub fn insert(&self, events: Vec<Event>) -> Result<f64> {
        self.transactions.send(events)?;
        Ok(self.seconds.recv()?)
    }
}

/// Auction, bidder, price, channel, URL, time, extra.
type Bid = (usize, usize, usize, String, String, u64, String);
/// Name, description, first bid, reserve, times, seller, category, extra; by its number.
type Auction = (String, String, usize, usize, u64, u64, usize, usize, String);
/// Name, city, state; by its number.
type Person = (String, String, String);

struct Inputs {
    people: InputSession<u64, (usize, Person), isize>,
    auctions: InputSession<u64, (usize, Auction), isize>,
    bids: InputSession<u64, (usize, Bid), isize>,
}

impl Inputs {
    fn insert(&mut self, event: Event) {
        match event {
            Event::Person(it) => self.people.insert((it.id, (it.name, it.city, it.state))),
            Event::Auction(it) => self.auctions.insert((
                it.id,
                (
                    it.item_name,
                    it.description,
                    it.initial_bid,
                    it.reserve,
                    it.date_time,
                    it.expires,
                    it.seller,
                    it.category,
                    it.extra,
                ),
            )),
            Event::Bid(it) => self.bids.insert((
                it.auction,
                (
                    it.auction,
                    it.bidder,
                    it.price,
                    it.channel,
                    it.url,
                    it.date_time,
                    it.extra,
                ),
            )),
        }
    }

    fn advance_to(&mut self, time: u64) {
        self.people.advance_to(time);
        self.people.flush();
        self.auctions.advance_to(time);
        self.auctions.flush();
        self.bids.advance_to(time);
        self.bids.flush();
    }
}

/// Lets kept rows forget which transaction they came in.
type Forget = Box<dyn FnMut(u64)>;

/// Keeps rows as a view does, sorted and each with its count.
fn keep<D: ExchangeData + Hashable>(
    rows: VecCollection<'_, u64, D, isize>,
    probe: &Handle<u64>,
) -> Forget {
    let kept = rows.arrange_by_self();
    let mut trace = kept.trace.clone();
    kept.stream.probe_with(probe);
    Box::new(move |time| {
        trace.set_logical_compaction(AntichainRef::new(&[time]));
        trace.set_physical_compaction(AntichainRef::new(&[time]));
    })
}

fn work(dataflow: Dataflow, transactions: Receiver<Vec<Event>>, done: Sender<f64>) {
    const CATEGORY: usize = 10;
    timely::execute_directly(move |worker| {
        let probe = Handle::new();
        let (mut inputs, mut forget) = worker.dataflow::<u64, _, _>(|scope| {
            let (people, person) = scope.new_collection::<(usize, Person), isize>();
            let (auctions, auction) = scope.new_collection::<(usize, Auction), isize>();
            let (bids, bid) = scope.new_collection::<(usize, Bid), isize>();
            let forget = match dataflow {
                Dataflow::Q1 => keep(
                    bid.map(|(_, (auction, bidder, price, _, _, time, extra))| {
                        (auction, bidder, price * 908, time, extra)
                    }),
                    &probe,
                ),
                Dataflow::Q3 => {
                    let person =
                        person.filter(|(_, (_, _, state))| matches!(&**state, "or" | "id" | "ca"));
                    let auction = auction
                        .filter(|(_, auction)| auction.7 == CATEGORY)
                        .map(|(id, auction)| (auction.6, id));
                    let rows = auction.join_map(person, |_, id, (name, city, state)| {
                        (name.clone(), city.clone(), state.clone(), *id)
                    });
                    keep(rows, &probe)
                }
                Dataflow::Q20 => {
                    let auction = auction.filter(|(_, auction)| auction.7 == CATEGORY);
                    let rows =
                        bid.join_map(auction, |_, bid, auction| (bid.clone(), auction.clone()));
                    keep(rows, &probe)
                }
            };
            let inputs = Inputs {
                people,
                auctions,
                bids,
            };
            (inputs, forget)
        });
        for (time, events) in (1..).zip(transactions) {
            let begun = Instant::now();
            for event in events {
                inputs.insert(event);
            }
            inputs.advance_to(time);
            forget(time);
            worker.step_while(|| probe.less_than(&time));
            if done.send(begun.elapsed().as_secs_f64()).is_err() {
                break;
            }
        }
    });
}
