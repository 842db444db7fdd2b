//! `Access`: what the statements of a text ask for, before any of them runs: for programs that let others send SQL.
//!
//! It reads statements as the parser does, and words as the lexer does; it knows no catalog and runs nothing.

use std::collections::BTreeSet;

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;

use crate::error::Result;
use crate::sql::lexer::{self, Slice};
use crate::sql::parser::parse_script;
use crate::sql::statement::{
    ConflictAction, CursorSource, Insert, InsertSource, Show, Statement, TailSource,
};

/// What the statements of a text ask for, all of them together.
///
/// What may show data asks to read: a query, RETURNING, the condition of an UPDATE or DELETE, what an INSERT takes from
/// elsewhere or does about a conflict. Who may write but not read is left with INSERT … VALUES, ON CONFLICT DO NOTHING
/// included, and TRUNCATE.
///
/// ```
/// use tailwater::Access;
///
/// # fn main() -> tailwater::Result<()> {
/// let access = Access::of("INSERT INTO log VALUES (1, 'up')")?;
/// assert!(access.writes && !access.reads);
/// let access = Access::of("INSERT INTO log SELECT * FROM secret")?;
/// assert!(access.writes && access.reads && access.mentions("secret"));
/// let access = Access::of("DELETE FROM log WHERE text LIKE 'a%'; DROP TABLE log")?;
/// assert!(access.writes && access.reads && access.defines);
/// assert!(Access::of("TAIL log")?.subscribes);
/// assert!(Access::of("VACUUM")?.administers);
/// assert!(Access::of("BEGIN; DELETE FROM log RETURNING *")?.brings_rows);
/// assert_eq!(Access::of("SELEKT 1").unwrap_err().sqlstate(), "42601");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Access {
    /// Some statement shows data, or tells of it by what it does.
    pub reads: bool,
    /// Some statement changes rows.
    pub writes: bool,
    /// Some statement follows a table or view.
    pub subscribes: bool,
    /// Some statement makes, changes or drops an object.
    pub defines: bool,
    /// Some statement is housekeeping: a checkpoint, a compaction, statistics; or installs a module.
    pub administers: bool,
    /// The last statement brings rows: a query, RETURNING, SHOW, EXPLAIN, FETCH.
    pub brings_rows: bool,
    words: BTreeSet<String>,
}

impl Access {
    /// What a statement or script asks for.
    ///
    /// # Errors
    /// What the parser refuses the text with, and its position.
    ///
    /// ```
    /// use tailwater::Access;
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let access = Access::of("BEGIN; INSERT INTO t VALUES (?) ON CONFLICT DO NOTHING; COMMIT")?;
    /// assert!(access.writes && !access.reads && !access.defines);
    /// assert_eq!(Access::of("SELECT 1 +").unwrap_err().position(), Some(10));
    /// # Ok(())
    /// # }
    /// ```
    pub fn of(sql: &str) -> Result<Self> {
        let slices = lexer::split(sql)?;
        let statements = parse_script(sql)?;
        let mut access = Self::default();
        for (slice, parsed) in slices.iter().zip(&statements) {
            access.add(&parsed.statement, slice);
            access.add_words(slice);
            access.brings_rows = brings_rows(&parsed.statement);
        }
        Ok(access)
    }

    /// Whether a name stands anywhere in the text, quoted or not, in whatever part of speech. Nothing of that name is
    /// touched by a text that does not mention it.
    ///
    /// ```
    /// use tailwater::Access;
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let access = Access::of("SELECT * FROM (SELECT * FROM public.\"Secret\") AS x WHERE note = 'hidden'")?;
    /// assert!(access.mentions("secret")); // in capitals or not
    /// assert!(!access.mentions("hidden")); // a text is no name
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn mentions(&self, name: &str) -> bool {
        self.words.contains(&name.to_lowercase())
    }

    fn add(&mut self, statement: &Statement, slice: &Slice) {
        match statement {
            Statement::Query(_) | Statement::CheckView(_) | Statement::Fetch(_) => {
                self.reads = true;
            }
            Statement::Insert(insert) => {
                self.writes = true;
                self.reads |= shows_data(insert) || has_query(slice);
            }
            Statement::Update(_) | Statement::Delete(_) => {
                self.writes = true;
                self.reads = true;
            }
            Statement::Truncate(_) => self.writes = true,
            Statement::CreateTable(table) => {
                self.defines = true;
                self.reads |= table.query.is_some();
            }
            Statement::CreateView(_) => {
                self.defines = true;
                self.reads = true;
            }
            // What its methods do later is not asked of those who call them.
            Statement::CreateModule(_) => {
                self.defines = true;
                self.administers = true;
            }
            Statement::CreateIndex(_)
            | Statement::CreateSequence(_)
            | Statement::Drop(_)
            | Statement::AlterTable(_)
            | Statement::Rename(_)
            | Statement::AlterViewOptions(_)
            | Statement::AlterSequence(_)
            | Statement::Refresh(_)
            | Statement::Reindex(_) => self.defines = true,
            Statement::Tail(tail) => self.add_tail(&tail.source),
            Statement::DeclareCursor(declare) => match &declare.source {
                CursorSource::Query(_) => self.reads = true,
                CursorSource::Tail(tail) => self.add_tail(&tail.source),
            },
            Statement::Explain(explain) => {
                self.reads = true;
                self.add(&explain.statement, slice);
            }
            Statement::Show(show) => {
                self.reads |= !matches!(show, Show::All | Show::Setting(_) | Show::Functions);
            }
            Statement::Checkpoint | Statement::Vacuum | Statement::Analyze(_) => {
                self.administers = true;
            }
            Statement::Begin(_)
            | Statement::Commit { .. }
            | Statement::Rollback { .. }
            | Statement::Savepoint(_)
            | Statement::ReleaseSavepoint(_)
            | Statement::RollbackTo(_)
            | Statement::SetTransaction(_)
            | Statement::Set(_)
            | Statement::Reset(_)
            | Statement::CloseCursor(_) => {}
        }
    }

