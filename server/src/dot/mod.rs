//! Dot commands: what the shell does that is not SQL. One row of the table is one command; `.help` prints it.
//! Lines that begin with a backslash are psql's: those that make sense here have a dot twin, `\c` is left out.

mod dump;
mod import;
mod inspect;

use std::path::PathBuf;

use clap::ValueEnum;

use crate::failure::Failure;
use crate::output::Mode;
use crate::progress::Watch;
use crate::shell::Shell;

/// One command.
struct DotCommand {
    name: &'static str,
    arguments: &'static str,
    help: &'static str,
    run: fn(&mut Shell, &[String]) -> Result<(), Failure>,
}

/// All of them, by name.
const COMMANDS: &[DotCommand] = &[
    DotCommand {
        name: "backup",
        arguments: "DIR",
        help: "copy the database as it is now into a folder of its own",
        run: backup,
    },
    DotCommand {
        name: "check",
        arguments: "[VIEW]",
        help: "compare materialized views with their queries computed anew",
        run: inspect::check,
    },
    DotCommand {
        name: "dump",
        arguments: "[TABLE]",
        help: "print SQL that makes everything again",
        run: dump::dump,
    },
    DotCommand {
        name: "exit",
        arguments: "",
        help: "leave the shell",
        run: exit,
    },
    DotCommand {
        name: "headers",
        arguments: "on|off",
        help: "print names of columns first, or not",
        run: headers,
    },
    DotCommand {
        name: "help",
        arguments: "",
        help: "print this list",
        run: help,
    },
    DotCommand {
        name: "import",
        arguments: "[--csv|--tsv|--json|--separator=C] [--no-header] FILE TABLE",
        help: "insert the records of a file, 10,000 to a commit; make the table if it is not there",
        run: import::import,
    },
    DotCommand {
        name: "indexes",
        arguments: "[TABLE]",
        help: "list indexes",
        run: inspect::indexes,
    },
    DotCommand {
        name: "mode",
        arguments: "table|csv|json|list|line",
        help: "how rows are printed",
        run: mode,
    },
    DotCommand {
        name: "nullvalue",
        arguments: "TEXT",
        help: "what NULL looks like",
        run: null_value,
    },
    DotCommand {
        name: "output",
        arguments: "[FILE]",
        help: "print to a file; without one, to the screen again",
        run: output,
    },
    DotCommand {
        name: "quit",
        arguments: "",
        help: "leave the shell",
        run: exit,
    },
    DotCommand {
        name: "read",
        arguments: "FILE",
        help: "run the statements of a file",
        run: read,
    },
    DotCommand {
        name: "schema",
        arguments: "[NAME]",
        help: "print the statements that made tables, views and indexes",
        run: inspect::schema,
    },
    DotCommand {
        name: "tables",
        arguments: "",
        help: "list tables",
        run: inspect::tables,
    },
    DotCommand {
        name: "timer",
        arguments: "on|off",
        help: "print how long each statement took",
        run: timer,
    },
    DotCommand {
        name: "views",
        arguments: "",
        help: "list views",
        run: inspect::views,
    },
];

/// Names of all commands, without the dot.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|command| command.name)
}

/// Runs a line that begins with a dot or a backslash.
///
/// # Errors
/// When it is not a command, its arguments do not fit, or what it does fails.
pub(crate) fn run(shell: &mut Shell, line: &str) -> Result<(), Failure> {
    let words = words(line)?;
    let Some((name, arguments)) = words.split_first() else {
        return Ok(());
    };
    if let Some(command) = name.strip_prefix('\\') {
        return backslash(shell, command, arguments);
    }
    let name = name.strip_prefix('.').unwrap_or(name);
    match COMMANDS.iter().find(|command| command.name == name) {
        Some(command) => (command.run)(shell, arguments),
        None => Err(Failure::usage(
            format!("there is no command .{name}"),
            ".help lists the commands",
        )),
    }
}

/// psql's commands, as far as scripts and fingers have them.
fn backslash(shell: &mut Shell, command: &str, arguments: &[String]) -> Result<(), Failure> {
    let twin = match command.trim_end_matches(';') {
        "c" | "connect" | "encoding" | "set" | "unset" | "pset" | "restrict" | "unrestrict" => {
            eprintln!("NOTE: \\{command} is left out: a Tailwater database is the folder you open");
            return Ok(());
        }
        "q" => "exit",
        "i" | "ir" => "read",
        "d" if arguments.is_empty() => "tables",
        "d" => "schema",
        "dt" => "tables",
        "dv" | "dm" => "views",
        "di" => "indexes",
        "timing" => "timer",
        "o" => "output",
        "?" => "help",
        other => {
            return Err(Failure::usage(
                format!("there is no command \\{other}"),
                ".help lists the commands",
            ));
        }
    };
    match COMMANDS.iter().find(|command| command.name == twin) {
        Some(command) if twin == "timer" && arguments.is_empty() => {
            let setting = if shell.timer { "off" } else { "on" };
            (command.run)(shell, &[setting.to_owned()])
        }
        Some(command) => (command.run)(shell, arguments),
        None => Ok(()),
    }
}

