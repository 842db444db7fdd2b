//! `ModulePlan`: what a module would be here, as data: shown before anything is done.
//!
//! It knows no descriptors. The catalog keeps it as JSON: names of fields keep their meaning. Next door: `infer`, which
//! makes it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::name::{quoted, quoted_path};

/// What comes of a module: tables, values and methods, and the SQL that makes them.
///
/// ```
/// use tailwater::module::{Binding, ModuleSource};
///
/// # fn main() -> tailwater::Result<()> {
/// let plan = ModuleSource::new("chat.proto", r#"
///     syntax = "proto3";
///     package chat;
///     service Chat {
///       rpc Join(Channel) returns (stream Message);
///       rpc Send(stream Message) returns (Ack);
///     }
///     message Channel { string name = 1; string senders_name = 2; }
///     message Message { string sender = 1; Channel channel = 2; string message = 3; }
///     message Ack { string status = 1; }"#)
///     .plan()?;
/// let Binding::Subscribe { sql } = &plan.methods[0].binding else { unreachable!() };
/// assert_eq!(sql, "SELECT * FROM message WHERE channel.name = :name ORDER BY seq");
///
/// let db = tailwater::Database::memory()?;
/// db.exec(&plan.sql(), ())?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModulePlan {
    /// The package; empty if the file names none.
    pub package: String,
    /// Messages that are rows.
    pub tables: Vec<TablePlan>,
    /// Messages that are none.
    pub values: Vec<ValuePlan>,
    /// The methods of all services.
    pub methods: Vec<MethodPlan>,
}

/// A message that is a table, or a materialised view.
///
/// ```
/// use tailwater::module::*;
///
/// # fn main() -> tailwater::Result<()> {
/// let plan = ModuleSource::new("a.proto", r#"syntax = "proto3";
///     message LogLine { string text = 1; }
///     service Log { rpc Write(stream LogLine) returns (Done); }
///     message Done {}"#).plan()?;
/// assert_eq!((plan.tables[0].name.as_str(), plan.tables[0].why.as_str()), ("log_line", "Write receives a stream of it"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TablePlan {
    /// The full name of the message.
    pub message: String,
    /// The name of the table.
    pub name: String,
    /// Why it is one.
    pub why: String,
    /// The columns, in the order of the message's text.
    pub columns: Vec<ColumnPlan>,
    /// What tells rows apart.
    pub primary_key: PrimaryKey,
    /// Conditions that each row meets.
    pub checks: Vec<CheckPlan>,
    /// Indexes.
    pub indexes: Vec<IndexPlan>,
    /// The query whose rows these are, if it is a materialised view.
    pub view: Option<String>,
    /// What the message says no field may have any more.
    pub reserved: ReservedPlan,
}

/// Numbers and names of fields that were and may not be again.
///
/// ```
/// use tailwater::module::*;
///
/// # fn main() -> tailwater::Result<()> {
/// let plan = ModuleSource::new("a.proto", r#"syntax = "proto3";
///     message Item { reserved 2, 5 to 7; reserved "cents"; string id = 1; }"#).plan()?;
/// let reserved = &plan.tables[0].reserved;
/// assert!(reserved.has_number(6) && !reserved.has_number(8) && reserved.names == ["cents"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservedPlan {
    /// First and last number of each range.
    pub numbers: Vec<(u32, u32)>,
    /// Names.
    pub names: Vec<String>,
}

impl ReservedPlan {
    /// Whether no field may have the number.
    ///
    /// ```
    /// let reserved = tailwater::module::ReservedPlan { numbers: vec![(2, 4)], names: Vec::new() };
    /// assert!(reserved.has_number(4) && !reserved.has_number(5));
    /// ```
    #[must_use]
    pub fn has_number(&self, number: u32) -> bool {
        self.numbers
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&number))
    }
}

/// A condition that each row of a table meets.
///
/// ```
/// use tailwater::module::*;
///
/// # fn main() -> tailwater::Result<()> {
/// let plan = ModuleSource::new("a.proto", r#"syntax = "proto3";
///     message Item { string id = 1; oneof price { int64 cents = 2; string asked = 3; } }"#).plan()?;
/// let check = CheckPlan { name: "item_price_check".into(), condition: "num_nonnulls(cents, asked) <= 1".into() };
/// assert_eq!(plan.tables[0].checks, [check]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckPlan {
    /// Its name.
    pub name: String,
    /// SQL.
    pub condition: String,
}

/// What tells the rows of a table apart.
///
/// ```
/// use tailwater::module::*;
///
/// # fn main() -> tailwater::Result<()> {
/// let plan = ModuleSource::new("a.proto", r#"syntax = "proto3";
///     message Item { string id = 1; int64 cents = 2; }"#).plan()?;
/// assert_eq!(plan.tables[0].primary_key, PrimaryKey::Columns(vec!["id".into()]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PrimaryKey {
    /// These columns.
    Columns(Vec<String>),
    /// A column of its own that counts the rows in the order they arrive.
    Sequence(String),
}

