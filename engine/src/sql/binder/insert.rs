//! INSERT: which column each value goes to, defaults, documents, conflicts. Values are cast to the columns' types;
//! what is stored where is execution's.

use std::sync::Arc;

use sqlparser::ast::{Expr as Sql, Ident, ObjectName as SqlName, Spanned};
use sqlparser::tokenizer::Span;
use tailwater_proto::{EcoString, SqlType, Value, sqlstate};
use tailwater_views::Expr;
use tailwater_views::plan::{Field, Plan};

use super::expr::Env;
use super::from::unit;
use super::names::{fold, nearest, object_name};
use super::scope::{Scope, Table};
use super::subquery::{attach, replace};
use super::{Binder, Bound, Typed, check_depth};
use crate::catalog::{Identity, Object, Relation};
use crate::sql::SqlResult;
use crate::sql::bound::{BoundInsert, InsertSource, OnConflict, Overriding};
use crate::sql::statement::{
    ConflictAction, ConflictTarget, Insert, InsertRow, InsertSource as SqlSource, KeyPart,
    KeyPartOn, OnConflict as SqlConflict,
};

/// Where a value goes.
#[derive(Clone, Debug, PartialEq)]
enum Target {
    /// A column of the row layout.
    Column(usize),
    /// A field without a column of its own.
    Field(EcoString),
}

/// The rows of a VALUES list over target columns.
struct Rows {
    plan: Plan,
    /// For each target whether it has a value (false: all rows say DEFAULT).
    given: Vec<bool>,
    /// Columns whose sequence some rows draw from and others do not, each with what tells of a row that it does.
    drawn: Vec<(usize, Expr)>,
}

