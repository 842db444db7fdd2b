//! Prepared statements and their cache: text to bound, optimized statement and what writes its rows, good for one
//! version of the catalog.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::catalog::Catalog;
use crate::sql::bound::BoundStatement;
use crate::table_writer::TableWriter;

/// A statement that is ready to run.
#[derive(Debug)]
pub(crate) struct Prepared {
    text: Arc<str>,
    /// The catalog version it was bound against.
    pub(crate) catalog_version: u64,
    /// What to run.
    pub(crate) bound: BoundStatement,
    /// What stages the rows of a statement that writes.
    pub(crate) writer: Option<TableWriter>,
}

impl Prepared {
    /// A statement that is bound and optimized against a catalog.
    pub(crate) fn new(catalog: &Catalog, sql: &str, mut bound: BoundStatement) -> Self {
        if let BoundStatement::Insert(insert) = &mut bound {
            insert.source.inline_values();
        }
        let table = match &bound {
            BoundStatement::Query(_) => None,
            BoundStatement::Insert(bound) => Some(&bound.table),
            BoundStatement::Update(bound) => Some(&bound.table),
            BoundStatement::Delete(bound) => Some(&bound.table),
        };
        let writer = table.map(|table| TableWriter::new(catalog, table));
        Self {
            text: Arc::from(sql),
            catalog_version: catalog.version(),
            bound,
            writer,
        }
    }

    /// Whether it only reads.
    #[cfg(feature = "modules")]
    pub(crate) const fn is_query(&self) -> bool {
        matches!(self.bound, BoundStatement::Query(_))
    }

    /// The names of the columns that it answers with; `None` if it answers with none.
    #[cfg(feature = "modules")]
    pub(crate) fn columns(&self) -> Option<Vec<String>> {
        let fields = match &self.bound {
            BoundStatement::Query(query) => &query.fields,
            BoundStatement::Insert(insert) => &insert.returning.as_ref()?.fields,
            BoundStatement::Update(update) => &update.returning.as_ref()?.fields,
            BoundStatement::Delete(delete) => &delete.returning.as_ref()?.fields,
        };
        Some(fields.iter().map(|field| field.name.to_string()).collect())
    }

    /// Bytes of its text.
    pub(crate) fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// Whether it is the statement of that text, for a transaction with plans of that version.
    pub(crate) fn is_of(&self, sql: &str, plan_version: Option<u64>) -> bool {
        plan_version == Some(self.catalog_version) && *self.text == *sql
    }
}

/// Prepared statements by their text, the least recently used leaving first.
pub(crate) struct StatementCache {
    capacity: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    clock: u64,
    entries: HashMap<Arc<str>, (u64, Arc<Prepared>)>,
}

impl StatementCache {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            inner: Mutex::default(),
        }
    }

    /// The statement of that text, if it was prepared against that version.
    fn get(&self, sql: &str, catalog_version: u64) -> Option<Arc<Prepared>> {
        let mut inner = self.inner.lock();
        inner.clock += 1;
        let now = inner.clock;
        let (used, prepared) = inner.entries.get_mut(sql)?;
        if prepared.catalog_version != catalog_version {
            return None;
        }
        *used = now;
        Some(Arc::clone(prepared))
    }

    /// As `get`, for a transaction that may have a catalog of its own: then there is none.
    pub(crate) fn get_for(&self, sql: &str, plan_version: Option<u64>) -> Option<Arc<Prepared>> {
        self.get(sql, plan_version?)
    }

    /// Keeps a statement.
    pub(crate) fn put(&self, prepared: Arc<Prepared>) {
        if self.capacity == 0 {
            return;
        }
        let mut inner = self.inner.lock();
        if inner.entries.len() >= self.capacity {
            // Halve at once, so that the search for old entries is rare.
            let mut ages: Vec<u64> = inner.entries.values().map(|(used, _)| *used).collect();
            ages.sort_unstable();
            let median = ages.get(ages.len() / 2).copied().unwrap_or(0);
            inner.entries.retain(|_, (used, _)| *used > median);
        }
        inner.clock += 1;
        let now = inner.clock;
        let text = Arc::clone(&prepared.text);
        inner.entries.insert(text, (now, prepared));
    }
}
