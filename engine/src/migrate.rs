//! `migrate`: the plain SQL files of a folder, applied once each, in order, each in one transaction with its own record.
//!
//! File names are those of golang-migrate and sqlx: `0001_x.up.sql` and `0001_x.sql` are applied, `0001_x.down.sql`
//! and everything else is left alone. What was applied is an ordinary table, `tailwater_migrations`.
//! It never runs down files and never changes a file; the folder is read through a `Vfs`.

use std::collections::BTreeMap;
use std::path::Path;

use tailwater_proto::sqlstate;
use tailwater_wal::vfs::{OpenMode, OsVfs, Vfs};

use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::params;
use crate::sql::parser::parse_script;
use crate::sql::statement::Statement;
use crate::tx::Tx;

/// A larger file is no migration: load data with COPY.
const FILE_BYTES_MAX: u64 = 64 << 20;

const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS tailwater_migrations \
     (name TEXT PRIMARY KEY, checksum TEXT, applied_at TIMESTAMPTZ)";

/// What `migrate` did.
///
/// ```
/// # fn main() -> tailwater::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// # let folder = dir.path();
/// let write = |name, sql| std::fs::write(folder.join(name), sql).unwrap();
/// write("10_name.sql", "ALTER TABLE t ADD COLUMN name TEXT");
/// write("9_t.sql", "CREATE TABLE t (id INT PRIMARY KEY)");
/// let db = tailwater::Database::memory()?;
/// let report = db.migrate(folder)?;
/// assert_eq!(report.applied, ["9_t.sql", "10_name.sql"]); // by number, not by text
/// assert_eq!(report.already, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MigrationReport {
    /// The names of the files applied now, in order.
    pub applied: Vec<String>,
    /// How many files had been applied before.
    pub already: usize,
}

/// Applies the SQL files of a folder of the operating system that have not been applied yet: those whose names begin
/// with a number in the order of the numbers, then the others by name. Each file is one transaction together with its
/// row in `tailwater_migrations`, so a file that fails leaves nothing; files before it stay applied. Several
/// processes or threads may migrate at once: each file is applied by one of them.
///
/// # Errors
/// `58P01` if there is no such folder, `55000` if a file that was applied has changed since, `25001` for BEGIN or
/// COMMIT in a file, and whatever a statement fails with, named `file:line:column`.
///
/// ```
/// # fn main() -> tailwater::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// # let folder = dir.path();
/// # std::fs::write(folder.join("0001_person.up.sql"), "CREATE TABLE person (id INT PRIMARY KEY)").unwrap();
/// # std::fs::write(folder.join("0001_person.down.sql"), "DROP TABLE person").unwrap();
/// let db = tailwater::Database::memory()?;
/// let report = tailwater::migrate(&db, folder)?;
/// assert_eq!(report.applied, ["0001_person.up.sql"]);
/// assert_eq!(tailwater::migrate(&db, folder)?.already, 1);
/// # Ok(())
/// # }
/// ```
pub fn migrate(database: &Database, folder: impl AsRef<Path>) -> Result<MigrationReport> {
    migrate_from(database, &OsVfs::new(), folder.as_ref())
}

impl Database {
    /// Applies the plain SQL files of a folder that have not been applied yet: see [`migrate`].
    ///
    /// # Errors
    /// As [`migrate`].
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let folder = dir.path();
    /// # let file = folder.join("0001_t.sql");
    /// # std::fs::write(&file, "CREATE TABLE t").unwrap();
    /// let db = tailwater::Database::memory()?;
    /// db.migrate(folder)?;
    /// std::fs::write(file, "CREATE TABLE another").unwrap(); // after it was applied
    /// assert_eq!(db.migrate(folder).unwrap_err().sqlstate(), "55000");
    /// # Ok(())
    /// # }
    /// ```
    pub fn migrate(&self, folder: impl AsRef<Path>) -> Result<MigrationReport> {
        migrate(self, folder)
    }
}