impl Binder<'_> {
    /// INSERT.
    pub(super) fn insert(mut self, insert: &Insert) -> SqlResult<BoundInsert> {
        let table = self.written(&insert.table, "insert into")?;
        let source =
            self.with_ctes(insert.with.as_ref(), |binder| binder.source(insert, &table))?;
        if let InsertSource::Rows { plan, .. } = &source {
            check_depth(plan)?;
        }
        let conflict = match &insert.on_conflict {
            None => OnConflict::Error,
            Some(conflict) => self.conflict(conflict, insert, &table)?,
        };
        let returning =
            self.returning(insert.returning.as_deref(), &table, insert.alias.as_ref())?;
        let (reads, parameters, cacheable) = self.finish();
        Ok(BoundInsert {
            table,
            source,
            overriding: overriding(insert),
            conflict,
            returning,
            reads,
            parameters,
            cacheable,
        })
    }

    /// The table a statement writes.
    pub(super) fn written(&mut self, name: &SqlName, verb: &str) -> SqlResult<Arc<Relation>> {
        let wanted = object_name(name);
        let relation = match self.catalog.find(&wanted) {
            Some(Object::Relation(relation)) => Arc::clone(relation),
            Some(other) => {
                return Err(self
                    .error(
                        sqlstate::WRONG_OBJECT_TYPE,
                        format!("\"{wanted}\" is not a table but a {}", other.kind_name()),
                        name.span(),
                    )
                    .on(&wanted));
            }
            None if self
                .cx
                .system
                .relation(&wanted.schema, &wanted.name)
                .is_some() =>
            {
                return Err(self
                    .error(
                        sqlstate::INSUFFICIENT_PRIVILEGE,
                        format!("\"{wanted}\" is computed and cannot be written"),
                        name.span(),
                    )
                    .on(&wanted));
            }
            None => return Err(self.no_relation(&wanted, name.span())),
        };
        if !relation.is_table() {
            return Err(self
                .error(
                    sqlstate::WRONG_OBJECT_TYPE,
                    format!("cannot {verb} {} \"{wanted}\"", relation.kind.name()),
                    name.span(),
                )
                .on(&wanted)
                .hint("views are read-only: write the tables they are made of"));
        }
        self.reads.insert(relation.id);
        Ok(relation)
    }

    fn source(&mut self, insert: &Insert, table: &Relation) -> SqlResult<InsertSource> {
        let listed = !insert.columns.is_empty();
        let mut targets = self.targets(&insert.columns, table)?;
        match &insert.source {
            SqlSource::Defaults => Ok(InsertSource::Rows {
                plan: unit(),
                columns: vec![None; table.columns.len()],
                drawn: Vec::new(),
            }),
            SqlSource::Rows(rows) => {
                if rows.iter().all(|row| matches!(row, InsertRow::Document(_))) {
                    if let Some(column) = insert.columns.first() {
                        return Err(self
                            .error(
                                sqlstate::SYNTAX_ERROR,
                                "a document names its fields itself",
                                column.span,
                            )
                            .hint("leave the list of columns out"));
                    }
                    return self.documents(rows);
                }
                let width = self.check_widths(rows, &targets, listed, table)?;
                targets.truncate(width);
                let rows = self.rows(insert, rows, &targets, table)?;
                Ok(assemble(
                    rows.plan,
                    &targets,
                    &rows.given,
                    rows.drawn,
                    table,
                ))
            }
            SqlSource::Query(query) => {
                let bound = self.query(query)?;
                self.check_width(
                    bound.fields.len(),
                    targets.len(),
                    listed,
                    query.span(),
                    table,
                )?;
                targets.truncate(bound.fields.len());
                let mut given = vec![true; targets.len()];
                for (place, (target, given)) in targets.iter().zip(&mut given).enumerate() {
                    let listed = insert.columns.get(place).map(|ident| ident.span);
                    let span = listed.unwrap_or_else(|| query.span());
                    *given = self.takes_value(insert, target, table, span)?;
                }
                let plan = self.convert_rows(bound, &targets, &given, table, query.span())?;
                Ok(assemble(plan, &targets, &given, Vec::new(), table))
            }
        }
    }

    /// The columns listed, or all that are shown.
    fn targets(&mut self, columns: &[Ident], table: &Relation) -> SqlResult<Vec<Target>> {
        if columns.is_empty() {
            let shown = table.columns.iter().enumerate();
            return Ok(shown
                .filter(|(_, column)| !column.hidden && !column.is_rest())
                .map(|(place, _)| Target::Column(place))
                .collect());
        }
        let mut targets: Vec<Target> = Vec::with_capacity(columns.len());
        for ident in columns {
            let name = fold(ident);
            let target = match (table.column(&name), table.rest()) {
                (Some((place, _)), _) => Target::Column(place),
                (None, Some(_)) => Target::Field(name.clone()),
                (None, None) => return Err(self.no_column(&name, table, ident.span)),
            };
            if targets.contains(&target) {
                return Err(self
                    .error(
                        sqlstate::DUPLICATE_COLUMN,
                        format!("column \"{name}\" specified more than once"),
                        ident.span,
                    )
                    .on(&name));
            }
            targets.push(target);
        }
        Ok(targets)
    }

    /// There is no such column in the table.
    pub(super) fn no_column(
        &self,
        name: &str,
        table: &Relation,
        span: Span,
    ) -> crate::sql::SqlError {
        let error = self
            .error(
                sqlstate::UNDEFINED_COLUMN,
                format!(
                    "column \"{name}\" of relation \"{}\" does not exist",
                    table.name
                ),
                span,
            )
            .on(&table.name);
        let names = table.columns.iter().filter(|column| !column.hidden);
        match nearest(name, names.map(|column| column.name.as_str())) {
            Some(near) => error.hint(format!("did you mean {near}?")),
            None => error,
        }
    }

    fn documents(&mut self, rows: &[InsertRow]) -> SqlResult<InsertSource> {
        let scope = Scope::default();
        let mut documents = Vec::with_capacity(rows.len());
        for row in rows {
            let InsertRow::Document(sql) = row else {
                continue;
            };
            let mut env = Env::new(&scope, "VALUES");
            let typed = self.expr(&mut env, sql)?;
            documents.push(self.coerce(typed, &SqlType::Document).expr);
        }
        Ok(InsertSource::Documents(documents))
    }

    fn check_widths(
        &mut self,
        rows: &[InsertRow],
        targets: &[Target],
        listed: bool,
        table: &Relation,
    ) -> SqlResult<usize> {
        let mut width = None;
        for row in rows {
            let cells = match row {
                InsertRow::Tuple(cells) => cells,
                InsertRow::Document(sql) => {
                    return Err(self.error(
                        sqlstate::SYNTAX_ERROR,
                        "documents and rows in brackets cannot be mixed in one VALUES",
                        sql.span(),
                    ));
                }
            };
            let span = cells
                .iter()
                .flatten()
                .next()
                .map_or(Span::empty(), Spanned::span);
            if *width.get_or_insert(cells.len()) != cells.len() {
                return Err(self.error(
                    sqlstate::SYNTAX_ERROR,
                    "VALUES lists must all be the same length",
                    span,
                ));
            }
            self.check_width(cells.len(), targets.len(), listed, span, table)?;
        }
        Ok(width.unwrap_or_default())
    }

    fn check_width(
        &self,
        values: usize,
        targets: usize,
        listed: bool,
        span: Span,
        table: &Relation,
    ) -> SqlResult<()> {
        if values > targets {
            let error = self.error(
                sqlstate::SYNTAX_ERROR,
                "INSERT has more expressions than target columns",
                span,
            );
            return Err(if targets == 0 && table.rest().is_some() {
                error.hint(
                    "the table declares no columns: name them, or insert documents: VALUES {a: 1}",
                )
            } else {
                error
            });
        }
        if listed && values < targets {
            return Err(self.error(
                sqlstate::SYNTAX_ERROR,
                "INSERT has more target columns than expressions",
                span,
            ));
        }
        Ok(())
    }

    fn target_type(&self, target: &Target, table: &Relation) -> SqlType {
        match target {
            Target::Column(place) => table
                .columns
                .get(*place)
                .map_or(SqlType::Any, |column| column.ty.clone()),
            Target::Field(_) => SqlType::Any,
        }
    }

    /// A value as its column stores it.
    fn stored(
        &mut self,
        typed: Typed,
        target: &Target,
        table: &Relation,
        span: Span,
    ) -> SqlResult<Expr> {
        let to = self.target_type(target, table);
        let from = typed.ty.clone();
        if let Some(stored) = self.assign(typed, &to) {
            return Ok(stored.expr);
        }
        let name = match target {
            Target::Column(place) => table
                .columns
                .get(*place)
                .map(|column| column.name.clone())
                .unwrap_or_default(),
            Target::Field(name) => name.clone(),
        };
        Err(self
            .error(
                sqlstate::DATATYPE_MISMATCH,
                format!("column \"{name}\" is of type {to} but expression is of type {from}"),
                span,
            )
            .on(name)
            .hint("you will need to rewrite or cast the expression"))
    }

    /// Whether a value that a statement gives for a target counts; an identity column may have its own mind about it.
    fn takes_value(
        &self,
        insert: &Insert,
        target: &Target,
        table: &Relation,
        span: Span,
    ) -> SqlResult<bool> {
        let Target::Column(place) = target else {
            return Ok(true);
        };
        let Some((column, identity)) = table
            .columns
            .get(*place)
            .and_then(|column| Some((column, column.identity?)))
        else {
            return Ok(true);
        };
        match (overriding(insert), identity) {
            (Overriding::User, _) => Ok(false),
            (Overriding::System, _) | (Overriding::Nothing, Identity::ByDefault) => Ok(true),
            (Overriding::Nothing, Identity::Always) => Err(self
                .error(
                    sqlstate::GENERATED_ALWAYS,
                    format!(
                        "cannot insert a non-DEFAULT value into column \"{}\"",
                        column.name
                    ),
                    span,
                )
                .on(&table.name)
                .hint("it is GENERATED ALWAYS AS IDENTITY: leave it out, or say OVERRIDING SYSTEM VALUE")),
        }
    }

    fn rows(
        &mut self,
        insert: &Insert,
        rows: &[InsertRow],
        targets: &[Target],
        table: &Relation,
    ) -> SqlResult<Rows> {
        let scope = Scope::default();
        let mut given = vec![false; targets.len()];
        for row in rows {
            if let InsertRow::Tuple(cells) = row {
                for (cell, given) in cells.iter().zip(&mut given) {
                    *given |= cell.is_some();
                }
            }
        }
        for (place, (target, given)) in targets.iter().zip(&mut given).enumerate() {
            let cells = rows.iter().filter_map(|row| match row {
                InsertRow::Tuple(cells) => cells.get(place)?.as_ref(),
                InsertRow::Document(_) => None,
            });
            if let Some(first) = cells.into_iter().next() {
                *given = self.takes_value(insert, target, table, first.span())?;
            }
        }
        let mut plain: Vec<Vec<Expr>> = Vec::with_capacity(rows.len());
        let mut branches: Vec<Plan> = Vec::new();
        let mut fields: Vec<Field> = self.target_fields(targets, &given, table);
        let mixed = mixed_sequences(rows, targets, &given, table);
        let mut drawn = Vec::with_capacity(mixed.len());
        for (_, column) in &mixed {
            drawn.push((*column, Expr::Column(fields.len())));
            fields.push(Field {
                name: EcoString::new(),
                ty: SqlType::Bool,
                spread: false,
            });
        }
        for row in rows {
            let InsertRow::Tuple(cells) = row else {
                continue;
            };
            let mut waiting = Vec::new();
            let mut exprs = Vec::with_capacity(fields.len());
            for ((cell, target), given) in cells.iter().zip(targets).zip(&given) {
                if !given {
                    continue;
                }
                exprs.push(match cell {
                    Some(sql) => {
                        let mut env = Env::new(&scope, "VALUES");
                        env.pending = Some(&mut waiting);
                        let typed = self.expr(&mut env, sql)?;
                        self.stored(typed, target, table, sql.span())?
                    }
                    None => default_of(target, table),
                });
            }
            for (place, _) in &mixed {
                let draws = cells.get(*place).is_some_and(Option::is_none);
                exprs.push(Expr::literal(draws));
            }
            if waiting.is_empty() && branches.is_empty() {
                plain.push(exprs);
                continue;
            }
            if !plain.is_empty() {
                let rows = std::mem::take(&mut plain);
                branches.push(Plan::Values {
                    rows,
                    fields: fields.clone(),
                });
            }
            let (input, replacements) = attach(unit(), waiting);
            exprs
                .iter_mut()
                .for_each(|expr| replace(expr, &replacements));
            branches.push(Plan::Project {
                input: Box::new(input),
                exprs,
                fields: fields.clone(),
            });
        }
        let plan = match branches.len() {
            0 => Plan::Values {
                rows: plain,
                fields,
            },
            _ => Plan::UnionAll {
                inputs: branches,
                fields,
            },
        };
        Ok(Rows { plan, given, drawn })
    }

    fn target_fields(&self, targets: &[Target], given: &[bool], table: &Relation) -> Vec<Field> {
        let given = targets.iter().zip(given).filter(|(_, given)| **given);
        given
            .map(|(target, _)| Field {
                name: match target {
                    Target::Column(place) => table
                        .columns
                        .get(*place)
                        .map(|column| column.name.clone())
                        .unwrap_or_default(),
                    Target::Field(name) => name.clone(),
                },
                ty: self.target_type(target, table),
                spread: false,
            })
            .collect()
    }

    /// A query's rows as the columns store them.
    fn convert_rows(
        &mut self,
        bound: Bound,
        targets: &[Target],
        given: &[bool],
        table: &Relation,
        span: Span,
    ) -> SqlResult<Plan> {
        let mut exprs = Vec::with_capacity(targets.len());
        let fields = bound.fields.iter().zip(targets).zip(given).enumerate();
        for (place, ((field, target), given)) in fields {
            if !given {
                continue;
            }
            let typed = Typed::new(Expr::Column(place), field.ty.clone());
            exprs.push(self.stored(typed, target, table, span)?);
        }
        let fields = self.target_fields(targets, given, table);
        Ok(Plan::Project {
            input: Box::new(bound.plan),
            exprs,
            fields,
        })
    }

    fn conflict(
        &mut self,
        conflict: &SqlConflict,
        insert: &Insert,
        table: &Arc<Relation>,
    ) -> SqlResult<OnConflict> {
        let target = match &conflict.target {
            None => None,
            Some(target) => Some(self.conflict_target(target, table)?),
        };
        match &conflict.action {
            ConflictAction::Nothing => Ok(OnConflict::DoNothing { target }),
            ConflictAction::Replace => Ok(OnConflict::DoReplace),
            ConflictAction::Update {
                assignments,
                filter,
            } => {
                let alias = insert.alias.as_ref().map(fold);
                let stored = Scope::of(Table::of_relation(table, alias));
                let proposed = Table::of_relation(table, Some("excluded".into()));
                let mut proposed = Scope::of(proposed);
                // bare names mean the stored row
                for table in &mut proposed.tables {
                    table
                        .columns
                        .iter_mut()
                        .for_each(|column| column.merged = true);
                }
                let scope = stored.beside(proposed);
                let assignments = self.assignments(assignments, &[], table, &scope, None)?;
                let filter = match filter {
                    Some(filter) => {
                        let mut env = Env::new(&scope, "WHERE");
                        Some(self.condition(&mut env, filter)?)
                    }
                    None => None,
                };
                Ok(OnConflict::DoUpdate {
                    target,
                    assignments,
                    filter,
                })
            }
        }
    }

    /// Which unique indexes a conflict target names; none of them is the primary key.
    fn conflict_target(
        &mut self,
        target: &ConflictTarget,
        table: &Relation,
    ) -> SqlResult<Vec<crate::catalog::ObjectId>> {
        let unique = || {
            self.catalog
                .indexes_of(table.id)
                .filter(|index| index.unique && !index.for_maintenance)
        };
        match target {
            ConflictTarget::Constraint(ident) => {
                let name = fold(ident);
                if name == format!("{}_pkey", table.name.name) && table.row_id().is_none() {
                    return Ok(Vec::new());
                }
                match unique().find(|index| index.name.name == name.as_str()) {
                    Some(index) => Ok(vec![index.id]),
                    None => Err(self
                        .error(
                            sqlstate::UNDEFINED_OBJECT,
                            format!(
                                "constraint \"{name}\" for table \"{}\" does not exist",
                                table.name
                            ),
                            ident.span,
                        )
                        .on(&name)),
                }
            }
            ConflictTarget::Columns(parts, filter) => {
                if let Some(filter) = filter {
                    return Err(self.unsupported("a partial index in ON CONFLICT", filter.span()));
                }
                let scope = Scope::of(Table::of_relation(table, None));
                let mut wanted = Vec::with_capacity(parts.len());
                for part in parts {
                    let mut env = Env::new(&scope, "ON CONFLICT");
                    wanted.push(self.expr(&mut env, &key_part_sql(part))?.expr);
                }
                let same = |parts: Vec<&Expr>| {
                    parts.len() == wanted.len() && wanted.iter().all(|part| parts.contains(&part))
                };
                if same(table.primary_key.iter().map(|part| &part.expr).collect()) {
                    return Ok(Vec::new());
                }
                let matching: Vec<_> = unique()
                    .filter(|index| same(index.parts.iter().map(|part| &part.expr).collect()))
                    .map(|index| index.id)
                    .collect();
                if matching.is_empty() {
                    return Err(self
                        .error(
                            sqlstate::INVALID_COLUMN_REFERENCE,
                            "there is no unique or exclusion constraint matching the ON CONFLICT \
                             specification",
                            parts
                                .first()
                                .map_or(Span::empty(), |part| key_part_sql(part).span()),
                        )
                        .hint("name the columns of the primary key or of a UNIQUE constraint"));
                }
                Ok(matching)
            }
        }
    }
}

