//! Union all: the rows of every input, one input after the other; stepped, keyed by the input's number and its key.

use tailwater_proto::{Key, Row};

use super::RowSource;
use crate::context::ExecContext;
use crate::error::Result;
use crate::zset::{Delta, ZSet};

pub(crate) struct UnionSource {
    /// The inputs still to be read, the current one last.
    pub(crate) inputs: Vec<Box<dyn RowSource>>,
}

impl RowSource for UnionSource {
    fn next(&mut self, cx: &ExecContext) -> Result<Option<Row>> {
        while let Some(input) = self.inputs.last_mut() {
            if let Some(row) = input.next(cx)? {
                return Ok(Some(row));
            }
            self.inputs.pop();
        }
        Ok(None)
    }
}

/// Adds the changes of input number `branch` to the union's.
pub(crate) fn step(output: &mut ZSet, branch: u8, input: ZSet) {
    output.extend(input.into_iter().map(|Delta { key, before, after }| {
        let mut tagged = Key::new();
        tagged.push(branch);
        tagged.extend(&key);
        Delta {
            key: tagged,
            before,
            after,
        }
    }));
}
