//! What a dump says as text: a line of JSON for programs, a line of words for people.
//!
//! The JSON is described in FORMAT.md: keys, their order and their spelling are never changed, only added to at the end.
//! Next door: `dump`.

use std::fmt::{self, Write};
use std::path::Path;

use super::dump::{
    Dumped, DumpedEnd, DumpedFault, DumpedFrame, DumpedSegment, EndReason, SegmentFault,
};
use super::format::FrameKind;

impl FrameKind {
    /// Its name in a dump.
    ///
    /// ```
    /// use tailwater_wal::FrameKind;
    ///
    /// assert_eq!(FrameKind::Noop.name(), "noop");
    /// ```
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Noop => "noop",
            Self::Begin => "begin",
            Self::Chunk => "chunk",
            Self::Commit => "commit",
        }
    }
}

impl EndReason {
    /// Its name in a dump.
    ///
    /// ```
    /// use tailwater_wal::EndReason;
    ///
    /// assert_eq!(EndReason::Clean.name(), "clean");
    /// ```
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::TornHeader => "torn_header",
            Self::TornPayload => "torn_payload",
            Self::Gone => "gone",
        }
    }
}

impl SegmentFault {
    /// Its name in a dump.
    ///
    /// ```
    /// use tailwater_wal::SegmentFault;
    ///
    /// assert_eq!(SegmentFault::Header.name(), "header");
    /// ```
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Short => "short",
            Self::Header => "header",
            Self::NewerVersion => "newer_version",
        }
    }
}

/// The line of JSON.
pub(crate) fn json(dumped: &Dumped) -> String {
    let mut out = String::new();
    // Writing to a String does not fail.
    _ = match dumped {
        Dumped::Segment(segment) => json_segment(&mut out, segment),
        Dumped::Unreadable(fault) => json_fault(&mut out, fault),
        Dumped::Frame(frame) => json_frame(&mut out, frame),
        Dumped::End(end) => json_end(&mut out, end),
        Dumped::Slot {
            name,
            lsn,
            advanced_unix_ms,
        } => write!(
            out,
            "{{\"slot\":\"{}\",\"lsn\":{},\"advanced_unix_ms\":{advanced_unix_ms}}}",
            name, lsn.0
        ),
        Dumped::UnreadableSlots { bytes } => {
            write!(out, "{{\"slots\":\"unreadable\",\"bytes\":{bytes}}}")
        }
        Dumped::Reserve { bytes } => write!(out, "{{\"reserve\":{bytes}}}"),
    };
    out
}

/// Names of segments need no escapes: they are hex.
fn name(file: &Path) -> std::borrow::Cow<'_, str> {
    file.file_name().unwrap_or_default().to_string_lossy()
}

fn json_segment(out: &mut String, segment: &DumpedSegment) -> fmt::Result {
    write!(
        out,
        "{{\"segment\":\"{}\",\"bytes\":{},\"database\":\"",
        name(&segment.file),
        segment.bytes
    )?;
    for byte in segment.database_id {
        write!(out, "{byte:02x}")?;
    }
    write!(
        out,
        "\",\"epoch\":{},\"segment_no\":{},\"salt\":\"{:016x}\",\"after_lsn\":{},\"created_unix_ms\":{},\
         \"recycled\":{},\"lazy\":{},\"history\":[",
        segment.epoch,
        segment.segment_no,
        segment.salt,
        segment.after_lsn.0,
        segment.created_unix_ms,
        segment.recycled,
        segment.lazy
    )?;
    for (place, epoch) in segment.history.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        write!(out, "{comma}[{},{}]", epoch.number, epoch.first_lsn.0)?;
    }
    out.write_str("]}")
}

fn json_fault(out: &mut String, fault: &DumpedFault) -> fmt::Result {
    write!(
        out,
        "{{\"segment\":\"{}\",\"bytes\":{},\"unreadable\":\"{}\"}}",
        name(&fault.file),
        fault.bytes,
        fault.reason.name()
    )
}

fn json_frame(out: &mut String, frame: &DumpedFrame) -> fmt::Result {
    write!(
        out,
        "{{\"offset\":{},\"kind\":\"{}\",\"lsn\":{},\"durable_lsn\":{},\"len\":{},\"codec\":{},\
         \"payload_crc\":\"{:08x}\",\"crc_ok\":{}}}",
        frame.offset,
        frame.kind.name(),
        frame.lsn.0,
        frame.durable_lsn.0,
        frame.len,
        frame.codec,
        frame.payload_crc,
        frame.crc_ok
    )
}

fn json_end(out: &mut String, end: &DumpedEnd) -> fmt::Result {
    write!(
        out,
        "{{\"end\":{},\"reason\":\"{}\",\"groups_behind\":{},\"durable_lsn_behind\":{}}}",
        end.offset,
        end.reason.name(),
        end.groups_behind,
        end.durable_lsn_behind.0
    )
}

impl fmt::Display for Dumped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segment(segment) => segment.fmt(f),
            Self::Unreadable(fault) => write!(
                f,
                "segment {}: {} bytes, not read: {}",
                name(&fault.file),
                fault.bytes,
                fault.reason.name()
            ),
            Self::Frame(frame) => frame.fmt(f),
            Self::End(end) => end.fmt(f),
            Self::Slot { name, lsn, .. } => write!(f, "slot {name}: needs no records up to {lsn}"),
            Self::UnreadableSlots { bytes } => write!(f, "slots: {bytes} bytes, not read"),
            Self::Reserve { bytes } => write!(f, "reserve: {bytes} bytes"),
        }
    }
}

impl fmt::Display for DumpedSegment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "segment {}: {} bytes, epoch {}, after lsn {}, salt {:016x}",
            name(&self.file),
            self.bytes,
            self.epoch,
            self.after_lsn,
            self.salt
        )?;
        if self.recycled {
            f.write_str(", recycled")?;
        }
        if self.lazy {
            f.write_str(", lazy")?;
        }
        for epoch in &self.history {
            write!(f, ", epoch {} from lsn {}", epoch.number, epoch.first_lsn)?;
        }
        Ok(())
    }
}

impl fmt::Display for DumpedFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "  {:>10}  {:<6}  lsn {}  durable {}  {} bytes",
            self.offset,
            self.kind.name(),
            self.lsn,
            self.durable_lsn,
            self.len
        )?;
        if !self.crc_ok {
            f.write_str("  payload crc wrong")?;
        }
        Ok(())
    }
}

impl fmt::Display for DumpedEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {:>10}  end: {}", self.offset, self.reason.name())?;
        if self.groups_behind > 0 {
            write!(
                f,
                ", {} groups behind, durable up to {}",
                self.groups_behind, self.durable_lsn_behind
            )?;
        }
        Ok(())
    }
}
