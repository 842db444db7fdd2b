//! `JsonlSink`: writes each event as one line of JSON.
//!
//! Keys and rows are written as hexadecimal digits of their bytes: this room cannot read them, and does not pretend
//! to. PROTOCOL.md has the fields. Next door: `sink`.

use std::fmt::Write as _;
use std::io;

use super::Sink;
use crate::error::BoxError;
use crate::event::{Event, FeedChange};

/// Writes lines to a file, a pipe or a socket.
#[derive(Debug)]
pub struct JsonlSink<W> {
    out: W,
    line: String,
}

impl<W: io::Write + Send> JsonlSink<W> {
    /// A sink that writes to `out`. Give it a buffered one: flushes come with quiet moments.
    pub const fn new(out: W) -> Self {
        Self {
            out,
            line: String::new(),
        }
    }

    /// What was written to.
    pub fn into_inner(self) -> W {
        self.out
    }
}

impl<W: io::Write + Send> Sink for JsonlSink<W> {
    fn deliver(&mut self, event: Event) -> Result<(), BoxError> {
        self.line.clear();
        write_event(&mut self.line, &event)?;
        self.line.push('\n');
        Ok(self.out.write_all(self.line.as_bytes())?)
    }

    fn flush(&mut self) -> Result<(), BoxError> {
        Ok(self.out.flush()?)
    }
}

fn write_event(line: &mut String, event: &Event) -> std::fmt::Result {
    match event {
        Event::SnapshotBegin { lsn } => write!(line, r#"{{"event":"snapshot_begin","lsn":{lsn}}}"#),
        Event::SnapshotRows { rows } => {
            line.push_str(r#"{"event":"snapshot_rows","rows":["#);
            for (at, (storage, key, row)) in rows.iter().enumerate() {
                separate(line, at);
                write!(line, r#"{{"storage":{storage},"key":"#)?;
                write_bytes(line, Some(key))?;
                line.push_str(r#","row":"#);
                write_bytes(line, Some(row))?;
                line.push('}');
            }
            line.push_str("]}");
            Ok(())
        }
        Event::SnapshotEnd { lsn, token } => {
            write!(
                line,
                r#"{{"event":"snapshot_end","lsn":{lsn},"token":"{token}"}}"#
            )
        }
        Event::Frame(frame) => {
            let (lsn, time, durable) = (frame.lsn, frame.commit_time_us, frame.durable);
            write!(
                line,
                r#"{{"event":"frame","lsn":{lsn},"commit_time_us":{time},"durable":{durable},"principal":"#
            )?;
            write_text(line, &frame.principal)?;
            line.push_str(r#","changes":["#);
            for (at, change) in frame.changes.iter().enumerate() {
                separate(line, at);
                write_change(line, change)?;
            }
            let more = if frame.more { r#","more":true"# } else { "" };
            write!(line, r#"]{more},"token":"{}"}}"#, frame.token)
        }
        Event::Progress { lsn, token } => {
            write!(
                line,
                r#"{{"event":"progress","lsn":{lsn},"token":"{token}"}}"#
            )
        }
        Event::Reset { reason, oldest } => {
            write!(
                line,
                r#"{{"event":"reset","reason":"{reason}","oldest":{oldest}}}"#
            )
        }
    }
}

fn write_change(line: &mut String, change: &FeedChange) -> std::fmt::Result {
    let FeedChange {
        storage,
        schema_version,
        op,
        key,
        before,
        after,
    } = change;
    write!(
        line,
        r#"{{"storage":{storage},"schema_version":{schema_version},"op":"{op}","key":"#
    )?;
    write_bytes(line, Some(key))?;
    line.push_str(r#","before":"#);
    write_bytes(line, before.as_deref())?;
    line.push_str(r#","after":"#);
    write_bytes(line, after.as_deref())?;
    line.push('}');
    Ok(())
}

fn separate(line: &mut String, at: usize) {
    if at > 0 {
        line.push(',');
    }
}

fn write_bytes(line: &mut String, bytes: Option<&[u8]>) -> std::fmt::Result {
    let Some(bytes) = bytes else {
        line.push_str("null");
        return Ok(());
    };
    line.push('"');
    for byte in bytes {
        write!(line, "{byte:02x}")?;
    }
    line.push('"');
    Ok(())
}

fn write_text(line: &mut String, text: &str) -> std::fmt::Result {
    line.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => {
                line.push('\\');
                line.push(letter);
            }
            '\0'..='\x1f' => write!(line, "\\u{:04x}", u32::from(letter))?,
            _ => line.push(letter),
        }
    }
    line.push('"');
    Ok(())
}
