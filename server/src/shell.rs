//! `Shell`: one session with a printer: runs statements, dot commands and scripts, and shows feeds.
//!
//! A script stops at the first statement that fails, unless told to go on. What a statement means is the engine's
//! business; here its outcome is printed. `interactive` is the same with a line editor in front.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tailwater::{Database, FeedEvent, Outcome, Session, Subscription};

use crate::args::Args;
use crate::dot;
use crate::failure::Failure;
use crate::feed::json;
use crate::interactive;
use crate::interrupt;
use crate::open::{self, Access};
use crate::output::{Mode, Printer};
use crate::progress::{Progress, Watch};
use crate::report::{self, Place};
use crate::script::{Splitter, Statement};

/// How often a feed that is watched looks whether Ctrl-C was pressed.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Scripts that read scripts that read scripts …
const READ_DEPTH_MAX: usize = 32;

/// What the shell does after a statement failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnError {
    /// Ends the script.
    Stop,
    /// Goes on; the exit code tells.
    GoOn,
}

/// One session with a printer.
pub(crate) struct Shell {
    pub(crate) database: Database,
    pub(crate) session: Session,
    pub(crate) printer: Printer,
    pub(crate) on_error: OnError,
    /// Prints how long each statement took.
    pub(crate) timer: bool,
    /// Prints what statements without rows did.
    pub(crate) tags: bool,
    /// `.exit` was said.
    pub(crate) is_done: bool,
    /// Statements that failed in scripts that went on.
    pub(crate) failed: u64,
    read_depth: usize,
    /// The folder of the database, if it has one.
    path: Option<PathBuf>,
}

/// Runs the shell as the command line says, and returns the exit code.
///
/// # Errors
/// When the database cannot be opened, or a statement fails.
pub(crate) fn main(args: &Args) -> Result<u8, Failure> {
    let access = if args.readonly {
        Access::Read
    } else {
        Access::Write
    };
    let is_interactive =
        args.commands.is_empty() && args.files.is_empty() && std::io::stdin().is_terminal();
    if args.readonly && args.database.is_none() {
        return Err(Failure::usage(
            "--readonly needs a database",
            "name its folder: tailwater --readonly app.db",
        ));
    }
    if args.memory == Some(None) && args.database.is_some() {
        return Err(Failure::usage(
            "--memory without a size is a database in memory, and a folder is named too",
            "leave one of them out, or say how much memory: --memory 256MiB",
        ));
    }
    let path = args.database.as_deref();
    let memory = args.memory.flatten();
    let database = open::open(path, access, args.sync.into(), memory)?;
    let mut shell = Shell::new(database, args);
    interrupt::install()?;
    if access == Access::Read {
        eprintln!(
            "NOTE: read-only, as of the last checkpoint (lsn {}): later commits are not shown",
            shell.database.visible_lsn().0
        );
    }
    let ended = if is_interactive {
        interactive::run(&mut shell, path)
    } else {
        shell.run_batch(args)
    };
    let flushed = shell.printer.flush();
    let Shell {
        database,
        session,
        failed,
        ..
    } = shell;
    drop(session);
    ended?;
    flushed?;
    database.close()?;
    Ok(if failed > 0 { 3 } else { 0 })
}

impl Shell {
    fn new(database: Database, args: &Args) -> Self {
        let mut printer = Printer::new(standard_output(), args.mode);
        printer.headers = args.headers();
        printer.null_text.clone_from(&args.null_value);
        Self {
            session: database.session(),
            database,
            printer,
            on_error: if args.keep_going {
                OnError::GoOn
            } else {
                OnError::Stop
            },
            timer: false,
            tags: false,
            is_done: false,
            failed: 0,
            read_depth: 0,
            path: args.database.clone(),
        }
    }

    fn run_batch(&mut self, args: &Args) -> Result<(), Failure> {
        for command in &args.commands {
            self.run_script("", command.as_bytes(), None)?;
        }
        for file in &args.files {
            self.read(file)?;
        }
        if args.commands.is_empty() && args.files.is_empty() {
            let size = std::fs::metadata("/dev/stdin")
                .ok()
                .filter(|stdin| stdin.is_file());
            self.run_script(
                "stdin",
                std::io::stdin().lock(),
                size.map(|stdin| stdin.len()),
            )?;
        }
        if self.session.in_transaction() {
            eprintln!("WARNING: the transaction was not committed: it is rolled back");
        }
        Ok(())
    }

