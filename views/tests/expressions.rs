//! Expressions and what PostgreSQL 15 answers to them: `expr  =>  text  :: type`, or `ERROR code: message`.
//!
//! The answers in `tests/expressions/*.txt` come from PostgreSQL itself, with TIME ZONE UTC. A line that begins with
//! `#` is a comment; lines after `# ours` are where Tailwater differs on purpose.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use tailwater_views::ExecContext;

mod sql;

#[test]
fn expressions_are_answered_as_postgresql_does() {
    let folder = std::env::var("TAILWATER_EXPRESSIONS")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/tests/expressions").to_owned());
    let mut wrong = Vec::new();
    let mut asked = 0;
    let mut files: Vec<_> = fs::read_dir(Path::new(&folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for (line, question) in text.lines().enumerate() {
            let Some((expr, expected)) = question.split_once("  =>  ") else {
                assert!(
                    question.is_empty() || question.starts_with('#'),
                    "{question}"
                );
                continue;
            };
            asked += 1;
            let answer = sql::answer_typed(expr, &ExecContext::default());
            if answer != expected {
                let place = file.file_name().unwrap().to_string_lossy();
                wrong.push(format!(
                    "{place}:{} {expr}\n  is   {answer}\n  not  {expected}",
                    line + 1
                ));
            }
        }
    }
    assert!(asked > 0);
    assert!(
        wrong.is_empty(),
        "{} of {asked} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
