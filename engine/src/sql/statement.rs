//! What a statement says, before names mean anything: our own nodes where sqlparser has none, its `Query`,
//! `Expr` and `DataType` everywhere else. Never resolved, never evaluated; the binder is the next door.
//!
//! Forms of ours inside sqlparser's [`Expr`]: `{a: 1}` is `Dictionary`; `[1, 2]` is `Array{named: false}`;
//! `a.b[0]` is `CompoundIdentifier` or `CompoundFieldAccess`; `?`, `$1`, `$name`, `:name` are
//! `Value::Placeholder` with their sigil; `x IN y` is `AnyOp{=}`, `x NOT IN y` is `AllOp{<>}`;
//! `x BETWEEN SYMMETRIC a AND b` is the function `between_symmetric(x, a, b)`; `NEXT VALUE FOR s` is
//! `nextval('s')`; a bare `user` is `Identifier`. Chains of AND and of OR come as balanced trees.
#![allow(
    clippy::large_enum_variant,
    reason = "a statement lives once and briefly; boxes would only cost"
)]

mod feed;
mod module;

use std::ops::Range;
use std::sync::Arc;

pub use sqlparser::ast::{
    DataType, Expr, Ident, ObjectName, Query, SelectItem, TableWithJoins, With,
};
pub use sqlparser::tokenizer::{Location, Span};

pub use self::feed::{CursorSource, DeclareCursor, Fetch, FetchDirection, Tail, TailSource};
pub use self::module::CreateModule;

/// One statement of a script.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// What it says.
    pub statement: Statement,
    /// Its bytes in the script, without the semicolon.
    pub text_range: Range<usize>,
    /// The script: locations in the statement are lines and columns of it.
    pub source: Arc<str>,
    /// Where its `?` parameters stand, in order: the n-th is parameter n. `$n` and `$name` say it themselves.
    pub question_marks: Vec<Location>,
}

impl Parsed {
    /// The byte of the script at which a part of the statement stands; the statement's first if it has no place.
    #[must_use]
    pub fn offset_of(&self, span: Span) -> usize {
        if span.start.line == 0 {
            return self.text_range.start;
        }
        super::lexer::byte_offset(&self.source, span.start)
    }
}

/// Everything one can say.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Statement {
    /// SELECT, VALUES, TABLE, WITH … SELECT.
    Query(Box<Query>),
    /// INSERT.
    Insert(Box<Insert>),
    /// UPDATE.
    Update(Box<Update>),
    /// DELETE.
    Delete(Box<Delete>),
    /// CREATE TABLE, also from a query.
    CreateTable(Box<CreateTable>),
    /// CREATE INDEX.
    CreateIndex(Box<CreateIndex>),
    /// CREATE VIEW and CREATE MATERIALIZED VIEW.
    CreateView(Box<CreateView>),
    /// CREATE SEQUENCE.
    CreateSequence(Box<CreateSequence>),
    /// CREATE MODULE.
    CreateModule(Box<CreateModule>),
    /// DROP of anything.
    Drop(Drop),
    /// ALTER TABLE.
    AlterTable(Box<AlterTable>),
    /// ALTER VIEW, INDEX, SEQUENCE … RENAME TO.
    Rename(Rename),
    /// ALTER \[MATERIALIZED\] VIEW … SET (options).
    AlterViewOptions(AlterViewOptions),
    /// ALTER SEQUENCE with options.
    AlterSequence(Box<AlterSequence>),
    /// TRUNCATE.
    Truncate(Truncate),
    /// BEGIN, START TRANSACTION.
    Begin(TransactionModes),
    /// COMMIT, END.
    Commit {
        /// AND CHAIN.
        chain: bool,
    },
    /// ROLLBACK, ABORT.
    Rollback {
        /// AND CHAIN.
        chain: bool,
    },
    /// SAVEPOINT.
    Savepoint(Ident),
    /// RELEASE SAVEPOINT.
    ReleaseSavepoint(Ident),
    /// ROLLBACK TO SAVEPOINT.
    RollbackTo(Ident),
    /// SET TRANSACTION.
    SetTransaction(TransactionModes),
    /// EXPLAIN.
    Explain(Box<Explain>),
    /// SHOW.
    Show(Show),
    /// SET.
    Set(Set),
    /// RESET name; `None` is RESET ALL.
    Reset(Option<ObjectName>),
    /// CHECK VIEW: compare a view with its query recomputed.
    CheckView(ObjectName),
    /// REFRESH MATERIALIZED VIEW: rebuild.
    Refresh(ObjectName),
    /// TAIL, SUBSCRIBE TO.
    Tail(Box<Tail>),
    /// DECLARE … CURSOR FOR.
    DeclareCursor(Box<DeclareCursor>),
    /// FETCH, MOVE.
    Fetch(Fetch),
    /// CLOSE; `None` is CLOSE ALL.
    CloseCursor(Option<Ident>),
    /// REINDEX; `None` is everything.
    Reindex(Option<ObjectName>),
    /// ANALYZE; empty is everything.
    Analyze(Vec<ObjectName>),
    /// CHECKPOINT.
    Checkpoint,
    /// VACUUM: write the storage file anew, without the space of what was deleted.
    Vacuum,
}

