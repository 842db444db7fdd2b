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
    /// A module served over loopback.
    Module,
}

impl Suite {
    /// All suites, in the order of the table.
    pub const ALL: [Self; 7] = [
        Self::Commit,
        Self::Ingest,
        Self::View,
        Self::Query,
        Self::Feed,
        Self::Recover,
        Self::Module,
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
            Self::Module => "module",
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
    /// Seconds for all of it: less is better.
    Seconds,
    /// How many times as much as another figure of the same contender: less is better.
    Times,
    /// How many there were: more is better.
    Count,
}

impl Unit {
    /// Its name in the output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Micros => "us",
            Self::PerSecond => "per second",
            Self::Seconds => "s",
            Self::Times => "times",
            Self::Count => "number",
        }
    }

    /// The figure, when `count` things took `seconds`.
    #[must_use]
    pub fn figure(self, seconds: f64, count: f64) -> f64 {
        match self {
            Self::Micros => seconds * 1e6 / count,
            Self::PerSecond => count / seconds,
            Self::Seconds => seconds,
            Self::Times => seconds / count,
            Self::Count => count,
        }
    }

    /// How much better ours is: above 1, ours wins, whatever the unit.
    #[must_use]
    pub fn ratio(self, ours: f64, peer: f64) -> f64 {
        match self {
            Self::Micros | Self::Seconds | Self::Times => peer / ours,
            Self::PerSecond | Self::Count => ours / peer,
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

/// One line of what a measure found.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Of what, behind the measure's name; empty if the measure has but one.
    pub of: String,
    /// How it is told.
    pub unit: Unit,
    /// The figure.
    pub value: f64,
}

impl Figure {
    /// A figure of something.
    pub fn new(of: impl Into<String>, unit: Unit, value: f64) -> Self {
        Self {
            of: of.into(),
            unit,
            value,
        }
    }
}

/// Does the work about so many times and tells what it found.
type Sample = dyn FnMut(u64) -> Result<Vec<Figure>>;

/// One that does the work of a measure and finds more than one figure: a distribution, say.
pub struct Sampler {
    /// Who: name, version, sync setting.
    pub name: String,
    /// Returns the same lines in the same order each time, as all others in the field do.
    pub run: Box<Sample>,
}

impl std::fmt::Debug for Sampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sampler")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Sampler {
    /// One that does its work by a closure.
    pub fn new(
        name: impl Into<String>,
        run: impl FnMut(u64) -> Result<Vec<Figure>> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            run: Box::new(run),
        }
    }
}

/// How a measure gets its field.
#[derive(Clone, Copy, Debug)]
pub enum Contenders {
    /// Sets everyone up below the place.
    Measured(fn(&Place) -> Result<Field>),
    /// Sets everyone up below the place, each of whom finds several figures.
    Sampled(fn(&Place) -> Result<Vec<Sampler>>),
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

    /// Sets up who takes part.
    ///
    /// # Errors
    /// When it is not measured, or somebody cannot be set up.
    pub fn samplers(&self, place: &Place) -> Result<Vec<Sampler>> {
        let measure = *self;
        let of_seconds = |contender: Contender| {
            let mut run = contender.run;
            Sampler::new(contender.name, move |operations| {
                let value = measure.figure(run(operations)?, operations);
                Ok(vec![Figure::new("", measure.unit, value)])
            })
        };
        match self.contenders {
            Contenders::Measured(set_up) => {
                Ok(set_up(place)?.into_iter().map(of_seconds).collect())
            }
            Contenders::Sampled(set_up) => set_up(place),
            Contenders::Unmeasured(why) => Err(why.into()),
        }
    }
}