fn overriding(insert: &Insert) -> Overriding {
    match insert.overriding_system {
        None => Overriding::Nothing,
        Some(true) => Overriding::System,
        Some(false) => Overriding::User,
    }
}

/// DEFAULT in a row where other rows give a value; execution draws from sequences.
fn default_of(target: &Target, table: &Relation) -> Expr {
    let column = match target {
        Target::Column(place) => table.columns.get(*place),
        Target::Field(_) => None,
    };
    column
        .and_then(|column| column.default.clone())
        .unwrap_or_else(|| Expr::literal(Value::Null))
}

/// Targets, each with its column, that draw from a sequence in some of the rows and are given a value in others.
fn mixed_sequences(
    rows: &[InsertRow],
    targets: &[Target],
    given: &[bool],
    table: &Relation,
) -> Vec<(usize, usize)> {
    let says_default = |place: usize| {
        rows.iter().any(|row| match row {
            InsertRow::Tuple(cells) => cells.get(place).is_some_and(Option::is_none),
            InsertRow::Document(_) => false,
        })
    };
    let columns = targets.iter().zip(given).enumerate();
    columns
        .filter_map(|(place, (target, given))| match target {
            Target::Column(column) if *given => Some((place, *column)),
            Target::Column(_) | Target::Field(_) => None,
        })
        .filter(|(_, column)| {
            let column = table.columns.get(*column);
            column.is_some_and(|column| column.sequence.is_some())
        })
        .filter(|(place, _)| says_default(*place))
        .collect()
}