impl PrimaryKey {
    /// The columns, in order.
    ///
    /// ```
    /// use tailwater::module::PrimaryKey;
    ///
    /// assert_eq!(PrimaryKey::Sequence("seq".into()).columns(), ["seq"]);
    /// ```
    #[must_use]
    pub fn columns(&self) -> &[String] {
        match self {
            Self::Columns(columns) => columns,
            Self::Sequence(column) => std::slice::from_ref(column),
        }
    }
}

/// A field that is a column.
///
/// ```
/// use tailwater::module::*;
///
/// # fn main() -> tailwater::Result<()> {
/// let plan = ModuleSource::new("a.proto", r#"syntax = "proto3";
///     message Item { string id = 1; optional int64 cents = 7; }"#).plan()?;
/// let cents = &plan.tables[0].columns[1];
/// assert_eq!((cents.field_number, cents.sql_type.as_str(), cents.is_nullable), (7, "BIGINT", true));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnPlan {
    /// The name of the column.
    pub name: String,
    /// The name of the field.
    pub field: String,
    /// The number of the field: what the column is known by when the module changes.
    pub field_number: u32,
    /// What the field is in Protobuf: `int32`, `repeated string`, `map<string, a.B>`, `a.Message`.
    pub kind: String,
    /// The SQL type.
    pub sql_type: String,
    /// Whether NULL stands for a value that is not set.
    pub is_nullable: bool,
    /// What a row has that does not say, as SQL.
    pub default: Option<String>,
    /// Whether the module says so, and not Protobuf: a field that is not set has it, too.
    pub has_own_default: bool,
}

/// An index of a table.
///
/// ```
/// use tailwater::module::*;
///
/// # fn main() -> tailwater::Result<()> {
/// let plan = ModuleSource::new("a.proto", r#"syntax = "proto3";
///     message Item { string id = 1; string shop = 2; }
///     service Items { rpc ListItems(Of) returns (Found); }
///     message Of { string shop = 1; }
///     message Found { repeated Item items = 1; }"#).plan()?;
/// assert_eq!(plan.tables[0].indexes[0].columns, ["shop"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexPlan {
    /// Its name.
    pub name: String,
    /// Columns, or paths into documents.
    pub columns: Vec<String>,
    /// Whether no two rows have the same.
    pub is_unique: bool,
}

/// A message that carries values and is no table.
///
/// ```
/// use tailwater::module::*;
///
/// # fn main() -> tailwater::Result<()> {
/// let plan = ModuleSource::new("a.proto", r#"syntax = "proto3";
///     message Point { double x = 1; double y = 2; }"#).plan()?;
/// assert_eq!(plan.values[0].why, "it has no key of its own");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValuePlan {
    /// The full name of the message.
    pub message: String,
    /// Why it is none.
    pub why: String,
}

/// How a method is called.
///
/// ```
/// use tailwater::module::*;
///
/// # fn main() -> tailwater::Result<()> {
/// let plan = ModuleSource::new("a.proto", r#"syntax = "proto3";
///     message Item { string id = 1; }
///     service Items { rpc Store(stream Item) returns (Done); }
///     message Done {}"#).plan()?;
/// assert_eq!(plan.methods[0].kind, CallKind::ClientStreaming);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallKind {
    /// One message, one answer.
    Unary,
    /// One message, a stream of answers.
    ServerStreaming,
    /// A stream of messages, one answer.
    ClientStreaming,
    /// Two streams.
    Bidirectional,
}

/// A method of a service.
///
/// ```
/// use tailwater::module::*;
///
/// # fn main() -> tailwater::Result<()> {
/// let plan = ModuleSource::new("a.proto", r#"syntax = "proto3";
///     package shop;
///     message Item { string id = 1; }
///     service Items { rpc Store(stream Item) returns (Done); }
///     message Done {}"#).plan()?;
/// assert_eq!(plan.methods[0].path, "/shop.Items/Store");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MethodPlan {
    /// `/package.Service/Method`, as gRPC has it.
    pub path: String,
    /// How it is called.
    pub kind: CallKind,
    /// What it does.
    pub binding: Binding,
}

/// What a method does. Parameters are fields of the request: `:name`, `:channel.name`.
///
/// ```
/// use tailwater::module::*;
///
/// # fn main() -> tailwater::Result<()> {
/// let plan = ModuleSource::new("a.proto", r#"syntax = "proto3";
///     message Item { string id = 1; }
///     service Items { rpc Store(stream Item) returns (Done); }
///     message Done {}"#).plan()?;
/// let stored = Binding::Insert { table: "item".into(), field: None };
/// assert_eq!(plan.methods[0].binding, stored);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Binding {
    /// Streams the rows of the query, first those there are, then each that comes.
    Subscribe {
        /// The query.
        sql: String,
    },
    /// Answers with the rows of the query.
    Query {
        /// The query.
        sql: String,
    },
    /// Runs the statement for each message.
    Exec {
        /// The statement.
        sql: String,
    },
    /// Stores each message in a table.
    Insert {
        /// The table.
        table: String,
        /// The field of the request that is the row; `None`: the request is.
        field: Option<String>,
    },
    /// Nothing: it answers `UNIMPLEMENTED`.
    Unbound {
        /// What is ambiguous or missing.
        why: String,
        /// The line that would bind it; `None`: there is none yet.
        option: Option<String>,
    },
}

