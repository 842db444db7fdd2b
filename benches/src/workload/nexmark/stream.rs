//! `Stream`: the benchmark's events, always the same ones: people, auctions and bids, 1 : 3 : 46.
//! Its parameters are those whose results are known (`tests/nexmark.rs`), so what is measured is also what is right.

use nexmark::EventGenerator;
use nexmark::config::NexmarkConfig;
pub use nexmark::event::Event;
use tailwater::Value;

/// 2015-07-15 00:00:00 in milliseconds since 1970.
const BASE_TIME_MS: u64 = 1_436_918_400_000;
/// The stream's own clock: so many events share a second of it.
const EVENTS_A_SECOND: usize = 200;

/// Hands out the events in batches.
pub struct Stream(EventGenerator);

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stream")
    }
}

impl Default for Stream {
    fn default() -> Self {
        Self(EventGenerator::new(NexmarkConfig {
            base_time: BASE_TIME_MS,
            first_rate: EVENTS_A_SECOND,
            next_rate: EVENTS_A_SECOND,
            ..NexmarkConfig::default()
        }))
    }
}

impl Stream {
    /// The next so many events. The stream has no end.
    pub fn batch(&mut self, events: usize) -> Vec<Event> {
        self.0.by_ref().take(events).collect()
    }
}

/// The statement that inserts an event into its table.
#[must_use]
pub const fn insert_of(event: &Event) -> &'static str {
    match event {
        Event::Person(_) => "INSERT INTO person VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        Event::Auction(_) => "INSERT INTO auction VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        Event::Bid(_) => "INSERT INTO bid VALUES (?, ?, ?, ?, ?, ?, ?)",
    }
}

/// The event as the parameters of that statement.
#[must_use]
pub fn values_of(event: &Event) -> Vec<Value> {
    let int = |number: usize| Value::Int(bigint(number));
    let time = |ms: u64| Value::Timestamp(ms.cast_signed() * 1_000);
    let text = |text: &String| Value::text(text.as_str());
    match event {
        Event::Person(person) => vec![
            int(person.id),
            text(&person.name),
            text(&person.email_address),
            text(&person.credit_card),
            text(&person.city),
            text(&person.state),
            time(person.date_time),
            text(&person.extra),
        ],
        Event::Auction(auction) => vec![
            int(auction.id),
            text(&auction.item_name),
            text(&auction.description),
            int(auction.initial_bid),
            int(auction.reserve),
            time(auction.date_time),
            time(auction.expires),
            int(auction.seller),
            int(auction.category),
            text(&auction.extra),
        ],
        Event::Bid(bid) => vec![
            int(bid.auction),
            int(bid.bidder),
            int(bid.price),
            text(&bid.channel),
            text(&bid.url),
            time(bid.date_time),
            text(&bid.extra),
        ],
    }
}

/// The generator's numbers are small.
#[must_use]
pub const fn bigint(number: usize) -> i64 {
    (number as u64).cast_signed()
}
