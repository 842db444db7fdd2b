//! Measurements of Tailwater beside its bare twin (the same threads doing nothing but the write, the sync or the
//! channel hop) and beside its peers, all in one process and in turn, because a figure alone says little.
//! One measure is one row of [`MEASURES`]; `workload` holds what they do, `peer` the databases next to ours.
//! Nothing points here. Doors: `bin/compare`, and `benches/measures` for criterion.
#![forbid(unsafe_code)]

#[cfg(feature = "peers")]
pub mod chat;
pub mod latency;
mod measure;
mod measures;
pub mod peer;
mod race;
pub mod workload;

pub use self::measure::{
    Contender, Contenders, Field, Figure, Measure, Place, Sampler, Suite, Unit,
};
pub use self::measures::MEASURES;
pub use self::race::{Line, race};

/// What goes wrong in a measurement stops it: there is nothing to mend at run time.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
/// The result of a step of a measurement.
pub type Result<T, E = Error> = std::result::Result<T, E>;
