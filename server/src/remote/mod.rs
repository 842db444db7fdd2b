//! `tailwater --server ADDR`: the shell over the network: one session of a server, statements in, rows out.
//!
//! Scripts, errors and printing are the local shell's; dot commands need the database itself and are not there. `line` is
//! the connection. The access token comes from the environment variable TAILWATER_TOKEN, where no list of processes shows it.

mod line;
mod raw;

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, IsTerminal};

use rustyline::error::ReadlineError;
use tailwater::{Column, SqlType, Value};
use tailwater_proto::v1;

use self::line::{Line, Said};
use crate::args::Args;
use crate::failure::Failure;
use crate::interrupt;
use crate::output::{Mode, Printer};
use crate::report::{self, Place};
use crate::script::{Splitter, Statement};

/// Runs the shell on a server, and returns the exit code.
///
/// # Errors
/// When the server cannot be reached, or a statement fails.
pub(crate) fn main(args: &Args, server: &str) -> Result<u8, Failure> {
    if args.database.is_some() || args.readonly || args.memory.is_some() {
        return Err(Failure::usage(
            "--server is somebody else's database: no folder, --readonly or --memory goes with it",
            "tailwater --server 127.0.0.1:50051 -c \"SELECT 1\"",
        ));
    }
    interrupt::install()?;
    let mut printer = Printer::new(Box::new(BufWriter::new(std::io::stdout())), args.mode);
    printer.headers = args.headers();
    printer.null_text.clone_from(&args.null_value);
    let mut remote = Remote {
        line: Line::open(server)?,
        printer,
        keeps_going: args.keep_going,
        failed: 0,
    };
    for command in &args.commands {
        remote.script("", command.as_bytes())?;
    }
    for path in &args.files {
        let what = format!("reading {}", path.display());
        let file = File::open(path).map_err(Failure::io(what))?;
        remote.script(&path.display().to_string(), BufReader::new(file))?;
    }
    if args.commands.is_empty() && args.files.is_empty() {
        match std::io::stdin().is_terminal() {
            true => remote.converse(server)?,
            false => remote.script("stdin", std::io::stdin().lock())?,
        }
    }
    Ok(if remote.failed > 0 { 3 } else { 0 })
}

/// Runs a statement on a server, and returns the texts in the first column of its rows.
///
/// # Errors
/// When the server cannot be reached, or the statement fails.
pub(crate) fn ask(server: &str, sql: &str) -> Result<Vec<String>, Failure> {
    use v1::value::Kind;
    let mut texts = Vec::new();
    Line::open(server)?.ask(sql, |said| {
        if let Said::Row(values) = said
            && let Some(Kind::Text(text)) = values.into_iter().next().and_then(|value| value.kind)
        {
            texts.push(text);
        }
        Ok(())
    })?;
    Ok(texts)
}

/// A session far away, with a printer.
struct Remote {
    line: Line,
    printer: Printer,
    keeps_going: bool,
    failed: u64,
}

impl Remote {
    fn script(&mut self, source: &str, mut input: impl BufRead) -> Result<(), Failure> {
        let mut splitter = Splitter::default();
        let mut line = String::new();
        loop {
            line.clear();
            let read = input
                .read_line(&mut line)
                .map_err(Failure::io(format!("reading {source}")))?;
            if read == 0 {
                break;
            }
            splitter.push(&line);
            while let Some(statement) = splitter.next_statement() {
                self.step(source, &statement)?;
            }
        }
        match splitter.finish() {
            Some(statement) => self.step(source, &statement),
            None => Ok(()),
        }
    }

    fn step(&mut self, source: &str, statement: &Statement) -> Result<(), Failure> {
        match self.run(statement) {
            Err(failure) if !failure.is_broken_pipe() => {
                self.printer.flush()?;
                report::statement_failure(&failure, Place { source, statement });
                if interrupt::is_set() {
                    return Err(Failure::Interrupted);
                }
                if !self.keeps_going {
                    return Err(Failure::Reported {
                        exit_code: failure.exit_code(),
                    });
                }
                self.failed += 1;
                Ok(())
            }
            ended => ended,
        }
    }

    /// At a terminal.
    fn converse(&mut self, server: &str) -> Result<(), Failure> {
        let terminal = |error: ReadlineError| Failure::Io {
            what: "reading the terminal".to_owned(),
            source: std::io::Error::other(error),
        };
        eprintln!("connected to {server}; Ctrl-D leaves");
        let mut editor = rustyline::DefaultEditor::new().map_err(terminal)?;
        let mut splitter = Splitter::default();
        loop {
            let prompt = if splitter.is_blank() { "> " } else { "- " };
            let line = match editor.readline(prompt) {
                Ok(line) => line,
                Err(ReadlineError::Interrupted) => {
                    splitter = Splitter::default();
                    continue;
                }
                Err(ReadlineError::Eof) => return Ok(()),
                Err(error) => return Err(terminal(error)),
            };
            splitter.push(&format!("{line}\n"));
            while let Some(statement) = splitter.next_statement() {
                // Only the terminal needs it; a line that cannot be kept can still be run.
                let _ = editor.add_history_entry(&statement.text);
                if let Err(failure) = self.run(&statement) {
                    self.printer.flush()?;
                    let source = "";
                    let statement = &statement;
                    report::statement_failure(&failure, Place { source, statement });
                }
            }
        }
    }

    fn run(&mut self, statement: &Statement) -> Result<(), Failure> {
        interrupt::begin();
        let mut columns: Option<Vec<Column>> = None;
        let mut rows = Vec::new();
        let streams = matches!(self.printer.mode, Mode::Csv | Mode::List);
        let printer = &mut self.printer;
        self.line.ask(&statement.text, |said| {
            match said {
                Said::Columns(told) => {
                    let told = told.into_iter().map(column).collect::<Vec<_>>();
                    if streams {
                        printer.head(&told)?;
                    }
                    columns = Some(told);
                }
                Said::Row(row) => {
                    let row: Vec<Value> = row.into_iter().map(value).collect();
                    match (&columns, streams) {
                        (Some(columns), true) => printer.row(columns, &row)?,
                        _ => rows.push(row),
                    }
                }
                // What was sent of a feed by now is to be seen now.
                Said::Pause if streams => printer.flush()?,
                Said::Pause => {
                    printer.collected(
                        columns.clone().unwrap_or_default(),
                        std::mem::take(&mut rows),
                    )?;
                    printer.flush()?;
                }
            }
            Ok(())
        })?;
        if let Some(columns) = columns
            && !streams
        {
            self.printer.collected(columns, rows)?;
        }
        self.printer.flush()
    }
}

/// A column as the printer wants it.
fn column(message: v1::Column) -> Column {
    let known = [
        SqlType::Bool,
        SqlType::Int2,
        SqlType::Int4,
        SqlType::Int8,
        SqlType::Real,
        SqlType::Double,
        SqlType::Numeric(None),
    ];
    let ty = known
        .into_iter()
        .find(|ty| ty.to_string() == message.r#type);
    Column {
        name: message.name,
        ty: ty.unwrap_or(SqlType::Any),
    }
}

/// A value; one that is malformed is shown as nothing.
fn value(message: v1::Value) -> Value {
    Value::try_from(message).unwrap_or_default()
}
