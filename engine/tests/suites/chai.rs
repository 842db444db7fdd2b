//! Chai's own format: tests with a database each, and expressions with the value expected of each. What is Chai's own,
//! plan texts and its catalog's tables, is left out; of an error only that it is one counts.

use tailwater::{Database, Outcome, Session, Value};

use crate::runner::settings;
use crate::tally::Tally;

/// A test of a file.
#[derive(Debug, Default)]
struct Test {
    name: String,
    sql: String,
    expected: Expected,
}

#[derive(Debug, Default)]
enum Expected {
    #[default]
    NoRows,
    Error,
    Rows {
        sorted: bool,
        text: String,
    },
}

/// A file of tests.
#[derive(Debug, Default)]
struct TestFile {
    setup: String,
    suites: Vec<String>,
    tests: Vec<Test>,
}

/// What the next lines belong to.
enum Part {
    Setup,
    Suite,
    Test,
    Rows,
    Rest,
}

fn parse(text: &str) -> TestFile {
    let mut file = TestFile::default();
    let mut part = Part::Setup;
    for line in text.lines() {
        let directive = |name: &str| {
            line.strip_prefix("-- ")
                .and_then(|rest| rest.strip_prefix(name))
        };
        if directive("setup:").is_some() {
            part = Part::Setup;
        } else if directive("suite:").is_some() {
            file.suites.push(String::new());
            part = Part::Suite;
        } else if let Some(name) = directive("test:") {
            file.tests.push(Test {
                name: name.trim().to_owned(),
                ..Test::default()
            });
            part = Part::Test;
        } else if let Some(test) = file.tests.last_mut() {
            if directive("error:").is_some() {
                test.expected = Expected::Error;
                part = Part::Rest;
                continue;
            }
            let sorted = line.trim_start().starts_with("/* sorted-result:");
            if sorted || line.trim_start().starts_with("/* result:") {
                test.expected = Expected::Rows {
                    sorted,
                    text: String::new(),
                };
                part = Part::Rows;
                continue;
            }
            match (&part, &mut test.expected) {
                (Part::Test, _) => test.sql += &format!("{line}\n"),
                (Part::Rows, _) if line.trim_end().ends_with("*/") => part = Part::Rest,
                (Part::Rows, Expected::Rows { text, .. }) => *text += &format!("{line}\n"),
                _ => {}
            }
        } else if let (Part::Suite, Some(suite)) = (&part, file.suites.last_mut()) {
            *suite += &format!("{line}\n");
        } else {
            file.setup += &format!("{line}\n");
        }
    }
    file
}

/// Runs the tests of a file, each once a suite.
pub(crate) fn run_tests(name: &str, text: &str) -> Tally {
    let mut tally = Tally::default();
    let mut file = parse(text);
    if file.suites.is_empty() {
        file.suites.push(String::new());
    }
    for test in &file.tests {
        for suite in &file.suites {
            let its_own = ["__chai", "EXPLAIN"]
                .iter()
                .any(|word| test.sql.contains(word));
            if its_own {
                tally.skipped += 1;
                continue;
            }
            let db = Database::builder().settings(settings()).memory().unwrap();
            let mut session = db.session();
            let setup = session
                .execute(&file.setup, ())
                .and_then(|_| session.execute(suite, ()));
            let told = match setup {
                Err(error) => Err((
                    format!("{} {}", error.sqlstate(), error.message()),
                    error.to_string(),
                )),
                Ok(_) => run_test(&mut session, test),
            };
            match told {
                Ok(()) => tally.passed += 1,
                Err((cause, came)) => {
                    let flat = test.sql.replace('\n', " ");
                    let story = format!(
                        "{name} {}: {flat}\nexpected\n{:?}\ncame\n{came}",
                        test.name, test.expected
                    );
                    tally.fail(cause, story);
                }
            }
        }
    }
    tally
}

fn rows_of(session: &mut Session, sql: &str) -> tailwater::Result<Vec<Vec<Value>>> {
    match session.execute(sql, ())? {
        Outcome::Rows(rows) => rows.map(|row| Ok(row?.values().to_vec())).collect(),
        _ => Ok(Vec::new()),
    }
}

