//! `Settings`: what `tailwater serve` goes by: the command line, then a TOML file of the same names, then defaults.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args as ClapArgs, ValueEnum};
use serde::Deserialize;

use crate::args::{self, Sync};
use crate::failure::Failure;

/// Arguments of `serve`; the same names, without the dashes in front, stand in the file of --config.
#[derive(Clone, Debug, Default, ClapArgs, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct ServeArgs {
    /// The database: a folder, made if it is not there.
    #[arg(value_name = "DB")]
    pub(crate) database: Option<PathBuf>,

    /// A TOML file with these settings; what the command line says goes first.
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,

    /// Where gRPC and gRPC-Web are listened for; port 0 picks one and prints it; `off`: nowhere. Default 127.0.0.1:50051.
    #[arg(long, value_name = "ADDR")]
    pub(crate) grpc: Option<String>,

    /// Where HTTP is listened for: JSON, events, WebSockets, gRPC too; `off`: nowhere. Default 127.0.0.1:8080.
    #[arg(long, value_name = "ADDR")]
    pub(crate) http: Option<String>,

    /// Pages of this origin, such as https://app.example, may call; `*`: of any. May be given more than once.
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) allow_origin: Vec<String>,

    /// Encrypt both addresses with this chain of certificates, as PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The private key of --tls-cert, as PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Listen to other machines without encryption, or without access tokens.
    #[arg(long)]
    pub(crate) insecure: bool,

    /// When a commit counts as done. Default: commit.
    #[arg(long, value_enum)]
    pub(crate) sync: Option<Sync>,

    /// About how much memory the database may use, such as 256MiB.
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<String>,

    /// The most bytes a request, or the answer of a query, may have. Default 4MiB.
    #[arg(long, value_name = "SIZE")]
    pub(crate) message_bytes_max: Option<String>,

    /// The most calls under way, streams included. Default 10000.
    #[arg(long, value_name = "N")]
    pub(crate) calls_max: Option<usize>,

    /// The most calls a second of one token, or without tokens of one address. Default: no bound.
    #[arg(long, value_name = "N")]
    pub(crate) calls_per_second: Option<u32>,

    /// The most connections. Default 10000.
    #[arg(long, value_name = "N")]
    pub(crate) connections_max: Option<usize>,

    /// The most calls at once on one connection. Default 1000.
    #[arg(long, value_name = "N")]
    pub(crate) streams_per_connection_max: Option<u32>,

    /// Threads on which statements run. Default 64.
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<usize>,

    /// How long a statement may run, such as 30s. Default: as long as it likes.
    #[arg(long, value_name = "TIME")]
    pub(crate) statement_timeout: Option<String>,

    /// A client that does not read for so long is cut, with the token to go on after. Default 30s.
    #[arg(long, value_name = "TIME")]
    pub(crate) slow_client: Option<String>,

    /// An idle stream says how far it is after so long. Default 15s.
    #[arg(long, value_name = "TIME")]
    pub(crate) progress_after: Option<String>,

    /// How long calls may take to end when the server goes down. Default 10s.
    #[arg(long, value_name = "TIME")]
    pub(crate) drain: Option<String>,

    /// What is logged: error, warn, info, debug. Default info.
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,

    /// How it is logged, on standard error. Default text.
    #[arg(long, value_enum)]
    pub(crate) log_format: Option<LogFormat>,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// A JSON object a line.
    Json,
}

/// What the server goes by.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) database: PathBuf,
    pub(crate) grpc: Vec<SocketAddr>,
    pub(crate) http: Vec<SocketAddr>,
    pub(crate) origins: Vec<String>,
    /// Certificates and key.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    pub(crate) is_insecure: bool,
    pub(crate) sync: Sync,
    pub(crate) memory: Option<u64>,
    pub(crate) message_bytes_max: usize,
    pub(crate) calls_max: usize,
    pub(crate) calls_per_second: Option<u32>,
    pub(crate) connections_max: usize,
    pub(crate) streams_per_connection_max: u32,
    pub(crate) workers: usize,
    pub(crate) statement_timeout: Option<Duration>,
    pub(crate) slow_client: Duration,
    pub(crate) progress_after: Duration,
    pub(crate) drain: Duration,
    pub(crate) log_level: tracing::Level,
    pub(crate) log_format: LogFormat,
}

