//! `.import`: the records of a CSV or JSON file into a table, so many to a commit. A table that is not there is made:
//! for CSV with the columns of the header, typed by what all their fields can be; for JSON without a schema.
//! Inside BEGIN nothing is committed by itself.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use tailwater::{Column, Outcome, Parameters, SqlType, Value};
use tailwater_proto::{parse_json, parse_text, value_from_json};

use super::misused;
use crate::csv::{CsvReader, Record};
use crate::failure::Failure;
use crate::interrupt;
use crate::names::quoted;
use crate::progress::Progress;
use crate::shell::Shell;

/// Rows of one commit.
const COMMIT_ROWS: u64 = 10_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    /// Fields with a character between them.
    Separated(char),
    Json,
}

pub(super) fn import(shell: &mut Shell, arguments: &[String]) -> Result<(), Failure> {
    let mut format = None;
    let mut header = true;
    let mut words = Vec::new();
    for argument in arguments {
        match argument.as_str() {
            "--csv" => format = Some(Format::Separated(',')),
            "--tsv" => format = Some(Format::Separated('\t')),
            "--json" => format = Some(Format::Json),
            option if option.starts_with("--separator=") => {
                let mut given = option.chars().skip("--separator=".len());
                let (Some(separator), None) = (given.next(), given.next()) else {
                    return Err(misused("import"));
                };
                format = Some(Format::Separated(separator));
            }
            "--no-header" => header = false,
            option if option.starts_with("--") => return Err(misused("import")),
            word => words.push(word.to_owned()),
        }
    }
    let [file, table] = words.as_slice() else {
        return Err(misused("import"));
    };
    let path = PathBuf::from(file);
    let ending = path
        .extension()
        .and_then(|ending| ending.to_str())
        .unwrap_or_default();
    let format = format.unwrap_or(match ending {
        "json" | "ndjson" | "jsonl" => Format::Json,
        "tsv" | "tab" => Format::Separated('\t'),
        _ => Format::Separated(','),
    });
    let mut loading = Loading {
        table: table_name(table),
        path,
        rows: 0,
        uncommitted: 0,
        own_transaction: !shell.session.in_transaction(),
        is_made: false,
    };
    let ended = match format {
        Format::Separated(separator) => loading.csv(shell, header, separator),
        Format::Json => loading.json(shell),
    };
    loading.end(shell, ended)
}

/// The table as it can stand in a statement; words that are quoted or have a schema are taken as they are.
fn table_name(word: &str) -> String {
    if word.contains(['"', '.']) {
        word.to_owned()
    } else {
        quoted(word)
    }
}

struct Loading {
    table: String,
    path: PathBuf,
    rows: u64,
    uncommitted: u64,
    own_transaction: bool,
    /// The table was made for the file.
    is_made: bool,
}

