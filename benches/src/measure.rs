//! `Measure`: one row of the table: what is done, in which unit it is told, what it should be, who takes part.
//! It never says how the work is done: that is `workload`. Next door: `measures`, the table; `race`, which runs a row.

use std::path::{Path, PathBuf};

use crate::Result;

/// A group of measures that are run together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// Durable commits.
    Commit,
    /// Rows into tables without views.
    Ingest,
    /// Rows into tables with views.
    View,
    /// Reading.
    Query,
    /// From commit to subscriber.
    Feed,
    /// Opening after a crash.
    Recover,
}

impl Suite {
    /// All suites, in the order of the table.
    pub const ALL: [Self; 6] = [
        Self::Commit,
        Self::Ingest,
        Self::View,
        Self::Query,
        Self::Feed,
        Self::Recover,
    ];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Ingest => "ingest",
            Self::View => "view",
            Self::Query => "query",
            Self::Feed => "feed",
            Self::Recover => "recover",
        }
    }
}

/// How a figure is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Microseconds for one: less is better.
    Micros,
    /// How many in a second: more is better.
    PerSecond,
}

impl Unit {
    /// Its name in the output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Micros => "us",
            Self::PerSecond => "per second",
        }
    }

    /// The figure, when `count` things took `seconds`.
    #[must_use]
    pub fn figure(self, seconds: f64, count: f64) -> f64 {
        match self {
            Self::Micros => seconds * 1e6 / count,
            Self::PerSecond => count / seconds,
        }
    }

    /// How much better ours is: above 1, ours wins, whatever the unit.
    #[must_use]
    pub fn ratio(self, ours: f64, peer: f64) -> f64 {
        match self {
            Self::Micros => peer / ours,
            Self::PerSecond => ours / peer,
        }
    }
}

/// Where the files of a measurement go.
#[derive(Clone, Debug)]
pub struct Place {
    dir: PathBuf,
}

impl Place {
    /// Files go below this folder, which must be there; on the disk that is to be measured.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// A folder of its own, gone with its handle.
    ///
    /// # Errors
    /// When the system makes none.
    pub fn folder(&self) -> Result<tempfile::TempDir> {
        Ok(tempfile::Builder::new()
            .prefix("tailwater-bench-")
            .tempdir_in(&self.dir)?)
    }
}

/// One that does the work of a measure: we, a bare twin, a peer.
pub struct Contender {
    /// Who: name, version, sync setting.
    pub name: String,
    /// Does the work so many times and returns the seconds that took. A difference of two times may be negative.
    pub run: Box<dyn FnMut(u64) -> Result<f64>>,
}

impl std::fmt::Debug for Contender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contender")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Contender {
    /// One that does its work by a closure.
    pub fn new(name: impl Into<String>, run: impl FnMut(u64) -> Result<f64> + 'static) -> Self {
        Self {
            name: name.into(),
            run: Box::new(run),
        }
    }
}

/// Who takes part in a measure: ours first, then the others.
pub type Field = Vec<Contender>;

/// How a measure gets its field.
#[derive(Clone, Copy, Debug)]
pub enum Contenders {
    /// Sets everyone up below the place.
    Measured(fn(&Place) -> Result<Field>),
    /// Not measured, and why. The program says so and fails.
    Unmeasured(&'static str),
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// What is measured.
    pub name: &'static str,
    /// The suite it belongs to.
    pub suite: Suite,
    /// How its figure is told.
    pub unit: Unit,
    /// What the design asks for.
    pub aim: &'static str,
    /// How often the work is done in one round.
    pub operations: u64,
    /// How many rows are in one operation, when the figure is one of rows; else 1.
    pub rows: u64,
    /// Who takes part.
    pub contenders: Contenders,
}

impl Measure {
    /// The figure of one round.
    #[must_use]
    pub fn figure(&self, seconds: f64, operations: u64) -> f64 {
        self.unit
            .figure(seconds, operations as f64 * self.rows as f64)
    }
}
