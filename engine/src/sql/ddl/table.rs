//! CREATE TABLE: columns in the row layout's order (row id, declared ones, the rest), primary key, unique indexes,
//! checks, defaults and the sequences of SERIAL and IDENTITY columns.

use sqlparser::ast::{Expr as Sql, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned};
use sqlparser::tokenizer::Span;
use tailwater_proto::{ColumnId, Path, PathStep, SqlType, StorageId, sqlstate};
use tailwater_views::Expr;

use super::column::{column, serial};
use super::index::{free_name, index_parts, new_index};
use super::sequence::new_sequence;
use super::{error, unsupported};
use crate::catalog::{
    Catalog, Check, Column, Identity, Index, KeyPart, Object, ObjectId, ObjectName, Relation,
    RelationKind, Sequence,
};
use crate::sql::SqlResult;
use crate::sql::binder::names::{fold, object_name};
use crate::sql::binder::{BindContext, SystemRelations, bind_expr, bind_query};
use crate::sql::parser::parse_one;
use crate::sql::statement::{
    ColumnDef, ColumnOption, CreateTable, KeyPart as SqlKeyPart, KeyPartOn, Path as SqlPath,
    PathStep as SqlStep, SequenceOptions, Statement, TableBody, TableConstraint,
};

/// Number of the hidden row id's column.
const ROW_ID: ColumnId = ColumnId(u32::MAX);

/// A key constraint that waits for all columns.
struct Key {
    name: Option<String>,
    parts: Vec<SqlKeyPart>,
}

/// A check that waits for all columns.
struct Waiting<'c> {
    name: Option<String>,
    /// What its own name starts with.
    stem: String,
    sql: &'c Sql,
}

/// Constraints gathered from columns and from the table.
#[derive(Default)]
struct Constraints<'c> {
    primary: Option<Key>,
    unique: Vec<Key>,
    checks: Vec<Waiting<'c>>,
}

/// The objects of a CREATE TABLE: the table, its sequences, its unique indexes, in the order they are to be put.
///
/// # Errors
/// What PostgreSQL would say: 42701, 42703, 42704, 42804, 42P16; 0A000 for what is not built.
pub fn create_table(
    catalog: &mut Catalog,
    create: &CreateTable,
    system: &dyn SystemRelations,
) -> SqlResult<Vec<Object>> {
    let name = object_name(&create.name);
    let span = create.name.span();
    refuse_options(create, &name, system, span)?;
    let mut relation = Relation {
        id: ObjectId(catalog.allocate()),
        name,
        kind: RelationKind::Table,
        storage: StorageId(catalog.allocate()),
        schema_version: 1,
        columns: Vec::new(),
        next_column: ColumnId::REST.0 + 1,
        primary_key: Vec::new(),
        checks: Vec::new(),
        view: None,
        sql: String::new(),
    };
    let mut constraints = Constraints::default();
    let open = match &create.query {
        Some(query) => {
            let text = query.to_string();
            columns_of_query(catalog, &mut relation, create, &text, system)?
        }
        None => {
            for definition in &create.body.columns {
                let column = column(&mut relation, definition)?;
                add_column(&mut relation, column, definition.name.span)?;
                let path = SqlPath {
                    root: definition.name.clone(),
                    steps: Vec::new(),
                };
                gather(definition, &path, &relation, &mut constraints)?;
            }
            create.body.open
        }
    };
    for constraint in &create.constraints {
        gather_table(constraint, &relation, &mut constraints)?;
    }
    if constraints.primary.is_none() {
        relation.columns.insert(0, row_id());
    }
    if open {
        relation.columns.push(rest());
    }
    let sequences = defaults(catalog, &mut relation, create, system)?;
    primary_key(catalog, &mut relation, constraints.primary, system)?;
    let indexes = unique_indexes(catalog, &relation, constraints.unique, system)?;
    checks(catalog, &mut relation, constraints.checks, system)?;
    let mut objects = vec![Object::Relation(relation.into())];
    objects.extend(
        sequences
            .into_iter()
            .map(|sequence| Object::Sequence(sequence.into())),
    );
    objects.extend(indexes.into_iter().map(|index| Object::Index(index.into())));
    Ok(objects)
}

