//! Nothing is allocated by an attacker's length: decoders that are given a few kilobytes take a few megabytes at most.
//!
//! The one test of its process, since the system counts the memory of all threads together; what stays below a peak of the warm-up is
//! not seen, which is why that comes first.

use tailwater_fuzz::memory::bounded_to;
use tailwater_fuzz::target::find;
use tailwater_fuzz::{Campaign, Rng};

/// More than inputs of 16 KiB need, with a log of memory among them; far less than what a length of 32 bits can ask for.
const GROWTH_BYTES_MAX: u64 = 16 << 20;
/// Inputs before the count begins, so that what is made once is there.
const WARM_UP: u64 = 100;

#[test]
fn decoders_take_memory_by_what_there_is_and_not_by_what_they_are_told() {
    let seed = Rng::new(1).next_u64();
    for name in [
        "value_codec",
        "row_codec",
        "record_codec",
        "feed_token",
        "json",
        "wal_recover",
    ] {
        let target = find(name).expect("the table has it");
        let campaign = Campaign::new(target, seed, Vec::new());
        let run = |inputs: std::ops::Range<u64>| {
            for index in inputs {
                let failure = campaign.failure(&campaign.input(index));
                assert_eq!(failure, None, "{name}: --seed {seed} --first {index}");
            }
        };
        run(0..WARM_UP);
        bounded_to(GROWTH_BYTES_MAX, || run(WARM_UP..WARM_UP + target.smoke));
    }
    let hostile = || std::hint::black_box(Vec::<u8>::with_capacity(1 << 30)).capacity();
    let noticed = std::panic::catch_unwind(|| bounded_to(GROWTH_BYTES_MAX, hostile));
    assert!(noticed.is_err(), "the canary was not heard");
}