    fn add_tail(&mut self, source: &TailSource) {
        self.subscribes = true;
        self.reads |= matches!(source, TailSource::Query(_));
    }

    fn add_words(&mut self, slice: &Slice) {
        for token in &slice.tokens {
            if let Token::Word(word) = &token.token {
                self.words.insert(word.value.to_lowercase());
            }
        }
    }
}

/// Whether there are rows to read when it has run.
const fn brings_rows(statement: &Statement) -> bool {
    match statement {
        Statement::Insert(insert) => insert.returning.is_some(),
        Statement::Update(update) => update.returning.is_some(),
        Statement::Delete(delete) => delete.returning.is_some(),
        Statement::Query(_)
        | Statement::Explain(_)
        | Statement::Show(_)
        | Statement::Fetch(_)
        | Statement::CheckView(_) => true,
        _ => false,
    }
}

/// Whether an INSERT shows rows or decides by them, apart from queries inside its values.
fn shows_data(insert: &Insert) -> bool {
    let updates = insert.on_conflict.as_ref().is_some_and(|conflict| {
        matches!(
            conflict.action,
            ConflictAction::Update { .. } | ConflictAction::Replace
        )
    });
    updates
        || insert.with.is_some()
        || insert.returning.is_some()
        || matches!(insert.source, InsertSource::Query(_))
}

/// Whether some word begins a query.
fn has_query(slice: &Slice) -> bool {
    slice.tokens.iter().any(|token| {
        matches!(&token.token, Token::Word(word) if word.quote_style.is_none()
            && matches!(word.keyword, Keyword::SELECT | Keyword::TABLE))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Letters for what a text asks for.
    fn letters(sql: &str) -> String {
        let access = Access::of(sql).unwrap();
        let asked = [
            (access.reads, 'r'),
            (access.writes, 'w'),
            (access.subscribes, 's'),
            (access.defines, 'd'),
            (access.administers, 'a'),
        ];
        let letters = asked.into_iter().filter(|(asked, _)| *asked);
        letters.map(|(_, letter)| letter).collect()
    }

    #[test]
    fn every_statement_asks_for_something_unless_it_does_nothing() {
        for (sql, expected) in [
            ("SELECT 1", "r"),
            ("WITH a AS (SELECT 1) SELECT * FROM a", "r"),
            ("INSERT INTO t VALUES (1, ?)", "w"),
            ("INSERT INTO t VALUES {a: 1}", "w"),
            ("INSERT INTO t DEFAULT VALUES", "w"),
            ("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", "w"),
            ("INSERT INTO t VALUES (1) RETURNING id", "rw"),
            ("INSERT INTO t VALUES ((SELECT max(x) FROM u))", "rw"),
            ("INSERT INTO t SELECT * FROM u", "rw"),
            (
                "INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET n = t.n + 1",
                "rw",
            ),
            ("UPDATE t SET a = 1", "rw"),
            ("DELETE FROM t", "rw"),
            ("TRUNCATE t", "w"),
            ("CREATE TABLE t (id INT)", "d"),
            ("CREATE TABLE t AS SELECT * FROM u", "rd"),
            ("CREATE VIEW v AS SELECT 1", "rd"),
            ("CREATE INDEX ON t (a)", "d"),
            ("DROP TABLE t", "d"),
            ("ALTER TABLE t RENAME TO u", "d"),
            ("TAIL t", "s"),
            ("EXPLAIN DELETE FROM t", "rw"),
            ("SHOW TABLES", "r"),
            ("BEGIN; COMMIT", ""),
            ("SET timezone = 'UTC'", ""),
            ("CHECKPOINT", "a"),
            ("VACUUM; SELECT 1", "ra"),
            ("BEGIN; DECLARE c CURSOR FOR TAIL t; FETCH ALL c", "rs"),
        ] {
            assert_eq!(letters(sql), expected, "{sql}");
        }
    }

    #[test]
    fn a_query_hidden_in_a_value_is_found_and_a_quoted_word_is_none() {
        assert_eq!(letters("INSERT INTO t VALUES ({a: (SELECT 1)})"), "rw");
        assert_eq!(letters("INSERT INTO t (\"select\") VALUES (1)"), "w");
        let access = Access::of("SELECT 1 FROM a.\"B c\"").unwrap();
        assert!(access.mentions("b C") && access.mentions("a") && !access.mentions("c"));
    }
}