fn refuse_options(
    create: &CreateTable,
    name: &ObjectName,
    system: &dyn SystemRelations,
    span: Span,
) -> SqlResult<()> {
    if create.temporary {
        return Err(unsupported("a temporary table", span)
            .hint("use an ordinary table and DROP it, or a common table expression"));
    }
    if let Some((option, _)) = create.options.first() {
        return Err(unsupported(format!("the table option {option}"), span));
    }
    if system.relation(&name.schema, &name.name).is_some() {
        return Err(error(
            sqlstate::DUPLICATE_TABLE,
            format!("relation \"{name}\" already exists and is computed"),
            span,
        )
        .on(name));
    }
    Ok(())
}

fn add_column(relation: &mut Relation, column: Column, span: Span) -> SqlResult<()> {
    if relation
        .columns
        .iter()
        .any(|other| other.name == column.name)
    {
        return Err(error(
            sqlstate::DUPLICATE_COLUMN,
            format!("column \"{}\" specified more than once", column.name),
            span,
        )
        .on(&column.name));
    }
    relation.columns.push(column);
    Ok(())
}

/// Columns of CREATE TABLE AS; whether there are fields without a column.
fn columns_of_query(
    catalog: &Catalog,
    relation: &mut Relation,
    create: &CreateTable,
    text: &str,
    system: &dyn SystemRelations,
) -> SqlResult<bool> {
    let parsed = parse_one(text)?;
    let Statement::Query(query) = &parsed.statement else {
        return Err(unsupported(
            "CREATE TABLE AS something that is not a query",
            Span::empty(),
        ));
    };
    let bound = bind_query(catalog, query, &BindContext::of(&parsed, system))?;
    let named = &create.body.columns;
    if named.len() > bound.fields.len() {
        let span = create.name.span();
        return Err(error(
            sqlstate::SYNTAX_ERROR,
            "too many column names were specified",
            span,
        ));
    }
    let mut open = false;
    let mut names = named.iter();
    for field in bound.fields.iter() {
        if field.spread {
            open = true;
            continue;
        }
        let given = names.next();
        if let Some(definition) = given.filter(|d| d.data_type.is_some() || !d.options.is_empty()) {
            return Err(unsupported(
                "a type or constraint in CREATE TABLE AS",
                definition.name.span,
            ));
        }
        let id = ColumnId(relation.next_column);
        relation.next_column += 1;
        let column = Column {
            id,
            name: given.map_or_else(|| field.name.clone(), |given| fold(&given.name)),
            ty: field.ty.clone(),
            not_null: false,
            default: None,
            default_sql: None,
            sequence: None,
            identity: None,
            hidden: false,
            nested: Vec::new(),
        };
        add_column(relation, column, create.name.span())?;
    }
    Ok(open)
}

fn row_id() -> Column {
    Column {
        id: ROW_ID,
        name: "rowid".into(),
        ty: SqlType::Int8,
        not_null: true,
        default: None,
        default_sql: None,
        sequence: None,
        identity: None,
        hidden: true,
        nested: Vec::new(),
    }
}

/// The column for fields that have none of their own.
fn rest() -> Column {
    Column {
        id: ColumnId::REST,
        name: "doc".into(),
        ty: SqlType::Document,
        not_null: true,
        default: None,
        default_sql: None,
        sequence: None,
        identity: None,
        hidden: false,
        nested: Vec::new(),
    }
}

