//! `tailwater token`: access tokens of a database that no server has open. Beside a running server it is `AdminService`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use tailwater::{Database, SyncMode, Value};

use super::scope::Scopes;
use super::token;
use crate::failure::Failure;
use crate::open::{self, Access};

/// What is done with access tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make one and print it: it is shown this once, and kept as its hash.
    Create(CreateArgs),
    /// Print the tokens there are: name, scopes, when they were made.
    List {
        /// The database: a folder that is there.
        #[arg(long, value_name = "DB")]
        db: PathBuf,
    },
    /// Take one back.
    Revoke {
        /// The database: a folder that is there.
        #[arg(long, value_name = "DB")]
        db: PathBuf,

        /// Its name.
        #[arg(value_name = "NAME")]
        name: String,
    },
}

/// Arguments of `token create`.
#[derive(Debug, ClapArgs)]
pub(crate) struct CreateArgs {
    /// The database: a folder, made if it is not there.
    #[arg(long, value_name = "DB")]
    db: PathBuf,

    /// What it may do: some of read, write, subscribe, ddl and admin, with commas between them.
    #[arg(long, value_name = "SCOPES")]
    scope: Scopes,

    /// Whose it is: the name stands in their commits. Left out: one is made up.
    #[arg(long, value_name = "NAME", default_value = "")]
    name: String,
}

/// Does it, and returns the exit code.
///
/// # Errors
/// When the database cannot be opened, or there is no such token.
pub(crate) fn main(command: &TokenCommand) -> Result<u8, Failure> {
    let database = match command {
        TokenCommand::Create(CreateArgs { db, .. }) => open(db)?,
        TokenCommand::List { db } | TokenCommand::Revoke { db, .. } if !db.exists() => {
            return Err(Failure::usage(
                format!("there is no database {}", db.display()),
                "name the folder of one that is there",
            ));
        }
        TokenCommand::List { db } | TokenCommand::Revoke { db, .. } => open(db)?,
    };
    match command {
        TokenCommand::Create(args) => {
            let (name, text) = token::create(&database, &args.name, args.scope)?;
            eprintln!("token {name} ({}), shown this once:", args.scope);
            println!("{text}");
        }
        TokenCommand::List { .. } => {
            for grant in token::list(&database)? {
                let created = Value::TimestampTz(grant.created_us);
                println!("{}\t{}\t{created}", grant.name, grant.scopes);
            }
        }
        TokenCommand::Revoke { name, .. } => token::revoke(&database, name)?,
    }
    database.close()?;
    Ok(0)
}

fn open(path: &std::path::Path) -> Result<Database, Failure> {
    open::open(Some(path), Access::Write, SyncMode::Commit, None)
}
