//! The bytes on disk are those FORMAT.md shows: every example there is encoded here and must be the same, and decode
//! to the same. Whoever changes a codec changes the page in the same commit, and says how old bytes are read.

#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::sync::Arc;

use tailwater_proto::{
    Change, ColumnId, Document, Interval, Key, Record, RecordRef, RecordView, RowView, StorageId,
    Value, decode_key, decode_value, encode_key_desc, encode_record, encode_row, encode_value,
    key_of,
};

const FORMAT: &str = include_str!("../FORMAT.md");

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// All lines of a kind, of which none may be missing from the page.
#[derive(Default)]
struct Page {
    missing: Vec<String>,
}

impl Page {
    fn has(&mut self, name: &str, bytes: &[u8]) {
        let line = format!("| {name} | `{}` |", hex(bytes));
        if !FORMAT.lines().any(|stands| stands == line) {
            self.missing.push(line);
        }
    }

    fn done(self) {
        assert!(
            self.missing.is_empty(),
            "FORMAT.md does not say:\n{}",
            self.missing.join("\n")
        );
    }
}

fn samples() -> Vec<(&'static str, Value)> {
    let document = Document::from_iter([("b".into(), Value::Int(1)), ("a".into(), Value::Null)]);
    vec![
        ("NULL", Value::Null),
        ("FALSE", Value::Bool(false)),
        ("TRUE", Value::Bool(true)),
        ("INT 0", Value::Int(0)),
        ("INT -1", Value::Int(-1)),
        ("INT 1000", Value::Int(1000)),
        ("INT 100000", Value::Int(100_000)),
        ("INT 9007199254740993", Value::Int(9_007_199_254_740_993)),
        ("REAL 1.5", Value::Real(1.5)),
        ("DOUBLE -0.5", Value::Double(-0.5)),
        ("DOUBLE NaN", Value::Double(f64::NAN)),
        ("NUMERIC 12.50", Value::numeric("12.50".parse().unwrap())),
        ("NUMERIC 0.1", Value::numeric("0.1".parse().unwrap())),
        ("NUMERIC -0.1", Value::numeric("-0.1".parse().unwrap())),
        ("TEXT 'tail'", Value::text("tail")),
        ("TEXT with 00", Value::text("a\0b")),
        ("BYTEA ff00", Value::from(vec![0xFFu8, 0])),
        ("DATE 1970-01-02", Value::Date(1)),
        ("TIME 00:00:01", Value::Time(1_000_000)),
        ("TIMESTAMP 1970-01-02", Value::Timestamp(86_400_000_000)),
        ("TIMESTAMPTZ infinity", Value::TimestampTz(i64::MAX)),
        (
            "INTERVAL 1 mon -1 day 1 us",
            Value::Interval(Interval {
                months: 1,
                days: -1,
                micros: 1,
            }),
        ),
        ("UUID", Value::Uuid([0x5A; 16])),
        ("JSON null", Value::Json(Arc::new(Value::Null))),
        ("JSON 1", Value::Json(Arc::new(Value::Int(1)))),
        (
            "ARRAY [1, NULL]",
            Value::array(vec![Value::Int(1), Value::Null]),
        ),
        ("DOCUMENT {b: 1, a: NULL}", Value::document(document)),
    ]
}

#[test]
fn values_stand_as_the_page_says() {
    let mut page = Page::default();
    for (name, value) in samples() {
        let mut bytes = Vec::new();
        encode_value(&mut bytes, &value).unwrap();
        page.has(&format!("value {name}"), &bytes);
        assert_eq!(
            format!("{:?}", decode_value(&bytes).unwrap()),
            format!("{value:?}")
        );
    }
    page.done();
}

#[test]
fn keys_stand_as_the_page_says() {
    let mut page = Page::default();
    for (name, value) in samples() {
        let key = key_of([&value]);
        page.has(&format!("key {name}"), &key);
        assert_eq!(decode_key(&key).unwrap(), value);
    }
    let mut key = Key::new();
    encode_key_desc(&mut key, &Value::text("tail"));
    page.has("key TEXT 'tail' descending", &key);
    page.done();
}

#[test]
fn rows_stand_as_the_page_says() {
    let mut page = Page::default();
    let text = Value::text("tail");
    let long = Value::from("x".repeat(256));
    let rows: [(&str, Vec<(u32, &Value)>); 5] = [
        ("row of no columns", vec![]),
        (
            "row of 1: 7, 2: 'tail', 3: NULL",
            vec![(1, &Value::Int(7)), (2, &text), (3, &Value::Null)],
        ),
        (
            "row of 1: 7, 3: 'tail'",
            vec![(1, &Value::Int(7)), (3, &text)],
        ),
        (
            "row of 1: 7, 300: 'tail'",
            vec![(1, &Value::Int(7)), (300, &text)],
        ),
        ("head of a row of 5: 256 times 'x'", vec![(5, &long)]),
    ];
    for (name, columns) in rows {
        let ids = columns.iter().map(|(id, value)| (ColumnId(*id), *value));
        let row = encode_row(2, ids.clone()).unwrap();
        let shown = if name.starts_with("head") {
            9
        } else {
            row.len()
        };
        page.has(name, &row[..shown]);
        let back = RowView::new(&row).unwrap();
        let back: Vec<_> = back.iter().map(Result::unwrap).collect();
        assert_eq!(
            back,
            ids.map(|(id, value)| (id, value.clone()))
                .collect::<Vec<_>>()
        );
    }
    page.done();
}

#[test]
fn records_stand_as_the_page_says() {
    let mut page = Page::default();
    let change = |storage, before: Option<&[u8]>, after: Option<&[u8]>| Change {
        storage: StorageId(storage),
        schema_version: 1,
        key: Key::from(&[0xAA, 0xBB][..]),
        before: before.map(Arc::from),
        after: after.map(Arc::from),
    };
    let record = Record {
        commit_time_us: 1_000_000,
        principal: "ann".into(),
        base: vec![change(3, None, Some(&[1])), change(300, Some(&[2]), None)],
        derived: vec![],
        state: vec![change(4, Some(&[1]), Some(&[3]))],
    };
    let whole = encode_record(RecordRef::from(&record)).unwrap();
    page.has("record of all sections", &whole);
    assert_eq!(
        RecordView::decode(&whole).unwrap().to_record().unwrap(),
        record
    );
    let base = RecordRef {
        derived: None,
        state: None,
        ..RecordRef::from(&record)
    };
    page.has("record of its base alone", &encode_record(base).unwrap());
    page.done();
}