    /// Runs the script in a file.
    ///
    /// # Errors
    /// When it cannot be read, or a statement fails.
    pub(crate) fn read(&mut self, path: &Path) -> Result<(), Failure> {
        if self.read_depth >= READ_DEPTH_MAX {
            return Err(Failure::usage(
                format!(
                    "{}: scripts read scripts more than {READ_DEPTH_MAX} deep",
                    path.display()
                ),
                "does one read itself?",
            ));
        }
        let what = format!("reading {}", path.display());
        let file = File::open(path).map_err(Failure::io(&what))?;
        let size = file.metadata().map_err(Failure::io(&what))?.len();
        self.read_depth += 1;
        let ended = self.run_script(
            &path.display().to_string(),
            BufReader::new(file),
            Some(size),
        );
        self.read_depth -= 1;
        ended
    }

    /// Runs a script: statements, and dot commands at the beginning of a line.
    ///
    /// # Errors
    /// `Reported` when a statement failed and was reported; when the script cannot be read.
    pub(crate) fn run_script(
        &mut self,
        source: &str,
        mut input: impl BufRead,
        size: Option<u64>,
    ) -> Result<(), Failure> {
        let mut progress = Progress::new(size);
        let mut splitter = Splitter::default();
        let mut bytes = Vec::new();
        while !self.is_done {
            bytes.clear();
            let read = input
                .read_until(b'\n', &mut bytes)
                .map_err(Failure::io(format!("reading {source}")))?;
            if read == 0 {
                break;
            }
            let line = std::str::from_utf8(&bytes).map_err(|_| {
                Failure::usage(
                    format!("{source}:{}: the script is not UTF-8", splitter.line()),
                    "convert it first, for example with iconv",
                )
            })?;
            let line = line.strip_prefix('\u{feff}').unwrap_or(line);
            if splitter.is_blank() && line.starts_with(['.', '\\']) {
                let command = Statement {
                    text: line.trim().to_owned(),
                    line: splitter.line(),
                };
                splitter.skip_line();
                let ended = dot::run(self, &command.text);
                self.settle(ended, source, &command, &progress)?;
                progress.advance(read);
                continue;
            }
            splitter.push(line);
            while let Some(statement) = splitter.next_statement() {
                self.step(source, &statement, &progress)?;
            }
            progress.advance(read);
        }
        if let Some(statement) = splitter.finish().filter(|_| !self.is_done) {
            self.step(source, &statement, &progress)?;
        }
        Ok(())
    }

    fn step(
        &mut self,
        source: &str,
        statement: &Statement,
        progress: &Progress,
    ) -> Result<(), Failure> {
        if let Some(note) = foreign_note(&statement.text) {
            progress.suspend(|| eprintln!("{source}:{}: NOTE: {note}", statement.line));
            return Ok(());
        }
        let ended = self.run_statement(&statement.text);
        self.settle(ended, source, statement, progress)
    }

    /// Reports a statement that failed, and says whether the script goes on.
    fn settle(
        &mut self,
        ended: Result<(), Failure>,
        source: &str,
        statement: &Statement,
        progress: &Progress,
    ) -> Result<(), Failure> {
        match ended {
            Ok(()) => Ok(()),
            Err(failure) if failure.is_broken_pipe() => Err(failure),
            Err(Failure::Interrupted) => Err(Failure::Interrupted),
            Err(Failure::Reported { exit_code }) => Err(Failure::Reported { exit_code }),
            Err(failure) => {
                self.printer.flush()?;
                progress
                    .suspend(|| report::statement_failure(&failure, Place { source, statement }));
                if interrupt::is_set() {
                    return Err(Failure::Interrupted);
                }
                match self.on_error {
                    OnError::GoOn => {
                        self.failed += 1;
                        Ok(())
                    }
                    OnError::Stop => Err(Failure::Reported {
                        exit_code: failure.exit_code(),
                    }),
                }
            }
        }
    }