impl Statement {
    /// Whether it begins, ends or divides a transaction.
    #[must_use]
    pub const fn is_transaction_control(&self) -> bool {
        matches!(
            self,
            Self::Begin(_)
                | Self::Commit { .. }
                | Self::Rollback { .. }
                | Self::Savepoint(_)
                | Self::ReleaseSavepoint(_)
                | Self::RollbackTo(_)
                | Self::SetTransaction(_)
        )
    }
}

/// `name = value` pairs of `WITH (…)`; a missing value means true.
pub type Options = Vec<(String, Option<Expr>)>;

/// A path to a place in a row: a column, then fields and positions inside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// The column.
    pub root: Ident,
    /// Steps into it.
    pub steps: Vec<PathStep>,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq)]
pub enum PathStep {
    /// `.name` or `["name"]`.
    Field(Ident),
    /// `[n]`, from 0; negative counts from the end.
    Index(i64),
}

/// INSERT.
#[derive(Debug, Clone, PartialEq)]
pub struct Insert {
    /// CTEs in front.
    pub with: Option<With>,
    /// The table.
    pub table: ObjectName,
    /// Its name in ON CONFLICT and RETURNING.
    pub alias: Option<Ident>,
    /// Target columns; empty means all in order.
    pub columns: Vec<Ident>,
    /// OVERRIDING SYSTEM VALUE (true) or USER VALUE (false).
    pub overriding_system: Option<bool>,
    /// What is inserted.
    pub source: InsertSource,
    /// What to do about a conflict.
    pub on_conflict: Option<OnConflict>,
    /// RETURNING.
    pub returning: Option<Vec<SelectItem>>,
}

/// Where the rows come from.
#[derive(Debug, Clone, PartialEq)]
pub enum InsertSource {
    /// VALUES.
    Rows(Vec<InsertRow>),
    /// DEFAULT VALUES.
    Defaults,
    /// SELECT and friends.
    Query(Box<Query>),
}

/// One row of VALUES.
#[derive(Debug, Clone, PartialEq)]
pub enum InsertRow {
    /// `(a, DEFAULT, b)`; `None` is DEFAULT.
    Tuple(Vec<Option<Expr>>),
    /// `{…}` or a parameter holding a document.
    Document(Expr),
}

/// ON CONFLICT.
#[derive(Debug, Clone, PartialEq)]
pub struct OnConflict {
    /// Which conflict; `None` is any.
    pub target: Option<ConflictTarget>,
    /// What then.
    pub action: ConflictAction,
}

/// Which unique constraint is meant.
#[derive(Debug, Clone, PartialEq)]
pub enum ConflictTarget {
    /// By its columns, with the predicate of a partial index.
    Columns(Vec<KeyPart>, Option<Expr>),
    /// ON CONSTRAINT.
    Constraint(Ident),
}

/// What to do instead of inserting.
#[derive(Debug, Clone, PartialEq)]
pub enum ConflictAction {
    /// DO NOTHING, IGNORE.
    Nothing,
    /// DO REPLACE, REPLACE: the new row takes the place of the old.
    Replace,
    /// DO UPDATE SET … WHERE.
    Update {
        /// SET.
        assignments: Vec<Assignment>,
        /// WHERE.
        filter: Option<Expr>,
    },
}

/// One assignment of SET.
#[derive(Debug, Clone, PartialEq)]
pub enum Assignment {
    /// `path = expr`; `None` is DEFAULT.
    Path(Path, Option<Expr>),
    /// `(a, b) = (x, y)` with one value for each; `None` is DEFAULT.
    Row(Vec<Path>, Vec<Option<Expr>>),
    /// `(a, b) = (SELECT …)`.
    Query(Vec<Path>, Box<Query>),
}

