//! What must hold of all values: order, equality, hashes, keys, rows and records agree, and no bytes or text panic.
//! `TAILWATER_SEED` repeats a run; a failing test prints the seed it had.

#![allow(clippy::unwrap_used)]

mod common;

use std::cmp::Ordering;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use common::Rng;
use tailwater_proto::{
    BigDecimal, Change, ColumnId, Key, KeyOrder, Record, RecordRef, RecordView, RowView, Section,
    SqlType, StorageId, Value, decode_key_part, decode_value, encode_key_in, encode_record,
    encode_row, encode_value, key_of, key_part_len, parse_json, parse_text, to_text,
};

fn same(a: &impl std::fmt::Debug, b: &impl std::fmt::Debug) {
    assert_eq!(format!("{a:?}"), format!("{b:?}"));
}

fn hash(value: &Value) -> u64 {
    let mut state = DefaultHasher::new();
    value.hash(&mut state);
    state.finish()
}

/// Half of the pairs are of one kind or equal but for the kind, which is where order is hard.
fn pair(rng: &mut Rng) -> (Value, Value) {
    match rng.below(4) {
        0 => (rng.value(3), rng.value(3)),
        1 => {
            let value = rng.value(3);
            let (same, _) = decode_key_part(&key_of([&value]), KeyOrder::Ascending).unwrap();
            (value, same)
        }
        _ => (rng.number(), rng.number()),
    }
}

#[test]
fn keys_order_as_values_do() {
    let mut rng = Rng::announced("keys_order_as_values_do");
    for _ in 0..30_000 {
        let (a, b) = pair(&mut rng);
        let order = a.cmp_total(&b);
        assert_eq!(b.cmp_total(&a), order.reverse(), "{a:?} against {b:?}");
        assert_eq!(a == b, order.is_eq(), "{a:?} against {b:?}");
        for (key_order, expected) in [
            (KeyOrder::Ascending, order),
            (KeyOrder::Descending, order.reverse()),
        ] {
            let mut keys = [Key::new(), Key::new()];
            encode_key_in(&mut keys[0], &a, key_order);
            encode_key_in(&mut keys[1], &b, key_order);
            assert_eq!(keys[0].cmp(&keys[1]), expected, "keys of {a:?} and {b:?}");
        }
        if order.is_eq() {
            assert_eq!(hash(&a), hash(&b), "{a:?} and {b:?}");
        }
    }
}

#[test]
fn joined_keys_order_as_tuples_and_come_apart() {
    let mut rng = Rng::announced("joined_keys_order_as_tuples_and_come_apart");
    for _ in 0..10_000 {
        let orders: Vec<KeyOrder> = (0..3)
            .map(|_| rng.pick(&[KeyOrder::Ascending, KeyOrder::Descending]))
            .collect();
        let mut left = Vec::new();
        let mut right = Vec::new();
        let mut expected = Ordering::Equal;
        let mut keys = [Key::new(), Key::new()];
        for order in &orders {
            let (a, b) = pair(&mut rng);
            let b = if rng.below(2) == 0 { a.clone() } else { b };
            expected = expected.then(match order {
                KeyOrder::Ascending => a.cmp_total(&b),
                KeyOrder::Descending => b.cmp_total(&a),
            });
            encode_key_in(&mut keys[0], &a, *order);
            encode_key_in(&mut keys[1], &b, *order);
            left.push(a);
            right.push(b);
        }
        assert_eq!(
            keys[0].cmp(&keys[1]),
            expected,
            "{left:?} against {right:?}"
        );
        let mut rest: &[u8] = &keys[0];
        for (value, order) in left.iter().zip(&orders) {
            let len = key_part_len(rest, *order).unwrap();
            let (back, read) = decode_key_part(rest, *order).unwrap();
            assert_eq!((len, &back), (read, value));
            rest = &rest[len..];
        }
        assert!(rest.is_empty());
    }
}

/// The slow twin of numeric comparison: every number as an exact decimal.
#[test]
fn numbers_compare_as_their_exact_decimals() {
    let mut rng = Rng::announced("numbers_compare_as_their_exact_decimals");
    let exact = |value: &Value| -> Result<BigDecimal, f64> {
        match value {
            Value::Int(n) => Ok(BigDecimal::from(*n)),
            Value::Real(x) if x.is_finite() => Ok(format!("{x:.160}").parse().unwrap()),
            Value::Double(x) if x.is_finite() => Ok(format!("{x:.1080}").parse().unwrap()),
            Value::Numeric(d) => Ok((**d).clone()),
            Value::Real(x) => Err(f64::from(*x)),
            Value::Double(x) => Err(*x),
            other => panic!("no number: {other:?}"),
        }
    };
    for _ in 0..3_000 {
        let (a, b) = (rng.number(), rng.number());
        let expected = match (exact(&a), exact(&b)) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            (Err(a), Err(b)) if a.is_nan() || b.is_nan() => a.is_nan().cmp(&b.is_nan()),
            (Err(a), Err(b)) => a.partial_cmp(&b).unwrap(),
            (Err(a), Ok(_)) if a == f64::NEG_INFINITY => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Ok(_), Err(b)) if b == f64::NEG_INFINITY => Ordering::Greater,
            (Ok(_), Err(_)) => Ordering::Less,
        };
        assert_eq!(a.cmp_total(&b), expected, "{a:?} against {b:?}");
    }
}