/// A part of a key as an expression.
pub(super) fn key_part_sql(part: &KeyPart) -> Sql {
    match &part.on {
        KeyPartOn::Expr(sql) => sql.clone(),
        KeyPartOn::Path(path) => super::change::path_sql(path),
    }
}

/// Rows of targets as rows of the layout.
fn assemble(
    plan: Plan,
    targets: &[Target],
    given: &[bool],
    drawn: Vec<(usize, Expr)>,
    table: &Relation,
) -> InsertSource {
    let mut columns: Vec<Option<Expr>> = vec![None; table.columns.len()];
    let mut fields: Vec<(EcoString, Expr)> = Vec::new();
    let given = targets.iter().zip(given).filter(|(_, given)| **given);
    for (place, (target, _)) in given.enumerate() {
        match target {
            Target::Column(column) => {
                if let Some(slot) = columns.get_mut(*column) {
                    *slot = Some(Expr::Column(place));
                }
            }
            Target::Field(name) => fields.push((name.clone(), Expr::Column(place))),
        }
    }
    if let Some(rest) = table.rest().filter(|_| !fields.is_empty())
        && let Some(slot) = columns.get_mut(rest)
    {
        *slot = Some(Expr::Document(fields));
    }
    InsertSource::Rows {
        plan,
        columns,
        drawn,
    }
}
