//! Every target on some hundred inputs of fixed seeds, in seconds; and the canary, which must be caught.
//!
//! `TAILWATER_SEED` chooses another seed. What fails here is shown shrunk, and run again by the program `fuzz`.

use tailwater_fuzz::target::{CANARY, TARGETS};
use tailwater_fuzz::{Campaign, hex};

/// The seed of a run that was asked for none.
const SEED: u64 = 1;

fn seed() -> u64 {
    let given = std::env::var("TAILWATER_SEED").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(SEED)
}

fn smoke(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.expect("the table has it");
    let seed = seed();
    eprintln!("{name}: TAILWATER_SEED={seed}");
    let campaign = Campaign::new(target, seed, (target.corpus)());
    for index in 0..target.smoke {
        let input = campaign.input(index);
        if let Some(message) = campaign.failure(&input) {
            let input = hex::print(&campaign.shrunk(&input));
            panic!(
                "{name}: seed {seed}, input {index}: {message}\nagain: fuzz {name} --hex {input}"
            );
        }
    }
}

macro_rules! smoke_tests {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                smoke(stringify!($name));
            }
        )*

        #[test]
        fn every_target_is_tested_and_has_a_program() {
            let tested = [$(stringify!($name)),*];
            let listed: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(tested.as_slice(), listed);
            let manifest = include_str!("../Cargo.toml");
            for name in listed {
                assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
            }
        }
    };
}

smoke_tests! {
    value_codec row_codec key_codec record_codec feed_token json wal_recover wal_ops merge_iter proto_module proto_wire sql_parse sql_plan
    sql_execute sql_sqlite view_recompute
}

#[test]
fn the_canary_is_caught_and_shrunk() {
    let campaign = Campaign::new(&CANARY, seed(), Vec::new());
    let mut inputs = (0..CANARY.smoke).map(|index| campaign.input(index));
    let caught = inputs.find(|input| campaign.failure(input).is_some());
    let caught = caught.expect("a harness that sees nothing is worth nothing");
    assert_eq!(
        campaign.failure(&caught).as_deref(),
        Some("the canary sings")
    );
    assert_eq!(campaign.shrunk(&caught), [0xFF]);
}