/// As [`migrate`], from any file system.
///
/// # Errors
/// As [`migrate`].
///
/// ```
/// use std::path::Path;
/// use tailwater::vfs::{MemoryVfs, OpenMode, Vfs};
///
/// # fn main() -> tailwater::Result<()> {
/// let files = MemoryVfs::new();
/// let sql = b"CREATE TABLE t (id INT PRIMARY KEY)";
/// files.create_dir_all(Path::new("sql")).unwrap();
/// files.open(Path::new("sql/1_t.sql"), OpenMode::Create).unwrap().write_all_at(sql, 0).unwrap();
/// let db = tailwater::Database::memory()?;
/// let report = tailwater::migrate_from(&db, &files, Path::new("sql"))?;
/// assert_eq!(report.applied, ["1_t.sql"]);
/// # Ok(())
/// # }
/// ```
pub fn migrate_from(database: &Database, vfs: &dyn Vfs, folder: &Path) -> Result<MigrationReport> {
    let names = vfs
        .list(folder)
        .map_err(|error| unreadable(folder, error))?;
    let mut migrations = Vec::new();
    for name in names.into_iter().filter(|name| is_up(name)) {
        let text = read(vfs, &folder.join(&name))?;
        migrations.push(Migration {
            checksum: checksum(&text),
            name,
            text,
        });
    }
    migrations.sort_by(|a, b| order(&a.name).cmp(&order(&b.name)));

    let before = applied_before(database)?;
    for migration in &migrations {
        if let Some(checksum) = before.get(&migration.name) {
            migration.check(checksum)?;
        }
    }
    let mut report = MigrationReport::default();
    for migration in migrations {
        if !before.contains_key(&migration.name) && migration.apply(database)? {
            report.applied.push(migration.name);
        } else {
            report.already += 1;
        }
    }
    Ok(report)
}

/// One file.
struct Migration {
    name: String,
    text: String,
    checksum: String,
}

impl Migration {
    /// Refuses a file that is not what was applied under its name.
    fn check(&self, applied: &str) -> Result<()> {
        if applied == self.checksum {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Data,
            sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!(
                "{} has changed since it was applied (checksum {applied} then, {} now)",
                self.name, self.checksum
            ),
        )
        .on(self.name.clone())
        .with_hint(
            "put the file back as it was and make the change in a new file; if the change means nothing, \
             set its checksum in tailwater_migrations",
        ))
    }

    /// Runs the file and records it; `false` if another one was first.
    fn apply(&self, database: &Database) -> Result<bool> {
        let statements = self.statements()?;
        let done = database.update(|tx| {
            tx.exec(CREATE_TABLE, ())?;
            let recorded = tx
                .query(
                    "SELECT checksum FROM tailwater_migrations WHERE name = ?",
                    params![self.name.as_str()],
                )?
                .first()?;
            if let Some(row) = recorded {
                self.check(&row.get::<String>(0)?)?;
                return Ok(false);
            }
            for &(start, statement) in &statements {
                self.run(tx, start, statement)?;
            }
            tx.exec(
                "INSERT INTO tailwater_migrations VALUES (?, ?, now())",
                params![self.name.as_str(), self.checksum.as_str()],
            )?;
            Ok(true)
        });
        match done {
            Ok(committed) => Ok(committed.value),
            Err(error) if error.object() == Some(&self.name) => Err(error),
            // What only the commit could know.
            Err(error) => Err(self.failed(error, None)),
        }
    }

    /// The statements with their offsets; those that a transaction cannot hold are refused before anything runs.
    fn statements(&self) -> Result<Vec<(usize, &str)>> {
        let parsed = parse_script(&self.text).map_err(|error| {
            let position = error.position;
            self.failed(error.into(), position)
        })?;
        let mut statements = Vec::with_capacity(parsed.len());
        for parsed in parsed {
            let start = parsed.text_range.start;
            match &parsed.statement {
                statement if statement.is_transaction_control() => {
                    let error = Error::statement(
                        sqlstate::ACTIVE_SQL_TRANSACTION,
                        "transaction control is not allowed in a migration",
                    )
                    .with_hint("take BEGIN and COMMIT out: each file is one transaction already");
                    return Err(self.failed(error, Some(start)));
                }
                // They would end with the file, as they do in a session that ends.
                Statement::Set(_) | Statement::Reset(_) => {}
                _ => statements.push((start, self.text.get(parsed.text_range).unwrap_or_default())),
            }
        }
        Ok(statements)
    }

    fn run(&self, tx: &mut Tx<'_>, start: usize, statement: &str) -> Result<()> {
        match tx.exec(statement, ()) {
            Ok(_) => Ok(()),
            // The transaction runs again, or says so itself at last.
            Err(error) if error.is_retryable() => Err(error),
            Err(error) => {
                let position = start + error.position().unwrap_or(0);
                Err(self.failed(error, Some(position)))
            }
        }
    }

    /// The error with the name of the file and the place in it.
    fn failed(&self, error: Error, position: Option<usize>) -> Error {
        let place = match position {
            Some(position) => {
                let (line, column) = line_and_column(&self.text, position);
                format!("{}:{line}:{column}", self.name)
            }
            None => self.name.clone(),
        };
        let message = format!("{place}: {}", error.message());
        let mut own = Error::new(error.kind(), error.sqlstate(), message).on(self.name.clone());
        if let Some(hint) = error.hint() {
            own = own.with_hint(hint);
        }
        if let Some(position) = position {
            own = own.at(position);
        }
        own.because(error)
    }
}

