//! A subscriber's WHERE as a predicate over stored rows.

use std::sync::Arc;

use tailwater_capture::{RowPredicate, Selection};
use tailwater_proto::key_codec::{encode_key, encode_key_desc};
use tailwater_proto::row_codec::RowView;
use tailwater_proto::{ColumnId, Key, KeyRange, SqlType, StorageId, Value, sqlstate};
use tailwater_views::expr::{CompareOp, Literal};
use tailwater_views::{ExecContext, Expr};

use crate::catalog::{Catalog, Relation};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::sql::binder::bind_expr;
use crate::sql::{depends_on_row_alone, parse_condition};

/// A condition over the rows of one relation.
pub(crate) struct Condition {
    columns: Vec<ColumnId>,
    expr: Expr,
    fingerprint: u64,
    cx: ExecContext,
}

impl Condition {
    /// A condition over the row layout of a relation, without parameters.
    pub(crate) fn new(relation: &Relation, expr: Expr) -> Self {
        let columns = relation.layout();
        // By the numbers of columns, which stay when others come and go: a token is good for as long as it means the same.
        let mut numbered = expr.clone();
        numbered.map_columns(&|place| columns.get(place).map_or(place, |column| column.0 as usize));
        let text = serde_json::to_string(&numbered).unwrap_or_else(|_| format!("{numbered:?}"));
        Self {
            columns,
            fingerprint: fingerprint(text.as_bytes()),
            expr,
            cx: ExecContext::default(),
        }
    }

    /// What of the relation the condition can be true of. A condition that fixes the primary key, or its leading
    /// parts, is found by the key of a change, however many subscriptions there are.
    pub(super) fn selection(&self, relation: &Relation) -> Selection {
        let mut key = Key::new();
        let mut fixed = 0;
        for part in &relation.primary_key {
            let Some(value) = self.fixes(&part.expr) else {
                break;
            };
            if part.descending {
                encode_key_desc(&mut key, value);
            } else {
                encode_key(&mut key, value);
            }
            fixed += 1;
        }
        match fixed {
            0 => Selection::whole(relation.storage),
            all if all == relation.primary_key.len() => Selection::key(relation.storage, key),
            _ => Selection::range(relation.storage, KeyRange::prefix(key)),
        }
    }

    /// The constant that `place` must equal where the condition is true.
    fn fixes(&self, place: &Expr) -> Option<&Value> {
        let conjuncts = match &self.expr {
            Expr::And(conjuncts) => conjuncts.as_slice(),
            only => std::slice::from_ref(only),
        };
        conjuncts.iter().find_map(|conjunct| {
            let Expr::Compare {
                op: CompareOp::Equal,
                left,
                right,
            } = conjunct
            else {
                return None;
            };
            match (&**left, &**right) {
                (other, Expr::Literal(Literal(value))) | (Expr::Literal(Literal(value)), other)
                    if other == place && !value.is_null() =>
                {
                    Some(value)
                }
                _ => None,
            }
        })
    }
}

impl RowPredicate for Condition {
    fn matches(&self, _: StorageId, _: &[u8], row: &[u8]) -> bool {
        let mut values = Vec::with_capacity(self.columns.len());
        // A row that does not decode is shown, so that the decoder reports the damage.
        match RowView::new(row).and_then(|view| view.project(&self.columns, &mut values)) {
            Ok(()) => self.expr.test(&values, &self.cx).unwrap_or(false),
            Err(_) => true,
        }
    }

    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

/// Binds a condition written in SQL.
///
/// # Errors
/// What binding is refused with; `0A000` if it depends on more than the row.
pub(super) fn bind(
    engine: &Arc<Engine>,
    catalog: &Catalog,
    relation: &Arc<Relation>,
    condition: &str,
) -> Result<Condition> {
    let system = crate::system::SystemTables::new(engine, catalog);
    let (expr, _) = bind_expr(
        catalog,
        Some(relation),
        &parse_condition(condition)?,
        Some(&SqlType::Bool),
        &system,
    )?;
    let mut has_parameter = false;
    expr.walk(&mut |expr| has_parameter |= matches!(expr, Expr::Parameter(_)));
    if has_parameter || !depends_on_row_alone(&expr) {
        return Err(Error::statement(
            sqlstate::FEATURE_NOT_SUPPORTED,
            "the condition of a subscription may depend on the row alone",
        )
        .with_hint("write constants in place of parameters and of now()"));
    }
    Ok(Condition::new(relation, expr))
}

/// FNV-1a, 64 bits: stands in resume tokens, so it is the same in every process and version.
pub(crate) fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
