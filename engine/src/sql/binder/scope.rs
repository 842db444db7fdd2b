//! `Scope`: the tables a name can mean, with positions in the row of the plan beneath. Says what a dotted name
//! is: a column, a path into a document column, or a field of a schemaless table. Never looks at the catalog.

use sqlparser::ast::Ident;
use tailwater_proto::{ColumnId, EcoString, Path, PathStep, SqlType, sqlstate};
use tailwater_views::Expr;
use tailwater_views::plan::{Field, SortKey};

use super::Typed;
use super::names::{fold, nearest};
use crate::catalog::{NestedField, ObjectId, Relation};
use crate::sql::{SqlError, SqlResult};

/// A column in scope.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: EcoString,
    pub(super) ty: SqlType,
    /// Place in the plan's row.
    pub(super) position: usize,
    /// Not found by name: the row id.
    pub(super) hidden: bool,
    /// Found only with its table's name: the other side of USING.
    pub(super) merged: bool,
    /// Its name is one that the alias of its table gives it.
    pub(super) aliased: bool,
    /// The document of undeclared fields.
    pub(super) rest: bool,
    /// Declared fields inside it.
    pub(super) nested: Vec<NestedField>,
}

/// A table, view or subquery of FROM.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) schema: Option<EcoString>,
    pub(super) name: EcoString,
    /// The relation of the catalog that it is.
    pub(super) relation: Option<ObjectId>,
    pub(super) columns: Vec<Column>,
    /// Positions of the primary key's columns, if it is of plain columns and not hidden.
    pub(super) key: Vec<usize>,
    /// Primary key over the plan's row, for `pk()`.
    pub(super) key_exprs: Vec<Expr>,
    /// A view's reading order, over the plan's row.
    pub(super) order: Vec<SortKey>,
}

/// The tables of one FROM.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub(super) tables: Vec<Table>,
    /// Columns of the plan's row.
    pub(super) width: usize,
    /// What `*` shows: (table, column), in order.
    pub(super) star: Vec<(usize, usize)>,
}

/// What a name means, with the name its result column has.
#[derive(Clone, Debug)]
pub(super) struct Resolved {
    pub(super) typed: Typed,
    pub(super) name: EcoString,
    /// Position of the column it reads.
    pub(super) position: usize,
    /// How many parts of the name say the table.
    pub(super) qualifiers: usize,
}

impl Column {
    /// A column of a subquery or computed relation.
    pub(super) fn plain(field: &Field, position: usize) -> Self {
        Column {
            name: field.name.clone(),
            ty: field.ty.clone(),
            position,
            hidden: false,
            merged: false,
            aliased: false,
            rest: field.spread,
            nested: Vec::new(),
        }
    }

    pub(super) fn field(&self) -> Field {
        Field {
            name: self.name.clone(),
            ty: self.ty.clone(),
            spread: self.rest,
        }
    }

    fn typed(&self) -> Typed {
        Typed::new(Expr::Column(self.position), self.ty.clone())
    }
}

impl Table {
    /// The columns of a stored relation, from position 0.
    pub(super) fn of_relation(relation: &Relation, alias: Option<EcoString>) -> Self {
        let columns: Vec<Column> = relation
            .columns
            .iter()
            .enumerate()
            .map(|(position, column)| Column {
                name: column.name.clone(),
                ty: column.ty.clone(),
                position,
                hidden: column.hidden,
                merged: false,
                aliased: false,
                rest: column.id == ColumnId::REST,
                nested: column.nested.clone(),
            })
            .collect();
        let key_exprs: Vec<Expr> = relation
            .primary_key
            .iter()
            .map(|part| part.expr.clone())
            .collect();
        let key: Option<Vec<usize>> = key_exprs
            .iter()
            .map(|expr| match expr {
                Expr::Column(position) if !columns.get(*position)?.hidden => Some(*position),
                _ => None,
            })
            .collect();
        Table {
            schema: match alias {
                Some(_) => None,
                None => Some(relation.name.schema.as_str().into()),
            },
            name: alias.unwrap_or_else(|| relation.name.name.as_str().into()),
            relation: Some(relation.id),
            columns,
            key: key.unwrap_or_default(),
            key_exprs,
            order: relation
                .view
                .as_ref()
                .map(|view| view.order.clone())
                .unwrap_or_default(),
        }
    }

