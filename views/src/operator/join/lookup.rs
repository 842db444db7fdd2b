//! Lookup join: for each left row the right scan is read through bounds that refer to it. Nothing is held in memory.

use std::sync::Arc;

use tailwater_proto::{Key, Row, Value, sqlstate};

use super::{join_key, paired, unmatched};
use crate::context::ExecContext;
use crate::dataflow::PipelineStep;
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::operator::RowSource;
use crate::operator::project::project;
use crate::operator::scan::ScanSource;
use crate::plan::{Join, JoinKind, Plan};
use crate::store::Reader;

pub(crate) struct LookupJoin {
    left: Box<dyn RowSource>,
    right: ScanSource,
    /// Filters and projections above the right scan, the lowest first.
    steps: Vec<PipelineStep>,
    right_columns: usize,
    kind: JoinKind,
    equal: Vec<(Expr, Expr)>,
    residual: Option<Expr>,
    /// The left row, whether its join key can match, and whether it has.
    current: Option<(Row, bool, bool)>,
    left_key: Key,
    right_key: Key,
    scratch: Vec<Value>,
}

impl LookupJoin {
    pub(crate) fn new(
        left: Box<dyn RowSource>,
        join: &Join,
        reader: Arc<dyn Reader>,
    ) -> Result<Self> {
        let mut steps = Vec::new();
        let mut plan = &join.right;
        let scan = loop {
            match plan {
                Plan::Scan(scan) => break scan,
                Plan::Filter { input, predicate } => {
                    steps.push(PipelineStep::Filter(predicate.clone()));
                    plan = input;
                }
                Plan::Project { input, exprs, .. } => {
                    steps.push(PipelineStep::Project(exprs.clone()));
                    plan = input;
                }
                Plan::Values { .. }
                | Plan::Series(_)
                | Plan::Join(_)
                | Plan::Aggregate { .. }
                | Plan::Distinct { .. }
                | Plan::UnionAll { .. }
                | Plan::Sort { .. }
                | Plan::Limit { .. } => {
                    return Err(Error::Stopped {
                        sqlstate: sqlstate::INTERNAL_ERROR,
                        message: "a lookup join's right input must be a scan under filters and \
                                  projections"
                            .to_owned(),
                    });
                }
            }
        };
        steps.reverse();
        Ok(Self {
            left,
            right: ScanSource::new(scan, reader),
            steps,
            right_columns: join.right.fields().len(),
            kind: join.kind,
            equal: join.equal.clone(),
            residual: join.residual.clone(),
            current: None,
            left_key: Key::new(),
            right_key: Key::new(),
            scratch: Vec::new(),
        })
    }

    /// The next row of the right side for the current left row.
    fn next_right(&mut self, cx: &ExecContext) -> Result<Option<Row>> {
        'rows: while let Some(values) = self.right.next_values(cx)? {
            for step in &self.steps {
                match step {
                    PipelineStep::Filter(predicate) => {
                        if !predicate.test(values, cx)? {
                            continue 'rows;
                        }
                    }
                    PipelineStep::Project(exprs) => {
                        project(exprs, values, &mut self.scratch, cx)?;
                        std::mem::swap(values, &mut self.scratch);
                    }
                }
            }
            return Ok(Some(values.drain(..).collect()));
        }
        Ok(None)
    }

    /// The next match of the current left row.
    fn next_pair(&mut self, left: &Row, cx: &ExecContext) -> Result<Option<Row>> {
        while let Some(right) = self.next_right(cx)? {
            let exprs = self.equal.iter().map(|(_, e)| e);
            if !join_key(exprs, &right, &mut self.right_key, cx)? || self.left_key != self.right_key
            {
                continue;
            }
            let row = paired(left, &right);
            let passes = match &self.residual {
                None => true,
                Some(residual) => residual.test(&row, cx)?,
            };
            if passes {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }
}

impl RowSource for LookupJoin {
    fn next(&mut self, cx: &ExecContext) -> Result<Option<Row>> {
        loop {
            let Some((left, keyed, matched)) = self.current.take() else {
                let Some(left) = self.left.next(cx)? else {
                    return Ok(None);
                };
                let exprs = self.equal.iter().map(|(e, _)| e);
                let keyed = join_key(exprs, &left, &mut self.left_key, cx)?;
                if keyed {
                    self.right.reset(&left, cx)?;
                }
                self.current = Some((left, keyed, false));
                continue;
            };
            let found = if keyed {
                self.next_pair(&left, cx)?
            } else {
                None
            };
            if found.is_some() {
                self.current = Some((left, keyed, true));
                return Ok(found);
            }
            if self.kind == JoinKind::Left && !matched {
                return Ok(Some(unmatched(&left, self.right_columns)));
            }
        }
    }
}
