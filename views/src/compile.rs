//! Compiles a plan into the dataflow that maintains it: operators with their storages, and for each side of a join
//! the way its rows are found. What cannot be maintained is refused with the construct's name.
//!
//! Compiled once, when a view is created. The plan comes before access paths are chosen: scans read everything.

use std::fmt;

use tailwater_proto::{ColumnId, StorageId};

use crate::aggregate::AggregateCall;
use crate::dataflow::{
    Arrangement, Dataflow, JoinSide, KeyPart, Node, NodeOperator, Pipeline, PipelineStep,
};
use crate::expr::Expr;
use crate::function::{self, Volatility};
use crate::operator::version_of;
use crate::plan::{Access, IndexAccess, Join, JoinKind, Plan, Scan};

/// Branches of a union and calls of an aggregate are numbered in one byte.
const NUMBERED_MAX: usize = 255;

/// Where operator state goes, and which ways into the sources there are.
pub trait StorageAllocator {
    /// A new storage for operator state.
    fn allocate(&mut self) -> StorageId;

    /// A key of `source` (its primary key, or an index, made if need be) that begins with as many of `columns` as
    /// can be, in any order; `None` if there is none that begins with one. `columns` is not empty.
    fn arrangement(&mut self, source: StorageId, columns: &[ColumnId]) -> Option<ArrangementFound>;
}

/// A way into a source by some of its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArrangementFound {
    /// The primary key begins with these.
    Primary {
        /// Which of the asked columns its leading parts are (`KeyPart::key`: position among them).
        prefix: Vec<KeyPart>,
    },
    /// An index begins with these.
    Index {
        /// Which index, and of how many parts.
        index: IndexAccess,
        /// Which of its parts are descending.
        descending: Vec<bool>,
        /// Which of the asked columns its leading parts are (`KeyPart::key`: position among them).
        prefix: Vec<KeyPart>,
    },
}

/// What a view cannot hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// The construct, as a user knows it: `LEFT JOIN`, `function now()`.
    pub construct: String,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} cannot be maintained in a materialized view",
            self.construct
        )
    }
}

impl std::error::Error for Unsupported {}

fn unsupported<T>(construct: impl Into<String>) -> Result<T, Unsupported> {
    Err(Unsupported {
        construct: construct.into(),
    })
}

/// The dataflow that maintains the rows of `plan`.
///
/// # Errors
/// Names the first construct that cannot be maintained.
pub fn compile(plan: &Plan, ids: &mut dyn StorageAllocator) -> Result<Dataflow, Unsupported> {
    let mut compiler = Compiler {
        nodes: Vec::new(),
        ids,
    };
    compiler.plan(plan)?;
    Ok(Dataflow {
        nodes: compiler.nodes,
    })
}

struct Compiler<'i> {
    nodes: Vec<Node>,
    ids: &'i mut dyn StorageAllocator,
}

