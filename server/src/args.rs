//! `Args`: what the command line may say. Every option is one field here; help comes from its comment.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use tailwater::SyncMode;

use crate::output::Mode;
use crate::serve::settings::ServeArgs;
use crate::serve::token_command::TokenCommand;

/// An embedded database whose materialised views keep themselves up to date and feed every change of them.
///
/// Without a subcommand: reads SQL, interactively on a terminal, else from standard input or -c. Exit code 0: all
/// went well; 1: a statement failed; 2: wrong usage; 3: --keep-going met failing statements; 130: interrupted.
#[derive(Debug, Parser)]
#[command(name = "tailwater", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    /// Something else than the shell.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// The database: a folder, made if it is not there. Left out: a database in memory.
    #[arg(value_name = "FILE")]
    pub(crate) database: Option<PathBuf>,

    /// Instead of a database of one's own: a server, by the address where it listens for gRPC (in the clear). Its access
    /// token is taken from the environment variable TAILWATER_TOKEN.
    #[arg(long, value_name = "ADDR")]
    pub(crate) server: Option<String>,

    /// Run this SQL or dot command and exit; may be given more than once.
    #[arg(short = 'c', long = "command", value_name = "SQL")]
    pub(crate) commands: Vec<String>,

    /// Run the SQL of this file and exit; after any -c; may be given more than once.
    #[arg(short = 'f', long = "file", value_name = "SCRIPT")]
    pub(crate) files: Vec<PathBuf>,

    /// How rows are printed.
    #[arg(short = 'm', long, value_enum, default_value_t = Mode::Table)]
    pub(crate) mode: Mode,

    /// Print the names of the columns first (the default of table and csv).
    #[arg(long, overrides_with = "no_header")]
    pub(crate) header: bool,

    /// Do not print the names of the columns (the default of list).
    #[arg(long, overrides_with = "header")]
    pub(crate) no_header: bool,

    /// What NULL looks like, instead of NULL in tables and nothing elsewhere.
    #[arg(long, value_name = "TEXT")]
    pub(crate) null_value: Option<String>,

    /// In a script, go on after a statement that fails; the exit code is 3 then.
    #[arg(short = 'k', long)]
    pub(crate) keep_going: bool,

    /// Read only, as of the last checkpoint; works while another process has the database open.
    #[arg(long)]
    pub(crate) readonly: bool,

    /// Without a size: a database in memory, gone at the end. With one, such as 256MiB: about how much memory the
    /// database may use, wherever it is.
    #[arg(long, value_name = "SIZE", num_args = 0..=1, value_parser = size)]
    pub(crate) memory: Option<Option<u64>>,

    /// When a commit counts as done.
    #[arg(long, value_enum, default_value_t = Sync::Commit)]
    pub(crate) sync: Sync,
}

impl Args {
    /// Whether names of columns are printed, if the command line says so.
    pub(crate) fn headers(&self) -> Option<bool> {
        match (self.header, self.no_header) {
            (true, _) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        }
    }
}

/// Units of sizes, lower case; 1,024 each.
const UNITS: [(&str, u32); 4] = [("k", 10), ("m", 20), ("g", 30), ("t", 40)];

/// A number of bytes: `4096`, `64KiB`, `256M`, `1gb`.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let lower = text.to_ascii_lowercase();
    let number = lower
        .strip_suffix("ib")
        .or(lower.strip_suffix('b'))
        .unwrap_or(&lower);
    let unit = UNITS
        .iter()
        .find_map(|(unit, shift)| Some((number.strip_suffix(unit)?, *shift)));
    let (number, shift) = unit.unwrap_or((number, 0));
    let bytes = number.trim().parse::<u64>().ok();
    bytes
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| format!("{text} is not a size: say 256MiB"))
}

/// Something else than the shell.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the rows of a table or materialised view, then every change of it, exactly once and in order.
    Feed(FeedArgs),
    /// Serve a database over gRPC, gRPC-Web, HTTP and WebSockets until SIGTERM or Ctrl-C.
    Serve(Box<ServeArgs>),
    /// Access tokens of a server.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Read everything a database has, compare what is kept twice, and print each place that is damaged. Exit code 0:
    /// clean; 1: damaged. Changes nothing.
    Check(CheckArgs),
    /// Copy a database into a folder of its own, while it is in use or not.
    Backup(BackupArgs),
    /// Make a database of a backup, after checking all of it.
    Restore(RestoreArgs),
    /// Extract what is readable from a damaged database into a new one, and say what is lost. Exit code 0: all is there;
    /// 1: it could not be done; 3: something is lost.
    Salvage(SalvageArgs),
    /// Modules: what a .proto would be here.
    #[command(subcommand)]
    Module(ModuleCommand),
    /// The Protobuf side of the database.
    #[command(subcommand)]
    Proto(ProtoCommand),
    /// The files of the write-ahead log.
    #[command(subcommand)]
    Wal(WalCommand),
}

