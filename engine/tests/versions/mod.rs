//! What a message may become in a new version of its module, and what it may not: the rows of the rules in MODULES.md.

use tailwater::module::ModuleSource;

pub(crate) fn module(body: &str) -> ModuleSource {
    ModuleSource::new(
        "m.proto",
        format!(
            "syntax = \"proto3\"; package m; import \"tailwater/v1/options.proto\";
             enum Color {{ NONE = 0; RED = 1; }} enum Colour {{ KEINE = 0; ROT = 1; BLAU = 2; }}
             message Place {{ string town = 1; }} message Site {{ string town = 1; string street = 2; }}\n{body}"
        ),
    )
}

/// What a version goes through: the fields before, a row, the fields after, what that row is then.
pub(crate) const FOLLOWS: &[(&str, &str, &str, &str, &str)] = &[
    (
        "a field more",
        "",
        "{id: 'a'}",
        "int32 n = 2;",
        r#"{"id": "a", "n": 0}"#,
    ),
    (
        "an optional field more",
        "",
        "{id: 'a'}",
        "optional int32 n = 2;",
        r#"{"id": "a", "n": null}"#,
    ),
    (
        "a message field more",
        "",
        "{id: 'a'}",
        "Place at = 2;",
        r#"{"id": "a", "at": null}"#,
    ),
    (
        "a field with a default of its own",
        "",
        "{id: 'a'}",
        "string unit = 2 [(tailwater.v1.column) = { default: \"'kg'\" }];",
        r#"{"id": "a", "unit": "kg"}"#,
    ),
    (
        "reserved",
        "int32 n = 2; string s = 3;",
        "{id: 'a', n: 1, s: 'x'}",
        "reserved 2; reserved \"n\"; string s = 3;",
        r#"{"id": "a", "s": "x"}"#,
    ),
    (
        "renamed",
        "int32 n = 2;",
        "{id: 'a', n: 1}",
        "int32 count = 2;",
        r#"{"id": "a", "count": 1}"#,
    ),
    (
        "names exchanged",
        "int32 n = 2; int32 k = 3;",
        "{id: 'a', n: 1, k: 2}",
        "int32 k = 2; int32 n = 3;",
        r#"{"id": "a", "k": 1, "n": 2}"#,
    ),
    (
        "int32 to int64",
        "int32 n = 2;",
        "{id: 'a', n: 7}",
        "int64 n = 2;",
        r#"{"id": "a", "n": 7}"#,
    ),
    (
        "uint32 to uint64",
        "uint32 n = 2;",
        "{id: 'a', n: 7}",
        "uint64 n = 2;",
        r#"{"id": "a", "n": 7}"#,
    ),
    (
        "sint32 to sint64",
        "sint32 n = 2;",
        "{id: 'a', n: -7}",
        "sint64 n = 2;",
        r#"{"id": "a", "n": -7}"#,
    ),
    (
        "repeated int32 to repeated int64",
        "repeated int32 n = 2;",
        "{id: 'a', n: [1, 2]}",
        "repeated int64 n = 2;",
        r#"{"id": "a", "n": [1, 2]}"#,
    ),
    (
        "string to bytes",
        "string s = 2;",
        "{id: 'a', s: 'ü'}",
        "bytes s = 2;",
        r#"{"id": "a", "s": "w7w="}"#,
    ),
    (
        "one to many",
        "string s = 2;",
        "{id: 'a', s: 'x'}, {id: 'b', s: ''}",
        "repeated string s = 2;",
        r#"{"id": "a", "s": ["x"]} {"id": "b", "s": []}"#,
    ),
    (
        "into a oneof",
        "optional string s = 2; optional int32 n = 3;",
        "{id: 'a', s: 'x', n: null}",
        "oneof either { string s = 2; int32 n = 3; }",
        r#"{"id": "a", "s": "x", "n": null}"#,
    ),
    (
        "an arm more",
        "oneof either { string s = 2; }",
        "{id: 'a', s: 'x'}",
        "oneof either { string s = 2; int32 n = 3; }",
        r#"{"id": "a", "s": "x", "n": null}"#,
    ),
    (
        "optional",
        "int32 n = 2;",
        "{id: 'a', n: 0}",
        "optional int32 n = 2;",
        r#"{"id": "a", "n": 0}"#,
    ),
    (
        "optional no more",
        "optional int32 n = 2;",
        "{id: 'a', n: null}, {id: 'b', n: 3}",
        "int32 n = 2;",
        r#"{"id": "a", "n": 0} {"id": "b", "n": 3}"#,
    ),
    (
        "another enum",
        "Color c = 2;",
        "{id: 'a', c: 1}",
        "Colour c = 2;",
        r#"{"id": "a", "c": 1}"#,
    ),
    (
        "another message",
        "Place at = 2;",
        "{id: 'a', at: {town: 'Ulm'}}",
        "Site at = 2;",
        r#"{"id": "a", "at": {"town": "Ulm"}}"#,
    ),
    (
        "an index and a check",
        "int32 n = 2;",
        "{id: 'a', n: 1}",
        "option (tailwater.v1.table) = { index: { columns: [\"n\"] } check: \"n > 0\" }; int32 n = 2;",
        r#"{"id": "a", "n": 1}"#,
    ),
];

