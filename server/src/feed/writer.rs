//! `Writer`: runs the statements of `--with-sql` on a thread of its own, each a commit of its own, many on their way
//! to the disk at once. It stops at the first that fails.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use tailwater::{Database, Ticket};

use crate::failure::Failure;
use crate::report::{self, Place};
use crate::script::{Splitter, Statement};

/// Commits that are sequenced and not yet durable.
const OUTSTANDING_MAX: usize = 512;

/// A thread that runs statements.
pub(super) struct Writer {
    thread: JoinHandle<Result<(), Failure>>,
    is_done: Arc<AtomicBool>,
}

impl Writer {
    /// Begins to run the statements of a file; `-` is standard input.
    pub(super) fn start(database: &Database, file: &Path) -> Result<Self, Failure> {
        let name = if file == Path::new("-") {
            "stdin".into()
        } else {
            file.display().to_string()
        };
        let input: Box<dyn BufRead + Send> = if file == Path::new("-") {
            Box::new(BufReader::new(std::io::stdin()))
        } else {
            Box::new(BufReader::new(
                File::open(file).map_err(Failure::io(format!("reading {name}")))?,
            ))
        };
        let is_done = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&is_done);
        let database = database.clone();
        let thread = std::thread::Builder::new()
            .name("with-sql".to_owned())
            .spawn(move || {
                let ended = run(&database, input, &name);
                done.store(true, Ordering::Release);
                ended
            })
            .map_err(Failure::io("starting a thread"))?;
        Ok(Self { thread, is_done })
    }

    /// Whether all statements are run and durable, or one failed.
    pub(super) fn is_done(&self) -> bool {
        self.is_done.load(Ordering::Acquire)
    }

    /// How it ended.
    ///
    /// # Errors
    /// `Reported` if a statement failed.
    pub(super) fn join(self) -> Result<(), Failure> {
        match self.thread.join() {
            Ok(ended) => ended,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

fn run(database: &Database, mut input: impl BufRead, name: &str) -> Result<(), Failure> {
    let mut outstanding = VecDeque::new();
    let mut splitter = Splitter::default();
    let mut line = String::new();
    loop {
        line.clear();
        if input
            .read_line(&mut line)
            .map_err(Failure::io(format!("reading {name}")))?
            == 0
        {
            break;
        }
        splitter.push(&line);
        while let Some(statement) = splitter.next_statement() {
            submit(database, &mut outstanding, &statement, name)?;
        }
    }
    if let Some(statement) = splitter.finish() {
        submit(database, &mut outstanding, &statement, name)?;
    }
    outstanding
        .into_iter()
        .try_for_each(|ticket| ticket.wait().map(drop).map_err(Failure::from))
}

fn submit(
    database: &Database,
    outstanding: &mut VecDeque<Ticket>,
    statement: &Statement,
    name: &str,
) -> Result<(), Failure> {
    let ticket = database.submit(&statement.text, ()).map_err(|error| {
        report::statement_failure(
            &error.into(),
            Place {
                source: name,
                statement,
            },
        );
        Failure::Reported { exit_code: 1 }
    })?;
    outstanding.push_back(ticket);
    if outstanding.len() >= OUTSTANDING_MAX {
        // The first waits for a sync; the others of its half are durable by then.
        for ticket in outstanding.drain(..OUTSTANDING_MAX / 2) {
            ticket.wait()?;
        }
    }
    Ok(())
}
