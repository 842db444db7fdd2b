//! Keys: bytes order as the values do, part by part and in both directions, and give an equal value back.
//!
//! Any bytes are a key or refused, and the length of a part is the same to the reader that skips it.
//! Next door: `proto::key_codec`.

use tailwater_proto::{Key, KeyOrder, Value, decode_key_part, encode_key_in, key_of, key_part_len};

use crate::choices::Choices;
use crate::rng::Rng;
use crate::{memory, value};

const ORDERS: [KeyOrder; 2] = [KeyOrder::Ascending, KeyOrder::Descending];

/// Reads the input as keys, then compares two values it describes.
///
/// # Panics
/// If order, length or value are lost.
pub fn run(input: &[u8]) {
    for order in ORDERS {
        let read = memory::bounded(|| decode_key_part(input, order));
        if let Ok((value, len)) = read {
            assert_eq!(key_part_len(input, order), Ok(len));
            comes_back(&value, order);
        }
    }
    let choices = &mut Choices::new(input);
    let (a, b) = match choices.below(3) {
        0 => (value::number(choices), value::number(choices)),
        1 => (value::value(choices, 3), value::value(choices, 3)),
        _ => {
            let value = value::value(choices, 3);
            let same = comes_back(&value, KeyOrder::Ascending);
            (value, same)
        }
    };
    let expected = a.cmp_total(&b);
    assert_eq!(b.cmp_total(&a), expected.reverse(), "{a:?} against {b:?}");
    assert_eq!(a == b, expected.is_eq(), "{a:?} against {b:?}");
    for (order, expected) in ORDERS.into_iter().zip([expected, expected.reverse()]) {
        let (left, right) = (key_in(&a, order), key_in(&b, order));
        assert_eq!(left.cmp(&right), expected, "keys of {a:?} and {b:?}");
        assert!(
            expected.is_eq() || !right.starts_with(&left),
            "no part begins another: {a:?} and {b:?}"
        );
    }
    let joined = key_of([&a, &b]);
    let first = key_part_len(&joined, KeyOrder::Ascending).expect("it begins with a part");
    assert_eq!(joined[..first], *key_of([&a]));
    assert_eq!(joined[first..], *key_of([&b]));
}

fn key_in(value: &Value, order: KeyOrder) -> Key {
    let mut key = Key::new();
    encode_key_in(&mut key, value, order);
    key
}

/// The equal value that the key gives back.
fn comes_back(value: &Value, order: KeyOrder) -> Value {
    let key = key_in(value, order);
    let (back, len) = decode_key_part(&key, order).expect("what was encoded can be read");
    assert_eq!(len, key.len(), "{value:?}");
    assert_eq!(key_part_len(&key, order), Ok(len), "{value:?}");
    assert!(
        back.cmp_total(value).is_eq(),
        "{value:?} came back as {back:?}"
    );
    assert_eq!(key_in(&back, order), key, "{value:?} came back as {back:?}");
    back
}

/// The key of two values.
pub fn generate(rng: &mut Rng) -> Vec<u8> {
    let bytes = rng.bytes(120);
    let choices = &mut Choices::new(&bytes);
    let order = ORDERS[choices.below(2)];
    let mut key = key_in(&value::value(choices, 3), order);
    encode_key_in(&mut key, &value::value(choices, 3), order);
    key.to_vec()
}
