//! The shell at a terminal: line editing, history, several lines for one statement, completion of words and names.
//!
//! Ctrl-C stops what runs or drops what was typed, Ctrl-D leaves. Statements run in `shell`.

use std::path::{Path, PathBuf};

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, Helper};
use tailwater::internals::sql::keywords::KEYWORDS;

use crate::dot;
use crate::failure::Failure;
use crate::interrupt;
use crate::names::quoted;
use crate::report::{self, Place};
use crate::script::{Splitter, Statement};
use crate::shell::Shell;

/// Statements kept in the history file.
const HISTORY_MAX: usize = 10_000;

/// Completes the word before the cursor.
#[derive(Default)]
struct Words {
    /// Names of tables, views, indexes and columns, sorted.
    names: Vec<String>,
}

impl Helper for Words {}
impl Highlighter for Words {}
impl Validator for Words {}

impl Hinter for Words {
    type Hint = String;
}

impl Completer for Words {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let before = line.get(..position).unwrap_or(line);
        let start = before
            .rfind(|c: char| !c.is_alphanumeric() && c != '_' && c != '"')
            .map_or(0, |at| {
                at + before
                    .get(at..)
                    .and_then(|s| s.chars().next())
                    .map_or(1, char::len_utf8)
            });
        let word = before.get(start..).unwrap_or_default();
        if before.trim_start().starts_with('.') && start == 1 {
            return Ok((
                start,
                dot::names()
                    .filter(|name| name.starts_with(word))
                    .map(str::to_owned)
                    .collect(),
            ));
        }
        Ok((start, self.candidates(word)))
    }
}

impl Words {
    /// Names first, then keywords in the case that was begun with.
    fn candidates(&self, word: &str) -> Vec<String> {
        if word.is_empty() {
            return Vec::new();
        }
        let lower = word.to_lowercase();
        let names = self.names.iter().filter(|name| {
            name.to_lowercase()
                .trim_start_matches('"')
                .starts_with(lower.trim_start_matches('"'))
        });
        let is_lower = word.chars().all(char::is_lowercase);
        let upper = word.to_uppercase();
        let keywords = KEYWORDS
            .iter()
            .filter(|keyword| keyword.starts_with(&upper))
            .map(|keyword| {
                if is_lower {
                    keyword.to_lowercase()
                } else {
                    (*keyword).to_owned()
                }
            });
        names.cloned().chain(keywords).collect()
    }
}

/// Reads and runs statements until the user leaves.
///
/// # Errors
/// When the terminal fails.
pub(crate) fn run(shell: &mut Shell, path: Option<&Path>) -> Result<(), Failure> {
    shell.tags = true;
    banner(path);
    let config = Config::builder()
        .max_history_size(HISTORY_MAX)
        .map_err(terminal)?
        .history_ignore_space(true)
        .completion_type(CompletionType::List)
        .build();
    let mut editor: Editor<Words, FileHistory> = Editor::with_config(config).map_err(terminal)?;
    let history = history_path();
    if let Some(history) = &history {
        // The first time there is none.
        let _ = editor.load_history(history);
    }
    editor.set_helper(Some(Words {
        names: names(shell),
    }));
    let ended = read_loop(shell, &mut editor);
    if let Some(history) = &history
        && let Err(error) = editor.save_history(history)
    {
        eprintln!(
            "NOTE: the history was not kept in {}: {error}",
            history.display()
        );
    }
    ended
}