#[test]
fn sorting_by_any_two_roads_agrees() {
    let mut rng = Rng::announced("sorting_by_any_two_roads_agrees");
    for _ in 0..200 {
        let mut by_value: Vec<Value> = (0..50).map(|_| rng.value(2)).collect();
        let mut by_key: Vec<Key> = by_value.iter().map(|value| key_of([value])).collect();
        by_value.sort();
        by_key.sort();
        let keys: Vec<Key> = by_value.iter().map(|value| key_of([value])).collect();
        assert_eq!(keys, by_key);
    }
}

#[test]
fn values_and_rows_come_back_exactly() {
    let mut rng = Rng::announced("values_and_rows_come_back_exactly");
    for _ in 0..5_000 {
        let mut id = 0;
        let columns: Vec<(ColumnId, Value)> = (0..rng.below(12))
            .map(|_| {
                id += 1 + rng.pick(&[0, 0, 0, 1, 300]);
                (ColumnId(id), rng.value(3))
            })
            .collect();
        let version = rng.next() as u32;
        let row = encode_row(version, columns.iter().map(|(id, value)| (*id, value))).unwrap();
        let view = RowView::new(&row).unwrap();
        assert_eq!(view.schema_version(), version);
        let back: Vec<_> = view.iter().map(Result::unwrap).collect();
        same(&back, &columns);
        let wanted: Vec<ColumnId> = (0..8).map(|_| ColumnId(rng.below(14) as u32)).collect();
        let mut projected = Vec::new();
        view.project(&wanted, &mut projected).unwrap();
        for (id, value) in wanted.iter().zip(&projected) {
            let stored = columns.iter().find(|(stored, _)| stored == id);
            same(
                value,
                &stored.map_or(Value::Null, |(_, value)| value.clone()),
            );
            same(&view.get(*id).unwrap(), &stored.map(|(_, value)| value));
        }
    }
}

#[test]
fn records_come_back_exactly() {
    let mut rng = Rng::announced("records_come_back_exactly");
    let changes = |rng: &mut Rng| -> Vec<Change> {
        (0..rng.below(5))
            .map(|_| {
                let mut image = || Some(Arc::from(rng.bytes(400)));
                let (before, after) = (image(), image());
                let (before, after) = match rng.below(3) {
                    0 => (None, after),
                    1 => (before, None),
                    _ => (before, after),
                };
                Change {
                    storage: StorageId(rng.next() as u32 >> rng.below(32)),
                    schema_version: rng.next() as u32 >> rng.below(32),
                    key: Key::from(rng.bytes(40)),
                    before,
                    after,
                }
            })
            .collect()
    };
    for _ in 0..3_000 {
        let record = Record {
            commit_time_us: rng.next() as i64,
            principal: "é".repeat(rng.below(3) as usize),
            base: changes(&mut rng),
            derived: changes(&mut rng),
            state: changes(&mut rng),
        };
        let bytes = encode_record(RecordRef::from(&record)).unwrap();
        assert_eq!(
            RecordView::decode(&bytes).unwrap().to_record().unwrap(),
            record
        );
    }
}

fn read_as_everything(bytes: &[u8]) {
    let _ = decode_value(bytes);
    for order in [KeyOrder::Ascending, KeyOrder::Descending] {
        let skipped = key_part_len(bytes, order);
        if let Ok((value, read)) = decode_key_part(bytes, order) {
            assert_eq!(skipped, Ok(read));
            let _ = value.to_string().len();
        }
    }
    if let Ok(row) = RowView::new(bytes) {
        assert!(row.iter().count() <= bytes.len());
        let _ = row.project(&[ColumnId(0), ColumnId(1), ColumnId(7)], &mut Vec::new());
    }
    if let Ok(record) = RecordView::decode(bytes) {
        for section in Section::ALL {
            assert!(record.changes(section).count() <= bytes.len());
        }
    }
}