impl Loading {
    /// The columns of the table, and whether it takes other fields too; `None` if there is no such table.
    fn columns(&self, shell: &mut Shell) -> Result<Option<(Vec<Column>, bool)>, Failure> {
        let sql = format!("SELECT * FROM {} LIMIT 0", self.table);
        match shell.session.execute(&sql, ()) {
            Ok(Outcome::Rows(rows)) => Ok(Some((rows.columns().to_vec(), rows.has_open_columns()))),
            Ok(_) => Ok(None),
            Err(error) if error.sqlstate() == "42P01" && self.own_transaction => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn csv(&mut self, shell: &mut Shell, header: bool, separator: char) -> Result<(), Failure> {
        let name = self.path.display().to_string();
        let mut reader = CsvReader::new(open(&self.path)?, &name, separator);
        let table = self.columns(shell)?;
        let mut waiting = VecDeque::new();
        let names: Option<Vec<String>> = match header {
            true => match reader.next_record()? {
                None if table.is_some() => return Ok(()),
                None => {
                    return Err(Failure::usage(
                        format!("{name} is empty"),
                        "its first line was to name the columns of the table; or CREATE TABLE first",
                    ));
                }
                Some(record) => Some(
                    record
                        .fields
                        .into_iter()
                        .map(Option::unwrap_or_default)
                        .collect(),
                ),
            },
            false => None,
        };
        let columns = match table {
            Some((columns, is_open)) => chosen(&columns, is_open, names.as_deref(), &name)?,
            None => {
                refuse_other_separator(names.as_deref(), &name)?;
                let columns = self.infer(names, header, separator)?;
                self.create(shell, &columns)?;
                columns
            }
        };
        let insert = insert_values(&self.table, &columns);
        let mut progress = Progress::new(size(&self.path));
        loop {
            let record = match waiting.pop_front() {
                Some(record) => record,
                None => match reader.next_record()? {
                    Some(record) => record,
                    None => return Ok(()),
                },
            };
            let values = typed(&record, &columns, &name)?;
            self.insert(shell, &insert, values, &name, record.line)?;
            progress.advance(record.bytes);
        }
    }

    /// The columns a table made for the file gets: the narrowest type all fields of a column fit.
    fn infer(
        &self,
        names: Option<Vec<String>>,
        header: bool,
        separator: char,
    ) -> Result<Vec<Column>, Failure> {
        let name = self.path.display().to_string();
        let mut reader = CsvReader::new(open(&self.path)?, &name, separator);
        if header {
            reader.next_record()?;
        }
        let mut guesses: Vec<Option<SqlType>> = vec![None; names.as_ref().map_or(0, Vec::len)];
        while let Some(record) = reader.next_record()? {
            if names.is_none() && guesses.len() < record.fields.len() {
                guesses.resize(record.fields.len(), None);
            }
            for (guess, field) in guesses.iter_mut().zip(&record.fields) {
                if let Some(text) = field {
                    *guess = Some(widened(guess.take(), text));
                }
            }
        }
        let names = names.unwrap_or_else(|| (1..=guesses.len()).map(|n| format!("c{n}")).collect());
        Ok(names
            .into_iter()
            .zip(guesses)
            .map(|(name, guess)| Column {
                name,
                ty: guess.unwrap_or(SqlType::Text),
            })
            .collect())
    }

    fn create(&mut self, shell: &mut Shell, columns: &[Column]) -> Result<(), Failure> {
        let columns: Vec<String> = columns
            .iter()
            .map(|column| format!("{} {}", quoted(&column.name), column.ty))
            .collect();
        shell.session.execute(
            &format!("CREATE TABLE {} ({})", self.table, columns.join(", ")),
            (),
        )?;
        self.is_made = true;
        Ok(())
    }

    fn json(&mut self, shell: &mut Shell) -> Result<(), Failure> {
        let name = self.path.display().to_string();
        let columns = match self.columns(shell)? {
            Some((columns, _)) => columns,
            None => {
                shell
                    .session
                    .execute(&format!("CREATE TABLE {}", self.table), ())?;
                self.is_made = true;
                Vec::new()
            }
        };
        let insert = format!("INSERT INTO {} VALUES ?", self.table);
        let mut progress = Progress::new(size(&self.path));
        let mut input = open(&self.path)?;
        let is_array =
            first_byte(&mut input).map_err(Failure::io(format!("reading {name}")))? == Some(b'[');
        if is_array {
            let text = std::fs::read_to_string(&self.path)
                .map_err(Failure::io(format!("reading {name}")))?;
            let Value::Array(documents) = document(&text, &name, 1)? else {
                return Ok(());
            };
            for (value, number) in documents.iter().zip(1..) {
                let value = fitted(value.clone(), &columns, &name, number)?;
                self.insert(shell, &insert, vec![value], &name, number)?;
            }
            return Ok(());
        }
        let mut line = String::new();
        for number in 1.. {
            line.clear();
            let read = input
                .read_line(&mut line)
                .map_err(Failure::io(format!("reading {name}")))?;
            if read == 0 {
                break;
            }
            if !line.trim().is_empty() {
                let value = fitted(
                    document(line.trim(), &name, number)?,
                    &columns,
                    &name,
                    number,
                )?;
                self.insert(shell, &insert, vec![value], &name, number)?;
            }
            progress.advance(read);
        }
        Ok(())
    }

    fn insert(
        &mut self,
        shell: &mut Shell,
        sql: &str,
        values: Vec<Value>,
        name: &str,
        line: usize,
    ) -> Result<(), Failure> {
        if interrupt::is_set() {
            return Err(Failure::Interrupted);
        }
        if self.own_transaction && self.uncommitted == 0 {
            shell.session.execute("BEGIN", ())?;
        }
        shell
            .session
            .execute(sql, Parameters::positional(values))
            .map_err(|error| {
                let text = format!("{name}:{line}: {}", error.message());
                let own = tailwater::Error::new(error.kind(), error.sqlstate(), text);
                match error.hint() {
                    Some(hint) => own.with_hint(hint),
                    None => own,
                }
            })?;
        self.rows += 1;
        self.uncommitted += 1;
        if self.own_transaction && self.uncommitted >= COMMIT_ROWS {
            shell.session.execute("COMMIT", ())?;
            self.uncommitted = 0;
        }
        Ok(())
    }

    /// Takes back what is not committed, and a table that was made for nothing.
    fn take_back(&self, shell: &mut Shell) -> Result<(), Failure> {
        let is_begun = shell.session.in_transaction();
        if is_begun {
            shell.session.execute("ROLLBACK", ())?;
        }
        let kept = self.rows - self.uncommitted;
        if kept > 0 {
            eprintln!(
                "NOTE: {kept} rows were imported and stay, the commit after them was taken back"
            );
            return Ok(());
        }
        if self.is_made {
            shell
                .session
                .execute(&format!("DROP TABLE {}", self.table), ())?;
        }
        if is_begun || self.is_made {
            eprintln!("NOTE: nothing was imported");
        }
        Ok(())
    }

    /// Commits the rest, or takes it back and says what stays.
    fn end(self, shell: &mut Shell, ended: Result<(), Failure>) -> Result<(), Failure> {
        let ended = match ended {
            Ok(()) if self.own_transaction && shell.session.in_transaction() => shell
                .session
                .execute("COMMIT", ())
                .map(drop)
                .map_err(Failure::from),
            Ok(()) => Ok(()),
            Err(failure) => {
                if self.own_transaction {
                    self.take_back(shell)?;
                }
                Err(failure)
            }
        };
        if ended.is_ok() && shell.tags {
            shell.printer.line(&format!("IMPORT {}", self.rows))?;
        }
        ended
    }
}

/// Refuses a header that is one name with what other files have between theirs: the table would get one column.
fn refuse_other_separator(names: Option<&[String]>, file: &str) -> Result<(), Failure> {
    let Some([name]) = names else {
        return Ok(());
    };
    let Some(separator) = name.chars().find(|c| matches!(c, ';' | '\t' | '|' | ',')) else {
        return Ok(());
    };
    let hint = match separator {
        '\t' => "say --tsv".to_owned(),
        other => format!("say '--separator={other}'"),
    };
    Err(Failure::usage(
        format!("{file}:1: its only column would be called {name:?}"),
        format!("if its fields are separated otherwise, {hint}; if not, CREATE TABLE first"),
    ))
}

fn open(path: &Path) -> Result<BufReader<File>, Failure> {
    let file = File::open(path).map_err(Failure::io(format!("reading {}", path.display())))?;
    Ok(BufReader::with_capacity(1 << 16, file))
}

fn size(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|file| file.len())
}

/// The first byte that is not blank, without taking it.
fn first_byte(input: &mut impl BufRead) -> std::io::Result<Option<u8>> {
    let start = input.fill_buf()?;
    Ok(start
        .iter()
        .copied()
        .find(|byte| !byte.is_ascii_whitespace()))
}

/// The table's columns the file's fields go to.
fn chosen(
    columns: &[Column],
    is_open: bool,
    names: Option<&[String]>,
    file: &str,
) -> Result<Vec<Column>, Failure> {
    let Some(names) = names else {
        return Ok(columns
            .iter()
            .filter(|column| column.name != "...")
            .cloned()
            .collect());
    };
    names
        .iter()
        .map(|name| {
            let exact = columns.iter().find(|column| column.name == *name);
            let folded = || {
                columns
                    .iter()
                    .find(|column| column.name == name.to_lowercase())
            };
            match exact.or_else(folded) {
                Some(column) => Ok(column.clone()),
                None if is_open => Ok(Column {
                    name: name.clone(),
                    ty: SqlType::Any,
                }),
                None => {
                    let known: Vec<&str> = columns.iter().map(|column| &*column.name).collect();
                    Err(Failure::usage(
                        format!("{file}:1: the table has no column \"{name}\""),
                        format!(
                            "its columns are {}; without a header say --no-header",
                            known.join(", ")
                        ),
                    ))
                }
            }
        })
        .collect()
}

fn insert_values(table: &str, columns: &[Column]) -> String {
    let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
    let places = vec!["?"; columns.len()].join(", ");
    format!(
        "INSERT INTO {table} ({}) VALUES ({places})",
        names.join(", ")
    )
}

/// A record's fields as values of the columns.
fn typed(record: &Record, columns: &[Column], file: &str) -> Result<Vec<Value>, Failure> {
    if record.fields.len() != columns.len() {
        return Err(Failure::usage(
            format!(
                "{file}:{}: {} fields for {} columns",
                record.line,
                record.fields.len(),
                columns.len()
            ),
            "each record needs a field for each column",
        ));
    }
    record
        .fields
        .iter()
        .zip(columns)
        .map(|(field, column)| match field {
            None => Ok(Value::Null),
            Some(text) => value_of(text, &column.ty).map_err(|error| {
                let message = format!(
                    "{file}:{}: column {}: {}",
                    record.line, column.name, error.message
                );
                tailwater::Error::data("22P02", message).into()
            }),
        })
        .collect()
}

fn value_of(text: &str, ty: &SqlType) -> Result<Value, tailwater_proto::TextError> {
    match ty {
        SqlType::Any | SqlType::Unknown => Ok(Value::text(text)),
        SqlType::Document => parse_json(text),
        ty => parse_text(text, ty),
    }
}

/// The narrowest type that fits the texts so far and one more.
fn widened(guess: Option<SqlType>, text: &str) -> SqlType {
    const ORDER: [SqlType; 3] = [SqlType::Int8, SqlType::Numeric(None), SqlType::Text];
    let from = guess
        .and_then(|guess| ORDER.iter().position(|ty| *ty == guess))
        .unwrap_or(0);
    // Leading zeros (postal codes, telephone numbers) must come back: that is text.
    let has_zeros = text.len() > 1 && text.starts_with('0') && !text.starts_with("0.");
    let is_number = !has_zeros
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || b == b'-' || b == b'.');
    ORDER
        .into_iter()
        .skip(from)
        .find(|ty| *ty == SqlType::Text || (is_number && parse_text(text, ty).is_ok()))
        .unwrap_or(SqlType::Text)
}