/// Names and checksums of the files that were applied.
fn applied_before(database: &Database) -> Result<BTreeMap<String, String>> {
    match database.query("SELECT name, checksum FROM tailwater_migrations", ()) {
        Ok(rows) => Ok(rows.rows_as::<(String, String)>()?.into_iter().collect()),
        Err(error) if error.sqlstate() == sqlstate::UNDEFINED_TABLE => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

fn is_up(name: &str) -> bool {
    name.strip_suffix(".sql")
        .is_some_and(|stem| !stem.is_empty() && !stem.ends_with(".down"))
}

/// Numbers count as numbers: `2_b.sql` comes before `10_a.sql`.
fn order(name: &str) -> (u128, &str) {
    let digits = name.len() - name.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number = name.get(..digits).unwrap_or_default().parse();
    (number.unwrap_or(u128::MAX), name)
}

/// Eight hexadecimal digits over the text; line ends do not count, for version control may change them.
fn checksum(text: &str) -> String {
    format!(
        "{:08x}",
        tailwater_wal::checksum(text.replace("\r\n", "\n").as_bytes())
    )
}

/// Both count from 1, columns in characters.
fn line_and_column(text: &str, position: usize) -> (usize, usize) {
    let before = text.get(..position).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    let line = before.matches('\n').count() + 1;
    (
        line,
        before.get(line_start..).unwrap_or_default().chars().count() + 1,
    )
}

fn read(vfs: &dyn Vfs, path: &Path) -> Result<String> {
    let wrong = |message: &str, hint: &str| {
        let path = path.display().to_string();
        Error::data(
            sqlstate::INVALID_TEXT_REPRESENTATION,
            format!("{path}: {message}"),
        )
        .on(path)
        .with_hint(hint)
    };
    let bytes = || {
        let file = vfs.open(path, OpenMode::Read)?;
        let len = file.len()?;
        if len > FILE_BYTES_MAX {
            return Ok(None);
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(Some(bytes))
    };
    let Some(bytes) = bytes().map_err(|error| unreadable(path, error))? else {
        return Err(wrong(
            "more than 64 MiB",
            "keep data out of migrations: load it with COPY",
        ));
    };
    let text =
        String::from_utf8(bytes).map_err(|_| wrong("not valid UTF-8", "save the file as UTF-8"))?;
    match text.strip_prefix('\u{feff}') {
        Some(text) => Ok(text.to_owned()),
        None => Ok(text),
    }
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    let sqlstate = match error.kind() {
        std::io::ErrorKind::NotFound => sqlstate::UNDEFINED_FILE,
        _ => sqlstate::IO_ERROR,
    };
    Error::new(
        ErrorKind::Io,
        sqlstate,
        format!("{}: {error}", path.display()),
    )
    .on(path.display().to_string())
    .with_hint("name a folder of .sql files that the process may read")
    .because(error)
}

#[cfg(test)]
mod tests {
    use tailwater_wal::vfs::MemoryVfs;

    use super::*;

    fn folder(files: &[(&str, &str)]) -> MemoryVfs {
        let vfs = MemoryVfs::new();
        vfs.create_dir_all(Path::new("m")).unwrap();
        for (name, text) in files {
            let file = vfs
                .open(&Path::new("m").join(name), OpenMode::Create)
                .unwrap();
            file.set_len(0).unwrap();
            file.write_all_at(text.as_bytes(), 0).unwrap();
        }
        vfs
    }

    fn run(database: &Database, files: &[(&str, &str)]) -> Result<MigrationReport> {
        migrate_from(database, &folder(files), Path::new("m"))
    }

    fn tables(database: &Database, name: &str) -> bool {
        database.query(&format!("SELECT * FROM {name}"), ()).is_ok()
    }

    #[test]
    fn files_run_once_in_order_of_their_numbers() {
        let db = Database::memory().unwrap();
        let files = [
            (
                "10_fill.sql",
                "INSERT INTO t VALUES (1, 'x');\nINSERT INTO t VALUES (2, 'y')",
            ),
            ("2_name.up.sql", "ALTER TABLE t ADD COLUMN name TEXT;"),
            ("2_name.down.sql", "DROP TABLE t"),
            (
                "001_t.sql",
                "-- first\nSET client_encoding = 'UTF8';\nCREATE TABLE t (id INT PRIMARY KEY);",
            ),
            ("README.md", "not SQL"),
            ("zz_nothing.sql", "-- only a comment\n"),
        ];
        let report = run(&db, &files).unwrap();
        assert_eq!(
            report.applied,
            [
                "001_t.sql",
                "2_name.up.sql",
                "10_fill.sql",
                "zz_nothing.sql"
            ]
        );
        assert_eq!(report.already, 0);
        let report = run(&db, &files).unwrap();
        assert_eq!((report.applied.len(), report.already), (0, 4));
        let rows: Vec<(i64, String)> = db
            .query("SELECT * FROM t ORDER BY id", ())
            .unwrap()
            .rows_as()
            .unwrap();
        assert_eq!(rows, [(1, "x".to_owned()), (2, "y".to_owned())]);
        let recorded: i64 = db
            .query(
                "SELECT count(*) FROM tailwater_migrations WHERE applied_at IS NOT NULL",
                (),
            )
            .unwrap()
            .scalar()
            .unwrap();
        assert_eq!(recorded, 4);
    }

    #[test]
    fn line_ends_do_not_count_but_words_do() {
        let db = Database::memory().unwrap();
        run(&db, &[("1.sql", "CREATE TABLE t\n(id INT)")]).unwrap();
        assert_eq!(
            run(&db, &[("1.sql", "\u{feff}CREATE TABLE t\r\n(id INT)")])
                .unwrap()
                .already,
            1
        );
        let error = run(
            &db,
            &[
                ("0.sql", "CREATE TABLE u (id INT)"),
                ("1.sql", "CREATE TABLE t\n(id TEXT)"),
            ],
        )
        .unwrap_err();
        assert_eq!(error.sqlstate(), "55000");
        assert_eq!(error.object(), Some("1.sql"));
        assert!(
            error
                .message()
                .starts_with("1.sql has changed since it was applied"),
            "{error}"
        );
        assert!(error.hint().unwrap().contains("new file"));
        assert!(
            !tables(&db, "u"),
            "nothing is applied beside a changed file"
        );
    }

    #[test]
    fn a_failing_file_leaves_nothing_and_says_where() {
        let db = Database::memory().unwrap();
        let bad = "CREATE TABLE b (id INT PRIMARY KEY);\nINSERT INTO b VALUES (1);\n  INSERT INTO ü VALUES (1);";
        let error = run(&db, &[("1.sql", "CREATE TABLE a (id INT)"), ("2.sql", bad)]).unwrap_err();
        assert_eq!(error.sqlstate(), "42P01");
        assert!(error.message().starts_with("2.sql:3:"), "{error}");
        assert_eq!(
            bad.get(error.position().unwrap()..).unwrap().chars().next(),
            Some('ü')
        );
        assert!(tables(&db, "a") && !tables(&db, "b"));
        let fixed = bad.replace('ü', "b");
        let error = run(
            &db,
            &[("1.sql", "CREATE TABLE a (id INT)"), ("2.sql", &fixed)],
        )
        .unwrap_err();
        assert_eq!(error.sqlstate(), "23505");
        assert!(error.message().starts_with("2.sql:3:3: "), "{error}");
        let fixed = fixed.replace("  INSERT INTO b VALUES (1)", "INSERT INTO b VALUES (2)");
        let report = run(
            &db,
            &[("1.sql", "CREATE TABLE a (id INT)"), ("2.sql", &fixed)],
        )
        .unwrap();
        assert_eq!(
            report,
            MigrationReport {
                applied: vec!["2.sql".into()],
                already: 1
            }
        );
    }

    #[test]
    fn text_that_does_not_parse_and_transaction_control_are_refused_with_their_place() {
        let db = Database::memory().unwrap();
        let error = run(
            &db,
            &[("1.sql", "CREATE TABLE a (id INT);\nCREATE TABEL b")],
        )
        .unwrap_err();
        assert_eq!(error.sqlstate(), "42601");
        assert!(error.message().starts_with("1.sql:2:8: "), "{error}");
        let error = run(
            &db,
            &[("1.sql", "BEGIN;\nCREATE TABLE a (id INT);\nCOMMIT;")],
        )
        .unwrap_err();
        assert!(error.message().starts_with("1.sql:1:1: "), "{error}");
        assert!(error.hint().unwrap().contains("take BEGIN and COMMIT out"));
        assert!(!tables(&db, "a"));
    }

    #[test]
    fn a_missing_folder_and_a_file_of_other_bytes_are_named() {
        let db = Database::memory().unwrap();
        let error = migrate_from(&db, &MemoryVfs::new(), Path::new("nowhere")).unwrap_err();
        assert_eq!(
            (error.sqlstate(), error.object()),
            ("58P01", Some("nowhere"))
        );
        let vfs = folder(&[]);
        let file = vfs.open(Path::new("m/1.sql"), OpenMode::Create).unwrap();
        file.write_all_at(&[0xff, 0xfe], 0).unwrap();
        let error = migrate_from(&db, &vfs, Path::new("m")).unwrap_err();
        assert!(error.message().contains("not valid UTF-8"), "{error}");
    }

    #[test]
    fn threads_that_migrate_at_once_apply_each_file_once() {
        let db = Database::memory().unwrap();
        let files: Vec<(String, String)> = (0..8)
            .map(|n| {
                (
                    format!("{n}.sql"),
                    format!("CREATE TABLE t{n} (id INT); INSERT INTO t{n} VALUES (1)"),
                )
            })
            .collect();
        let applied: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let files: Vec<_> = files
                            .iter()
                            .map(|(n, t)| (n.as_str(), t.as_str()))
                            .collect();
                        run(&db, &files).unwrap().applied.len()
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(applied, 8);
        for n in 0..8 {
            let rows: i64 = db
                .query(&format!("SELECT count(*) FROM t{n}"), ())
                .unwrap()
                .scalar()
                .unwrap();
            assert_eq!(rows, 1);
        }
    }

    #[test]
    fn places_are_counted_in_characters() {
        assert_eq!(line_and_column("ab", 0), (1, 1));
        assert_eq!(line_and_column("ü\nüx", 5), (2, 2));
        assert_eq!(line_and_column("a\n", 9), (2, 1));
    }
}
