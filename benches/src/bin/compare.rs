//! `compare SUITE`: runs us, the bare twin and the peers in turn, in this one process, and prints a tab-separated line
//! for each: measure, ours, the other's name with version and sync setting, its figure, ratio (above 1: ours is better).
//! Everything else, the aims too, goes to standard error. Exit 1 if a measure of the suite is missing or fails, 2 if
//! the command line is not understood.
#![forbid(unsafe_code)]

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use tailwater_benches::{Line, MEASURES, Measure, Place, Result, Suite, race};

const USAGE: &str = "\
compare SUITE [--rounds N] [--dir FOLDER] [--only TEXT]
  SUITE     commit, ingest, view, query, feed, recover, module, all
  --rounds  how often each takes its turn, at least 5 (default 7); the median counts
  --dir     a folder on the disk to measure (default: the system's for temporary files)
  --only    only measures with this text in their name";

struct Command {
    suites: Vec<Suite>,
    rounds: usize,
    dir: PathBuf,
    only: String,
}

impl Command {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let name = words.next().ok_or("name a suite")?;
        let suites: Vec<Suite> = Suite::ALL
            .into_iter()
            .filter(|suite| name == "all" || suite.name() == name)
            .collect();
        if suites.is_empty() {
            return Err(format!("there is no suite \"{name}\"").into());
        }
        let mut command = Self {
            suites,
            rounds: 7,
            dir: std::env::temp_dir(),
            only: String::new(),
        };
        while let Some(option) = words.next() {
            let value = words
                .next()
                .ok_or_else(|| format!("{option} needs a value"))?;
            match option.as_str() {
                "--rounds" => command.rounds = value.parse::<usize>()?,
                "--dir" => command.dir = PathBuf::from(value),
                "--only" => command.only = value.to_lowercase(),
                _ => return Err(format!("there is no option {option}").into()),
            }
        }
        if command.rounds < 5 {
            return Err("a median of fewer than 5 rounds says nothing".into());
        }
        Ok(command)
    }

    fn measures(&self) -> impl Iterator<Item = &'static Measure> {
        MEASURES.iter().filter(|measure| {
            self.suites.contains(&measure.suite) && measure.name.to_lowercase().contains(&self.only)
        })
    }
}

/// Runs the measures; returns how many are missing.
fn compare(command: &Command) -> Result<usize> {
    let place = Place::new(&command.dir);
    let (mut out, mut notes) = (std::io::stdout().lock(), std::io::stderr().lock());
    let mut missing = 0;
    for measure in command.measures() {
        match race(measure, &place, command.rounds) {
            Ok(lines) => {
                for line in &lines {
                    writeln!(out, "{line}")?;
                }
                out.flush()?;
                writeln!(notes, "# {}: aim {}", measure.name, measure.aim)?;
                let same = |line: &Line, next: &Line| line.name == next.name;
                for line in lines.chunk_by(same).filter_map(|lines| lines.first()) {
                    let (least, most) = line.spread;
                    writeln!(notes, "#   {}: ours {least:.3} to {most:.3}", line.name)?;
                }
            }
            Err(error) => {
                missing += 1;
                writeln!(notes, "# {}: missing: {error}", measure.name)?;
            }
        }
    }
    Ok(missing)
}

fn main() -> ExitCode {
    let outcome = match Command::parse(std::env::args().skip(1)) {
        Ok(command) => compare(&command),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(0) => ExitCode::SUCCESS,
        Ok(missing) => {
            let _ = writeln!(std::io::stderr(), "# {missing} missing");
            ExitCode::FAILURE
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}