/// A line's words; single or double quotes hold blanks.
fn words(line: &str) -> Result<Vec<String>, Failure> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while let Some(first) = rest.chars().next() {
        let (word, after) = if matches!(first, '\'' | '"') {
            let inner = rest.get(1..).unwrap_or_default();
            inner.split_once(first).ok_or_else(|| {
                Failure::usage("a quote is not closed", "close it, or leave quotes out")
            })?
        } else {
            rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()))
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    Ok(words)
}

/// What is said when arguments do not fit.
fn misused(name: &str) -> Failure {
    let arguments = COMMANDS
        .iter()
        .find(|command| command.name == name)
        .map_or("", |command| command.arguments);
    Failure::usage(
        format!(".{name} is not used like that"),
        format!(".{name} {arguments}"),
    )
}

fn switch(name: &str, arguments: &[String]) -> Result<bool, Failure> {
    match arguments {
        [one] if one == "on" => Ok(true),
        [one] if one == "off" => Ok(false),
        _ => Err(misused(name)),
    }
}

fn exit(shell: &mut Shell, _: &[String]) -> Result<(), Failure> {
    shell.is_done = true;
    Ok(())
}

fn headers(shell: &mut Shell, arguments: &[String]) -> Result<(), Failure> {
    shell.printer.headers = Some(switch("headers", arguments)?);
    Ok(())
}

fn timer(shell: &mut Shell, arguments: &[String]) -> Result<(), Failure> {
    shell.timer = switch("timer", arguments)?;
    Ok(())
}

/// Where the explanations of `.help` begin.
const HELP_WIDTH: usize = 36;

fn help(shell: &mut Shell, _: &[String]) -> Result<(), Failure> {
    for DotCommand {
        name,
        arguments,
        help,
        ..
    } in COMMANDS
    {
        let usage = format!(".{name} {arguments}");
        // What is too long for its column has the explanation on a line of its own.
        if usage.len() > HELP_WIDTH {
            shell.printer.line(&usage)?;
            shell.printer.line(&format!("{:<HELP_WIDTH$} {help}", ""))?;
        } else {
            shell
                .printer
                .line(&format!("{usage:<HELP_WIDTH$} {help}"))?;
        }
    }
    shell.printer.line(
        "Everything else is SQL and ends with a semicolon. TAIL v; follows a view until Ctrl-C.",
    )
}

fn mode(shell: &mut Shell, arguments: &[String]) -> Result<(), Failure> {
    match arguments {
        [] => shell.printer.line(shell.printer.mode.name()),
        [name] => {
            shell.printer.mode = Mode::from_str(name, true).map_err(|_| misused("mode"))?;
            Ok(())
        }
        _ => Err(misused("mode")),
    }
}

fn null_value(shell: &mut Shell, arguments: &[String]) -> Result<(), Failure> {
    match arguments {
        [text] => {
            shell.printer.null_text = Some(text.clone());
            Ok(())
        }
        _ => Err(misused("nullvalue")),
    }
}

fn backup(shell: &mut Shell, arguments: &[String]) -> Result<(), Failure> {
    match arguments {
        [dir] => {
            let watch = Watch::over("backup", dir);
            let report = shell.database.backup(dir)?;
            drop(watch);
            shell.printer.line(&format!("backup: {report}"))?;
            Ok(())
        }
        _ => Err(misused("backup")),
    }
}

fn output(shell: &mut Shell, arguments: &[String]) -> Result<(), Failure> {
    match arguments {
        [] => shell.redirect(None),
        [file] => shell.redirect(Some(PathBuf::from(file))),
        _ => Err(misused("output")),
    }
}

fn read(shell: &mut Shell, arguments: &[String]) -> Result<(), Failure> {
    match arguments {
        [file] => shell.read(&PathBuf::from(file)),
        _ => Err(misused("read")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_may_stand_in_quotes() {
        assert_eq!(
            words(".import 'my file.csv' \"T x\"  ").unwrap(),
            [".import", "my file.csv", "T x"]
        );
        assert_eq!(words(".nullvalue ''").unwrap(), [".nullvalue", ""]);
        assert!(words(".read 'x").is_err());
    }

    #[test]
    fn commands_are_listed_in_order() {
        assert!(COMMANDS.is_sorted_by_key(|command| command.name));
    }
}