impl ModulePlan {
    /// The statements that make its tables, views and indexes.
    ///
    /// ```
    /// use tailwater::module::ModuleSource;
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let source = ModuleSource::new("a.proto", "syntax = \"proto3\"; message A { string id = 1; }");
    /// let db = tailwater::Database::memory()?;
    /// db.exec(&source.plan()?.sql(), ())?;
    /// assert_eq!(db.query("SELECT count(*) FROM a", ())?.scalar::<i64>()?, 0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn sql(&self) -> String {
        // Views last: they read tables.
        let (views, tables): (Vec<_>, Vec<_>) =
            self.tables.iter().partition(|table| table.view.is_some());
        let texts: Vec<String> = tables
            .into_iter()
            .chain(views)
            .map(TablePlan::sql)
            .collect();
        texts.concat()
    }
}

impl TablePlan {
    /// The statements that make it and its indexes.
    fn sql(&self) -> String {
        let mut text = self.create_sql();
        for index in &self.indexes {
            text.push_str(&index.sql(&self.name));
        }
        text
    }

    /// The statement that makes it.
    pub(crate) fn create_sql(&self) -> String {
        match &self.view {
            Some(query) => {
                let query = query.trim().trim_end_matches(';');
                format!(
                    "CREATE MATERIALIZED VIEW {} AS\n  {query}\n;\n",
                    quoted(&self.name)
                )
            }
            None => format!(
                "CREATE TABLE {} (\n  {}\n);\n",
                quoted(&self.name),
                self.lines().join(",\n  ")
            ),
        }
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let PrimaryKey::Sequence(column) = &self.primary_key {
            lines.push(format!(
                "{} BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
                quoted(column)
            ));
        }
        lines.extend(self.columns.iter().map(ColumnPlan::sql));
        if let PrimaryKey::Columns(columns) = &self.primary_key {
            let columns: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
            lines.push(format!("PRIMARY KEY ({})", columns.join(", ")));
        }
        lines.extend(self.checks.iter().map(CheckPlan::sql));
        lines
    }
}

impl CheckPlan {
    pub(super) fn sql(&self) -> String {
        format!(
            "CONSTRAINT {} CHECK ({})",
            quoted(&self.name),
            self.condition
        )
    }
}

impl IndexPlan {
    pub(crate) fn sql(&self, table: &str) -> String {
        let columns: Vec<String> = self.columns.iter().map(|path| quoted_path(path)).collect();
        format!(
            "CREATE {}INDEX {} ON {} ({});\n",
            if self.is_unique { "UNIQUE " } else { "" },
            quoted(&self.name),
            quoted(table),
            columns.join(", ")
        )
    }
}

impl ColumnPlan {
    pub(super) fn sql(&self) -> String {
        let mut text = format!("{} {}", quoted(&self.name), self.sql_type);
        if !self.is_nullable {
            text.push_str(" NOT NULL");
        }
        if let Some(default) = &self.default {
            text.push_str(&format!(" DEFAULT {default}"));
        }
        text
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subscribe { sql } => write!(f, "streams {sql}"),
            Self::Query { sql } => write!(f, "answers {sql}"),
            Self::Exec { sql } => write!(f, "runs {sql}"),
            Self::Insert { table, field: None } => write!(f, "stores each message in {table}"),
            Self::Insert {
                table,
                field: Some(field),
            } => write!(f, "stores {field} in {table}"),
            Self::Unbound {
                why,
                option: Some(option),
            } => write!(f, "unbound: {why}; say {option}"),
            Self::Unbound { why, option: None } => write!(f, "unbound: {why}"),
        }
    }
}

impl fmt::Display for ModulePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in &self.tables {
            let kind = if table.view.is_some() {
                "view"
            } else {
                "table"
            };
            writeln!(
                f,
                "{kind} {} of {}: {}",
                table.name, table.message, table.why
            )?;
            if let PrimaryKey::Sequence(column) = &table.primary_key {
                writeln!(
                    f,
                    "    {column} counts the rows as they arrive: it has no key of its own"
                )?;
            }
        }
        for value in &self.values {
            writeln!(f, "value {}: {}", value.message, value.why)?;
        }
        for method in &self.methods {
            writeln!(f, "rpc {} {}", method.path, method.binding)?;
        }
        write!(f, "\n{}", self.sql())
    }
}
