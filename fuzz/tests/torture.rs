//! Torture in small: some seeds, some workloads, each fault at some steps, damage; and the list of mutants against the source.
//!
//! The program `torture` does the rest: kills, all workloads, and each mutant, one process each.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use tailwater_fuzz::torture::mutant::MUTANTS;
use tailwater_fuzz::torture::{Tally, astray, damage, exhaustive, faulty, random};

fn seed() -> u64 {
    let given = std::env::var("TAILWATER_SEED").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(1)
}

#[test]
fn random_workloads_survive_every_crash() {
    let seed = seed();
    eprintln!("torture: TAILWATER_SEED={seed}");
    let mut tally = Tally::default();
    for seed in seed..seed + 12 {
        random::run(seed, &mut tally).unwrap_or_else(|violation| panic!("{violation}"));
    }
    assert!(
        tally.crash_points > 100 && tally.view_comparisons > 50,
        "{tally:?}"
    );
}

#[test]
fn small_workloads_survive_a_crash_at_every_step() {
    let mut tally = Tally::default();
    let workloads = exhaustive::workloads();
    // Of two operations: those of one have their recoveries crashed at every step, which takes longer.
    for number in (exhaustive::alphabet().len()..150).step_by(23) {
        let played = exhaustive::run(&workloads[number], number, &mut tally);
        played.unwrap_or_else(|violation| panic!("{violation}"));
    }
    assert!(tally.crash_points > 100, "{tally:?}");
}

#[test]
fn a_disk_that_fails_at_any_step_loses_nothing() {
    let mut tally = Tally::default();
    for number in (0..faulty::count()).step_by(17) {
        faulty::run(number, &mut tally).unwrap_or_else(|violation| panic!("{violation}"));
    }
    assert!(tally.crash_points > 100, "{tally:?}");
}

#[test]
fn damage_is_told_and_never_shown() {
    let seed = seed();
    eprintln!("damage: TAILWATER_SEED={seed}");
    let mut tally = Tally::default();
    for seed in seed..seed + 3 {
        damage::run(seed, &mut tally).unwrap_or_else(|violation| panic!("{violation}"));
    }
}

#[test]
fn bytes_that_go_astray_are_told_and_never_shown() {
    let seed = seed();
    eprintln!("astray: TAILWATER_SEED={seed}");
    let mut tally = Tally::default();
    for seed in seed..seed + 12 {
        astray::run(seed, &mut tally).unwrap_or_else(|violation| panic!("{violation}"));
    }
}

#[test]
fn every_mutant_stands_in_the_source_and_no_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    for room in ["wal", "capture", "engine", "views"] {
        collect(&root.join(room).join("src"), &mut found);
    }
    found.sort_unstable();
    found.dedup();
    let mut listed: Vec<String> = MUTANTS
        .iter()
        .map(|mutant| mutant.name.to_owned())
        .collect();
    listed.sort_unstable();
    assert_eq!(found, listed);
    assert!(listed.len() >= 20);
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    for mutant in MUTANTS {
        assert!(
            readme.contains(&format!("`{}`", mutant.name)),
            "README.md does not name {}",
            mutant.name
        );
    }
}

/// The names that the source asks for.
fn collect(dir: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let asked = text.split("mutant::is(\"").skip(1);
            found.extend(asked.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
        }
    }
}