fn read_loop(shell: &mut Shell, editor: &mut Editor<Words, FileHistory>) -> Result<(), Failure> {
    let mut splitter = Splitter::default();
    let mut typed = String::new();
    while !shell.is_done {
        let prompt = match (splitter.is_blank(), shell.session.in_transaction()) {
            (true, false) => "tailwater> ",
            (true, true) => "tailwater*> ",
            (false, false) => "      ...> ",
            (false, true) => "      ...*> ",
        };
        match editor.readline(prompt) {
            Ok(line) => {
                let command = match splitter.is_blank() {
                    true => dot_command(line.trim()),
                    false => None,
                };
                if let Some(command) = command {
                    remember(editor, line.trim());
                    let ended = dot::run(shell, command);
                    answer(
                        shell,
                        ended,
                        &Statement {
                            text: line,
                            line: 1,
                        },
                    );
                } else {
                    typed.push_str(&line);
                    typed.push('\n');
                    splitter.push(&line);
                    splitter.push("\n");
                    while let Some(statement) = splitter.next_statement() {
                        let ended = shell.run_statement(&statement.text);
                        answer(shell, ended, &statement);
                    }
                    if splitter.is_blank() {
                        remember(editor, typed.trim());
                        typed.clear();
                        splitter = Splitter::default();
                        let names = names(shell);
                        if let Some(words) = editor.helper_mut() {
                            words.names = names;
                        }
                    }
                }
            }
            Err(ReadlineError::Interrupted) => {
                if splitter.is_blank() {
                    println!("(Ctrl-D or .exit leaves)");
                }
                splitter = Splitter::default();
                typed.clear();
            }
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(terminal(error)),
        }
    }
    if shell.session.in_transaction() {
        eprintln!("WARNING: the transaction was not committed: it is rolled back");
    }
    Ok(())
}

/// The dot command of a line, if it is one: with its dot, or a word that newcomers try first and that no statement
/// begins with.
fn dot_command(line: &str) -> Option<&str> {
    match line.trim_end_matches(';').trim_end() {
        "help" | "?" => Some(".help"),
        "exit" | "quit" => Some(".exit"),
        _ if line.starts_with(['.', '\\']) => Some(line),
        _ => None,
    }
}

/// Reports what went wrong; the shell goes on.
fn answer(shell: &mut Shell, ended: Result<(), Failure>, statement: &Statement) {
    let ended = ended.and_then(|()| shell.printer.flush());
    if let Err(failure) = ended {
        // What was printed before the failure is shown before it; a broken output shows itself again.
        let _ = shell.printer.flush();
        if interrupt::is_set() {
            println!("stopped");
        } else {
            report::statement_failure(
                &failure,
                Place {
                    source: "",
                    statement,
                },
            );
        }
    }
}

fn remember(editor: &mut Editor<Words, FileHistory>, text: &str) {
    if !text.is_empty() {
        // Without a history the shell still works.
        let _ = editor.add_history_entry(text);
    }
}

fn banner(path: Option<&Path>) {
    println!(
        "Tailwater {}. .help lists commands, Ctrl-D leaves.",
        env!("CARGO_PKG_VERSION")
    );
    match path {
        Some(path) => println!("Database {}", path.display()),
        None => println!("Database in memory: name a folder to keep it (tailwater app.db)"),
    }
}

/// Names for completion; none if they cannot be read now (in a transaction that failed).
fn names(shell: &mut Shell) -> Vec<String> {
    const SQL: &str = "SELECT name FROM tailwater.objects UNION SELECT name FROM tailwater.columns";
    let rows = shell
        .database
        .query(SQL, ())
        .and_then(tailwater::Rows::collect_rows);
    let mut names: Vec<String> = rows
        .unwrap_or_default()
        .iter()
        .filter_map(|row| row.get::<String>(0).ok())
        .filter(|name| name != "...")
        .map(|name| quoted(&name))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn history_path() -> Option<PathBuf> {
    std::env::home_dir().map(|home| home.join(".tailwater_history"))
}

fn terminal(error: ReadlineError) -> Failure {
    Failure::Io {
        what: "reading the terminal".to_owned(),
        source: std::io::Error::other(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newcomers_find_help_and_the_way_out() {
        assert_eq!(dot_command("help"), Some(".help"));
        assert_eq!(dot_command("quit;"), Some(".exit"));
        assert_eq!(dot_command(".mode csv"), Some(".mode csv"));
        assert_eq!(dot_command("SELECT help"), None);
        assert_eq!(dot_command("help me"), None);
    }

    #[test]
    fn words_are_completed_in_the_case_they_were_begun() {
        let words = Words {
            names: vec!["selection".into(), "\"Sel x\"".into()],
        };
        assert_eq!(
            words.candidates("sel"),
            ["selection", "\"Sel x\"", "select"]
        );
        assert_eq!(words.candidates("SELE"), ["selection", "SELECT"]);
        assert!(words.candidates("").is_empty());
    }
}
