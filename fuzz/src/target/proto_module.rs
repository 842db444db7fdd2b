//! A module's text: a plan or an error with its place; and what a plan says runs.
//!
//! Next door: `engine::module`, which plans.

use std::fmt::Write as _;

use tailwater::Database;
use tailwater::module::{Binding, ModulePlan, ModuleSource};

use crate::choices::Choices;
use crate::memory;
use crate::rng::Rng;

/// Words of modules.
pub const WORDS: &[&str] = &[
    "syntax = \"proto3\";",
    "import \"tailwater/v1/options.proto\";",
    "message",
    "service",
    "rpc",
    "returns",
    "stream",
    "repeated",
    "optional",
    "oneof",
    "map<string, int32>",
    "enum",
    "string",
    "uint64",
    "reserved",
    "extend",
    "option (tailwater.v1.table) =",
];

/// Plans, and runs the SQL of the plan.
///
/// # Panics
/// If an error has no SQLSTATE, or the SQL of a plan without options does not run.
pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input).into_owned();
    let says_sql = text.contains("tailwater");
    let source = ModuleSource::new("fuzz.proto", text);
    match memory::bounded(|| source.plan()) {
        Ok(plan) => {
            assert_eq!(
                Some(&plan),
                source.plan().ok().as_ref(),
                "the same text has the same plan"
            );
            assert!(!plan.to_string().is_empty());
            // What options say is SQL by somebody else.
            if !says_sql {
                runs(&plan);
            }
        }
        Err(error) => assert_eq!(error.sqlstate().len(), 5, "{error}"),
    }
}

fn runs(plan: &ModulePlan) {
    let db = Database::memory().expect("memory is there");
    let sql = plan.sql();
    if let Err(error) = db.exec(&sql, ()) {
        panic!("{error}\n{sql}");
    }
    for method in &plan.methods {
        let (Binding::Subscribe { sql } | Binding::Query { sql } | Binding::Exec { sql }) =
            &method.binding
        else {
            continue;
        };
        // With NULL for each parameter it finds nothing, if it binds.
        let mut parts = sql.split(" :");
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part.find([' ', ',']).unwrap_or(part.len());
            text.push_str(" NULL");
            text.push_str(part.get(end..).unwrap_or_default());
        }
        if let Err(error) = db.exec(&text, ()) {
            panic!("{error}\n{text}");
        }
    }
}

/// A module.
pub fn generate(rng: &mut Rng) -> Vec<u8> {
    const TYPES: [&str; 14] = [
        "string",
        "int32",
        "int64",
        "uint64",
        "double",
        "bool",
        "bytes",
        "M0",
        "M1",
        "M2",
        "E",
        "repeated string",
        "optional int64",
        "map<string, M1>",
    ];
    const NAMES: [&str; 12] = [
        "id", "name", "uuid", "key", "m0_id", "text", "select", "Order", "user", "seq", "channel",
        "limit",
    ];
    const VERBS: [&str; 8] = [
        "Get", "List", "Create", "Update", "Delete", "Send", "Join", "Do",
    ];
    let bytes = rng.bytes(200);
    let choices = &mut Choices::new(&bytes);
    let mut text = "syntax = \"proto3\";\nenum E { ZERO = 0; ONE = 1; }\n".to_owned();
    for message in 0..3 {
        let mut names = Vec::new();
        // Writing to a string does not fail.
        _ = writeln!(text, "message M{message} {{");
        for number in 1..=choices.below(6) {
            let name = choices.pick(&NAMES);
            if names.contains(&name) {
                continue;
            }
            names.push(name);
            _ = writeln!(text, "  {} {name} = {number};", choices.pick(&TYPES));
        }
        text.push_str("}\n");
    }
    text.push_str("service S {\n");
    for number in 0..choices.below(5) {
        let stream = |choices: &mut Choices<'_>| ["", "stream "][choices.below(2)];
        let verb = choices.pick(&VERBS);
        let (asked, answered) = (choices.below(3), choices.below(3));
        let (to, from) = (stream(choices), stream(choices));
        let about = ["M0", "M1", "M2s", "Thing"][choices.below(4)];
        _ = writeln!(
            text,
            "  rpc {verb}{about}{} ({to}M{asked}) returns ({from}M{answered});",
            ["", "X"][number % 2]
        );
    }
    text.push_str("}\n");
    text.into_bytes()
}