/// Constraints of a column and of the fields inside it.
fn gather<'c>(
    definition: &'c ColumnDef,
    path: &SqlPath,
    relation: &Relation,
    constraints: &mut Constraints<'c>,
) -> SqlResult<()> {
    let span = definition.name.span;
    let part = |descending| SqlKeyPart {
        on: KeyPartOn::Path(path.clone()),
        descending,
        nulls_first: None,
    };
    for option in &definition.options {
        match option {
            ColumnOption::PrimaryKey { name, descending } => {
                let key = Key {
                    name: name.as_ref().map(|name| fold(name).to_string()),
                    parts: vec![part(*descending)],
                };
                set_primary(constraints, key, relation, span)?;
            }
            ColumnOption::Unique { name } => constraints.unique.push(Key {
                name: name.as_ref().map(|name| fold(name).to_string()),
                parts: vec![part(false)],
            }),
            ColumnOption::Check { name, expr } => constraints.checks.push(Waiting {
                name: name.as_ref().map(|name| fold(name).to_string()),
                stem: format!("{}_{}_check", relation.name.name, fold(&definition.name)),
                sql: expr,
            }),
            ColumnOption::References { .. } => return Err(foreign_key(span)),
            ColumnOption::Generated { .. } => {
                return Err(unsupported("a generated column", span).hint("compute it in a view"));
            }
            ColumnOption::Default(_) | ColumnOption::Identity { .. } if !path.steps.is_empty() => {
                return Err(unsupported("a default of a field inside a document", span));
            }
            ColumnOption::NotNull
            | ColumnOption::Null
            | ColumnOption::Default(_)
            | ColumnOption::Identity { .. }
            | ColumnOption::Collate(_) => {}
        }
    }
    let fields = definition
        .fields
        .as_ref()
        .map(|fields: &TableBody| fields.columns.as_slice());
    for field in fields.unwrap_or_default() {
        let mut path = path.clone();
        path.steps.push(SqlStep::Field(field.name.clone()));
        gather(field, &path, relation, constraints)?;
    }
    Ok(())
}

fn gather_table<'c>(
    constraint: &'c TableConstraint,
    relation: &Relation,
    constraints: &mut Constraints<'c>,
) -> SqlResult<()> {
    let named =
        |name: &Option<sqlparser::ast::Ident>| name.as_ref().map(|name| fold(name).to_string());
    match constraint {
        TableConstraint::PrimaryKey { name, columns } => {
            let span = columns.first().map_or(Span::empty(), key_span);
            let key = Key {
                name: named(name),
                parts: columns.clone(),
            };
            set_primary(constraints, key, relation, span)
        }
        TableConstraint::Unique {
            name,
            columns,
            nulls_equal,
        } => {
            if *nulls_equal {
                let span = columns.first().map_or(Span::empty(), key_span);
                return Err(unsupported("NULLS NOT DISTINCT", span));
            }
            constraints.unique.push(Key {
                name: named(name),
                parts: columns.clone(),
            });
            Ok(())
        }
        TableConstraint::Check { name, expr } => {
            constraints.checks.push(Waiting {
                name: named(name),
                stem: format!("{}_check", relation.name.name),
                sql: expr,
            });
            Ok(())
        }
        TableConstraint::ForeignKey { columns, .. } => Err(foreign_key(
            columns.first().map_or(Span::empty(), |column| column.span),
        )),
    }
}

fn key_span(part: &SqlKeyPart) -> Span {
    match &part.on {
        KeyPartOn::Path(path) => path.root.span,
        KeyPartOn::Expr(sql) => sql.span(),
    }
}

fn foreign_key(span: Span) -> crate::sql::SqlError {
    unsupported("a foreign key", span).hint(
        "leave REFERENCES out: it would not be checked, and what is not checked is not accepted",
    )
}

fn set_primary(
    constraints: &mut Constraints<'_>,
    key: Key,
    relation: &Relation,
    span: Span,
) -> SqlResult<()> {
    if constraints.primary.replace(key).is_some() {
        return Err(error(
            sqlstate::INVALID_TABLE_DEFINITION,
            format!(
                "multiple primary keys for table \"{}\" are not allowed",
                relation.name
            ),
            span,
        )
        .on(&relation.name));
    }
    Ok(())
}