    /// Runs one statement and prints what it brought.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    pub(crate) fn run_statement(&mut self, sql: &str) -> Result<(), Failure> {
        let started = Instant::now();
        interrupt::watch(&self.session.cancel_token());
        let vacuum = self.watch_vacuum(sql);
        let outcome = self.session.execute(sql, ())?;
        drop(vacuum);
        match outcome {
            Outcome::Rows(rows) => self.printer.rows(rows)?,
            Outcome::Done { tag, rows, .. } if self.tags && !tag.is_empty() => {
                let counts = matches!(tag, "INSERT" | "UPDATE" | "DELETE" | "SELECT" | "COPY");
                let text = if counts {
                    format!("{tag} {rows}")
                } else {
                    tag.to_owned()
                };
                self.printer.line(&text)?;
            }
            Outcome::Feed(feed) => self.watch(feed)?,
            _ => {}
        }
        if self.timer {
            let time = started.elapsed();
            self.printer
                .line(&format!("Time: {:.3} ms", time.as_secs_f64() * 1000.0))?;
        }
        self.printer.flush()
    }

    /// Shows how far VACUUM has come.
    fn watch_vacuum(&self, sql: &str) -> Option<Watch> {
        let word = sql.split(|c: char| !c.is_ascii_alphabetic()).next()?;
        let path = self.path.as_ref()?;
        let is_vacuum = word.eq_ignore_ascii_case("vacuum");
        is_vacuum.then(|| Watch::over("vacuum", path.join("data.redb.compact")))
    }

    /// Prints a feed until Ctrl-C.
    fn watch(&mut self, mut feed: Subscription) -> Result<(), Failure> {
        let columns = feed.columns();
        let mut printer = json::LinePrinter::default();
        if self.printer.mode != Mode::Json {
            self.printer.head(&json::row_columns(&columns))?;
        }
        self.printer.flush()?;
        while !interrupt::is_set() {
            let Some(event) = feed.recv_timeout(LOOK_EVERY)? else {
                continue;
            };
            let is_last = matches!(event, FeedEvent::Reset { .. });
            if self.printer.mode == Mode::Json {
                if !matches!(event, FeedEvent::Progress { .. })
                    && let Some(line) = printer.line(event)
                {
                    self.printer.line(&line)?;
                }
            } else {
                let shown = json::row_columns(&columns);
                for row in json::rows_of(&columns, event) {
                    self.printer.row(&shown, &row)?;
                }
            }
            self.printer.flush()?;
            if is_last {
                eprintln!("NOTE: the feed starts over: TAIL it again for a new snapshot");
                break;
            }
        }
        Ok(())
    }

    /// All rows of a query, for commands that print something of their own.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    pub(crate) fn query(&mut self, sql: &str) -> Result<Vec<tailwater::ResultRow>, Failure> {
        interrupt::watch(&self.session.cancel_token());
        match self.session.execute(sql, ())? {
            Outcome::Rows(rows) => Ok(rows.collect_rows()?),
            _ => Ok(Vec::new()),
        }
    }

    /// Prints to a file from now on; without one, to standard output again.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub(crate) fn redirect(&mut self, path: Option<PathBuf>) -> Result<(), Failure> {
        let out: Box<dyn Write> = match path {
            None => standard_output(),
            Some(path) => {
                let what = format!("writing {}", path.display());
                Box::new(BufWriter::new(
                    File::create(path).map_err(Failure::io(what))?,
                ))
            }
        };
        self.printer.redirect(out)
    }
}

fn standard_output() -> Box<dyn Write> {
    Box::new(BufWriter::new(std::io::stdout()))
}

/// What is said instead of running a statement that only concerns a server with many databases.
fn foreign_note(sql: &str) -> Option<&'static str> {
    let mut words = sql.split_whitespace().map(str::to_ascii_uppercase);
    let first = words.next()?;
    let second = words.next()?;
    let second = second.trim_end_matches(';');
    match (&*first, second) {
        ("CREATE" | "DROP", "DATABASE") => Some(
            "CREATE and DROP DATABASE are left out: a Tailwater database is the folder you open",
        ),
        _ => None,
    }
}
