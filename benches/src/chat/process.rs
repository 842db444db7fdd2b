//! `Process`: a server of the chat as a process of its own, in a folder of its own, gone with its handle.
//! Ours is the `tailwater` program, found beside the one that runs; `chat-sqlite` is the peer's. Next door: `client`.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};

use tempfile::TempDir;

use super::PROTO;
use crate::{Place, Result};

/// A server that runs.
#[derive(Debug)]
pub struct Process {
    child: Child,
    address: String,
    /// The peer ends when this does.
    _input: Option<ChildStdin>,
    _folder: TempDir,
}

impl Process {
    /// `tailwater serve` with the chat's module and the settings it comes with, but for these.
    ///
    /// # Errors
    /// When the program is not there or does not start.
    pub fn ours(place: &Place, more: &[&str]) -> Result<Self> {
        let folder = place.folder()?;
        let proto = folder.path().join("chat.proto");
        std::fs::write(&proto, PROTO)?;
        let (program, database) = (beside("tailwater")?, folder.path().join("db"));
        let installed = Command::new(&program)
            .args(["module", "install"])
            .arg(&proto)
            .arg("--db")
            .arg(&database)
            .output()?;
        if !installed.status.success() {
            return Err(String::from_utf8_lossy(&installed.stderr).into());
        }
        let mut command = Command::new(program);
        command.arg("serve").arg(database);
        command.args(["--grpc", "127.0.0.1:0", "--http", "off"]);
        command.args(["--log-level", "error"]).args(more);
        Self::start(command, folder)
    }

    /// The peer; `transactions` is `each` or `waiting`.
    ///
    /// # Errors
    /// When the program is not there or does not start.
    pub fn sqlite(place: &Place, transactions: &str) -> Result<Self> {
        let folder = place.folder()?;
        let mut command = Command::new(beside("chat-sqlite")?);
        command.arg(folder.path().join("chat.sqlite"));
        command.arg(transactions);
        Self::start(command, folder)
    }

    fn start(mut command: Command, folder: TempDir) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        let mut process = Self {
            _input: child.stdin.take(),
            child,
            address: String::new(),
            _folder: folder,
        };
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let address = line.trim().strip_prefix("grpc listening on ");
        process.address = address.ok_or("the server did not start")?.to_owned();
        Ok(process)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Bytes of memory it has.
    ///
    /// # Errors
    /// Where the system does not tell.
    pub fn resident_bytes(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = resident.and_then(|line| line.split_whitespace().next());
        Ok(kib.ok_or("no VmRSS")?.parse::<u64>()? * 1_024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that was built with this one.
fn beside(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().ok_or("this program is in no folder")?;
    let program = folder.join(name);
    match program.exists() {
        true => Ok(program),
        false => Err(format!(
            "{} is not there: cargo build --release -p tailwater-server -p tailwater-benches",
            program.display()
        )
        .into()),
    }
}
