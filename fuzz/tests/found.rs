//! Inputs that once made a target fail: what was found stays found.
//!
//! An input means something only as long as its target reads decisions as it did, so each bug also has a test in its
//! room. A new line is what the program `fuzz` prints after `again:`.

use tailwater_fuzz::target::find;
use tailwater_fuzz::{Campaign, hex};

/// Target, input, and the story.
const FOUND: &[(&str, &str, &str)] = &[
    (
        "wal_recover",
        "4f000000002e0000000020",
        "a header whose history ends in another epoch than its own was accepted once, and then never again",
    ),
    (
        "wal_recover",
        "85200000000000000000000000000000002e000020",
        "records older than their segment were accepted behind an empty one, and then never again",
    ),
    (
        "wal_ops",
        "00000000ff00819c000076000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000003bf8",
        "a segment whose preparation failed at the sync of its name was left behind, empty, and damage once those before it were gone",
    ),
    (
        "wal_recover",
        "463b0d9e009e9e9e9e007474ffffffffffffffffffffff0d9e009e9e9e9e0000000000007474740a",
        "a part that said it begins at the end of all numbers was counted on from there, beyond them",
    ),
];

#[test]
fn what_was_found_stays_found() {
    for (name, input, story) in FOUND {
        let target = find(name).expect("the table has it");
        let input = hex::parse(input).expect("it is hexadecimal");
        let failure = Campaign::new(target, 0, Vec::new()).failure(&input);
        assert_eq!(failure, None, "{name}: {story}");
    }
}
