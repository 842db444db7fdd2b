//! The chat: Tailwater's main job, played and checked. A process with writers and subscribers is killed again and
//! again while its parent keeps the book of what was acknowledged and delivered, and at the end compares everything.
//!
//! Doors, in `chat/`: `tables` (the SQL), `script` (who says what), `child` (the process that is killed), `parent`,
//! `oracle` and `audit` (the judges).
#![expect(clippy::print_stdout, reason = "a program that tells what it sees")]

#[path = "chat/audit.rs"]
mod audit;
#[path = "chat/child.rs"]
mod child;
#[path = "chat/oracle.rs"]
mod oracle;
#[path = "chat/parent.rs"]
mod parent;
#[path = "chat/script.rs"]
mod script;
#[path = "chat/tables.rs"]
mod tables;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use self::parent::Parent;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const USAGE: &str = "usage: chat [--commits N] [--seed S] [--out DIR] [--sabotage]
  --commits   transactions to make (20000)
  --seed      what is said, and when the process is killed (1)
  --out       a folder for acks, frames and final rows as JSON lines
  --sabotage  drops one delivered change, which must be found";

/// What the command line says.
struct Options {
    commits: u64,
    seed: u64,
    out: Option<PathBuf>,
    sabotage: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let ended = match &*arguments {
        [first, life] if first == "child" => child::run(life),
        _ => options(&arguments).and_then(play),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn options(arguments: &[String]) -> Outcome<Options> {
    let mut options = Options {
        commits: 20_000,
        seed: 1,
        out: None,
        sabotage: false,
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(USAGE);
        match argument.as_str() {
            "--commits" => options.commits = value()?.parse()?,
            "--seed" => options.seed = value()?.parse()?,
            "--out" => options.out = Some(value()?.into()),
            "--sabotage" => options.sabotage = true,
            _ => return Err(USAGE.into()),
        }
    }
    Ok(options)
}

fn play(options: Options) -> Outcome<()> {
    let commits = options.commits;
    println!("chat: {commits} commits, seed {}", options.seed);
    let dir = tempfile::tempdir()?;
    let mut parent = Parent::new(options, dir.path().join("chat"))?;
    let began = Instant::now();
    let judged = parent.play();
    let seconds = began.elapsed().as_secs_f64();
    println!("{seconds:.1} s, deaths, reopenings and audit included");
    parent.report();
    let (delivered, lost) = (parent.oracle.delivered.len(), parent.oracle.lost);
    let duplicated = parent.oracle.duplicated;
    let counts = format!("{delivered} delivered, {lost} lost, {duplicated} duplicated");
    judged.map_err(|error| format!("{error}\nfailed: {commits} commits, {counts}"))?;
    println!("ok: {commits} commits, {counts}, views equal recompute");
    Ok(())
}