/// Subcommands of `wal`.
#[derive(Debug, Subcommand)]
pub(crate) enum WalCommand {
    /// Print every segment and frame of a log, and where and why its frames end. Only reads: works beside a process that
    /// has the database open, and on a damaged log.
    Dump {
        /// A database's folder, or a folder with segments.
        #[arg(value_name = "DB")]
        path: PathBuf,

        /// How it is printed: a line of JSON each, as wal/FORMAT.md describes it, or lines for people.
        #[arg(long, value_enum, default_value_t = DumpFormat::Json)]
        format: DumpFormat,
    },
}

/// How a dump is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DumpFormat {
    /// One line of JSON for each segment, frame and end.
    Json,
    /// Lines for people.
    Text,
}

/// Arguments of `check`.
#[derive(Debug, ClapArgs)]
pub(crate) struct CheckArgs {
    /// The database: a folder that is there. While another process has it open, its last checkpoint is checked.
    #[arg(value_name = "DB")]
    pub(crate) database: PathBuf,

    /// Also verify every page of the storage file.
    #[arg(long)]
    pub(crate) deep: bool,

    /// How the report is printed.
    #[arg(short = 'm', long, value_enum, default_value_t = ReportMode::Text)]
    pub(crate) mode: ReportMode,
}

/// Arguments of `backup`.
#[derive(Debug, ClapArgs)]
pub(crate) struct BackupArgs {
    /// The database: a folder that is there. While another process has it open, its last checkpoint is copied.
    #[arg(value_name = "DB")]
    pub(crate) database: PathBuf,

    /// Where the backup goes: a folder that is empty or not there. It is a database that can be opened.
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

/// Arguments of `restore`.
#[derive(Debug, ClapArgs)]
pub(crate) struct RestoreArgs {
    /// The backup: a folder that is there. It is not changed.
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: PathBuf,

    /// Where the database goes: a folder that is empty or not there.
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

/// Arguments of `salvage`.
#[derive(Debug, ClapArgs)]
pub(crate) struct SalvageArgs {
    /// The damaged database: a folder that nobody has open. It is not changed.
    #[arg(value_name = "DB")]
    pub(crate) database: PathBuf,

    /// Where the new database goes: a folder that is empty or not there.
    #[arg(value_name = "NEW")]
    pub(crate) new: PathBuf,

    /// Also apply records of the log behind ones that cannot be read: rows may then be of no state there ever was.
    #[arg(long)]
    pub(crate) past_holes: bool,

    /// How the report is printed.
    #[arg(short = 'm', long, value_enum, default_value_t = ReportMode::Text)]
    pub(crate) mode: ReportMode,