impl Settings {
    /// The settings of a command line.
    ///
    /// # Errors
    /// When the file cannot be read, or a value is none.
    pub(crate) fn of(args: &ServeArgs) -> Result<Self, Failure> {
        let file = match &args.config {
            Some(path) => read(path)?,
            None => ServeArgs::default(),
        };
        let database = args.database.clone().or(file.database).ok_or_else(|| {
            Failure::usage(
                "no database is named",
                "tailwater serve app.db, or database = \"app.db\" in the file",
            )
        })?;
        let text = |own: &Option<String>, other: Option<String>, default: &str| {
            own.clone().or(other).unwrap_or_else(|| default.to_owned())
        };
        let time = |name: &str, own: &Option<String>, other: Option<String>, default: &str| {
            duration(&text(own, other, default)).map_err(|error| wrong(name, &error))
        };
        let size = |name: &str, text: &str| args::size(text).map_err(|error| wrong(name, &error));
        let message_bytes = text(&args.message_bytes_max, file.message_bytes_max, "4MiB");
        let memory = args.memory.clone().or(file.memory);
        let timeout = args.statement_timeout.clone().or(file.statement_timeout);
        let level = text(&args.log_level, file.log_level, "info");
        let certificates = args.tls_cert.clone().or(file.tls_cert);
        let tls = match (certificates, args.tls_key.clone().or(file.tls_key)) {
            (None, None) => None,
            (Some(certificates), Some(key)) => Some((certificates, key)),
            _ => return Err(wrong("tls-cert", "it goes with --tls-key")),
        };
        let mut origins = args.allow_origin.clone();
        origins.extend(file.allow_origin);
        Ok(Self {
            database,
            grpc: addresses("grpc", &text(&args.grpc, file.grpc, "127.0.0.1:50051"))?,
            http: addresses("http", &text(&args.http, file.http, "127.0.0.1:8080"))?,
            origins,
            tls,
            is_insecure: args.insecure || file.insecure,
            sync: args.sync.or(file.sync).unwrap_or(Sync::Commit),
            memory: memory.map(|text| size("memory", &text)).transpose()?,
            message_bytes_max: usize::try_from(size("message-bytes-max", &message_bytes)?)
                .unwrap_or(usize::MAX),
            calls_max: args.calls_max.or(file.calls_max).unwrap_or(10_000),
            calls_per_second: args.calls_per_second.or(file.calls_per_second),
            connections_max: args
                .connections_max
                .or(file.connections_max)
                .unwrap_or(10_000),
            streams_per_connection_max: args
                .streams_per_connection_max
                .or(file.streams_per_connection_max)
                .unwrap_or(1_000),
            workers: args.workers.or(file.workers).unwrap_or(64).clamp(1, 4_096),
            statement_timeout: timeout
                .map(|text| duration(&text).map_err(|error| wrong("statement-timeout", &error)))
                .transpose()?,
            slow_client: time("slow-client", &args.slow_client, file.slow_client, "30s")?,
            progress_after: time(
                "progress-after",
                &args.progress_after,
                file.progress_after,
                "15s",
            )?,
            drain: time("drain", &args.drain, file.drain, "10s")?,
            log_level: level
                .parse()
                .map_err(|_| wrong("log-level", &format!("{level} is no level: say info")))?,
            log_format: args
                .log_format
                .or(file.log_format)
                .unwrap_or(LogFormat::Text),
        })
    }
}

fn wrong(name: &str, error: &str) -> Failure {
    Failure::usage(format!("--{name}: {error}"), "tailwater serve --help")
}

fn read(path: &Path) -> Result<ServeArgs, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(Failure::io(format!("reading {}", path.display())))?;
    toml::from_str(&text).map_err(|error| {
        Failure::usage(
            format!("{}: {error}", path.display()),
            "its names are those of tailwater serve --help",
        )
    })
}

/// The addresses a text names.
fn addresses(name: &str, text: &str) -> Result<Vec<SocketAddr>, Failure> {
    if text == "off" {
        return Ok(Vec::new());
    }
    let found = text.to_socket_addrs().map_err(|error| {
        Failure::usage(
            format!("--{name} {text}: {error}"),
            "say an address and a port, such as 127.0.0.1:8080",
        )
    })?;
    // A name may stand for several addresses: the first is listened on.
    Ok(found.take(1).collect())
}

/// A time: `250ms`, `30s`, `5m`, `1h`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text} is not a time: say 30s");
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at_checked(split).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    number
        .checked_mul(ms)
        .map(Duration::from_millis)
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_goes_before_the_file_and_the_file_before_the_defaults() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("server.toml");
        std::fs::write(
            &path,
            "database = \"a.db\"\ngrpc = \"127.0.0.1:1\"\nslow-client = \"5s\"\nsync = \"off\"\ncalls-max = 7\n",
        )
        .unwrap();
        let args = ServeArgs {
            config: Some(path.clone()),
            grpc: Some("127.0.0.1:2".into()),
            http: Some("off".into()),
            ..ServeArgs::default()
        };
        let settings = Settings::of(&args).unwrap();
        assert_eq!(settings.database, Path::new("a.db"));
        assert_eq!(settings.grpc[0].port(), 2);
        assert!(settings.http.is_empty());
        assert_eq!(settings.slow_client, Duration::from_secs(5));
        assert_eq!((settings.sync, settings.calls_max), (Sync::Off, 7));
        assert_eq!(settings.message_bytes_max, 4 << 20);
        std::fs::write(&path, "databse = \"a.db\"").unwrap();
        assert!(
            Settings::of(&args)
                .unwrap_err()
                .to_string()
                .contains("databse")
        );
        assert!(Settings::of(&ServeArgs::default()).is_err());
    }

    #[test]
    fn the_example_file_is_good() {
        let text = include_str!("../../tailwater.toml");
        let all: String = text
            .lines()
            .map(|line| line.strip_prefix("#: ").unwrap_or(line))
            .map(|line| format!("{line}\n"))
            .collect();
        for text in [text, &all] {
            let file: ServeArgs = toml::from_str(text).unwrap();
            assert!(Settings::of(&file).is_ok());
        }
        assert_eq!(duration("250ms").unwrap(), Duration::from_millis(250));
        assert!(duration("5").is_err() && duration("s").is_err() && duration("5 s").is_err());
    }
}
