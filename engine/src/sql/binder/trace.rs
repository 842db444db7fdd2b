//! What the names of a text were bound to, noted while it is bound if somebody asks: for texts that are kept when what
//! they name gets another name. Settles nothing; the next door is `sql::retell`, which writes the names anew.

use sqlparser::ast::{
    Ident, ObjectName as SqlName, ObjectNamePart, Select, SelectItem,
    SelectItemQualifiedWildcardKind, TableAlias,
};
use sqlparser::tokenizer::Span;
use tailwater_proto::EcoString;

use super::Binder;
use super::naming::output_name;
use super::scope::{Column, Resolved, Scope, Table};
use crate::catalog::{ObjectId, Relation};
use crate::sql::SqlResult;

/// The names of a query in the order they were bound; one that was bound twice is there twice.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    pub(crate) marks: Vec<Mark>,
}

/// A place of the text, and what it was bound to.
#[derive(Clone, Debug)]
pub(crate) enum Mark {
    /// A relation of the catalog in FROM.
    Relation {
        relation: ObjectId,
        /// Its name with its schema.
        whole: Span,
        /// Its name alone.
        name: Span,
        /// Its alias.
        alias: Option<Span>,
        /// The last column name of its alias, and how many there are.
        columns: Option<(Span, usize)>,
    },
    /// A column, perhaps with a path below it.
    Column {
        /// The last word before it that says its table.
        qualifier: Option<Span>,
        /// Its own word.
        name: Span,
        column: Named,
    },
    /// A SELECT list.
    List {
        /// Its SELECT.
        select: Span,
        items: Vec<Output>,
    },
    /// A term of GROUP BY that is the name of the output column at that place.
    Group { name: Span, place: usize },
}

/// A column in scope by its names.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    /// What its table is called; empty if nothing can be written before the column.
    pub(crate) table: EcoString,
    /// Whether the table is called by its own name, not by an alias.
    pub(crate) table_is_own: bool,
    /// The relation that the table is.
    pub(crate) relation: Option<ObjectId>,
    pub(crate) column: EcoString,
    /// Whether the column is called by its own name, not by one of an alias.
    pub(crate) column_is_own: bool,
    /// It is the document of undeclared fields.
    pub(crate) is_rest: bool,
}

/// An item of a SELECT list.
#[derive(Clone, Debug)]
pub(crate) enum Output {
    /// With AS.
    Named,
    /// Named by what it is.
    Unnamed(EcoString),
    /// `*` or `table.*`, with the word before the point.
    Star(Option<Span>, Vec<Named>),
}

impl Trace {
    pub(super) fn relation(
        &mut self,
        relation: &Relation,
        name: &SqlName,
        alias: Option<&TableAlias>,
    ) {
        let spans: Vec<Span> = name.0.iter().filter_map(span_of).collect();
        let (Some(first), Some(last)) = (spans.first(), spans.last()) else {
            return;
        };
        let columns = alias.and_then(|alias| {
            let last = alias.columns.last()?;
            Some((last.name.span, alias.columns.len()))
        });
        self.marks.push(Mark::Relation {
            relation: relation.id,
            whole: first.union(last),
            name: *last,
            alias: alias.map(|alias| alias.name.span),
            columns,
        });
    }

    pub(super) fn column(&mut self, scope: &Scope, parts: &[Ident], resolved: &Resolved) {
        let Some((table, column)) = scope.column_at(resolved.position) else {
            return;
        };
        let Some(name) = parts.get(resolved.qualifiers) else {
            return;
        };
        let before = resolved.qualifiers.checked_sub(1);
        self.marks.push(Mark::Column {
            qualifier: before.and_then(|at| parts.get(at)).map(|part| part.span),
            name: name.span,
            column: Named::of(table, column),
        });
    }

    pub(super) fn group(&mut self, name: &Ident, place: usize) {
        self.marks.push(Mark::Group {
            name: name.span,
            place,
        });
    }
}

impl Named {
    fn of(table: &Table, column: &Column) -> Self {
        Self {
            table: table.name.clone(),
            table_is_own: table.relation.is_some() && table.schema.is_some(),
            relation: table.relation,
            column: column.name.clone(),
            column_is_own: !column.aliased,
            is_rest: column.rest,
        }
    }
}

impl Binder<'_> {
    /// Notes a SELECT list that has been bound.
    pub(super) fn trace_items(&mut self, scope: &Scope, select: &Select) -> SqlResult<()> {
        if self.trace.is_none() {
            return Ok(());
        }
        let named = |columns: &[Column]| -> Vec<Named> {
            let places = columns.iter().map(|column| column.position);
            let found = places.filter_map(|position| scope.column_at(position));
            found
                .map(|(table, column)| Named::of(table, column))
                .collect()
        };
        let mut items = Vec::with_capacity(select.projection.len());
        for item in &select.projection {
            items.push(match item {
                SelectItem::UnnamedExpr(sql) => Output::Unnamed(output_name(sql, scope)),
                SelectItem::Wildcard(_) => {
                    let columns: Vec<Column> = scope.star_columns().cloned().collect();
                    Output::Star(None, named(&columns))
                }
                SelectItem::QualifiedWildcard(kind, _) => {
                    let qualifier = match kind {
                        SelectItemQualifiedWildcardKind::ObjectName(name) => {
                            name.0.last().and_then(span_of)
                        }
                        SelectItemQualifiedWildcardKind::Expr(_) => None,
                    };
                    Output::Star(qualifier, named(&self.table_columns(scope, kind)?))
                }
                SelectItem::ExprWithAlias { .. } | SelectItem::ExprWithAliases { .. } => {
                    Output::Named
                }
            });
        }
        let select = select.select_token.0.span;
        if let Some(trace) = &mut self.trace {
            trace.marks.push(Mark::List { select, items });
        }
        Ok(())
    }
}

fn span_of(part: &ObjectNamePart) -> Option<Span> {
    match part {
        ObjectNamePart::Identifier(ident) => Some(ident.span),
        ObjectNamePart::Function(_) => None,
    }
}
