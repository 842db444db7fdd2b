//! From the wire into a table and out of it again: what a plan's columns are is what its field plans make and take.

use prost::Message as _;
use prost_reflect::DynamicMessage;
use tailwater_proto::Value;

use super::super::{FieldColumn, RowDecoder, RowEncoder};
use super::random::{self, Rng, message};
use super::{everything, twin};
use crate::Database;
use crate::module::ModuleSource;
use crate::module::name::quoted;

const MESSAGES: usize = 150;

#[test]
fn messages_come_back_from_a_table() {
    let seed = random::seed();
    let rng = &mut Rng(seed);
    for (text, package) in [(everything::PROTO3, "three"), (everything::PROTO2, "two")] {
        let text = format!(
            "{text}\nservice Store {{ rpc Put(stream Everything) returns (PutReply); }}\nmessage PutReply {{}}"
        );
        let plan = ModuleSource::new("test.proto", text.as_str())
            .plan()
            .unwrap();
        let table = plan
            .tables
            .iter()
            .find(|table| table.name == "everything")
            .unwrap();
        let db = Database::memory().unwrap();
        db.exec(&plan.sql(), ())
            .unwrap_or_else(|error| panic!("{error}: {}", plan.sql()));
        let descriptor = everything::message(&text, &format!("{package}.Everything"));
        let fields: Vec<FieldColumn> = table.columns.iter().map(FieldColumn::from).collect();
        let decoder = RowDecoder::new(&descriptor, &fields).unwrap();
        let names: Vec<String> = table
            .columns
            .iter()
            .map(|column| quoted(&column.name))
            .collect();
        let insert = format!(
            "INSERT INTO everything ({}) VALUES ({})",
            names.join(", "),
            vec!["?"; names.len()].join(", ")
        );
        let mut sent = Vec::new();
        let mut values: Vec<Value> = Vec::new();
        for case in 0..MESSAGES {
            let sparse = 1 + rng.below(20);
            let mut message = message(rng, &descriptor, 3, sparse);
            if package == "two" {
                message
                    .set_field_by_name("needed", prost_reflect::Value::String("here".to_owned()));
            }
            let wire = message.encode_to_vec();
            sent.push(DynamicMessage::decode(descriptor.clone(), wire.as_slice()).unwrap());
            decoder.decode(&wire, &mut values, &mut Vec::new()).unwrap();
            db.exec(&insert, values.as_slice())
                .unwrap_or_else(|error| panic!("seed {seed}, case {case} of {package}: {error}"));
        }
        let rows = db
            .query("SELECT * FROM everything ORDER BY seq", ())
            .unwrap();
        let number_of = |name: &str| {
            let column = table.columns.iter().find(|column| column.name == name);
            column.map(|column| column.field_number)
        };
        let numbers: Vec<Option<u32>> = rows
            .columns()
            .iter()
            .map(|column| number_of(&column.name))
            .collect();
        assert_eq!(numbers.iter().flatten().count(), table.columns.len());
        let encoder = RowEncoder::new(&descriptor, &numbers).unwrap();
        let rows = rows.collect_rows().unwrap();
        assert_eq!(rows.len(), MESSAGES);
        for (case, (row, sent)) in rows.iter().zip(&sent).enumerate() {
            let mut wire = Vec::new();
            let written = encoder.encode(row.values(), &mut wire);
            written
                .unwrap_or_else(|error| panic!("seed {seed}, case {case} of {package}: {error}"));
            let came = DynamicMessage::decode(descriptor.clone(), wire.as_slice()).unwrap();
            let sent = twin::as_rows_keep_it(sent);
            assert!(
                came == sent,
                "seed {seed}, case {case}:\n{sent}\nis not\n{came}"
            );
        }
    }
}

#[test]
fn a_required_field_that_is_not_sent_is_refused_by_the_table() {
    let text =
        "syntax = \"proto2\"; message Item { required string id = 1; optional int32 n = 2; }";
    let plan = ModuleSource::new("test.proto", text).plan().unwrap();
    let db = Database::memory().unwrap();
    db.exec(&plan.sql(), ()).unwrap();
    let fields: Vec<FieldColumn> = plan.tables[0]
        .columns
        .iter()
        .map(FieldColumn::from)
        .collect();
    let decoder = RowDecoder::new(&everything::message(text, "Item"), &fields).unwrap();
    let mut values = Vec::new();
    decoder
        .decode(&[0x10, 7], &mut values, &mut Vec::new())
        .unwrap();
    let error = db
        .exec("INSERT INTO item VALUES (?, ?)", values.as_slice())
        .unwrap_err();
    assert_eq!(error.sqlstate(), "23502", "{error}");
}
