//! What operators hold in memory, counted against the statement's budget and given back when dropped.
//!
//! Sizes are estimates: the values with what they point to. Bytes are taken from the budget in steps, so that a
//! row costs no atomic operation.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tailwater_proto::Value;

use crate::context::{Counters, ExecContext};
use crate::error::Result;

/// Bytes taken from the budget at once.
const STEP_BYTES: u64 = 16 * 1024;
/// What a map or vector entry costs beside its content.
const ENTRY_BYTES: u64 = 48;

/// Bytes taken from a statement's budget, given back on drop.
pub(crate) struct Reserved {
    counters: Arc<Counters>,
    taken: u64,
    used: u64,
}

impl Reserved {
    pub(crate) fn new(cx: &ExecContext) -> Self {
        Self {
            counters: Arc::clone(&cx.counters),
            taken: 0,
            used: 0,
        }
    }

    /// Counts `bytes` more.
    ///
    /// # Errors
    /// `53200` when the budget would be exceeded.
    pub(crate) fn grow(&mut self, cx: &ExecContext, bytes: u64) -> Result<()> {
        self.used = self.used.saturating_add(bytes);
        if self.used <= self.taken {
            return Ok(());
        }
        let step = (self.used - self.taken).max(STEP_BYTES.min(cx.memory_bytes_max / 64));
        self.taken += step;
        cx.reserve_memory(step)
    }

    /// Counts one row kept with a key of `key_bytes`.
    pub(crate) fn grow_row(
        &mut self,
        cx: &ExecContext,
        key_bytes: usize,
        row: &[Value],
    ) -> Result<()> {
        self.grow(cx, ENTRY_BYTES + key_bytes as u64 + row_bytes(row))
    }

    /// Gives back what one row took, to be used again.
    pub(crate) fn shrink_row(&mut self, key_bytes: usize, row: &[Value]) {
        self.used = self
            .used
            .saturating_sub(ENTRY_BYTES + key_bytes as u64 + row_bytes(row));
    }

    /// Gives everything back.
    pub(crate) fn clear(&mut self) {
        self.counters
            .memory_bytes
            .fetch_sub(self.taken, Ordering::Relaxed);
        self.taken = 0;
        self.used = 0;
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Bytes a row takes, with what it points to.
pub(crate) fn row_bytes(row: &[Value]) -> u64 {
    row.iter().map(value_bytes).sum()
}

/// Bytes a value takes, with what it points to (shared parts are counted each time).
pub(crate) fn value_bytes(value: &Value) -> u64 {
    let beyond = match value {
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Real(_)
        | Value::Double(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::Timestamp(_)
        | Value::TimestampTz(_)
        | Value::Interval(_)
        | Value::Uuid(_) => 0,
        Value::Numeric(_) => 64,
        Value::Text(text) if text.len() < 16 => 0,
        Value::Text(text) => 16 + text.len() as u64,
        Value::Bytes(bytes) => 16 + bytes.len() as u64,
        Value::Json(inner) => value_bytes(inner),
        Value::Array(elements) => row_bytes(elements),
        Value::Document(document) => document
            .iter()
            .map(|(name, value)| 16 + name.len() as u64 + value_bytes(value))
            .sum(),
    };
    size_of::<Value>() as u64 + beyond
}
