//! `slow-clients [--sends N] [--dir FOLDER]`: what a thousand clients that joined a channel and never read cost the server while
//! a million messages are sent to it: memory it grew by, and the p99 of a durable insert beside the same without them.
//! Exit 1 if it is more than 256 MiB, or more than 1.5 times.
#![forbid(unsafe_code)]

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use tailwater_benches::chat::client::{Clients, runtime};
use tailwater_benches::chat::process::Process;
use tailwater_benches::chat::receivers::join_deaf;
use tailwater_benches::latency::Percentiles;
use tailwater_benches::{Place, Result};

const CLIENTS: u64 = 1_000;
const CONNECTIONS: u64 = 40;
/// Who sends, one message after the other each.
const SENDERS: usize = 64;
/// Sends in a turn: those with slow clients and those without take turns, so that both meet the same weather.
const TURN: u64 = 50_000;
const COST_MAX: u64 = 256 << 20;
const TIMES_MAX: f64 = 1.5;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<bool> {
    let (mut sends, mut dir) = (1_000_000, std::env::temp_dir());
    let mut words = std::env::args().skip(1);
    while let Some(option) = words.next() {
        let value = words.next().ok_or("an option needs a value")?;
        match option.as_str() {
            "--sends" => sends = value.parse::<u64>()?,
            "--dir" => dir = PathBuf::from(value),
            _ => return Err(format!("there is no option {option}").into()),
        }
    }
    let place = Place::new(dir);
    let runtime = runtime()?;
    let (crowded, quiet) = (Process::ours(&place, &[])?, Process::ours(&place, &[])?);
    let mut out = std::io::stdout().lock();
    runtime.block_on(async {
        let senders = Clients::connect(crowded.address(), SENDERS).await?;
        let alone = Clients::connect(quiet.address(), SENDERS).await?;
        // Both are warm before anything counts.
        senders.create("slow", TURN).await?;
        alone.create("slow", TURN).await?;
        let before = (crowded.resident_bytes()?, quiet.resident_bytes()?);
        let mut deaf = Vec::new();
        for _ in 0..CONNECTIONS {
            let joining = join_deaf(crowded.address(), "slow", CLIENTS / CONNECTIONS);
            deaf.push(joining.await?);
        }
        let (mut sent, mut most) = (0, (0, 0));
        let (mut among, mut without) = (Vec::new(), Vec::new());
        while sent < sends {
            sent += TURN;
            among.push(senders.create("slow", TURN).await?.calls.percentiles());
            without.push(alone.create("slow", TURN).await?.calls.percentiles());
            most.0 = most.0.max(crowded.resident_bytes()?);
            most.1 = most.1.max(quiet.resident_bytes()?);
        }
        drop(deaf);
        let growth = most.0.saturating_sub(before.0);
        let growth_without = most.1.saturating_sub(before.1);
        let cost = growth.saturating_sub(growth_without);
        let (among, without) = (middle(among), middle(without));
        let times = among.p99 / without.p99;
        writeln!(
            out,
            "{CLIENTS} clients that never read, {sent} sends: memory grew by {} MiB, without them by {} MiB: they cost {} MiB, aim {} MiB",
            growth >> 20,
            growth_without >> 20,
            cost >> 20,
            COST_MAX >> 20
        )?;
        writeln!(
            out,
            "insert p50 {:.0} us, p99 {:.0} us; without them p50 {:.0} us, p99 {:.0} us: {times:.2} times, aim {TIMES_MAX}",
            among.p50, among.p99, without.p50, without.p99
        )?;
        Ok(cost <= COST_MAX && times <= TIMES_MAX)
    })
}

/// The turn whose p99 is in the middle.
fn middle(mut turns: Vec<Percentiles>) -> Percentiles {
    turns.sort_unstable_by(|a, b| a.p99.total_cmp(&b.p99));
    let nothing = Percentiles {
        p50: f64::NAN,
        p99: f64::NAN,
        p999: f64::NAN,
    };
    turns.get(turns.len() / 2).copied().unwrap_or(nothing)
}