fn run_test(session: &mut Session, test: &Test) -> Result<(), (String, String)> {
    let ran = rows_of(session, &test.sql);
    match (&test.expected, ran) {
        (Expected::Error, Ok(_)) => Err(("no error".to_owned(), "success".to_owned())),
        (Expected::Error, Err(_)) => Ok(()),
        (_, Err(error)) => Err((
            format!("{} {}", error.sqlstate(), error.message()),
            error.to_string(),
        )),
        (Expected::NoRows, Ok(_)) => Ok(()),
        (Expected::Rows { sorted, text }, Ok(rows)) => {
            let mut found: Vec<Vec<String>> = rows.iter().map(|row| shown(row)).collect();
            let mut expected =
                documents(session, text).map_err(|problem| (problem.clone(), problem))?;
            if *sorted {
                found.sort_unstable();
                expected.sort_unstable();
            }
            if found == expected {
                return Ok(());
            }
            Err(("wrong result".to_owned(), format!("{found:?}")))
        }
    }
}

/// Values as text; a number by its size and not by its type, which Chai chooses in its own way, and which a document
/// literal does not have for bytes.
fn shown(row: &[Value]) -> Vec<String> {
    row.iter()
        .map(|value| {
            let text = value.to_string();
            let number = text.parse::<f64>();
            number.map_or(text, |number| number.to_string())
        })
        .collect()
}

/// The rows that stand in a test as document literals, one after the other.
fn documents(session: &mut Session, text: &str) -> Result<Vec<Vec<String>>, String> {
    let (mut rows, mut depth, mut start, mut quoted) = (Vec::new(), 0, 0, None);
    for (at, c) in text.char_indices() {
        match (quoted, c) {
            (Some(quote), c) if c == quote => quoted = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quoted = Some(c),
            (None, '{') => {
                if depth == 0 {
                    start = at;
                }
                depth += 1;
            }
            (None, '}') => {
                depth -= 1;
                if depth == 0 {
                    let inner = text[start + 1..at].trim().trim_end_matches(',');
                    let found = rows_of(session, &format!("SELECT {{{inner}}}"))
                        .map_err(|error| format!("the expected row {inner}: {error}"))?;
                    let Some([Value::Document(document)]) = found.first().map(Vec::as_slice) else {
                        return Err(format!("{inner} is no document"));
                    };
                    let values: Vec<Value> =
                        document.iter().map(|(_, value)| value.clone()).collect();
                    rows.push(shown(&values));
                }
            }
            _ => {}
        }
    }
    Ok(rows)
}

/// Runs a file of expressions: `> expression` then its value, `! expression` then an error.
pub(crate) fn run_expressions(name: &str, text: &str) -> Tally {
    let mut tally = Tally::default();
    let db = Database::builder().settings(settings()).memory().unwrap();
    let mut session = db.session();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let (fails, expression) = match (line.strip_prefix("> "), line.strip_prefix("! ")) {
            (Some(expression), _) => (false, expression),
            (_, Some(expression)) => (true, expression),
            _ => continue,
        };
        let mut expected = String::new();
        while let Some(line) = lines.next_if(|line| !line.is_empty()) {
            expected += line;
        }
        let ran = rows_of(&mut session, &format!("SELECT {expression}"));
        let story =
            |came: String| format!("{name}: {expression}\nexpected\n{expected}\ncame\n{came}");
        match ran {
            Err(_) if fails => tally.passed += 1,
            Ok(rows) if fails => tally.fail("no error", story(format!("{rows:?}"))),
            Err(error) => tally.fail(
                format!("{} {}", error.sqlstate(), error.message()),
                story(error.to_string()),
            ),
            Ok(rows) => {
                let value =
                    rows_of(&mut session, &format!("SELECT {expected}")).unwrap_or_default();
                let shape =
                    |rows: &[Vec<Value>]| rows.iter().map(|row| shown(row)).collect::<Vec<_>>();
                if !value.is_empty() && shape(&rows) == shape(&value) {
                    tally.passed += 1;
                } else {
                    tally.fail("wrong result", story(format!("{rows:?}")));
                }
            }
        }
    }
    tally
}
