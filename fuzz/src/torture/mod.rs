//! Torture: workloads on a disk that fails, crashes at every point, processes killed; and a model that knows what must be
//! left.
//!
//! `operation` says what can be done, `model` what then must be; `simulation` plays and crashes, `recovered` compares;
//! `exhaustive` and `random` choose the workloads, `damage` spoils bytes at rest, `astray` on their way, `kill` kills real processes. Next door: the program `torture`.

pub mod astray;
pub mod campaign;
pub mod consumer;
pub mod damage;
pub mod exhaustive;
pub mod faulty;
pub mod honest;
pub mod kill;
pub mod model;
pub mod mutant;
pub mod operation;
pub mod panics;
pub mod random;
pub mod recovered;
pub mod simulation;
pub mod slow_reader;
pub mod tally;

pub use tally::Tally;
