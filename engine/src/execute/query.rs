//! Opening a plan over a transaction's image.

use std::sync::Arc;

use tailwater_proto::{Row, StorageId};
use tailwater_views::operator::RowSource;
use tailwater_views::plan_eval::open as open_plan;
use tailwater_views::{ExecContext, Plan, Reader};

use crate::error::{Error, Result};
use crate::maintenance;
use crate::txn::{Mode, Transaction, TxnReader, WriteSet};

/// The rows of a plan that is being evaluated, with the surroundings it needs.
pub(crate) struct Source {
    rows: Box<dyn RowSource>,
    cx: ExecContext,
    /// Where the statement stands in its script: the place of what fails while rows are read.
    position: Option<usize>,
}

impl Source {
    /// The next row, or `None` at the end.
    pub(crate) fn next_row(&mut self) -> Result<Option<Row>> {
        self.rows.next(&self.cx).map_err(|error| {
            let error = Error::from(error);
            match self.position {
                Some(position) => error.at(position),
                None => error,
            }
        })
    }

    /// The same rows of a statement at that place.
    pub(crate) fn at(mut self, position: usize) -> Self {
        self.position.get_or_insert(position);
        self
    }

    /// Rows read from storages so far.
    pub(crate) fn rows_read(&self) -> u64 {
        self.cx
            .counters
            .rows_read
            .load(std::sync::atomic::Ordering::Relaxed)
    }

    /// All rows that are left.
    pub(crate) fn collect(mut self) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        while let Some(row) = self.next_row()? {
            rows.push(row);
        }
        Ok(rows)
    }
}

/// Opens a plan over what the transaction sees.
pub(crate) fn open(txn: &mut Transaction, plan: &Plan, cx: &ExecContext) -> Result<Source> {
    let reader = statement_reader(txn, plan, cx)?;
    open_over(reader, plan, cx)
}

/// Opens a plan over an image.
pub(crate) fn open_over(reader: TxnReader, plan: &Plan, cx: &ExecContext) -> Result<Source> {
    let reader: Arc<dyn Reader> = Arc::new(reader);
    Ok(Source {
        rows: open_plan(plan, reader, cx)?,
        cx: cx.clone(),
        position: None,
    })
}

/// The image a statement reads. If it reads a view and the transaction has staged rows that the view depends on,
/// the view's changes are staged on top, for this image only: the commit computes them anew at its own place.
pub(crate) fn statement_reader(
    txn: &mut Transaction,
    plan: &Plan,
    cx: &ExecContext,
) -> Result<TxnReader> {
    let mut reader = txn.reader();
    if txn.mode == Mode::ReadWrite && !txn.writes.is_empty() && reads_view(txn, plan) {
        let version = txn.writes.version();
        let staged = match &txn.with_views {
            Some((of, staged)) if *of == version => Arc::clone(staged),
            _ => {
                let staged = with_views(txn, cx)?;
                txn.with_views = Some((version, Arc::clone(&staged)));
                staged
            }
        };
        reader.writes = Some(staged);
    }
    Ok(reader)
}

/// The staged rows with what follows from them for views.
fn with_views(txn: &Transaction, cx: &ExecContext) -> Result<Arc<WriteSet>> {
    let (catalog, created, before) = (&txn.catalog, &txn.created, &txn.snapshot);
    if txn.writes.has_spilled() {
        let stepped = maintenance::step_spilled(catalog, created, before, &txn.writes, cx)?;
        return Ok(stepped.map_or_else(|| Arc::clone(&txn.writes), Arc::new));
    }
    let mut staged = (*txn.writes).clone();
    staged.forget_marks();
    maintenance::step_views(catalog, created, before, &mut staged, cx)?;
    staged.check()?;
    Ok(Arc::new(staged))
}

fn reads_view(txn: &Transaction, plan: &Plan) -> bool {
    let is_view = |storage: StorageId| {
        txn.catalog
            .relation_of_storage(storage)
            .is_some_and(|relation| !relation.is_table())
            || storage == crate::catalog::system_storage::VIEW_ERRORS
    };
    match plan {
        Plan::Scan(scan) => is_view(scan.storage),
        plan => plan
            .inputs()
            .into_iter()
            .any(|input| reads_view(txn, input)),
    }
}