/// UPDATE.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// CTEs in front.
    pub with: Option<With>,
    /// The table.
    pub table: ObjectName,
    /// Its name in the statement.
    pub alias: Option<Ident>,
    /// SET.
    pub assignments: Vec<Assignment>,
    /// UNSET.
    pub unset: Vec<Path>,
    /// FROM.
    pub from: Vec<TableWithJoins>,
    /// WHERE.
    pub filter: Option<Expr>,
    /// RETURNING.
    pub returning: Option<Vec<SelectItem>>,
}

/// DELETE.
#[derive(Debug, Clone, PartialEq)]
pub struct Delete {
    /// CTEs in front.
    pub with: Option<With>,
    /// The table.
    pub table: ObjectName,
    /// Its name in the statement.
    pub alias: Option<Ident>,
    /// USING.
    pub using: Vec<TableWithJoins>,
    /// WHERE.
    pub filter: Option<Expr>,
    /// ORDER BY.
    pub order_by: Vec<sqlparser::ast::OrderByExpr>,
    /// LIMIT.
    pub limit: Option<Expr>,
    /// OFFSET.
    pub offset: Option<Expr>,
    /// RETURNING.
    pub returning: Option<Vec<SelectItem>>,
}

/// CREATE TABLE.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTable {
    /// Its name.
    pub name: ObjectName,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// TEMP.
    pub temporary: bool,
    /// Columns and whether other fields are welcome.
    pub body: TableBody,
    /// Constraints after the columns.
    pub constraints: Vec<TableConstraint>,
    /// WITH (…).
    pub options: Options,
    /// AS query.
    pub query: Option<Box<Query>>,
    /// WITH DATA (the default) or WITH NO DATA.
    pub with_data: bool,
}

/// Columns of a table or fields of a document.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TableBody {
    /// Declared ones, in order.
    pub columns: Vec<ColumnDef>,
    /// Others are kept too: `...` at the end, or no list at all.
    pub open: bool,
}

/// A declared column or field.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnDef {
    /// Its name.
    pub name: Ident,
    /// Its type; `None` is any.
    pub data_type: Option<DataType>,
    /// The fields of a document column.
    pub fields: Option<TableBody>,
    /// Constraints and defaults, in order.
    pub options: Vec<ColumnOption>,
}

/// One option of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnOption {
    /// PRIMARY KEY \[DESC\].
    PrimaryKey {
        /// CONSTRAINT name.
        name: Option<Ident>,
        /// DESC.
        descending: bool,
    },
    /// NOT NULL.
    NotNull,
    /// NULL.
    Null,
    /// UNIQUE.
    Unique {
        /// CONSTRAINT name.
        name: Option<Ident>,
    },
    /// DEFAULT.
    Default(Expr),
    /// CHECK.
    Check {
        /// CONSTRAINT name.
        name: Option<Ident>,
        /// Must not be false.
        expr: Expr,
    },
    /// GENERATED ALWAYS AS (expr) STORED.
    Generated {
        /// Computed from the other columns.
        expr: Expr,
        /// STORED rather than VIRTUAL.
        stored: bool,
    },
    /// GENERATED … AS IDENTITY.
    Identity {
        /// ALWAYS rather than BY DEFAULT.
        always: bool,
        /// Of its sequence.
        options: SequenceOptions,
    },
    /// REFERENCES.
    References {
        /// CONSTRAINT name.
        name: Option<Ident>,
        /// The other end.
        target: ForeignTarget,
    },
    /// COLLATE.
    Collate(ObjectName),
}

/// A constraint of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum TableConstraint {
    /// PRIMARY KEY (…).
    PrimaryKey {
        /// CONSTRAINT name.
        name: Option<Ident>,
        /// Key parts.
        columns: Vec<KeyPart>,
    },
    /// UNIQUE (…).
    Unique {
        /// CONSTRAINT name.
        name: Option<Ident>,
        /// Key parts.
        columns: Vec<KeyPart>,
        /// NULLS NOT DISTINCT.
        nulls_equal: bool,
    },
    /// CHECK (…).
    Check {
        /// CONSTRAINT name.
        name: Option<Ident>,
        /// Must not be false.
        expr: Expr,
    },
    /// FOREIGN KEY (…) REFERENCES.
    ForeignKey {
        /// CONSTRAINT name.
        name: Option<Ident>,
        /// Own columns.
        columns: Vec<Ident>,
        /// The other end.
        target: ForeignTarget,
    },
}