#[test]
fn no_bytes_make_a_decoder_panic() {
    let mut rng = Rng::announced("no_bytes_make_a_decoder_panic");
    for _ in 0..60_000 {
        read_as_everything(&rng.bytes(40));
    }
    for _ in 0..4_000 {
        let value = rng.value(3);
        let mut plain = Vec::new();
        encode_value(&mut plain, &value).unwrap();
        let row = encode_row(1, [(ColumnId(1), &value), (ColumnId(9), &value)]).unwrap();
        for mut bytes in [plain, row.to_vec(), key_of([&value]).to_vec()] {
            for _ in 0..1 + rng.below(3) {
                let place = rng.below(bytes.len() as u64) as usize;
                bytes[place] = rng.next() as u8;
            }
            let cut = rng.below(bytes.len() as u64 + 1) as usize;
            read_as_everything(&bytes);
            read_as_everything(&bytes[..cut]);
        }
    }
}

#[test]
fn printed_values_read_back() {
    let mut rng = Rng::announced("printed_values_read_back");
    for _ in 0..10_000 {
        let value = rng.value(0);
        let ty = match &value {
            Value::Null | Value::Json(_) | Value::Array(_) | Value::Document(_) => continue,
            Value::Bool(_) => SqlType::Bool,
            Value::Int(_) => SqlType::Int8,
            Value::Real(_) => SqlType::Real,
            Value::Double(_) => SqlType::Double,
            Value::Numeric(d) if d.fractional_digit_count() < 0 => continue,
            Value::Numeric(_) => SqlType::Numeric(None),
            Value::Date(days) if (-2_440_588..=2_145_042_905).contains(days) => SqlType::Date,
            Value::Time(micros) if (0..=86_400_000_000).contains(micros) => SqlType::Time,
            Value::Timestamp(_) => SqlType::Timestamp,
            Value::TimestampTz(micros) if micros.unsigned_abs() < 1 << 57 => SqlType::TimestampTz,
            Value::Date(_) | Value::Time(_) | Value::TimestampTz(_) => continue,
            Value::Interval(interval) if interval.micros > i64::MIN => SqlType::Interval,
            Value::Interval(_) => continue,
            Value::Uuid(_) => SqlType::Uuid,
            Value::Text(_) => SqlType::Text,
            Value::Bytes(_) => SqlType::Bytea,
        };
        let text = to_text(&value, &ty).unwrap();
        let back = parse_text(&text, &ty).unwrap_or_else(|error| panic!("{error}"));
        match (&value, &back) {
            (Value::Double(a), Value::Double(b)) if a.is_nan() => assert!(b.is_nan()),
            (Value::Real(a), Value::Real(b)) if a.is_nan() => assert!(b.is_nan()),
            _ => same(&back, &value),
        }
    }
}

#[test]
fn no_text_makes_a_parser_panic() {
    let mut rng = Rng::announced("no_text_makes_a_parser_panic");
    let pieces = [
        "1",
        "99",
        "2024",
        "-",
        "+",
        ":",
        ".",
        "/",
        "T",
        "Z",
        " ",
        "Jan",
        "BC",
        "PM",
        "e",
        "E9",
        "99999999999",
        "infinity",
        "NaN",
        "P",
        "year",
        "mons",
        "ago",
        "@",
        "{",
        "}",
        "\"",
        ",",
        "NULL",
        "\\",
        "\\x",
        "[",
        "]",
        ":",
        "null",
        "true",
        "é",
        "\u{10FFFF}",
        "000000",
        "J",
        "d",
    ];
    let types = [
        SqlType::Bool,
        SqlType::Int4,
        SqlType::Double,
        SqlType::Real,
        SqlType::Numeric(None),
        SqlType::Numeric(Some((5, -2))),
        SqlType::Date,
        SqlType::Time,
        SqlType::Timestamp,
        SqlType::TimestampTz,
        SqlType::Interval,
        SqlType::Uuid,
        SqlType::Bytea,
        SqlType::Json,
        SqlType::Document,
        SqlType::Char(2),
        SqlType::Array(Box::new(SqlType::Text)),
        SqlType::Array(Box::new(SqlType::Interval)),
    ];
    for _ in 0..20_000 {
        let text: String = (0..rng.below(8)).map(|_| rng.pick(&pieces)).collect();
        for ty in &types {
            match parse_text(&text, ty) {
                Ok(value) => assert!(!value.to_string().is_empty() || text.trim().is_empty()),
                Err(error) => assert_eq!(error.sqlstate.len(), 5),
            }
        }
    }
    let deep = "[".repeat(100_000);
    assert!(parse_json(&deep).is_err());
    let deep = "{".repeat(100_000);
    assert!(parse_text(&deep, &SqlType::Array(Box::new(SqlType::Text))).is_err());
}
