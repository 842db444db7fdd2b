//! `torture [--seconds N] [--seed S] [--exhaustive] [--seeds N] [--kills N] [--only MODE]`, `torture --replay S`,
//! `torture --list-mutants`, `torture --mutant NAME`
//!
//! Plays workloads on a disk that fails, crashes at every point and kills processes, and compares what is left with a
//! model. Exit 1 after a violation, which is shown with its seed and shrunk, and when too little was done in 60 seconds
//! or more; 2 for wrong usage. With `--mutant` one bug is switched on: then exit 1 is what should happen.
#![expect(clippy::print_stdout, reason = "it talks to a terminal")]

use std::path::Path;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use tailwater_fuzz::torture::campaign::{Mode, Wanted, run};
use tailwater_fuzz::torture::mutant::{self, MUTANTS};
use tailwater_fuzz::torture::{Tally, astray, damage, kill, panics, random, slow_reader};

/// What 60 seconds must do at least.
const CRASH_POINTS_MIN: u64 = 3_000;
const KILLS_MIN: u64 = 30;
const VIEW_COMPARISONS_MIN: u64 = 500;

struct Arguments {
    wanted: Wanted,
    replay: Option<u64>,
    mutant: Option<String>,
    child: Option<String>,
    list: bool,
}

fn main() -> ExitCode {
    let mut arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(complaint) => {
            eprintln!("{complaint}");
            return ExitCode::from(2);
        }
    };
    if arguments.list {
        for mutant in MUTANTS {
            println!(
                "{:32} {:12} {}",
                mutant.name,
                mutant.mode.name(),
                mutant.doc
            );
        }
        return ExitCode::SUCCESS;
    }
    if let Some(name) = &arguments.mutant {
        let Some(mutant) = mutant::activate(name) else {
            eprintln!("there is no mutant {name}; --list-mutants shows them");
            return ExitCode::from(2);
        };
        arguments.wanted.only.get_or_insert(mutant.mode);
    }
    if let Some(dir) = &arguments.child {
        return match kill::child(Path::new(dir)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    // A panic is a violation, and told with its seed.
    panics::keep_quiet();
    if let Some(seed) = arguments.replay {
        return replay(seed);
    }
    let wanted = &arguments.wanted;
    println!("torture: seed {}, {} s", wanted.seed, wanted.time.as_secs());
    let show = |elapsed: Duration, tally: &Tally| {
        println!(
            "{:4} s: {} seeds, {} crash points, {} kills, {} view comparisons",
            elapsed.as_secs(),
            tally.seeds,
            tally.crash_points,
            tally.kills,
            tally.view_comparisons
        );
    };
    let (tally, violation) = run(wanted, &show);
    println!("operations: {}", tally.operations_text());
    println!(
        "{} distinct workloads, {} crash points, {} of them in recovery, {} damaged disks, {} with bytes astray, {} faults, {} feeds folded, \
         {} commits acknowledged by processes that were killed",
        tally.workloads.len(),
        tally.crash_points,
        tally.second_crashes,
        tally.damaged,
        tally.astray,
        tally.faults,
        tally.feeds,
        tally.acknowledged
    );
    if let Some(violation) = &violation {
        println!("{violation}");
    }
    println!(
        "torture: {} seeds, {} crash points, {} kills, {} view comparisons, {} violations",
        tally.seeds,
        tally.crash_points,
        tally.kills,
        tally.view_comparisons,
        u8::from(violation.is_some())
    );
    let is_little = wanted.only.is_none()
        && wanted.time >= Duration::from_secs(60)
        && (tally.crash_points < CRASH_POINTS_MIN
            || tally.kills < KILLS_MIN
            || tally.view_comparisons < VIEW_COMPARISONS_MIN);
    if is_little {
        println!(
            "too little was done: {CRASH_POINTS_MIN} crash points, {KILLS_MIN} kills and {VIEW_COMPARISONS_MIN} view comparisons were wanted"
        );
    }
    match violation.is_some() || is_little {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

fn replay(seed: u64) -> ExitCode {
    let mut tally = Tally::default();
    let played = random::run(seed, &mut tally)
        .and_then(|()| damage::run(seed, &mut tally))
        .and_then(|()| astray::run(seed, &mut tally))
        .and_then(|()| slow_reader::run(seed, &mut tally));
    match played {
        Ok(()) => {
            println!(
                "seed {seed}: {} crash points, 0 violations",
                tally.crash_points
            );
            ExitCode::SUCCESS
        }
        Err(violation) => {
            println!("{violation}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<Arguments, String> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let mut arguments = Arguments {
        wanted: Wanted {
            time: Duration::from_secs(60),
            seed: since.map_or(0, |since| since.as_secs() * 1_000_000),
            exhaustive: false,
            seeds_min: 0,
            kills_min: 0,
            only: None,
        },
        replay: None,
        mutant: None,
        child: None,
        list: false,
    };
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--seconds" => {
                arguments.wanted.time = Duration::from_secs(number(&argument, given.next())?)
            }
            "--seed" => arguments.wanted.seed = number(&argument, given.next())?,
            "--exhaustive" => arguments.wanted.exhaustive = true,
            "--seeds" => arguments.wanted.seeds_min = number(&argument, given.next())?,
            "--kills" => arguments.wanted.kills_min = number(&argument, given.next())?,
            "--only" => arguments.wanted.only = Some(mode(given.next())?),
            "--replay" => arguments.replay = Some(number(&argument, given.next())?),
            "--mutant" => arguments.mutant = Some(given.next().ok_or("--mutant wants a name")?),
            "--child" => arguments.child = Some(given.next().ok_or("--child wants a folder")?),
            "--list-mutants" => arguments.list = true,
            other => {
                return Err(format!(
                    "{other} is not an option; see the README's section on torture"
                ));
            }
        }
    }
    Ok(arguments)
}

fn mode(name: Option<String>) -> Result<Mode, String> {
    let found = Mode::ALL
        .into_iter()
        .find(|mode| Some(mode.name()) == name.as_deref());
    found.ok_or_else(|| {
        format!(
            "--only wants one of {}",
            Mode::ALL.map(Mode::name).join(", ")
        )
    })
}

fn number<T: FromStr>(option: &str, text: Option<String>) -> Result<T, String> {
    let number = text.and_then(|text| text.parse().ok());
    number.ok_or_else(|| format!("{option} wants a number"))
}