/// The other end of a foreign key.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeignTarget {
    /// The table.
    pub table: ObjectName,
    /// Its columns; empty is its primary key.
    pub columns: Vec<Ident>,
    /// ON DELETE.
    pub on_delete: ForeignAction,
    /// ON UPDATE.
    pub on_update: ForeignAction,
}

/// What a foreign key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForeignAction {
    /// NO ACTION.
    #[default]
    NoAction,
    /// RESTRICT.
    Restrict,
    /// CASCADE.
    Cascade,
    /// SET NULL.
    SetNull,
    /// SET DEFAULT.
    SetDefault,
}

/// One part of a key or index.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyPart {
    /// What is indexed.
    pub on: KeyPartOn,
    /// DESC.
    pub descending: bool,
    /// NULLS FIRST / LAST.
    pub nulls_first: Option<bool>,
}

/// A path or an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum KeyPartOn {
    /// A column or a place inside it.
    Path(Path),
    /// `(expr)`.
    Expr(Expr),
}

/// CREATE INDEX.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateIndex {
    /// Its name; `None` lets the catalog choose.
    pub name: Option<ObjectName>,
    /// The table.
    pub table: ObjectName,
    /// UNIQUE.
    pub unique: bool,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// Key parts.
    pub columns: Vec<KeyPart>,
    /// INCLUDE.
    pub include: Vec<Ident>,
    /// WHERE.
    pub filter: Option<Expr>,
    /// NULLS NOT DISTINCT.
    pub nulls_equal: bool,
}

/// CREATE VIEW.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateView {
    /// Its name.
    pub name: ObjectName,
    /// MATERIALIZED.
    pub materialized: bool,
    /// TEMP.
    pub temporary: bool,
    /// OR REPLACE.
    pub or_replace: bool,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// Names of its columns; empty takes the query's.
    pub columns: Vec<Ident>,
    /// WITH (…).
    pub options: Options,
    /// AS.
    pub query: Box<Query>,
    /// The query's bytes in the script.
    pub query_range: Range<usize>,
    /// WITH DATA (the default) or WITH NO DATA.
    pub with_data: bool,
}

/// CREATE SEQUENCE.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateSequence {
    /// Its name.
    pub name: ObjectName,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// Everything else.
    pub options: SequenceOptions,
}

/// ALTER SEQUENCE.
#[derive(Debug, Clone, PartialEq)]
pub struct AlterSequence {
    /// Its name.
    pub name: ObjectName,
    /// IF EXISTS.
    pub if_exists: bool,
    /// What changes.
    pub options: SequenceOptions,
}

/// Options of a sequence; `None` is unsaid, `Some(None)` is `NO MINVALUE` and the like.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SequenceOptions {
    /// AS type.
    pub data_type: Option<DataType>,
    /// INCREMENT BY.
    pub increment: Option<i64>,
    /// MINVALUE.
    pub min: Option<Option<i64>>,
    /// MAXVALUE.
    pub max: Option<Option<i64>>,
    /// START WITH.
    pub start: Option<i64>,
    /// RESTART \[WITH n\] (ALTER only).
    pub restart: Option<Option<i64>>,
    /// CACHE.
    pub cache: Option<i64>,
    /// CYCLE.
    pub cycle: Option<bool>,
    /// OWNED BY; `Some(None)` is NONE.
    pub owned_by: Option<Option<ObjectName>>,
}

/// Kinds of objects in statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// TABLE.
    Table,
    /// VIEW.
    View,
    /// MATERIALIZED VIEW.
    MaterializedView,
    /// INDEX.
    Index,
    /// SEQUENCE.
    Sequence,
    /// MODULE.
    Module,
}

/// DROP.
#[derive(Debug, Clone, PartialEq)]
pub struct Drop {
    /// Of what kind.
    pub kind: ObjectKind,
    /// Which.
    pub names: Vec<ObjectName>,
    /// IF EXISTS.
    pub if_exists: bool,
    /// CASCADE.
    pub cascade: bool,
}

/// ALTER TABLE.
#[derive(Debug, Clone, PartialEq)]
pub struct AlterTable {
    /// The table.
    pub name: ObjectName,
    /// IF EXISTS.
    pub if_exists: bool,
    /// What changes, in order.
    pub actions: Vec<AlterAction>,
}

