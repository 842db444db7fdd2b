//! The state of one group: how many rows it has, how many of them fail, which representations its values have, and
//! the accumulators of its calls; and the bytes of all that. A group without rows has no bytes.
//!
//! Bytes: rows, failing rows, representations (count, then length, bytes, rows of each), accumulators in call order.

use std::sync::Arc;

use smallvec::SmallVec;
use tailwater_proto::{Row, Value};

use crate::aggregate::codec::{Reader, Writer, damaged};
use crate::aggregate::representation::row_of;
use crate::aggregate::{Accumulator, AggregateCall, Representation};
use crate::error::{Error, Result};

/// Representations a group may have: bounded by what one state row can hold.
const REPRESENTATIONS_MAX: usize = 1 << 20;

/// The state of one group.
#[derive(Clone, Debug)]
pub(super) struct GroupState {
    /// Rows counted by the accumulators.
    pub(super) rows: i64,
    /// Rows on which an argument fails: while there is one, the group is not shown.
    pub(super) failing: i64,
    /// The representations of the group's values and how many rows have each, ascending.
    pub(super) representations: SmallVec<[(Representation, i64); 1]>,
    pub(super) accumulators: SmallVec<[Accumulator; 4]>,
}

impl GroupState {
    pub(super) fn new(calls: &[AggregateCall]) -> Self {
        Self {
            rows: 0,
            failing: 0,
            representations: SmallVec::new(),
            accumulators: calls
                .iter()
                .map(|call| Accumulator::new(call.function))
                .collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0 && self.failing == 0
    }

    /// Counts a row in (`weight` 1) or out (-1) whose group values have this representation.
    pub(super) fn count(&mut self, representation: &Representation, weight: i64) {
        self.rows += weight;
        let found = self
            .representations
            .binary_search_by(|(held, _)| held.cmp(representation));
        match found {
            Ok(place) => {
                if let Some((_, rows)) = self.representations.get_mut(place) {
                    *rows += weight;
                    if *rows == 0 {
                        self.representations.remove(place);
                    }
                }
            }
            Err(place) => self
                .representations
                .insert(place, (representation.clone(), weight)),
        }
    }

    /// The representation of the values that are shown.
    pub(super) fn shown(&self) -> Option<&Representation> {
        self.representations
            .first()
            .map(|(representation, _)| representation)
    }

    /// The group's row; `None` if it is not shown: no rows (and not the one that always is), or failing ones.
    /// `known`: the values shown, if they need not be read from the key.
    pub(super) fn row(
        &self,
        key: &[u8],
        known: Option<&[Value]>,
        calls: &[AggregateCall],
        always: bool,
        scratch: &mut Vec<Value>,
    ) -> Result<Option<Row>> {
        if self.failing != 0 || (self.rows == 0 && !always) {
            return Ok(None);
        }
        scratch.clear();
        match known {
            Some(values) => scratch.extend_from_slice(values),
            None => row_of(key, self.shown().map_or(&[], Vec::as_slice), scratch)?,
        }
        for (call, accumulator) in calls.iter().zip(&self.accumulators) {
            scratch.push(accumulator.finish(call)?);
        }
        Ok(Some(scratch.drain(..).collect()))
    }

    /// The state's bytes; `None` for an empty one.
    pub(super) fn encode(&self, scratch: &mut Vec<u8>) -> Result<Option<Arc<[u8]>>> {
        if self.is_empty() {
            return Ok(None);
        }
        scratch.clear();
        let mut out = Writer::new(scratch);
        out.int(self.rows);
        out.int(self.failing);
        out.uint(self.representations.len() as u64);
        for (representation, rows) in &self.representations {
            out.run(representation);
            out.int(*rows);
        }
        for accumulator in &self.accumulators {
            accumulator.encode(&mut out)?;
        }
        Ok(Some(Arc::from(scratch.as_slice())))
    }

    /// Reads the state's bytes.
    pub(super) fn decode(bytes: &[u8], calls: &[AggregateCall]) -> Result<Self> {
        let mut input = Reader::new(bytes);
        let (rows, failing) = (input.int()?, input.int()?);
        let mut representations = SmallVec::new();
        for _ in 0..input.len_up_to(REPRESENTATIONS_MAX)? {
            representations.push((input.run()?.to_vec(), input.int()?));
        }
        let mut accumulators = SmallVec::new();
        for call in calls {
            accumulators.push(Accumulator::decode(call.function, &mut input)?);
        }
        if !input.is_empty() {
            return Err(damaged());
        }
        Ok(Self {
            rows,
            failing,
            representations,
            accumulators,
        })
    }
}

/// Adds to a damage report whose state it is.
pub(super) fn locate(error: Error, storage: tailwater_proto::StorageId, key: &[u8]) -> Error {
    match error {
        Error::Corrupted { message } => Error::Corrupted {
            message: format!(
                "state storage {storage}: group {:?}: {message}",
                tailwater_proto::Key::from(key)
            ),
        },
        other => other,
    }
}
