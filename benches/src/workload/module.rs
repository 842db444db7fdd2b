//! The chat over loopback: messages stored by 64 clients, one by one and in streams, and told to a thousand listeners.
//! `tailwater serve`, as it comes, beside tonic over SQLite (`chat`): with a transaction a message, which is what we do, and
//! with those that wait in one transaction. Servers are processes; clients are here, the same for everybody.

use std::time::Instant;

use tokio::runtime::Runtime;

use crate::chat::client::{Called, Clients, runtime};
use crate::chat::process::Process;
use crate::chat::receivers::Receivers;
use crate::latency::Latencies;
use crate::measure::{Figure, Sampler, Unit};
use crate::peer::locked_version;
use crate::{Place, Result};

/// Callers at a time.
const CLIENTS: usize = 64;
/// Listeners.
const STREAMS: u64 = 1_000;
/// Connections they are on.
const CONNECTIONS: u64 = 40;

/// How clients send.
#[derive(Clone, Copy)]
enum Way {
    OneByOne,
    InStreams,
}

/// One by one, by 64 clients.
///
/// # Errors
/// When a server does not start.
pub fn unary(place: &Place) -> Result<Vec<Sampler>> {
    field(place, |served| served.sampler(Way::OneByOne))
}

/// In a stream each, by 64 clients.
///
/// # Errors
/// When a server does not start.
pub fn streamed(place: &Place) -> Result<Vec<Sampler>> {
    field(place, |served| served.sampler(Way::InStreams))
}

/// One client sends one message after the other, each when all listeners have the one before.
///
/// # Errors
/// When a server does not start.
pub fn told(place: &Place) -> Result<Vec<Sampler>> {
    field(place, |served| Listened::join(served)?.one_by_one())
}

/// One client sends a stream of messages.
///
/// # Errors
/// When a server does not start.
pub fn poured(place: &Place) -> Result<Vec<Sampler>> {
    field(place, |served| Listened::join(served)?.in_a_stream())
}

fn field(place: &Place, sampler: impl Fn(Served) -> Result<Sampler>) -> Result<Vec<Sampler>> {
    let sqlite = |transactions: &str, how: &str| {
        let name = format!(
            "tonic {} over SQLite {} WAL FULL, {how}",
            locked_version("tonic"),
            rusqlite::version()
        );
        Served::new(name, Process::sqlite(place, transactions)?)
    };
    let own = format!("tailwater serve {}", env!("CARGO_PKG_VERSION"));
    Ok(vec![
        sampler(Served::new(own, Process::ours(place, &[])?)?)?,
        sampler(sqlite("each", "a transaction a message")?)?,
        sampler(sqlite("waiting", "a transaction for those that wait")?)?,
    ])
}

/// A server, and where its clients run.
struct Served {
    name: String,
    runtime: Runtime,
    process: Process,
}

impl Served {
    fn new(name: String, process: Process) -> Result<Self> {
        Ok(Self {
            name,
            runtime: runtime()?,
            process,
        })
    }

    fn connect(&self, count: usize) -> Result<Clients> {
        self.runtime
            .block_on(Clients::connect(self.process.address(), count))
    }

    fn sampler(self, way: Way) -> Result<Sampler> {
        let clients = self.connect(CLIENTS)?;
        Ok(Sampler::new(self.name.clone(), move |messages| {
            // All of it is kept, the process too.
            let served = &self;
            let Called { calls, took } = served.runtime.block_on(async {
                match way {
                    Way::OneByOne => clients.create("inserts", messages).await,
                    Way::InStreams => clients.send("inserts", messages).await,
                }
            })?;
            let rate = Unit::PerSecond.figure(took.as_secs_f64(), messages as f64);
            let calls = calls.percentiles();
            Ok(vec![
                Figure::new("", Unit::PerSecond, rate),
                Figure::new(", a call, p50", Unit::Micros, calls.p50),
                Figure::new(", a call, p99", Unit::Micros, calls.p99),
            ])
        }))
    }
}

/// A server with listeners, and one who speaks.
struct Listened {
    served: Served,
    sender: Clients,
    receivers: Receivers,
}

const CHANNEL: &str = "fan-out";

impl Listened {
    fn join(served: Served) -> Result<Self> {
        let sender = served.connect(1)?;
        let address = served.process.address();
        let joining = Receivers::join(address, CHANNEL, STREAMS, CONNECTIONS);
        let receivers = served.runtime.block_on(joining)?;
        Ok(Self {
            served,
            sender,
            receivers,
        })
    }

    fn one_by_one(self) -> Result<Sampler> {
        Ok(Sampler::new(self.served.name.clone(), move |messages| {
            let mut times = Latencies::default();
            let listened = &self;
            let took = listened.served.runtime.block_on(async {
                let all = Instant::now();
                for _ in 0..messages {
                    let (before, begun) = (listened.receivers.count(), Instant::now());
                    listened.sender.create(CHANNEL, 1).await?;
                    listened.receivers.hear(before, 1).await?;
                    times.push(begun.elapsed());
                }
                Ok::<_, crate::Error>(all.elapsed())
            })?;
            let rate = (messages * STREAMS) as f64;
            let times = times.percentiles();
            Ok(vec![
                Figure::new(", from send to the last, p50", Unit::Micros, times.p50),
                Figure::new(", from send to the last, p99", Unit::Micros, times.p99),
                Figure::new(
                    ", delivered",
                    Unit::PerSecond,
                    Unit::PerSecond.figure(took.as_secs_f64(), rate),
                ),
            ])
        }))
    }

    fn in_a_stream(self) -> Result<Sampler> {
        Ok(Sampler::new(self.served.name.clone(), move |messages| {
            let listened = &self;
            let took = listened.served.runtime.block_on(async {
                let (before, begun) = (listened.receivers.count(), Instant::now());
                listened.sender.send(CHANNEL, messages).await?;
                listened.receivers.hear(before, messages).await?;
                Ok::<_, crate::Error>(begun.elapsed())
            })?;
            let rate = (messages * STREAMS) as f64;
            Ok(vec![Figure::new(
                ", delivered",
                Unit::PerSecond,
                Unit::PerSecond.figure(took.as_secs_f64(), rate),
            )])
        }))
    }
}