/// One change of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum AlterAction {
    /// RENAME TO.
    RenameTable(Ident),
    /// RENAME COLUMN.
    RenameColumn(Ident, Ident),
    /// RENAME CONSTRAINT.
    RenameConstraint(Ident, Ident),
    /// ADD COLUMN.
    AddColumn {
        /// IF NOT EXISTS.
        if_not_exists: bool,
        /// The column.
        column: ColumnDef,
    },
    /// DROP COLUMN.
    DropColumn {
        /// Which.
        name: Ident,
        /// IF EXISTS.
        if_exists: bool,
        /// CASCADE.
        cascade: bool,
    },
    /// ADD constraint.
    AddConstraint(TableConstraint),
    /// DROP CONSTRAINT.
    DropConstraint {
        /// Which.
        name: Ident,
        /// IF EXISTS.
        if_exists: bool,
        /// CASCADE.
        cascade: bool,
    },
    /// ALTER COLUMN … TYPE.
    SetType {
        /// Which.
        name: Ident,
        /// To what.
        data_type: DataType,
        /// USING.
        using: Option<Expr>,
    },
    /// ALTER COLUMN … SET DEFAULT.
    SetDefault(Ident, Expr),
    /// ALTER COLUMN … DROP DEFAULT.
    DropDefault(Ident),
    /// ALTER COLUMN … RESTART \[WITH n\]: of an identity or SERIAL column.
    Restart(Ident, Option<i64>),
    /// ALTER COLUMN … SET NOT NULL.
    SetNotNull(Ident),
    /// ALTER COLUMN … DROP NOT NULL.
    DropNotNull(Ident),
    /// SET (…).
    SetOptions(Options),
}

/// ALTER … RENAME TO of anything but a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Rename {
    /// Of what kind.
    pub kind: ObjectKind,
    /// Which.
    pub name: ObjectName,
    /// IF EXISTS.
    pub if_exists: bool,
    /// Its new name.
    pub to: Ident,
}

/// ALTER VIEW … SET (…).
#[derive(Debug, Clone, PartialEq)]
pub struct AlterViewOptions {
    /// MATERIALIZED.
    pub materialized: bool,
    /// Which.
    pub name: ObjectName,
    /// What changes.
    pub options: Options,
}

/// TRUNCATE.
#[derive(Debug, Clone, PartialEq)]
pub struct Truncate {
    /// Which tables.
    pub names: Vec<ObjectName>,
    /// RESTART IDENTITY.
    pub restart_identity: bool,
    /// CASCADE.
    pub cascade: bool,
}

/// What BEGIN and SET TRANSACTION ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TransactionModes {
    /// READ ONLY (true), READ WRITE (false).
    pub read_only: Option<bool>,
    /// ISOLATION LEVEL; every one is served as SERIALIZABLE.
    pub isolation: Option<Isolation>,
    /// \[NOT\] DEFERRABLE.
    pub deferrable: Option<bool>,
}

/// Names of isolation levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// READ UNCOMMITTED.
    ReadUncommitted,
    /// READ COMMITTED.
    ReadCommitted,
    /// REPEATABLE READ.
    RepeatableRead,
    /// SERIALIZABLE.
    Serializable,
}

/// EXPLAIN.
#[derive(Debug, Clone, PartialEq)]
pub struct Explain {
    /// ANALYZE: also run it.
    pub analyze: bool,
    /// VERBOSE.
    pub verbose: bool,
    /// The other options in parentheses, names in lower case.
    pub options: Options,
    /// What is explained.
    pub statement: Statement,
}

/// SHOW.
#[derive(Debug, Clone, PartialEq)]
pub enum Show {
    /// SHOW ALL.
    All,
    /// SHOW a setting; `TIME ZONE` is `timezone`.
    Setting(String),
    /// SHOW FUNCTIONS.
    Functions,
    /// SHOW TABLES.
    Tables,
    /// SHOW \[MATERIALIZED\] VIEWS.
    Views {
        /// Only these.
        materialized: bool,
    },
    /// SHOW INDEXES \[FROM t\].
    Indexes(Option<ObjectName>),
    /// SHOW SEQUENCES.
    Sequences,
    /// SHOW COLUMNS FROM t.
    Columns(ObjectName),
    /// SHOW CREATE TABLE | VIEW | … name.
    Create(ObjectKind, ObjectName),
}

/// SET.
#[derive(Debug, Clone, PartialEq)]
pub struct Set {
    /// LOCAL: until the end of the transaction.
    pub local: bool,
    /// Name in lower case, dots kept; TIME ZONE is `timezone`.
    pub name: String,
    /// Values; a bare word is `Expr::Identifier`; empty is DEFAULT.
    pub values: Vec<Expr>,
}
