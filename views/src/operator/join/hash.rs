//! Hash join: the right input is held in memory by join key (all of it under one key for a cross join), and the left
//! one streams by. Memory is counted.

use std::collections::HashMap;

use tailwater_proto::{Key, Row};

use super::{join_key, paired, unmatched};
use crate::context::ExecContext;
use crate::error::Result;
use crate::expr::Expr;
use crate::memory::Reserved;
use crate::operator::RowSource;
use crate::plan::JoinKind;

/// Pairs tried between two looks at the cancel flag.
const PAIRS_PER_CHECK: u32 = 1024;

pub(crate) struct HashJoin {
    pub(crate) left: Box<dyn RowSource>,
    /// Taken when the table is built.
    pub(crate) right: Option<Box<dyn RowSource>>,
    pub(crate) right_columns: usize,
    pub(crate) kind: JoinKind,
    pub(crate) equal: Vec<(Expr, Expr)>,
    pub(crate) residual: Option<Expr>,
    table: HashMap<Key, Vec<Row>>,
    memory: Reserved,
    key: Key,
    current: Option<Probe>,
    pairs: u32,
}

/// A left row and how far its matches were returned.
struct Probe {
    row: Row,
    /// Whether the key can match at all.
    keyed: bool,
    next: usize,
    matched: bool,
}

impl HashJoin {
    pub(crate) fn new(
        left: Box<dyn RowSource>,
        right: Box<dyn RowSource>,
        right_columns: usize,
        kind: JoinKind,
        equal: Vec<(Expr, Expr)>,
        residual: Option<Expr>,
        cx: &ExecContext,
    ) -> Self {
        Self {
            left,
            right: Some(right),
            right_columns,
            kind,
            equal,
            residual,
            table: HashMap::new(),
            memory: Reserved::new(cx),
            key: Key::new(),
            current: None,
            pairs: 0,
        }
    }

    fn build(&mut self, mut right: Box<dyn RowSource>, cx: &ExecContext) -> Result<()> {
        while let Some(row) = right.next(cx)? {
            if !join_key(self.equal.iter().map(|(_, e)| e), &row, &mut self.key, cx)? {
                continue;
            }
            self.memory.grow_row(cx, self.key.len(), &row)?;
            match self.table.get_mut(&*self.key) {
                Some(rows) => rows.push(row),
                None => {
                    self.table.insert(self.key.clone(), vec![row]);
                }
            }
        }
        Ok(())
    }
}

impl RowSource for HashJoin {
    fn next(&mut self, cx: &ExecContext) -> Result<Option<Row>> {
        if let Some(right) = self.right.take() {
            self.build(right, cx)?;
            if self.table.is_empty() && self.kind == JoinKind::Inner {
                return Ok(None);
            }
        }
        loop {
            let Some(probe) = &mut self.current else {
                let Some(row) = self.left.next(cx)? else {
                    return Ok(None);
                };
                let keyed = join_key(self.equal.iter().map(|(e, _)| e), &row, &mut self.key, cx)?;
                self.current = Some(Probe {
                    row,
                    keyed,
                    next: 0,
                    matched: false,
                });
                continue;
            };
            let matches: &[Row] = if probe.keyed {
                self.table.get(&*self.key).map_or(&[], Vec::as_slice)
            } else {
                &[]
            };
            while let Some(right) = matches.get(probe.next) {
                probe.next += 1;
                self.pairs = self.pairs.wrapping_add(1);
                if self.pairs.is_multiple_of(PAIRS_PER_CHECK) {
                    cx.check()?;
                }
                let row = paired(&probe.row, right);
                let passes = match &self.residual {
                    None => true,
                    Some(residual) => residual.test(&row, cx)?,
                };
                if passes {
                    probe.matched = true;
                    return Ok(Some(row));
                }
            }
            let lonely = (self.kind == JoinKind::Left && !probe.matched)
                .then(|| unmatched(&probe.row, self.right_columns));
            self.current = None;
            if lonely.is_some() {
                return Ok(lonely);
            }
        }
    }
}