/// What is refused: the fields before and after, and why; without a reason it follows.
pub(crate) const REFUSED: &[(&str, &str, &str)] = &[
    (
        "int32 n = 2;",
        "",
        "m.Item.n is gone, and its number 2 and name are not reserved",
    ),
    (
        "int32 n = 2;",
        "reserved 2;",
        "m.Item.n is gone, and its number 2 and name are not reserved",
    ),
    (
        "int32 n = 2;",
        "int32 n = 3;",
        "m.Item.n had the number 2 and would have 3",
    ),
    (
        "reserved 2;",
        "int32 n = 2;",
        "m.Item.n has the number 2, which was reserved",
    ),
    (
        "float n = 2;",
        "double n = 2;",
        "m.Item.n was float and would be double: on the wire that is another value",
    ),
    (
        "sint32 n = 2;",
        "int32 n = 2;",
        "m.Item.n was sint32 and would be int32: on the wire that is another value",
    ),
    (
        "fixed32 n = 2;",
        "uint32 n = 2;",
        "m.Item.n was fixed32 and would be uint32: on the wire that is another value",
    ),
    (
        "int64 n = 2;",
        "int32 n = 2;",
        "m.Item.n was int64 and would be int32: on the wire that is another value",
    ),
    (
        "bytes n = 2;",
        "string n = 2;",
        "m.Item.n was bytes and would be string: on the wire that is another value",
    ),
    (
        "repeated int32 n = 2;",
        "int32 n = 2;",
        "m.Item.n was repeated int32 and would be int32: on the wire that is another value",
    ),
    (
        "option (tailwater.v1.table) = { index: { columns: [\"s\"] } }; string s = 2;",
        "string s = 2; reserved 3; option (tailwater.v1.table) = { index: { columns: [\"s\"] } }; bytes b = 4;",
        "",
    ),
    (
        "option (tailwater.v1.table) = { index: { columns: [\"s\"] } }; string s = 2;",
        "option (tailwater.v1.table) = { index: { columns: [\"s\"] } }; bytes s = 2;",
        "m.Item.s was string and would be bytes: it is indexed, drop the index first",
    ),
    (
        "string s = 2;",
        "option (tailwater.v1.table) = { primary_key: [\"id\", \"s\"] }; string s = 2;",
        "the primary key of item would be (id, s) and was (id): make a new message for it, and copy its rows",
    ),
    (
        "int32 n = 2; int32 k = 3;",
        "int32 n = 4;",
        "m.Item.n had the number 2 and would have 4; m.Item.k is gone, and its number 3 and name are not reserved",
    ),
];
