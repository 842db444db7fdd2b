//! What the measures do: one file for each kind of work, holding all that take part in it, so that everybody is seen
//! to do the same. A workload never prints and never decides what counts. Next door: `peer`, `race`.

pub mod commit;
pub mod feed;
pub mod group;
pub mod ingest;
pub mod latency;
pub mod nexmark;
pub mod ours;
pub mod read;
pub mod recover;
pub mod row;
pub mod twin;
pub mod view;
