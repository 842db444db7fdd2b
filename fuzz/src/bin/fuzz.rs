//! `fuzz [TARGET] [--seconds N] [--seed S] [--first I] [--count N] [--hex INPUT] [--trace] [--list]`
//!
//! Runs one target, or all in turn, on random inputs and ends at the first that fails: it prints the seed and number
//! of the input and, shrunk, its bytes, which `--hex` runs again. `--trace` prints the number of every input before
//! it runs, for those that end or hang the process. Without `--seed` the clock chooses one. Next door: `campaign`.
#![expect(clippy::print_stdout, reason = "it talks to a terminal")]

use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tailwater_fuzz::target::{CANARY, TARGETS, Target, find};
use tailwater_fuzz::{Campaign, hex};

/// As small as a spawned thread's, so that recursion is bounded for such threads, too.
const STACK_BYTES: usize = 2 << 20;
/// How much of an input is shown as text.
const TEXT_CHARS_MAX: usize = 1_000;
/// How often progress is shown.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

struct Arguments {
    targets: Vec<&'static Target>,
    seconds: u64,
    seed: u64,
    first: u64,
    count: u64,
    input: Option<Vec<u8>>,
    trace: bool,
}

/// Where the last panic was, which its payload does not say.
static PANICKED_AT: Mutex<String> = Mutex::new(String::new());

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(Some(arguments)) => arguments,
        Ok(None) => return ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("{complaint}");
            return ExitCode::from(2);
        }
    };
    std::panic::set_hook(Box::new(|panic| {
        if let (Some(location), Ok(mut place)) = (panic.location(), PANICKED_AT.lock()) {
            *place = location.to_string();
        }
    }));
    for target in &arguments.targets {
        let passed = std::thread::scope(|scope| {
            let work = || run(target, &arguments);
            let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
            let ran = thread.spawn_scoped(scope, work).map(|thread| thread.join());
            matches!(ran, Ok(Ok(true)))
        });
        if !passed {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn arguments() -> Result<Option<Arguments>, String> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let mut arguments = Arguments {
        targets: TARGETS.iter().collect(),
        seconds: 10,
        seed: since.map_or(0, |since| since.as_nanos() as u64),
        first: 0,
        count: u64::MAX,
        input: None,
        trace: false,
    };
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--seconds" => arguments.seconds = number(&argument, given.next())?,
            "--seed" => arguments.seed = number(&argument, given.next())?,
            "--first" => arguments.first = number(&argument, given.next())?,
            "--count" => arguments.count = number(&argument, given.next())?,
            "--hex" => {
                let input = given.next().and_then(|text| hex::parse(&text));
                arguments.input = Some(input.ok_or("--hex wants hexadecimal digits in pairs")?);
            }
            "--trace" => arguments.trace = true,
            "--list" => {
                for target in TARGETS.iter().chain([&CANARY]) {
                    println!("{:15} {}", target.name, target.doc);
                }
                return Ok(None);
            }
            name => {
                let target = find(name)
                    .ok_or_else(|| format!("there is no target {name}; --list shows them"))?;
                arguments.targets = vec![target];
            }
        }
    }
    Ok(Some(arguments))
}

fn number<T: FromStr>(option: &str, text: Option<String>) -> Result<T, String> {
    let number = text.and_then(|text| text.parse().ok());
    number.ok_or_else(|| format!("{option} wants a number"))
}

/// Whether the target held.
fn run(target: &'static Target, arguments: &Arguments) -> bool {
    let seed = arguments.seed;
    let campaign = Campaign::new(target, seed, (target.corpus)());
    if let Some(input) = &arguments.input {
        return passed(&campaign, target, input);
    }
    let started = Instant::now();
    let mut shown = started;
    let mut slowest = (Duration::ZERO, 0);
    let mut index = arguments.first;
    let last = arguments.first.saturating_add(arguments.count);
    println!("{}: seed {seed}", target.name);
    while index < last && started.elapsed() < Duration::from_secs(arguments.seconds) {
        if arguments.trace {
            println!("{}: --seed {seed} --first {index}", target.name);
        }
        let input = campaign.input(index);
        let began = Instant::now();
        if campaign.failure(&input).is_some() {
            println!("{}: failed: --seed {seed} --first {index}", target.name);
            return passed(&campaign, target, &campaign.shrunk(&input));
        }
        slowest = slowest.max((began.elapsed(), index));
        index += 1;
        if shown.elapsed() > PROGRESS_EVERY {
            shown = Instant::now();
            println!("{}: {} executions", target.name, index - arguments.first);
        }
    }
    println!(
        "{}: held for {} executions; the slowest, --first {}, took {} ms",
        target.name,
        index - arguments.first,
        slowest.1,
        slowest.0.as_millis()
    );
    true
}

/// Runs one input and shows it if it fails.
fn passed(campaign: &Campaign, target: &Target, input: &[u8]) -> bool {
    let Some(message) = campaign.failure(input) else {
        println!("{}: held", target.name);
        return true;
    };
    let place = PANICKED_AT
        .lock()
        .map_or_else(|_| String::new(), |place| place.clone());
    println!("{}: {message}\n  at {place}", target.name);
    let text: String = String::from_utf8_lossy(input)
        .chars()
        .take(TEXT_CHARS_MAX)
        .collect();
    println!("  as text: {text:?}");
    println!("  again: fuzz {} --hex {}", target.name, hex::print(input));
    false
}
