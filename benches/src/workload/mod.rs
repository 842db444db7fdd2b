//! What the measures do: one file for each kind of work, holding all that take part in it, so that everybody is seen
//! to do the same. A workload never prints and never decides what counts. Next door: `peer`, `race`.

pub mod commit;
pub mod feed;
pub mod group;
pub mod ingest;
pub mod latency;
#[cfg(feature = "peers")]
pub mod module;
pub mod nexmark;
pub mod ours;
pub mod read;
pub mod recover;
pub mod row;
pub mod twin;
pub mod view;

/// The services take part by tonic, which comes with the peers.
#[cfg(not(feature = "peers"))]
pub mod module {
    use crate::{Place, Result, Sampler};

    pub(crate) fn unmeasured(_: &Place) -> Result<Vec<Sampler>> {
        Err("build with the feature peers".into())
    }
    pub(crate) use unmeasured as unary;
    pub(crate) use unmeasured as streamed;
    pub(crate) use unmeasured as told;
    pub(crate) use unmeasured as poured;
}