/// Defaults of columns, and the sequences they bring along.
fn defaults(
    catalog: &mut Catalog,
    relation: &mut Relation,
    create: &CreateTable,
    system: &dyn SystemRelations,
) -> SqlResult<Vec<Sequence>> {
    let mut sequences = Vec::new();
    if create.query.is_some() {
        return Ok(sequences);
    }
    let first = relation
        .columns
        .iter()
        .position(|column| !column.hidden)
        .unwrap_or_default();
    for (place, definition) in create.body.columns.iter().enumerate() {
        let span = definition.name.span;
        let Some(column) = relation.columns.get(first + place).cloned() else {
            continue;
        };
        let mut changed = column.clone();
        let is_serial = definition
            .data_type
            .as_ref()
            .is_some_and(|ty| serial(ty).is_some());
        let mut options = is_serial.then(SequenceOptions::default);
        for option in &definition.options {
            match option {
                ColumnOption::Default(sql) => {
                    if changed.default_sql.is_some() || options.is_some() {
                        return Err(error(
                            sqlstate::SYNTAX_ERROR,
                            format!(
                                "multiple default values specified for column \"{}\"",
                                column.name
                            ),
                            span,
                        )
                        .on(&column.name));
                    }
                    changed.default_sql = Some(sql.to_string());
                    match drawn_sequence(catalog, sql, span).transpose()? {
                        Some(sequence) => changed.sequence = Some(sequence),
                        None => {
                            let (expr, _) =
                                bind_expr(catalog, None, sql, Some(&column.ty), system)?;
                            changed.default = Some(expr);
                        }
                    }
                }
                ColumnOption::Identity {
                    always,
                    options: given,
                } => {
                    if changed.default_sql.is_some() || options.is_some() {
                        return Err(error(
                            sqlstate::SYNTAX_ERROR,
                            format!(
                                "both default and identity specified for column \"{}\"",
                                column.name
                            ),
                            span,
                        )
                        .on(&column.name));
                    }
                    if !column.ty.is_integer() {
                        return Err(error(
                            sqlstate::INVALID_PARAMETER_VALUE,
                            "identity column type must be smallint, integer, or bigint",
                            span,
                        )
                        .on(&column.name));
                    }
                    changed.identity = Some(match always {
                        true => Identity::Always,
                        false => Identity::ByDefault,
                    });
                    options = Some(given.clone());
                }
                _ => {}
            }
        }
        if let Some(options) = options {
            let stem = format!("{}_{}_seq", relation.name.name, column.name);
            let taken: Vec<String> = sequences
                .iter()
                .map(|sequence: &Sequence| sequence.name.name.clone())
                .collect();
            let name = ObjectName::in_schema(
                relation.name.schema.as_str(),
                free_name(catalog, relation, &stem, &taken),
            );
            let sequence = new_sequence(
                catalog,
                name,
                &options,
                Some(&column.ty),
                Some(relation.id),
                span,
            )?;
            changed.sequence = Some(sequence.id);
            changed.not_null = true;
            sequences.push(sequence);
        }
        if let Some(slot) = relation.columns.get_mut(first + place) {
            *slot = changed;
        }
    }
    Ok(sequences)
}

/// The sequence of `nextval('s')` and `NEXT VALUE FOR s`; `None` for any other default.
pub fn drawn_sequence(catalog: &Catalog, sql: &Sql, span: Span) -> Option<SqlResult<ObjectId>> {
    drawn_name(sql).map(|name| find_sequence(catalog, &name, span))
}