    /// The columns of a subquery, from position 0.
    pub(super) fn of_fields(name: EcoString, fields: &[Field]) -> Self {
        Table {
            schema: None,
            name,
            relation: None,
            columns: fields
                .iter()
                .enumerate()
                .map(|(position, field)| Column::plain(field, position))
                .collect(),
            key: Vec::new(),
            key_exprs: Vec::new(),
            order: Vec::new(),
        }
    }

    /// The column of that name.
    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns
            .iter()
            .find(|column| column.name == name && !column.hidden && !column.rest)
    }

    fn rest(&self) -> Option<&Column> {
        self.columns.iter().find(|column| column.rest)
    }

    fn is_called(&self, schema: Option<&str>, name: &str) -> bool {
        self.name == name && schema.is_none_or(|schema| self.schema.as_deref() == Some(schema))
    }
}

impl Scope {
    /// A scope of one table.
    pub(super) fn of(table: Table) -> Self {
        let star = (0..table.columns.len())
            .filter(|n| table.columns.get(*n).is_some_and(|column| !column.hidden))
            .map(|n| (0, n))
            .collect();
        Scope {
            width: table.columns.len(),
            tables: vec![table],
            star,
        }
    }

    /// Both side by side: the other's columns follow.
    pub(super) fn beside(mut self, other: Scope) -> Self {
        let tables = self.tables.len();
        let width = self.width;
        let shift = |position: usize| position + width;
        for mut table in other.tables {
            for column in &mut table.columns {
                column.position += width;
            }
            table.key.iter_mut().for_each(|position| *position += width);
            table
                .key_exprs
                .iter_mut()
                .for_each(|expr| expr.map_columns(&shift));
            table
                .order
                .iter_mut()
                .for_each(|key| key.expr.map_columns(&shift));
            self.tables.push(table);
        }
        self.star.extend(
            other
                .star
                .into_iter()
                .map(|(table, column)| (table + tables, column)),
        );
        self.width += other.width;
        self
    }

    /// The column at a place of `star`.
    pub(super) fn at(&self, place: (usize, usize)) -> Option<&Column> {
        self.tables.get(place.0)?.columns.get(place.1)
    }

    pub(super) fn at_mut(&mut self, place: (usize, usize)) -> Option<&mut Column> {
        self.tables.get_mut(place.0)?.columns.get_mut(place.1)
    }

    /// What `*` shows.
    pub(super) fn star_columns(&self) -> impl Iterator<Item = &Column> {
        self.star.iter().filter_map(|place| self.at(*place))
    }

    /// The table called `name` or `schema.name`.
    pub(super) fn table(&self, schema: Option<&str>, name: &str) -> Option<&Table> {
        self.tables
            .iter()
            .find(|table| table.is_called(schema, name))
    }

    /// Places of unqualified columns of that name.
    pub(super) fn find(&self, name: &str) -> Vec<(usize, usize)> {
        let mut places = Vec::new();
        for (t, table) in self.tables.iter().enumerate() {
            for (c, column) in table.columns.iter().enumerate() {
                if column.name == name && !column.hidden && !column.merged && !column.rest {
                    places.push((t, c));
                }
            }
        }
        places
    }

    /// What a dotted name means; `Ok(None)` if nothing here.
    pub(super) fn resolve(&self, parts: &[Ident]) -> SqlResult<Option<Resolved>> {
        let names: Vec<EcoString> = parts.iter().map(fold).collect();
        let Some((first, below)) = names.split_first() else {
            return Ok(None);
        };
        if let Some(resolved) = self.qualified(&names)? {
            return Ok(Some(resolved));
        }
        let places = self.find(first);
        match places.as_slice() {
            [place] => {
                if let Some(column) = self.at(*place) {
                    return into_column(column, below, first).map(Some);
                }
            }
            [] => {}
            _ => return Err(ambiguous(first)),
        }
        if self.table(None, first).is_some() && !below.is_empty() {
            return Ok(None);
        }
        let mut open = self.tables.iter().filter_map(Table::rest);
        match (open.next(), open.next()) {
            (Some(rest), None) => Ok(Some(field_of(rest, &names))),
            (Some(_), Some(_)) => Err(ambiguous(first)),
            (None, _) => Ok(None),
        }
    }

    /// `table.column…` or `schema.table.column…`.
    fn qualified(&self, names: &[EcoString]) -> SqlResult<Option<Resolved>> {
        if let [schema, table, path @ ..] = names
            && !path.is_empty()
            && let Some(table) = self.table(Some(schema), table)
            && let Some(resolved) = in_table(table, path)?
        {
            return Ok(Some(Resolved {
                qualifiers: 2,
                ..resolved
            }));
        }
        if let [table, path @ ..] = names
            && !path.is_empty()
            && let Some(table) = self.table(None, table)
        {
            let resolved = in_table(table, path)?;
            return Ok(resolved.map(|resolved| Resolved {
                qualifiers: 1,
                ..resolved
            }));
        }
        Ok(None)
    }

