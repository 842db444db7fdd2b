//! Serde values against their slow twin, serde_json, and against PostgreSQL's texts.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tailwater_proto::{Document, Interval, SqlType, Value, parse_text, to_json};

use super::{from_row, from_value, to_value};

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
enum Status {
    Open,
    Paid(i64),
    Moved(i64, String),
    Refused { reason: String, again: Option<bool> },
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
#[serde(tag = "kind")]
enum Tagged {
    Circle { radius: f64 },
    Square { side: i64 },
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
struct Unit;

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
struct Meters(f64);

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
struct Order {
    id: i64,
    small: u8,
    letter: char,
    name: String,
    note: Option<String>,
    tags: Vec<String>,
    pair: (i32, bool),
    statuses: Vec<Status>,
    shape: Tagged,
    by_number: BTreeMap<i32, Meters>,
    by_status: BTreeMap<bool, ()>,
    unit: Unit,
    #[serde(flatten)]
    rest: BTreeMap<String, i64>,
}

fn order() -> Order {
    Order {
        id: -7,
        small: 255,
        letter: 'ß',
        name: "Ada".into(),
        note: None,
        tags: vec!["new".into(), String::new()],
        pair: (3, true),
        statuses: vec![
            Status::Open,
            Status::Paid(12),
            Status::Moved(1, "x".into()),
            Status::Refused {
                reason: "late".into(),
                again: Some(false),
            },
        ],
        shape: Tagged::Circle { radius: 0.5 },
        by_number: BTreeMap::from([(-1, Meters(1.5)), (9, Meters(2.0))]),
        by_status: BTreeMap::from([(false, ())]),
        unit: Unit,
        rest: (0..40).map(|n| (format!("field{n}"), n)).collect(),
    }
}

#[track_caller]
fn agrees_with_json<T: Serialize + DeserializeOwned + PartialEq + Debug>(rust: &T) {
    let value = to_value(rust).unwrap();
    assert_eq!(to_json(&value), serde_json::to_string(rust).unwrap());
    assert_eq!(&from_value::<T>(&value).unwrap(), rust);
}

#[track_caller]
fn refused<T: DeserializeOwned + Debug>(value: &Value) -> String {
    from_value::<T>(value).unwrap_err().to_string()
}

fn sql(text: &str, ty: &SqlType) -> Value {
    parse_text(text, ty).unwrap()
}

fn numeric(text: &str) -> Value {
    Value::numeric(text.parse().unwrap())
}

#[test]
fn shapes_are_those_of_json() {
    agrees_with_json(&order());
    agrees_with_json(&Status::Open);
    agrees_with_json(&Tagged::Square { side: 4 });
    agrees_with_json(&vec![Some(1), None]);
    agrees_with_json(&(1, "two".to_owned(), 3.5));
    agrees_with_json(&u64::MAX);
    agrees_with_json(&i128::MIN);
    agrees_with_json(&u128::MAX);
    agrees_with_json(&Box::new(Meters(-1.25)));
    agrees_with_json(&());
}

#[test]
fn random_json_goes_there_and_back() {
    for seed in 0..200u64 {
        let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let tree = random_json(&mut random, 5);
        let value = to_value(&tree).unwrap();
        assert_eq!(
            from_value::<serde_json::Value>(&value).unwrap(),
            tree,
            "seed {seed}"
        );
        let wrapped = Value::Json(value.into());
        assert_eq!(
            from_value::<serde_json::Value>(&wrapped).unwrap(),
            tree,
            "seed {seed}, as JSON"
        );
    }
}

fn random_json(random: &mut u64, depth: u32) -> serde_json::Value {
    let mut next = |below: u64| {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        *random % below
    };
    let len = next(20);
    match next(if depth == 0 { 5 } else { 7 }) {
        0 => json!(null),
        1 => json!(next(2) == 0),
        2 => json!(next(u64::MAX) as i64),
        3 => json!(next(1 << 53) as f64 / 1024.0),
        4 => json!("ä".repeat(len as usize)),
        5 => (0..len / 4)
            .map(|_| random_json(random, depth - 1))
            .collect(),
        _ => (0..len)
            .map(|n| (format!("f{n}"), random_json(random, depth - 1)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}

#[test]
fn integers_are_exact_or_refused() {
    assert_eq!(from_value::<u8>(&Value::Double(3.0)).unwrap(), 3);
    assert_eq!(from_value::<i64>(&numeric("42.000")).unwrap(), 42);
    assert_eq!(from_value::<i64>(&numeric("1e3")).unwrap(), 1000);
    assert_eq!(
        from_value::<u64>(&numeric("18446744073709551615")).unwrap(),
        u64::MAX
    );
    assert_eq!(
        refused::<u8>(&Value::Int(256)),
        "invalid value: integer `256`, expected u8"
    );
    assert_eq!(
        refused::<i64>(&Value::Double(3.5)),
        "invalid value: floating point `3.5`, expected i64"
    );
    assert_eq!(
        refused::<i64>(&numeric("3.50")),
        "invalid value: numeric `3.50`, expected i64"
    );
    assert!(refused::<i64>(&numeric("9223372036854775808")).contains("expected i64"));
    assert!(refused::<i128>(&Value::Double(f64::INFINITY)).contains("expected i128"));
    assert!(refused::<i64>(&Value::Double(f64::NAN)).contains("expected i64"));
    assert!(refused::<i64>(&Value::text("1")).contains("string \"1\""));
}

#[test]
fn floats_hold_integers_exactly_and_fractions_nearly() {
    assert_eq!(
        from_value::<f64>(&Value::Int(1 << 53)).unwrap(),
        2f64.powi(53)
    );
    assert!(refused::<f64>(&Value::Int((1 << 53) + 1)).contains("expected f64"));
    assert!(refused::<f64>(&Value::Int(i64::MAX)).contains("expected f64"));
    assert!(refused::<f32>(&Value::Int((1 << 24) + 1)).contains("expected f32"));
    assert_eq!(
        from_value::<f64>(&numeric("3.3333333333333333333")).unwrap(),
        10.0 / 3.0
    );
    assert_eq!(from_value::<f32>(&numeric("0.1")).unwrap(), 0.1);
    assert_eq!(from_value::<f64>(&Value::Real(0.5)).unwrap(), 0.5);
    assert!(
        from_value::<f32>(&Value::Double(f64::NAN))
            .unwrap()
            .is_nan()
    );
    assert!(refused::<f32>(&Value::Double(1e300)).contains("expected f32"));
    assert!(refused::<f64>(&numeric("1e400")).contains("expected f64"));
}

#[test]
fn numerics_of_no_asked_type_keep_their_digits() {
    let any = |text| from_value::<serde_json::Value>(&numeric(text)).unwrap();
    assert_eq!(any("42"), json!(42));
    assert_eq!(any("19.99"), json!(19.99));
    assert_eq!(
        any("0.12345678901234567890"),
        json!("0.12345678901234567890")
    );
    assert_eq!(any("123456789012345678901"), json!("123456789012345678901"));
    assert_eq!(from_value::<String>(&numeric("1.50")).unwrap(), "1.50");
}

#[test]
fn times_and_uuids_are_text_where_text_is_asked_for() {
    for (text, ty) in [
        ("2024-02-29", SqlType::Date),
        ("04:05:06.789", SqlType::Time),
        ("2024-02-29 12:30:00", SqlType::Timestamp),
        ("2024-02-29 12:30:00+00", SqlType::TimestampTz),
        ("1 day 02:00:00", SqlType::Interval),
        ("f81d4fae-7dec-11d0-a765-00a0c91e6bf6", SqlType::Uuid),
    ] {
        let value = sql(text, &ty);
        assert_eq!(from_value::<String>(&value).unwrap(), text);
        assert_eq!(
            from_value::<serde_json::Value>(&value).unwrap(),
            json!(text)
        );
        assert!(refused::<i64>(&value).contains(text), "{value}");
    }
    assert!(refused::<i64>(&Value::Interval(Interval::default())).contains("interval"));
}

#[test]
fn bytes_are_bytes() {
    struct Raw;
    impl Serialize for Raw {
        fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.serialize_bytes(b"ab\0")
        }
    }
    let value = to_value(&Raw).unwrap();
    assert!(matches!(&value, Value::Bytes(bytes) if **bytes == *b"ab\0"));
    assert_eq!(from_value::<Vec<u8>>(&value).unwrap(), b"ab\0");
    assert_eq!(from_value::<&[u8]>(&value).unwrap(), b"ab\0");
    assert_eq!(from_value::<&[u8]>(&Value::Uuid([7; 16])).unwrap(), [7; 16]);
    assert_eq!(
        from_value::<&str>(&Value::text("borrowed")).unwrap(),
        "borrowed"
    );
}

#[test]
fn null_is_none_and_json_is_looked_into() {
    assert_eq!(from_value::<Option<i64>>(&Value::Null).unwrap(), None);
    let null = Value::Json(Value::Null.into());
    assert_eq!(from_value::<Option<i64>>(&null).unwrap(), None);
    let nested = Value::Json(Value::Json(Value::Int(4).into()).into());
    assert_eq!(from_value::<Option<i64>>(&nested).unwrap(), Some(4));
    assert_eq!(
        refused::<i64>(&Value::Null),
        "invalid type: NULL, expected i64"
    );
    assert_eq!(
        refused::<String>(&null),
        "invalid type: JSON null, expected a string"
    );
}

#[test]
fn errors_name_the_field() {
    let mut tree = serde_json::to_value(order()).unwrap();
    tree["statuses"][3]["Refused"]["again"] = json!("perhaps");
    let value = to_value(&tree).unwrap();
    assert_eq!(
        refused::<Order>(&value),
        "statuses[3].Refused.again: invalid type: string \"perhaps\", expected a boolean"
    );
    tree["statuses"] = json!([{"Paid": 1, "Open": 2}]);
    let message = refused::<Order>(&to_value(&tree).unwrap());
    assert!(
        message.starts_with("statuses[0]: invalid value: document"),
        "{message}"
    );
    tree["statuses"] = json!(["Lost"]);
    let message = refused::<Order>(&to_value(&tree).unwrap());
    assert!(
        message.starts_with("statuses[0]: unknown variant `Lost`"),
        "{message}"
    );
    let message = refused::<Vec<Meters>>(&to_value(&json!([1, {}])).unwrap());
    assert_eq!(message, "[1]: invalid type: document, expected f64");

    let bad_keys = BTreeMap::from([("outer", vec![BTreeMap::from([((1, 2), 3)])])]);
    let error = to_value(&bad_keys).unwrap_err();
    assert_eq!(error.path.to_string(), "outer[0]");
    assert!(
        error.message.starts_with("a tuple cannot be the key"),
        "{error}"
    );
}

#[test]
fn arrays_of_another_length_are_refused() {
    let three = to_value(&[1, 2, 3]).unwrap();
    assert_eq!(from_value::<[i64; 3]>(&three).unwrap(), [1, 2, 3]);
    assert_eq!(
        refused::<(i64, i64)>(&three),
        "invalid length 3, expected 2 of them"
    );
    assert!(refused::<(i64, i64, i64, i64)>(&three).contains("invalid length 3"));
}

#[test]
fn nesting_ends_where_storage_ends() {
    #[derive(Serialize, Deserialize, Debug)]
    struct Chain(Option<Vec<Chain>>);
    let chain = |depth: usize| (0..depth).fold(Chain(None), |inner, _| Chain(Some(vec![inner])));
    let deepest = to_value(&chain(128)).unwrap();
    assert!(from_value::<Chain>(&deepest).is_ok());
    assert!(
        to_value(&chain(129))
            .unwrap_err()
            .message
            .contains("128 deep")
    );
    let beyond = Value::array(vec![deepest]);
    assert!(refused::<Vec<Chain>>(&beyond).contains("128 deep"));
}

#[test]
fn of_two_entries_of_one_name_the_last_counts() {
    struct Twice(usize);
    impl Serialize for Twice {
        fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            let names = (0..self.0).map(|n| (n, 1)).chain([(0, 2)]);
            to.collect_map(names)
        }
    }
    for fields in [3, 16, 17, 18, 40] {
        let value = to_value(&Twice(fields)).unwrap();
        let document = value.as_document().unwrap();
        assert_eq!(document.len(), fields);
        let first = document.iter().next().unwrap();
        assert_eq!((first.0.as_str(), first.1.as_int()), ("0", Some(2)));
    }
}

#[test]
fn rows_are_structs_maps_tuples_or_their_only_column() {
    #[derive(Deserialize, Debug, PartialEq)]
    struct Person {
        id: u32,
        status: Status,
        nick: Option<String>,
    }
    let names = ["status", "other", "id"];
    let mut document = Document::new();
    document.set("Paid", Value::Int(5));
    let values = [Value::document(document), Value::Null, Value::Int(1)];
    let expected = Person {
        id: 1,
        status: Status::Paid(5),
        nick: None,
    };
    assert_eq!(from_row::<Person, _>(names, &values).unwrap(), expected);
    assert_eq!(
        from_row::<Option<Person>, _>(names, &values).unwrap(),
        Some(expected)
    );
    let map: BTreeMap<String, serde_json::Value> = from_row(names, &values).unwrap();
    assert_eq!(map["status"], json!({"Paid": 5}));
    let tuple: (Status, (), i64) = from_row(names, &values).unwrap();
    assert_eq!(tuple, (Status::Paid(5), (), 1));
    let error = from_row::<(Status, ()), _>(names, &values).unwrap_err();
    assert_eq!(error.message, "invalid length 3, expected 2 of them");

    let one = [Value::Int(3)];
    assert_eq!(from_row::<i64, _>(["n"], &one).unwrap(), 3);
    assert_eq!(from_row::<(i64,), _>(["n"], &one).unwrap(), (3,));
    assert_eq!(
        from_row::<Option<i64>, _>(["n"], &[Value::Null]).unwrap(),
        None
    );
    assert_eq!(
        from_row::<Status, _>(["s"], &[Value::text("Open")]).unwrap(),
        Status::Open
    );
    let error = from_row::<String, _>(["n"], &one).unwrap_err();
    assert_eq!(
        error.to_string(),
        "n: invalid type: integer `3`, expected a string"
    );
    let error = from_row::<i64, _>(names, &values).unwrap_err();
    assert_eq!(
        error.message,
        "invalid type: row of 3 columns, expected i64"
    );
    let error = from_row::<Person, _>(["id", "id", "status"], &values).unwrap_err();
    assert!(error.to_string().contains("id"), "{error}");
}
