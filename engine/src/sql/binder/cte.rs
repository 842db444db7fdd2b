//! WITH: common table expressions are bound once and put in wherever they are named. What refers to itself is
//! refused.

use sqlparser::ast::With;
use sqlparser::tokenizer::Span;
use tailwater_proto::{EcoString, sqlstate};

use super::names::fold;
use super::{Binder, Bound};
use crate::sql::SqlResult;

/// The expressions of one WITH.
#[derive(Clone, Debug, Default)]
pub(super) struct Frame {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    name: EcoString,
    /// `None` while it is being bound.
    bound: Option<Bound>,
}

impl Binder<'_> {
    /// Binds something with the expressions of a WITH in scope.
    pub(super) fn with_ctes<T>(
        &mut self,
        with: Option<&With>,
        inside: impl FnOnce(&mut Self) -> SqlResult<T>,
    ) -> SqlResult<T> {
        let Some(with) = with else {
            return inside(self);
        };
        self.ctes.push(Frame::default());
        let result = self.define(with).and_then(|()| inside(self));
        self.ctes.pop();
        result
    }

    fn define(&mut self, with: &With) -> SqlResult<()> {
        for cte in &with.cte_tables {
            let name = fold(&cte.alias.name);
            let span = cte.alias.name.span;
            let frame = self.ctes.last();
            if frame.is_some_and(|frame| frame.entries.iter().any(|entry| entry.name == name)) {
                return Err(self
                    .error(
                        "42712",
                        format!("WITH query name \"{name}\" specified more than once"),
                        span,
                    )
                    .on(&name));
            }
            if with.recursive
                && let Some(frame) = self.ctes.last_mut()
            {
                frame.entries.push(Entry {
                    name: name.clone(),
                    bound: None,
                });
            }
            let mut bound = self.query(&cte.query)?;
            if cte.alias.columns.len() > bound.fields.len() {
                return Err(self.error(
                    sqlstate::INVALID_COLUMN_REFERENCE,
                    format!(
                        "WITH query \"{name}\" has {} columns available but {} columns specified",
                        bound.fields.len(),
                        cte.alias.columns.len()
                    ),
                    cte.alias
                        .columns
                        .first()
                        .map_or(span, |column| column.name.span),
                ).on(&name));
            }
            for (field, column) in bound.fields.iter_mut().zip(&cte.alias.columns) {
                field.name = fold(&column.name);
            }
            if let Some(frame) = self.ctes.last_mut() {
                frame.entries.retain(|entry| entry.name != name);
                frame.entries.push(Entry {
                    name,
                    bound: Some(bound),
                });
            }
        }
        Ok(())
    }

    /// The expression of that name, innermost first.
    pub(super) fn cte(&mut self, name: &str, span: Span) -> SqlResult<Option<Bound>> {
        let found = self
            .ctes
            .iter()
            .rev()
            .flat_map(|frame| frame.entries.iter().rev())
            .find(|entry| entry.name == name)
            .map(|entry| entry.bound.clone());
        match found {
            None => Ok(None),
            Some(Some(bound)) => {
                self.spend(&bound.plan)
                    .map_err(|error| self.place(error, span))?;
                Ok(Some(bound))
            }
            Some(None) => Err(self.unsupported("WITH RECURSIVE that refers to itself", span)),
        }
    }
}