fn document(text: &str, file: &str, line: usize) -> Result<Value, Failure> {
    parse_json(text).map_err(|error| {
        Failure::usage(
            format!("{file}:{line}: not JSON: {}", error.message),
            "a file has one document to a line, or is one array of documents",
        )
    })
}

/// A document whose fields have the types of the table's columns.
fn fitted(value: Value, columns: &[Column], file: &str, line: usize) -> Result<Value, Failure> {
    let Value::Document(mut document) = value else {
        return Err(Failure::usage(
            format!("{file}:{line}: not a document"),
            "each line is an object: {\"a\": 1}",
        ));
    };
    for column in columns.iter().filter(|column| column.ty != SqlType::Any) {
        let Some(field) = document.get(&column.name) else {
            continue;
        };
        let fitted = value_from_json(field.clone(), &column.ty).map_err(|error| {
            let message = format!("{file}:{line}: column {}: {}", column.name, error.message);
            Failure::from(tailwater::Error::data("22P02", message))
        })?;
        std::sync::Arc::make_mut(&mut document).set(column.name.as_str(), fitted);
    }
    Ok(Value::Document(document))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_type_that_fits_is_taken() {
        let infer = |texts: &[&str]| {
            texts
                .iter()
                .fold(None, |guess, text| Some(widened(guess, text)))
        };
        assert_eq!(infer(&["1", "-20"]), Some(SqlType::Int8));
        assert_eq!(infer(&["1", "2.50", "3"]), Some(SqlType::Numeric(None)));
        assert_eq!(infer(&["1", "x", "3"]), Some(SqlType::Text));
        assert_eq!(infer(&["01234"]), Some(SqlType::Text));
        assert_eq!(infer(&["NaN"]), Some(SqlType::Text));
        assert_eq!(infer(&[]), None);
    }
}
