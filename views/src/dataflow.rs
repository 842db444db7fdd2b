//! `Dataflow`: the maintenance plan of one view: a flat list of operators in topological order, stored when the view
//! is created and loaded as it stands when the database is opened. Stepped in `step`, made in `compile`.

use serde::{Deserialize, Serialize};
use tailwater_proto::{ColumnId, StorageId};

use crate::aggregate::AggregateCall;
use crate::expr::Expr;
use crate::plan::IndexAccess;

/// The maintenance plan of one view. Persisted: node numbers, names and fields keep their meaning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dataflow {
    /// Inputs stand before the nodes that read them. The last node is the view's content.
    pub nodes: Vec<Node>,
}

/// One operator of a dataflow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// What it does.
    pub operator: NodeOperator,
    /// The semantic version of the operator it was compiled for: a mismatch on open rebuilds the view.
    pub version: u32,
}

/// What a node does. `input`s are positions in `Dataflow::nodes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "a dataflow has few nodes")]
pub enum NodeOperator {
    /// The rows of a table or view. Key: the storage's own.
    Source {
        /// Which storage.
        storage: StorageId,
        /// Which columns, in output order.
        columns: Vec<ColumnId>,
    },
    /// Literal rows, which never change. Key: the row's number.
    Values {
        /// Expressions over no columns.
        rows: Vec<Vec<Expr>>,
    },
    /// Rows for which the predicate is TRUE. Key: the input's.
    Filter {
        /// Input.
        input: usize,
        /// Over the input's columns.
        predicate: Expr,
    },
    /// One output column an expression. Key: the input's.
    Project {
        /// Input.
        input: usize,
        /// Over the input's columns.
        exprs: Vec<Expr>,
    },
    /// Matching pairs. Key: the left's, then the right's.
    Join {
        /// Left input.
        left: JoinSide,
        /// Right input.
        right: JoinSide,
        /// What else must be TRUE, over left and right columns in one row.
        residual: Option<Expr>,
    },
    /// One row a group. Key: the encoded group values. State: a row a group.
    Aggregate {
        /// Input.
        input: usize,
        /// Over the input's columns.
        group: Vec<Expr>,
        /// Over the input's columns.
        calls: Vec<AggregateCall>,
        /// Where accumulators are kept, by group.
        state: StorageId,
        /// Where values are kept in order and counted, for MIN, MAX and DISTINCT calls: (group, call, value).
        values: Option<StorageId>,
    },
    /// Different rows. Key: the encoded row. State: how often each is there.
    Distinct {
        /// Input.
        input: usize,
        /// Where counts are kept, by row.
        state: StorageId,
    },
    /// All rows of all inputs. Key: the branch's number in one byte, then the input's.
    UnionAll {
        /// Inputs, at most 255.
        inputs: Vec<usize>,
    },
}

/// One side of a join: which input, its join key, and how its rows are found by that key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JoinSide {
    /// Input.
    pub input: usize,
    /// Join key, over the input's columns; equally many on both sides, none for a cross join.
    pub keys: Vec<Expr>,
    /// Where rows are found by join key.
    pub arrangement: Arrangement,
}

/// How the rows of a join's side are found by join key, as they were before or are after a commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Arrangement {
    /// In the source's own storage: the primary key begins with parts of the join key (all, some, none).
    Primary {
        /// Which parts of the join key the leading parts of the primary key are.
        prefix: Vec<KeyPart>,
        /// The way from the source's row to the side's row.
        source: Pipeline,
    },
    /// Through an index of the source whose entries begin with parts of the join key and end in the primary key.
    Index {
        /// The index: where its entries are, and how many encoded parts precede the primary key in one.
        index: IndexAccess,
        /// Which parts of the entries are descending.
        descending: Vec<bool>,
        /// Which parts of the join key the leading parts of an entry are.
        prefix: Vec<KeyPart>,
        /// The way from the source's row to the side's row.
        source: Pipeline,
    },
    /// In a copy kept for this join: (join key, input key) to the row.
    State {
        /// Where the copy is.
        storage: StorageId,
    },
}

/// A part of a storage's key that is a part of the join key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPart {
    /// Position in `JoinSide::keys`.
    pub key: usize,
    /// Whether the storage has it in descending order.
    pub descending: bool,
}

/// A source and the filters and projections between it and a join, applied to rows fetched from the source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pipeline {
    /// The table or view.
    pub storage: StorageId,
    /// The columns read, as the source node has them.
    pub columns: Vec<ColumnId>,
    /// Steps in order.
    pub steps: Vec<PipelineStep>,
}

/// One step of a pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PipelineStep {
    /// Keep the row if TRUE.
    Filter(Expr),
    /// Replace the row.
    Project(Vec<Expr>),
}

impl NodeOperator {
    /// Its name in `operator::VERSIONS`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Source { .. } => "source",
            Self::Values { .. } => "values",
            Self::Filter { .. } => "filter",
            Self::Project { .. } => "project",
            Self::Join { .. } => "join",
            Self::Aggregate { .. } => "aggregate",
            Self::Distinct { .. } => "distinct",
            Self::UnionAll { .. } => "union_all",
        }
    }

    /// The nodes it reads.
    pub fn inputs(&self) -> impl Iterator<Item = usize> + '_ {
        let (some, many): ([Option<usize>; 2], &[usize]) = match self {
            Self::Source { .. } | Self::Values { .. } => ([None, None], &[]),
            Self::Filter { input, .. }
            | Self::Project { input, .. }
            | Self::Aggregate { input, .. }
            | Self::Distinct { input, .. } => ([Some(*input), None], &[]),
            Self::Join { left, right, .. } => ([Some(left.input), Some(right.input)], &[]),
            Self::UnionAll { inputs } => ([None, None], inputs),
        };
        some.into_iter().flatten().chain(many.iter().copied())
    }

    /// The storages it keeps state in.
    #[must_use]
    pub fn states(&self) -> Vec<StorageId> {
        let arranged = |side: &JoinSide| match side.arrangement {
            Arrangement::State { storage } => Some(storage),
            Arrangement::Primary { .. } | Arrangement::Index { .. } => None,
        };
        match self {
            Self::Source { .. }
            | Self::Values { .. }
            | Self::Filter { .. }
            | Self::Project { .. }
            | Self::UnionAll { .. } => Vec::new(),
            Self::Join { left, right, .. } => [arranged(left), arranged(right)]
                .into_iter()
                .flatten()
                .collect(),
            Self::Aggregate { state, values, .. } => {
                std::iter::once(*state).chain(*values).collect()
            }
            Self::Distinct { state, .. } => vec![*state],
        }
    }
}
