//! Records of the sqllogictest format: statements and queries with what is expected of them.

use std::iter::Peekable;
use std::str::Lines;

/// The product we are in `onlyif` and `skipif`.
const LABEL: &str = "postgresql";

/// One statement or query of a file.
#[derive(Debug)]
pub(crate) struct Record {
    /// Where its SQL begins, from 1.
    pub(crate) line: usize,
    /// The session it runs in.
    pub(crate) connection: String,
    pub(crate) sql: String,
    pub(crate) expected: Expected,
}

/// What is expected.
#[derive(Debug)]
pub(crate) enum Expected {
    /// It succeeds; with a number, on so many rows.
    Done(Option<u64>),
    /// It fails, with this SQLSTATE if one is given.
    Error(Option<String>),
    /// It brings these lines.
    Rows {
        /// One letter a column: I, R or T.
        types: String,
        sort: Sort,
        lines: Vec<String>,
    },
}

/// In which order rows are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    AsTheyCome,
    Rows,
    Values,
}

/// All records of a file that are meant for us.
///
/// # Errors
/// The line of a directive that is not known, `system` among them: it would run a shell command.
pub(crate) fn parse(text: &str) -> Result<Vec<Record>, String> {
    let mut file = File {
        lines: text.lines().peekable(),
        line: 0,
    };
    let mut records = Vec::new();
    let (mut wanted, mut connection) = (true, String::new());
    while let Some(line) = file.next() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.split('#').next().unwrap_or_default().trim();
        match word {
            "onlyif" => wanted &= rest == LABEL,
            "skipif" => wanted &= rest != LABEL,
            "connection" => rest.clone_into(&mut connection),
            "halt" if wanted => break,
            "halt" => wanted = true,
            "statement" | "query" | "skipstatement" | "skipquery" => {
                wanted &= !word.starts_with("skip");
                let at = file.line + 1;
                let sql = file.sql();
                let expected = match word {
                    "statement" | "skipstatement" => file.of_statement(rest),
                    _ => file.of_query(rest),
                }
                .ok_or_else(|| format!("line {at}: {line} is not known"))?;
                let connection = std::mem::take(&mut connection);
                if std::mem::replace(&mut wanted, true) {
                    records.push(Record {
                        line: at,
                        connection,
                        sql,
                        expected,
                    });
                }
            }
            _ if line.is_empty() || line.starts_with('#') || word == "hash-threshold" => {}
            _ => return Err(format!("line {}: {line} is not known", file.line)),
        }
    }
    Ok(records)
}

struct File<'t> {
    lines: Peekable<Lines<'t>>,
    line: usize,
}

impl<'t> File<'t> {
    fn next(&mut self) -> Option<&'t str> {
        self.line += 1;
        self.lines.next().map(str::trim_end)
    }

    /// Lines up to an empty one, or one of dashes, which is left. The first line may be empty.
    fn sql(&mut self) -> String {
        let mut sql = String::new();
        if self
            .lines
            .next_if(|line| line.trim_end().is_empty())
            .is_some()
        {
            self.line += 1;
        }
        while let Some(line) = self
            .lines
            .next_if(|line| !line.trim_end().is_empty() && line.trim_end() != "----")
        {
            self.line += 1;
            sql.push_str(line);
            sql.push('\n');
        }
        sql
    }

    /// The lines below the dashes.
    fn result(&mut self) -> Vec<String> {
        if self
            .lines
            .next_if(|line| line.trim_end() == "----")
            .is_none()
        {
            return Vec::new();
        }
        self.line += 1;
        let mut lines = Vec::new();
        while let Some(line) = self.lines.next_if(|line| !line.is_empty()) {
            self.line += 1;
            lines.push(line.to_owned());
        }
        lines
    }

    fn of_statement(&mut self, rest: &str) -> Option<Expected> {
        let (word, more) = rest.split_once(' ').unwrap_or((rest, ""));
        // The words of an error are each product's own.
        self.result();
        match word {
            "ok" => Some(Expected::Done(None)),
            "count" => Some(Expected::Done(Some(more.trim().parse().ok()?))),
            "error" => Some(error(more)),
            _ => None,
        }
    }

    fn of_query(&mut self, rest: &str) -> Option<Expected> {
        let mut words = rest.split(' ');
        let types = words.next().unwrap_or_default();
        let sort = match words.next() {
            None | Some("" | "nosort") => Sort::AsTheyCome,
            Some("rowsort") => Sort::Rows,
            Some("valuesort") => Sort::Values,
            Some(_) if types == "error" => Sort::AsTheyCome,
            Some(_) => return None,
        };
        let lines = self.result();
        if types == "error" {
            let more = rest.split_once(' ').map_or("", |(_, more)| more);
            return Some(error(more));
        }
        Some(Expected::Rows {
            types: types.to_owned(),
            sort,
            lines,
        })
    }
}

/// `(23505)` is a SQLSTATE; everything else are words, which are each product's own.
fn error(more: &str) -> Expected {
    let code = more
        .trim()
        .strip_prefix('(')
        .and_then(|more| more.strip_suffix(')'));
    Expected::Error(code.filter(|code| code.len() == 5).map(str::to_owned))
}
