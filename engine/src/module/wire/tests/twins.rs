//! Random messages: rows are those of the slow twin, and what rows are written as is the message again.

use prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor};

use super::random::{self, Rng, message};
use super::{Rows, assert_same_rows, everything, twin};

const MESSAGES: usize = 1_500;
const MODULES: usize = 60;

#[test]
fn rows_are_those_of_dynamic_messages_and_come_back() {
    let seed = random::seed();
    let rng = &mut Rng(seed);
    for descriptor in everything::both() {
        let rows = Rows::new(&descriptor);
        for case in 0..MESSAGES {
            let (depth, sparse) = (rng.below(4), 1 + rng.below(30));
            let wire = message(rng, &descriptor, depth, sparse).encode_to_vec();
            let what = format!("seed {seed}, case {case} of {}", descriptor.full_name());
            comes_back(&rows, &descriptor, &wire, &what);
        }
    }
}

#[test]
fn rows_of_any_module_come_back() {
    let seed = random::seed();
    let rng = &mut Rng(seed);
    for module in 0..MODULES {
        let text = everything::random(rng);
        let descriptor = everything::message(&text, "random.M0");
        let rows = Rows::new(&descriptor);
        for case in 0..20 {
            let (depth, sparse) = (rng.below(5), 1 + rng.below(3));
            let wire = message(rng, &descriptor, depth, sparse).encode_to_vec();
            let what = format!("seed {seed}, case {case} of module {module}:\n{text}");
            comes_back(&rows, &descriptor, &wire, &what);
        }
    }
}

/// # Panics
/// If the row of a message is not the twin's, or is not the message again.
fn comes_back(rows: &Rows, descriptor: &MessageDescriptor, wire: &[u8], what: &str) {
    // As it is read: what is set to zero and has no presence is not there.
    let sent = DynamicMessage::decode(descriptor.clone(), wire).unwrap();
    let row = rows
        .decode(wire)
        .unwrap_or_else(|error| panic!("{error}: {what}"));
    assert_same_rows(&row, &twin::row(&sent).unwrap(), descriptor, what);
    let again = rows
        .encode(&row)
        .unwrap_or_else(|error| panic!("{error}: {what}"));
    let came = DynamicMessage::decode(descriptor.clone(), again.as_slice()).unwrap();
    assert!(
        came == twin::as_rows_keep_it(&sent),
        "{what}:\n{sent}\nis not\n{came}"
    );
    assert_eq!(
        again.len(),
        came.encoded_len(),
        "{what}: as short as it can be"
    );
}

#[test]
fn messages_joined_are_merged() {
    let seed = random::seed();
    let rng = &mut Rng(seed);
    for descriptor in everything::both() {
        let rows = Rows::new(&descriptor);
        for case in 0..MESSAGES / 3 {
            let mut wire = Vec::new();
            for _ in 0..2 + rng.below(2) {
                let sparse = 1 + rng.below(4);
                message(rng, &descriptor, 3, sparse)
                    .encode(&mut wire)
                    .unwrap();
            }
            let what = format!("seed {seed}, case {case} of {}", descriptor.full_name());
            let sent = DynamicMessage::decode(descriptor.clone(), wire.as_slice()).unwrap();
            match twin::row(&sent) {
                Ok(expected) => {
                    let row = rows
                        .decode(&wire)
                        .unwrap_or_else(|error| panic!("{what}: {error}"));
                    assert_same_rows(&row, &expected, &descriptor, &what);
                }
                // Seconds of one and nanoseconds of another may be of two signs.
                Err(why) => {
                    let error = rows.decode(&wire).expect_err(&why);
                    assert_eq!(error.sqlstate(), "22008", "{what}: {error}");
                }
            }
        }
    }
}