    /// The column at a place of the plan's row, and its table.
    pub(super) fn column_at(&self, position: usize) -> Option<(&Table, &Column)> {
        self.tables.iter().find_map(|table| {
            let mut columns = table.columns.iter();
            let column = columns.find(|column| column.position == position)?;
            Some((table, column))
        })
    }

    /// A column name near to one that was not found, with its table if the name had one.
    pub(super) fn suggest(&self, parts: &[Ident]) -> Option<String> {
        let names: Vec<EcoString> = parts.iter().map(fold).collect();
        let (last, tables) = names.split_last()?;
        let table = tables.last().and_then(|table| self.table(None, table));
        if let (None, Some(wrong)) = (table, tables.last()) {
            let near = nearest(wrong, self.tables.iter().map(|table| table.name.as_str()));
            return near.map(|near| format!("{near}.{last}"));
        }
        let tables: Vec<&Table> = match table {
            Some(table) => vec![table],
            None => self.tables.iter().collect(),
        };
        let columns = tables
            .iter()
            .flat_map(|table| table.columns.iter().map(move |column| (*table, column)))
            .filter(|(_, column)| !column.hidden && !column.rest);
        let near = nearest(
            last,
            columns.clone().map(|(_, column)| column.name.as_str()),
        )?;
        let (table, _) = columns.clone().find(|(_, column)| column.name == near)?;
        Some(format!("{}.{near}", table.name))
    }
}

fn in_table(table: &Table, path: &[EcoString]) -> SqlResult<Option<Resolved>> {
    let Some((first, below)) = path.split_first() else {
        return Ok(None);
    };
    match (table.column(first), table.rest()) {
        (Some(column), _) => into_column(column, below, first).map(Some),
        (None, Some(rest)) => Ok(Some(field_of(rest, path))),
        (None, None) => Ok(None),
    }
}

/// A column, or what lies below it.
fn into_column(column: &Column, below: &[EcoString], text: &EcoString) -> SqlResult<Resolved> {
    let (position, name) = (column.position, column.name.clone());
    if below.is_empty() {
        return Ok(Resolved {
            typed: column.typed(),
            name,
            position,
            qualifiers: 0,
        });
    }
    if !matches!(column.ty, SqlType::Any | SqlType::Document | SqlType::Json) {
        let [field, ..] = below else {
            return Ok(Resolved {
                typed: column.typed(),
                name,
                position,
                qualifiers: 0,
            });
        };
        return Err(SqlError::new(
            sqlstate::WRONG_OBJECT_TYPE,
            format!(
                "column \"{text}\" is of type {} and has no field \"{field}\"",
                column.ty
            ),
        )
        .on(text));
    }
    let steps: Vec<PathStep> = below.iter().cloned().map(PathStep::Field).collect();
    let path = Path(steps);
    let ty = nested_type(&column.nested, &path);
    let name = EcoString::from(format!("{name}.{path}"));
    let base = Box::new(Expr::Column(position));
    Ok(Resolved {
        typed: Typed::new(Expr::Path { base, path }, ty),
        name,
        position,
        qualifiers: 0,
    })
}

/// The declared type of a field inside a column.
pub(super) fn nested_type(nested: &[NestedField], path: &Path) -> SqlType {
    nested
        .iter()
        .find(|field| field.path == *path)
        .map_or(SqlType::Any, |field| field.ty.clone())
}

/// A field of the document of undeclared ones.
fn field_of(rest: &Column, names: &[EcoString]) -> Resolved {
    let path = Path(names.iter().cloned().map(PathStep::Field).collect());
    let name = EcoString::from(path.to_string());
    let base = Box::new(Expr::Column(rest.position));
    Resolved {
        typed: Typed::new(Expr::Path { base, path }, SqlType::Any),
        name,
        position: rest.position,
        qualifiers: 0,
    }
}

fn ambiguous(name: &str) -> SqlError {
    SqlError::new(
        sqlstate::AMBIGUOUS_COLUMN,
        format!("column reference \"{name}\" is ambiguous"),
    )
    .on(name)
    .hint(format!("write the table before it: table.{name}"))
}