    /// The same as `--mode json`.
    #[arg(long)]
    pub(crate) json: bool,
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportMode {
    /// Lines for people.
    Text,
    /// One object.
    Json,
}

/// What is done with a module.
#[derive(Debug, Subcommand)]
pub(crate) enum ModuleCommand {
    /// Print what a module would be here: its tables, what each method does, the SQL. Changes nothing. Exit code 0: each
    /// method does something; 3: some are ambiguous, and it says which line would tell; 1: it is no Protobuf.
    Check(ModuleCheckArgs),
    /// Install a module, or a new version of it: its tables are made, or brought along, in one transaction.
    Install(ModuleInstallArgs),
    /// Print what a new version would do to the tables of an old one; with --dir as a pair of migration files, up and down.
    Diff(ModuleDiffArgs),
    /// Print the names of the modules of a database.
    List(ModuleListArgs),
    /// Take a module away. Its tables stay.
    Drop(ModuleDropArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ModuleCheckArgs {
    /// The module's .proto.
    #[arg(value_name = "FILE.proto")]
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) imports: ImportArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ImportArgs {
    /// A folder with files that it imports, besides its own; may be given more than once.
    #[arg(short = 'I', long, value_name = "DIR")]
    pub(crate) include: Vec<PathBuf>,
}

/// Whose module.
#[derive(Debug, ClapArgs)]
#[group(required = true, multiple = false)]
pub(crate) struct TargetArgs {
    /// The database's folder.
    #[arg(long, value_name = "DB")]
    pub(crate) db: Option<PathBuf>,

    /// A server that runs, by the address where it listens for gRPC; TAILWATER_TOKEN has the access token, if it needs one.
    #[arg(long, value_name = "ADDR")]
    pub(crate) server: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ModuleInstallArgs {
    /// The module's .proto.
    #[arg(value_name = "FILE.proto")]
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) target: TargetArgs,

    /// What it is called here, instead of its package: two files of one package are two modules.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// A column (table.column) that the new version may drop with its data; may be given more than once.
    #[arg(long, value_name = "COLUMN")]
    pub(crate) drop: Vec<String>,

    #[command(flatten)]
    pub(crate) imports: ImportArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ModuleDiffArgs {
    /// The .proto of the version that is installed.
    #[arg(value_name = "OLD.proto")]
    pub(crate) old: PathBuf,

    /// The .proto of the version to come.
    #[arg(value_name = "NEW.proto")]
    pub(crate) new: PathBuf,

    /// A folder of migrations: the next pair of files is written there.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) imports: ImportArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ModuleListArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ModuleDropArgs {
    /// Its name.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,

    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

/// Subcommands of `proto`.
#[derive(Debug, Subcommand)]
pub(crate) enum ProtoCommand {
    /// Write the .proto files of the messages (package tailwater.v1) into a folder.
    Export {
        /// The folder; made if it is not there.
        dir: PathBuf,
    },
}

/// Arguments of `feed`.
#[derive(Debug, ClapArgs)]
pub(crate) struct FeedArgs {
    /// The database: a folder that is there.
    #[arg(value_name = "DB")]
    pub(crate) database: PathBuf,

    /// The table or materialised view to follow.
    #[arg(value_name = "OBJECT")]
    pub(crate) object: String,

    /// No snapshot: go on after the message that came with this token.
    #[arg(long, value_name = "TOKEN")]
    pub(crate) since: Option<String>,

    /// How messages are printed: a line of JSON each, or length-delimited tailwater.v1.FeedFrame messages (with
    /// `--count 1` a single message without its length, as `protoc --decode` reads it).
    #[arg(long, value_enum, default_value_t = FeedFormat::Json)]
    pub(crate) format: FeedFormat,

    /// Stop after so many messages.
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,

    /// Only rows for which this SQL condition is true.
    #[arg(long = "where", value_name = "SQL")]
    pub(crate) filter: Option<String>,

    /// No snapshot: only changes from now on.
    #[arg(long, conflicts_with = "since")]
    pub(crate) no_snapshot: bool,

    /// Also print a message with a token when nothing selected changed for a while.
    #[arg(long)]
    pub(crate) progress: bool,

    /// Meanwhile run the statements of this file (`-`: standard input), each a commit of its own.
    #[arg(long, value_name = "FILE")]
    pub(crate) with_sql: Option<PathBuf>,

    /// Stop when everything up to now is printed, instead of waiting for more; with --with-sql, when its last
    /// statement's changes are.
    #[arg(long)]
    pub(crate) no_follow: bool,

    /// When a commit of --with-sql counts as done.
    #[arg(long, value_enum, default_value_t = Sync::Commit)]
    pub(crate) sync: Sync,
}

/// How a feed is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FeedFormat {
    /// One line of JSON for each message.
    Json,
    /// `tailwater.v1.FeedFrame` messages.
    Proto,
}

/// When a commit counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Sync {
    /// When it is on the disk.
    Commit,
    /// At once; on the disk within 100 ms.
    Interval,
    /// At once; on the disk when the system likes.
    Off,
}

impl From<Sync> for SyncMode {
    fn from(sync: Sync) -> Self {
        match sync {
            Sync::Commit => Self::Commit,
            Sync::Interval => Self::Interval(Duration::from_millis(100)),
            Sync::Off => Self::Off,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
        let args = Args::parse_from(["tailwater", "app.db", "-c", "SELECT 1", "--mode", "json"]);
        assert!(args.command.is_none() && args.mode == Mode::Json && args.headers().is_none());
        let memory = |words: &[&str]| Args::parse_from([&["tailwater"], words].concat()).memory;
        assert_eq!(
            memory(&["app.db", "--memory", "256MiB"]),
            Some(Some(256 << 20))
        );
        assert_eq!(memory(&["--memory=64k", "app.db"]), Some(Some(64 << 10)));
        assert_eq!(memory(&["--memory", "-c", "SELECT 1"]), Some(None));
        assert!(Args::try_parse_from(["tailwater", "--memory", "app.db"]).is_err());
        let args = Args::parse_from(["tailwater", "feed", "app.db", "v", "--since", "t"]);
        assert!(matches!(args.command, Some(Command::Feed(_))));
    }
}
