//! Errors as people read them: psql's shape, with the line of the script, a caret under the place, and a hint.
//! Everything goes to standard error; standard output is for rows.

use std::fmt::Write;

use crate::failure::Failure;
use crate::script::Statement;

/// Most characters of a line that are shown around the place.
const WINDOW: usize = 100;

/// Where a statement comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'p> {
    /// The script's name; empty for the terminal and -c.
    pub(crate) source: &'p str,
    /// The statement.
    pub(crate) statement: &'p Statement,
}

/// Reports a failure that has no place in a script.
pub(crate) fn failure(failure: &Failure) {
    let text = describe(failure, None);
    if !text.is_empty() {
        eprint!("{text}");
    }
}

/// Reports a statement that failed.
pub(crate) fn statement_failure(failure: &Failure, place: Place<'_>) {
    eprint!("{}", describe(failure, Some(place)));
}

/// The lines of a failure.
pub(crate) fn describe(failure: &Failure, place: Option<Place<'_>>) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_failure(&mut text, failure, place);
    text
}

fn write_failure(
    out: &mut String,
    failure: &Failure,
    place: Option<Place<'_>>,
) -> std::fmt::Result {
    match failure {
        Failure::Database(error) => {
            write_prefix(out, place)?;
            writeln!(
                out,
                "ERROR:  {} (SQLSTATE {})",
                error.message(),
                error.sqlstate()
            )?;
            write_details(out, place, error.position(), error.hint())
        }
        Failure::Remote {
            sqlstate,
            message,
            hint,
            position,
        } => {
            write_prefix(out, place)?;
            writeln!(out, "ERROR:  {message} (SQLSTATE {sqlstate})")?;
            write_details(out, place, *position, hint.as_deref())
        }
        Failure::Io { what, source } => {
            write_prefix(out, place)?;
            writeln!(out, "ERROR:  {what}: {source}")
        }
        Failure::Usage { message, hint } => {
            write_prefix(out, place)?;
            writeln!(out, "ERROR:  {message}\nHINT:  {hint}")
        }
        Failure::Interrupted => writeln!(out, "interrupted"),
        Failure::Reported { .. } => Ok(()),
    }
}

fn write_details(
    out: &mut String,
    place: Option<Place<'_>>,
    position: Option<usize>,
    hint: Option<&str>,
) -> std::fmt::Result {
    if let (Some(position), Some(place)) = (position, place) {
        write_position(out, place.statement, position)?;
    }
    if let Some(hint) = hint {
        writeln!(out, "HINT:  {hint}")?;
    }
    Ok(())
}

fn write_prefix(out: &mut String, place: Option<Place<'_>>) -> std::fmt::Result {
    match place {
        Some(place) if !place.source.is_empty() => {
            write!(out, "{}:{}: ", place.source, place.statement.line)
        }
        _ => Ok(()),
    }
}

/// `LINE n: …` and a caret under the byte at `position` of the statement.
fn write_position(out: &mut String, statement: &Statement, position: usize) -> std::fmt::Result {
    let text = &statement.text;
    let mut position = position.min(text.len());
    while !text.is_char_boundary(position) {
        position -= 1;
    }
    let (before, after) = text.split_at(position);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = position + after.find('\n').unwrap_or(after.len());
    let number = statement.line + before.matches('\n').count();
    let column = text
        .get(line_start..position)
        .unwrap_or_default()
        .chars()
        .count();
    let line: Vec<char> = text
        .get(line_start..line_end)
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let (first, cut_before) = match column > WINDOW / 2 && line.len() > WINDOW {
        true => ((column - WINDOW / 2).min(line.len() - WINDOW), "..."),
        false => (0, ""),
    };
    let shown: String = line.iter().skip(first).take(WINDOW).collect();
    let cut_after = if line.len() > first + WINDOW {
        "..."
    } else {
        ""
    };
    let head = format!("LINE {number}: {cut_before}");
    writeln!(out, "{head}{}{cut_after}", shown.trim_end())?;
    writeln!(
        out,
        "{:width$}^",
        "",
        width = head.chars().count() + column - first
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(text: &str, line: usize, position: usize) -> String {
        let statement = Statement {
            text: text.to_owned(),
            line,
        };
        let error = tailwater::Error::statement("42601", "no")
            .at(position)
            .with_hint("mend it");
        describe(
            &error.into(),
            Some(Place {
                source: "x.sql",
                statement: &statement,
            }),
        )
    }

    #[test]
    fn a_caret_stands_under_the_place() {
        assert_eq!(
            described("SELECT 'ü',\n  frm", 7, 15),
            "x.sql:7: ERROR:  no (SQLSTATE 42601)\nLINE 8:   frm\n          ^\nHINT:  mend it\n"
        );
        assert!(described("SELECT", 1, 600).contains("LINE 1: SELECT\n              ^\n"));
    }

    #[test]
    fn of_a_long_line_the_part_around_the_place_is_shown() {
        let text = format!("SELECT {} here {}", "a".repeat(500), "b".repeat(500));
        let shown = described(&text, 1, 508);
        let lines: Vec<&str> = shown.lines().collect();
        let caret = lines[2].find('^').unwrap();
        assert!(lines[1][caret..].starts_with("here"), "{shown}");
        assert!(lines[1].len() < 130 && lines[1].ends_with("..."));
    }
}
