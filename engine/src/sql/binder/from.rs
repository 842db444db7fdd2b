//! FROM: tables, views, subqueries, CTEs and system relations to plans and scopes. Plain views are expanded from
//! their text. Joins are next door.

use sqlparser::ast::{ObjectName as SqlName, Spanned, TableAlias, TableFactor, TableWithJoins};
use sqlparser::tokenizer::Span;
use tailwater_proto::{Direction, EcoString, sqlstate};
use tailwater_views::Expr;
use tailwater_views::plan::{Access, Field, JoinKind, Plan, Scan};

use super::names::{fold, fold_parts, nearest_relation, object_name};
use super::scope::{Scope, Table};
use super::subquery::join;
use super::{BindContext, Binder, Bound};
use crate::catalog::{Object, ObjectName, Relation, RelationKind};
use crate::sql::parser::parse_one;
use crate::sql::statement::Statement;
use crate::sql::{SqlError, SqlResult};

/// Views inside views.
const VIEW_DEPTH_MAX: usize = 16;

/// A plan and the names in it.
pub(super) struct Source {
    pub(super) plan: Plan,
    pub(super) scope: Scope,
}

impl Binder<'_> {
    /// All of FROM; without it one row of no columns.
    pub(super) fn from(&mut self, from: &[TableWithJoins]) -> SqlResult<Source> {
        let mut all: Option<Source> = None;
        for tables in from {
            let next = self.table_with_joins(tables)?;
            all = Some(match all {
                None => next,
                Some(left) => {
                    self.check_names(&left.scope, &next.scope, tables.span())?;
                    Source {
                        plan: join(JoinKind::Inner, left.plan, next.plan, Vec::new()),
                        scope: left.scope.beside(next.scope),
                    }
                }
            });
        }
        Ok(all.unwrap_or_else(|| Source {
            plan: unit(),
            scope: Scope::default(),
        }))
    }

    fn table_with_joins(&mut self, tables: &TableWithJoins) -> SqlResult<Source> {
        let mut left = self.factor(&tables.relation)?;
        for join in &tables.joins {
            left = self.join(left, join)?;
        }
        Ok(left)
    }

    /// No two tables of one name.
    pub(super) fn check_names(&self, left: &Scope, right: &Scope, span: Span) -> SqlResult<()> {
        for table in &right.tables {
            let twice = left.tables.iter().any(|other| {
                other.name == table.name && other.schema == table.schema && !table.name.is_empty()
            });
            if twice {
                return Err(self
                    .error(
                        "42712",
                        format!("table name \"{}\" specified more than once", table.name),
                        span,
                    )
                    .on(&table.name)
                    .hint(format!(
                        "give one of them another name: {0} AS {0}_2",
                        table.name
                    )));
            }
        }
        Ok(())
    }

    /// One table, subquery or bracketed join.
    pub(super) fn factor(&mut self, factor: &TableFactor) -> SqlResult<Source> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                version: None,
                with_ordinality: false,
                sample: None,
                ..
            } => {
                let source = self.named(name, alias.as_ref())?;
                self.aliased(source, alias.as_ref())
            }
            TableFactor::Table {
                name,
                alias,
                args: Some(args),
                with_ordinality: false,
                ..
            } => {
                let source = self.table_function(name, &args.args, alias.as_ref())?;
                self.aliased(source, alias.as_ref())
            }
            TableFactor::Table {
                name,
                args: Some(_),
                ..
            } => Err(self.unsupported(format!("{name} WITH ORDINALITY"), name.span())),
            TableFactor::Derived {
                lateral: false,
                subquery,
                alias,
                sample: None,
            } => {
                let outer = std::mem::take(&mut self.outer);
                let bound = self.query(subquery);
                self.outer = outer;
                let bound = bound?;
                let name = alias
                    .as_ref()
                    .map(|alias| fold(&alias.name))
                    .unwrap_or_default();
                let scope = Scope::of(Table::of_fields(name, &bound.fields));
                self.aliased(
                    Source {
                        plan: bound.plan,
                        scope,
                    },
                    alias.as_ref(),
                )
            }
            TableFactor::Derived {
                lateral: true,
                subquery,
                ..
            } => Err(self.unsupported("LATERAL", subquery.span())),
            TableFactor::NestedJoin {
                table_with_joins,
                alias,
            } => {
                let source = self.table_with_joins(table_with_joins)?;
                match alias {
                    None => Ok(source),
                    Some(alias) => self.as_one_table(source, alias),
                }
            }
            TableFactor::UNNEST { .. } => Err(self.unsupported("unnest in FROM", factor.span())),
            other => Err(self.unsupported("this kind of table in FROM", other.span())),
        }
    }

    /// `(a JOIN b) AS c`: one table of what `*` shows.
    fn as_one_table(&mut self, source: Source, alias: &TableAlias) -> SqlResult<Source> {
        let columns: Vec<_> = source.scope.star_columns().cloned().collect();
        let fields: Vec<Field> = columns.iter().map(super::scope::Column::field).collect();
        let plan = Plan::Project {
            input: Box::new(source.plan),
            exprs: columns
                .iter()
                .map(|column| Expr::Column(column.position))
                .collect(),
            fields: fields.clone(),
        };
        let scope = Scope::of(Table::of_fields(fold(&alias.name), &fields));
        self.aliased(Source { plan, scope }, Some(alias))
    }

    /// Column names of an alias.
    fn aliased(&mut self, mut source: Source, alias: Option<&TableAlias>) -> SqlResult<Source> {
        let Some(alias) = alias.filter(|alias| !alias.columns.is_empty()) else {
            return Ok(source);
        };
        let star = source.scope.star.clone();
        if alias.columns.len() > star.len() {
            return Err(self.error(
                sqlstate::INVALID_COLUMN_REFERENCE,
                format!(
                    "table \"{}\" has {} columns available but {} columns specified",
                    fold(&alias.name),
                    star.len(),
                    alias.columns.len()
                ),
                alias.name.span,
            ));
        }
        for (place, renamed) in star.into_iter().zip(&alias.columns) {
            if let Some(column) = source.scope.at_mut(place) {
                column.name = fold(&renamed.name);
                column.aliased = true;
                column.rest = false;
            }
        }
        Ok(source)
    }

    /// A CTE, a relation of the catalog or a computed one.
    fn named(&mut self, name: &SqlName, alias: Option<&TableAlias>) -> SqlResult<Source> {
        let parts = fold_parts(name);
        let written = alias;
        let alias = alias.map(|alias| fold(&alias.name));
        if let [single] = parts.as_slice()
            && let Some(bound) = self.cte(single, name.span())?
        {
            let table = Table::of_fields(alias.unwrap_or_else(|| single.clone()), &bound.fields);
            return Ok(Source {
                plan: bound.plan,
                scope: Scope::of(table),
            });
        }
        let wanted = object_name(name);
        if let Some(object) = self.catalog.find(&wanted) {
            let Object::Relation(relation) = object else {
                return Err(self
                    .error(
                        sqlstate::WRONG_OBJECT_TYPE,
                        format!(
                            "\"{wanted}\" is not a table or view but a {}",
                            object.kind_name()
                        ),
                        name.span(),
                    )
                    .on(&wanted));
            };
            self.reads.insert(relation.id);
            if let Some(trace) = &mut self.trace {
                trace.relation(relation, name, written);
            }
            return match relation.kind {
                RelationKind::Table | RelationKind::MaterializedView => Ok(Source {
                    plan: scan(relation),
                    scope: Scope::of(Table::of_relation(relation, alias)),
                }),
                RelationKind::View => self.view(relation, alias, name.span()),
            };
        }
        if let Some((fields, rows)) = self.cx.system.relation(&wanted.schema, &wanted.name) {
            self.cacheable = false;
            let rows = rows
                .into_iter()
                .map(|row| row.into_iter().map(Expr::literal).collect())
                .collect();
            let mut table = Table::of_fields(wanted.name.as_str().into(), &fields);
            match alias {
                Some(alias) => table.name = alias,
                None => table.schema = Some(wanted.schema.as_str().into()),
            }
            return Ok(Source {
                plan: Plan::Values { rows, fields },
                scope: Scope::of(table),
            });
        }
        Err(self.no_relation(&wanted, name.span()))
    }

    /// There is no such table.
    pub(super) fn no_relation(&self, name: &ObjectName, span: Span) -> SqlError {
        let error = self
            .error(
                sqlstate::UNDEFINED_TABLE,
                format!("relation \"{name}\" does not exist"),
                span,
            )
            .on(name);
        match nearest_relation(self.catalog, name) {
            _ if is_postgres_catalog(name) => error.hint(
                "PostgreSQL's catalog is not there: tailwater.objects and tailwater.columns tell of the schema",
            ),
            Some(near) => error.hint(format!("did you mean {near}?")),
            None => error,
        }
    }

    /// A plain view, from its text.
    fn view(
        &mut self,
        relation: &Relation,
        alias: Option<EcoString>,
        span: Span,
    ) -> SqlResult<Source> {
        let bound = self.expand(relation).map_err(|mut error| {
            if !error.message.starts_with("in view ") {
                error.message = format!("in view \"{}\": {}", relation.name, error.message);
            }
            error.position = None;
            self.place(error, span)
        })?;
        let mut table = Table::of_fields(relation.name.name.as_str().into(), &bound.fields);
        table.relation = Some(relation.id);
        match alias {
            Some(alias) => table.name = alias,
            None => table.schema = Some(relation.name.schema.as_str().into()),
        }
        for (column, declared) in table.columns.iter_mut().zip(&relation.columns) {
            column.name = declared.name.clone();
        }
        Ok(Source {
            plan: bound.plan,
            scope: Scope::of(table),
        })
    }

    fn expand(&mut self, relation: &Relation) -> SqlResult<Bound> {
        if self.view_depth >= VIEW_DEPTH_MAX {
            return Err(SqlError::new(
                sqlstate::STATEMENT_TOO_COMPLEX,
                format!("views stand on views more than {VIEW_DEPTH_MAX} deep"),
            ));
        }
        let text = relation
            .view
            .as_ref()
            .map(|view| view.query.as_str())
            .unwrap_or_default();
        let parsed = parse_one(text)?;
        let Statement::Query(query) = &parsed.statement else {
            return Err(SqlError::new(
                sqlstate::DATA_CORRUPTED,
                "the text of a view is not a query",
            ));
        };
        let mut inner = Binder {
            catalog: self.catalog,
            cx: BindContext::of(&parsed, self.cx.system),
            parameters: Vec::new(),
            parameter_style: None,
            reads: std::mem::take(&mut self.reads),
            cacheable: self.cacheable,
            view_depth: self.view_depth + 1,
            ctes: Vec::new(),
            outer: Vec::new(),
            plan_nodes: self.plan_nodes,
            trace: None,
        };
        let bound = inner.query(query);
        self.cacheable = inner.cacheable;
        self.plan_nodes = inner.plan_nodes;
        self.reads = inner.reads;
        let mut bound = bound?;
        self.spend(&bound.plan)?;
        // columns that tables have gained since the view was made are not the view's
        let wanted = relation.columns.len();
        if bound.fields.len() > wanted {
            bound.fields.truncate(wanted);
            bound.plan = Plan::Project {
                input: Box::new(bound.plan),
                exprs: (0..wanted).map(Expr::Column).collect(),
                fields: bound.fields.clone(),
            };
        }
        Ok(bound)
    }
}

/// All rows and columns of a stored relation.
pub(crate) fn scan(relation: &Relation) -> Plan {
    Plan::Scan(Scan {
        name: relation.name.to_string().into(),
        storage: relation.storage,
        columns: relation.layout(),
        fields: relation
            .columns
            .iter()
            .map(|column| Field {
                name: column.name.clone(),
                ty: column.ty.clone(),
                spread: column.is_rest(),
            })
            .collect(),
        access: Access::All(Direction::Forward),
    })
}

/// One row of no columns.
pub(super) fn unit() -> Plan {
    Plan::Values {
        rows: vec![Vec::new()],
        fields: Vec::new(),
    }
}

/// Whether tools of PostgreSQL would look there.
fn is_postgres_catalog(name: &ObjectName) -> bool {
    matches!(&*name.schema, "information_schema" | "pg_catalog") || name.name.starts_with("pg_")
}
