//! The `tailwater` command: a SQL shell, and the change feed of a view on standard output.
//!
//! It opens a database in its own process and talks to it through the embedded API only: what the command can do, a
//! program can do. It never touches files of a database by itself. `args` says what can be asked for, `shell` runs
//! statements and scripts, `feed` follows a view, `serve` is the server, `remote` its shell; `check`, `backup`, `salvage`, `module` are tools.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "this is the program that prints")]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod args;
mod backup;
mod check;
mod csv;
mod dot;
mod failure;
mod feed;
mod interactive;
mod interrupt;
mod literal;
mod module;
mod names;
mod open;
mod output;
mod progress;
mod proto_files;
mod quiet;
mod remote;
mod report;
mod salvage;
mod script;
mod serve;
mod shell;
mod wal_dump;

use std::process::ExitCode;

use clap::Parser;

use self::args::{Args, Command, ProtoCommand, WalCommand};

fn main() -> ExitCode {
    let args = Args::parse();
    let ended = match &args.command {
        None => match &args.server {
            Some(server) => remote::main(&args, server),
            None => shell::main(&args),
        },
        Some(Command::Feed(feed)) => feed::main(feed),
        Some(Command::Serve(arguments)) => serve::main(arguments),
        Some(Command::Token(command)) => serve::token_command::main(command),
        Some(Command::Check(arguments)) => check::main(arguments),
        Some(Command::Backup(arguments)) => backup::backup(arguments),
        Some(Command::Restore(arguments)) => backup::restore(arguments),
        Some(Command::Salvage(arguments)) => salvage::main(arguments),
        Some(Command::Module(command)) => module::run(command),
        Some(Command::Proto(ProtoCommand::Export { dir })) => proto_files::export(dir),
        Some(Command::Wal(WalCommand::Dump { path, format })) => wal_dump::main(path, *format),
    };
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            report::failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}