impl Compiler<'_> {
    fn push(&mut self, operator: NodeOperator) -> usize {
        let version = version_of(operator.name());
        self.nodes.push(Node { operator, version });
        self.nodes.len() - 1
    }

    /// Appends the nodes of a plan; returns the last one's number.
    fn plan(&mut self, plan: &Plan) -> Result<usize, Unsupported> {
        match plan {
            Plan::Values { rows, .. } => {
                check(rows.iter().flatten())?;
                Ok(self.push(NodeOperator::Values { rows: rows.clone() }))
            }
            Plan::Series(_) => unsupported("generate_series"),
            Plan::Scan(scan) => self.scan(scan),
            Plan::Filter { input, predicate } => {
                check([predicate])?;
                let input = self.plan(input)?;
                let predicate = predicate.clone();
                Ok(self.push(NodeOperator::Filter { input, predicate }))
            }
            Plan::Project {
                input: below,
                exprs,
                ..
            } => {
                check(exprs)?;
                let input = self.plan(below)?;
                if is_identity(exprs, below) {
                    return Ok(input);
                }
                let exprs = exprs.clone();
                Ok(self.push(NodeOperator::Project { input, exprs }))
            }
            Plan::Join(join) => self.join(join),
            Plan::Aggregate {
                input,
                group,
                calls,
                ..
            } => self.aggregate(input, group, calls),
            Plan::Distinct { input } => {
                let input = self.plan(input)?;
                let state = self.ids.allocate();
                Ok(self.push(NodeOperator::Distinct { input, state }))
            }
            Plan::UnionAll { inputs, .. } => {
                if inputs.len() > NUMBERED_MAX {
                    return unsupported("UNION ALL of more than 255 branches");
                }
                let inputs = inputs
                    .iter()
                    .map(|input| self.plan(input))
                    .collect::<Result<_, _>>()?;
                Ok(self.push(NodeOperator::UnionAll { inputs }))
            }
            Plan::Sort { .. } => unsupported("ORDER BY in a subquery"),
            Plan::Limit { limit, .. } => {
                unsupported(if limit.is_some() { "LIMIT" } else { "OFFSET" })
            }
        }
    }

    fn scan(&mut self, scan: &Scan) -> Result<usize, Unsupported> {
        match scan.access {
            Access::All(_) => Ok(self.push(NodeOperator::Source {
                storage: scan.storage,
                columns: scan.columns.clone(),
            })),
            Access::Ranges { .. } => unsupported(format!(
                "a plan that reads {} through ranges of a key",
                scan.name
            )),
        }
    }

    fn aggregate(
        &mut self,
        input: &Plan,
        group: &[Expr],
        calls: &[AggregateCall],
    ) -> Result<usize, Unsupported> {
        check(group)?;
        for call in calls {
            check(call.argument.iter().chain(&call.filter))?;
        }
        if calls.len() > NUMBERED_MAX {
            return unsupported("more than 255 aggregates at once");
        }
        let input = self.plan(input)?;
        let state = self.ids.allocate();
        let values = calls
            .iter()
            .any(AggregateCall::needs_values)
            .then(|| self.ids.allocate());
        Ok(self.push(NodeOperator::Aggregate {
            input,
            group: group.to_vec(),
            calls: calls.to_vec(),
            state,
            values,
        }))
    }

    fn join(&mut self, join: &Join) -> Result<usize, Unsupported> {
        match join.kind {
            JoinKind::Inner => {}
            JoinKind::Left => return unsupported("LEFT JOIN"),
        }
        check(join.equal.iter().flat_map(|(left, right)| [left, right]))?;
        check(&join.residual)?;
        let left = self.plan(&join.left)?;
        let right = self.plan(&join.right)?;
        let (left_keys, right_keys) = join.equal.iter().cloned().unzip();
        let left = self.side(left, left_keys);
        let right = self.side(right, right_keys);
        Ok(self.push(NodeOperator::Join {
            left,
            right,
            residual: join.residual.clone(),
        }))
    }

    /// A side of a join: over a source, by one of its keys where one begins with the join key; else over a copy.
    fn side(&mut self, input: usize, keys: Vec<Expr>) -> JoinSide {
        let arrangement = self
            .pipeline(input)
            .and_then(|pipeline| self.way_into(pipeline, &keys))
            .unwrap_or_else(|| Arrangement::State {
                storage: self.ids.allocate(),
            });
        JoinSide {
            input,
            keys,
            arrangement,
        }
    }

    fn way_into(&mut self, source: Pipeline, keys: &[Expr]) -> Option<Arrangement> {
        if keys.is_empty() {
            return Some(Arrangement::Primary {
                prefix: Vec::new(),
                source,
            });
        }
        // The join key's parts that are columns of the source.
        let (places, columns): (Vec<usize>, Vec<ColumnId>) = keys
            .iter()
            .enumerate()
            .filter_map(|(place, key)| Some((place, source_column(&source, key)?)))
            .unzip();
        if columns.is_empty() {
            return None;
        }
        // Positions among the asked columns become positions in the join key.
        let in_key = |prefix: Vec<KeyPart>| -> Option<Vec<KeyPart>> {
            if prefix.is_empty() {
                return None;
            }
            prefix
                .into_iter()
                .map(|part| {
                    Some(KeyPart {
                        key: *places.get(part.key)?,
                        descending: part.descending,
                    })
                })
                .collect()
        };
        match self.ids.arrangement(source.storage, &columns)? {
            ArrangementFound::Primary { prefix } => Some(Arrangement::Primary {
                prefix: in_key(prefix)?,
                source,
            }),
            ArrangementFound::Index {
                index,
                descending,
                prefix,
            } => Some(Arrangement::Index {
                index,
                descending,
                prefix: in_key(prefix)?,
                source,
            }),
        }
    }

    /// The source, filters and projections that make up a node, if that is all there is.
    fn pipeline(&self, node: usize) -> Option<Pipeline> {
        match &self.nodes.get(node)?.operator {
            NodeOperator::Source { storage, columns } => Some(Pipeline {
                storage: *storage,
                columns: columns.clone(),
                steps: Vec::new(),
            }),
            NodeOperator::Filter { input, predicate } => {
                let mut pipeline = self.pipeline(*input)?;
                pipeline.steps.push(PipelineStep::Filter(predicate.clone()));
                Some(pipeline)
            }
            NodeOperator::Project { input, exprs } => {
                let mut pipeline = self.pipeline(*input)?;
                pipeline.steps.push(PipelineStep::Project(exprs.clone()));
                Some(pipeline)
            }
            NodeOperator::Values { .. }
            | NodeOperator::Join { .. }
            | NodeOperator::Aggregate { .. }
            | NodeOperator::Distinct { .. }
            | NodeOperator::UnionAll { .. } => None,
        }
    }
}

/// The source's column an expression over the pipeline's output is, if it is one.
fn source_column(pipeline: &Pipeline, expr: &Expr) -> Option<ColumnId> {
    let &Expr::Column(mut position) = expr else {
        return None;
    };
    for step in pipeline.steps.iter().rev() {
        if let PipelineStep::Project(exprs) = step {
            let Expr::Column(below) = exprs.get(position)? else {
                return None;
            };
            position = *below;
        }
    }
    // What no column of its own holds is not indexed as a column.
    let column = *pipeline.columns.get(position)?;
    (column != ColumnId::REST).then_some(column)
}

/// Whether a projection returns its input as it is.
fn is_identity(exprs: &[Expr], input: &Plan) -> bool {
    exprs.len() == input.fields().len()
        && exprs
            .iter()
            .enumerate()
            .all(|(place, expr)| *expr == Expr::Column(place))
}

/// Refuses what does not give the same value for the same row at any time.
fn check<'e>(exprs: impl IntoIterator<Item = &'e Expr>) -> Result<(), Unsupported> {
    for expr in exprs {
        let mut found = None;
        expr.walk(&mut |expr| match expr {
            Expr::Parameter(_) => found = Some("a parameter".to_owned()),
            Expr::Call { function, .. } => match function::by_id(*function) {
                Some(row) if row.volatility == Volatility::Immutable => {}
                Some(row) => found = Some(format!("function {}()", row.name())),
                None => found = Some(format!("unknown function number {}", function.0)),
            },
            _ => {}
        });
        if let Some(construct) = found {
            return unsupported(construct);
        }
    }
    Ok(())
}