fn drawn_name(sql: &Sql) -> Option<String> {
    match sql {
        Sql::Nested(inner) => drawn_name(inner),
        Sql::Function(function) if function.name.to_string().eq_ignore_ascii_case("nextval") => {
            let FunctionArguments::List(list) = &function.args else {
                return None;
            };
            match list.args.as_slice() {
                [FunctionArg::Unnamed(FunctionArgExpr::Expr(Sql::Value(value)))] => {
                    value.value.clone().into_string()
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn find_sequence(catalog: &Catalog, name: &str, span: Span) -> SqlResult<ObjectId> {
    let parts: Vec<String> = name
        .split('.')
        .map(|part| {
            match part
                .strip_prefix('"')
                .and_then(|part| part.strip_suffix('"'))
            {
                Some(quoted) => quoted.to_owned(),
                None => part.to_lowercase(),
            }
        })
        .collect();
    let wanted = match parts.as_slice() {
        [.., schema, name] => ObjectName::in_schema(schema.as_str(), name.as_str()),
        [name] => ObjectName::new(name.as_str()),
        [] => ObjectName::new(""),
    };
    catalog
        .sequence(&wanted)
        .map(|sequence| sequence.id)
        .ok_or_else(|| {
            error(
                sqlstate::UNDEFINED_TABLE,
                format!("relation \"{wanted}\" does not exist"),
                span,
            )
            .on(&wanted)
            .hint("create it first: CREATE SEQUENCE")
        })
}

/// The key of the rows: the declared one, or the row id.
fn primary_key(
    catalog: &Catalog,
    relation: &mut Relation,
    key: Option<Key>,
    system: &dyn SystemRelations,
) -> SqlResult<()> {
    let Some(key) = key else {
        relation.primary_key = vec![KeyPart {
            expr: Expr::Column(0),
            text: "rowid".to_owned(),
            descending: false,
        }];
        return Ok(());
    };
    let parts = index_parts(catalog, relation, &key.parts, system)?;
    for part in &parts {
        match &part.expr {
            Expr::Column(place) => {
                if let Some(column) = relation.columns.get_mut(*place) {
                    column.not_null = true;
                }
            }
            Expr::Path { base, path } => {
                if let Expr::Column(place) = **base {
                    require_field(relation, place, path);
                }
            }
            _ => {}
        }
    }
    relation.primary_key = parts
        .into_iter()
        .map(|part| KeyPart {
            expr: part.expr,
            text: part.text,
            descending: part.descending,
        })
        .collect();
    Ok(())
}

/// A field of the primary key is there in every row.
fn require_field(relation: &mut Relation, place: usize, path: &Path) {
    let Some(column) = relation.columns.get_mut(place) else {
        return;
    };
    if let Some(field) = column.nested.iter_mut().find(|field| field.path == *path) {
        field.not_null = true;
        return;
    }
    if path.0.iter().all(|step| matches!(step, PathStep::Field(_))) {
        column.nested.push(crate::catalog::NestedField {
            path: path.clone(),
            ty: SqlType::Any,
            not_null: true,
            open: true,
        });
    }
}

fn unique_indexes(
    catalog: &mut Catalog,
    relation: &Relation,
    keys: Vec<Key>,
    system: &dyn SystemRelations,
) -> SqlResult<Vec<Index>> {
    let mut indexes: Vec<Index> = Vec::with_capacity(keys.len());
    for key in keys {
        let parts = index_parts(catalog, relation, &key.parts, system)?;
        let mut index = new_index(catalog, relation, key.name, true, parts);
        let taken: Vec<String> = indexes
            .iter()
            .map(|index| index.name.name.clone())
            .collect();
        index.name.name = free_name(catalog, relation, &index.name.name, &taken);
        indexes.push(index);
    }
    Ok(indexes)
}

fn checks(
    catalog: &Catalog,
    relation: &mut Relation,
    waiting: Vec<Waiting<'_>>,
    system: &dyn SystemRelations,
) -> SqlResult<()> {
    for check in waiting {
        let (expr, _) = bind_expr(
            catalog,
            Some(relation),
            check.sql,
            Some(&SqlType::Bool),
            system,
        )?;
        let taken: Vec<String> = relation
            .checks
            .iter()
            .map(|check| check.name.clone())
            .collect();
        let name = match check.name {
            Some(name) if taken.contains(&name) => {
                return Err(error(
                    sqlstate::DUPLICATE_OBJECT,
                    format!(
                        "constraint \"{name}\" for relation \"{}\" already exists",
                        relation.name
                    ),
                    check.sql.span(),
                )
                .on(&relation.name));
            }
            Some(name) => name,
            None => numbered(&check.stem, &taken),
        };
        relation.checks.push(Check {
            name,
            expr,
            sql: check.sql.to_string(),
        });
    }
    Ok(())
}

fn numbered(stem: &str, taken: &[String]) -> String {
    let mut name = stem.to_owned();
    let mut number = 1;
    while taken.contains(&name) {
        name = format!("{stem}{number}");
        number += 1;
    }
    name
}
