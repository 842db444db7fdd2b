//! Every row of the function table: its number and names are its own, and its example is true.

#![allow(clippy::unwrap_used)]

use std::collections::HashSet;

use tailwater_views::{ExecContext, function};

mod sql;

#[test]
fn every_example_is_true() {
    let cx = ExecContext::default();
    let wrong: Vec<String> = function::all()
        .filter_map(|row| {
            let (expr, expected) = row.example;
            let answer = sql::answer(expr, &cx);
            (answer != expected).then(|| format!("{expr}\n  is   {answer}\n  not  {expected}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn numbers_are_used_once_and_found() {
    let mut seen = HashSet::new();
    for row in function::all() {
        assert!(seen.insert(row.id), "number {} stands twice", row.id.0);
        assert!(
            !row.doc.is_empty() && row.doc.ends_with('.'),
            "{}",
            row.name()
        );
        assert_eq!(function::by_id(row.id).unwrap().name(), row.name());
        for name in row.names {
            assert!(
                function::by_name(name)
                    .iter()
                    .any(|found| found.id == row.id)
            );
        }
    }
    assert!(seen.len() > 140, "only {} functions", seen.len());
    assert!(function::by_id(function::FunctionId(u16::MAX)).is_none());
}

/// What a function cannot use gives NULL, never a panic: kinds are known only at run time in schemaless tables.
#[test]
fn arguments_of_any_kind_are_survived() {
    use tailwater_proto::{Document, Interval, Value};
    let kinds = [
        Value::Null,
        Value::Bool(true),
        Value::Int(i64::MIN),
        Value::Int(i64::MAX),
        Value::Int(0),
        Value::Int(-3),
        Value::Double(f64::NAN),
        Value::Double(f64::INFINITY),
        Value::Double(1e300),
        Value::Real(-2.5),
        Value::numeric("-12345.678".parse().unwrap()),
        Value::numeric("0.00".parse().unwrap()),
        Value::Date(i32::MAX),
        Value::Date(-3_000_000),
        Value::Time(0),
        Value::Timestamp(i64::MIN),
        Value::Timestamp(i64::MAX - 1),
        Value::TimestampTz(0),
        Value::Interval(Interval {
            months: i32::MIN,
            days: i32::MAX,
            micros: i64::MIN,
        }),
        Value::Uuid([7; 16]),
        Value::text(""),
        Value::text("ä%\\("),
        Value::text("month"),
        Value::text("YYYY FM9,990.0 TH"),
        Value::from(vec![0_u8, 255]),
        Value::Json(Value::Null.into()),
        Value::Json(Value::array(vec![Value::Int(1)]).into()),
        Value::array(vec![]),
        Value::array(vec![Value::Null, Value::text("a")]),
        Value::document(Document::new()),
    ];
    let cx = ExecContext::default();
    for row in function::all() {
        let most = if row.variadic {
            3
        } else {
            row.arguments.len().min(3)
        };
        for count in 0..=most {
            let choices = kinds.len().pow(u32::try_from(count).unwrap());
            for choice in 0..choices {
                let mut left = choice;
                let mut args: Vec<Value> = Vec::new();
                for _ in 0..count {
                    args.push(kinds[left % kinds.len()].clone());
                    left /= kinds.len();
                }
                // Further arguments of functions with many.
                while row.takes(args.len() + 1) && args.len() < row.arguments.len() {
                    args.push(Value::Int(1));
                }
                if !row.takes(args.len()) || (row.strict && args.iter().any(Value::is_null)) {
                    continue;
                }
                // Long results take long: they are bounded, but need not be made here.
                if matches!(row.name(), "repeat" | "lpad" | "rpad" | "factorial")
                    && args.contains(&Value::Int(i64::MAX))
                {
                    continue;
                }
                let _ = (row.eval)(&args, &cx);
            }
        }
    }
}
