//! `Operation`: one step of a workload, as data: what the database is asked, and what the model makes of it.
//!
//! Every operation makes sense in every state (the model says what fails), so that a workload can be cut anywhere and
//! still means something. Next door: `model`, which predicts; `simulation`, which plays.

use std::fmt;

use crate::rng::Rng;

/// Tables there may be: `t0`, `t1`.
pub const TABLES: u8 = 2;
/// Keys of a table.
const IDS: usize = 24;
/// Values of the column `grp`.
const GROUPS: usize = 4;
/// Bytes of a large row's text, at most.
const LARGE_BYTES_MAX: usize = 40_000;

/// A materialised view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum View {
    /// `SELECT grp, count(*), sum(n) … GROUP BY grp` of a table.
    Groups(u8),
    /// The rows of a table with `n > 50`.
    Big(u8),
    /// Pairs of rows of `t0` and `t1` of one group.
    Joined,
}

impl View {
    /// All there may be.
    pub const ALL: [Self; 5] = [
        Self::Groups(0),
        Self::Groups(1),
        Self::Big(0),
        Self::Big(1),
        Self::Joined,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Groups(table) => format!("groups_{table}"),
            Self::Big(table) => format!("big_{table}"),
            Self::Joined => "joined".to_owned(),
        }
    }

    /// Its query.
    #[must_use]
    pub fn query(self) -> String {
        match self {
            Self::Groups(table) => {
                format!("SELECT grp, count(*) AS rows, sum(n) AS total FROM t{table} GROUP BY grp")
            }
            Self::Big(table) => format!("SELECT id, n FROM t{table} WHERE n > 50"),
            Self::Joined => {
                "SELECT a.id AS a, b.id AS b, a.n + b.n AS n FROM t0 a JOIN t1 b ON a.grp = b.grp"
                    .to_owned()
            }
        }
    }

    /// Whether it reads the table.
    #[must_use]
    pub fn reads(self, table: u8) -> bool {
        match self {
            Self::Groups(of) | Self::Big(of) => of == table,
            Self::Joined => true,
        }
    }
}

/// A step of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "a field is the table, the column or the number that its name says"
)]
pub enum Operation {
    /// A new row.
    Insert {
        table: u8,
        id: i64,
        group: i64,
        n: i64,
    },
    /// Adds to `n` of a row.
    Update { table: u8, id: i64, add: i64 },
    /// Gives a row another key.
    Move { table: u8, from: i64, to: i64 },
    /// A row less.
    Delete { table: u8, id: i64 },
    /// Several rows in one transaction; those that are there are left alone.
    MultiRow {
        table: u8,
        first: i64,
        count: i64,
        group: i64,
    },
    /// Adds to `n` of all rows of a group.
    UpdateMany { table: u8, group: i64, add: i64 },
    /// All rows of a group less.
    DeleteMany { table: u8, group: i64 },
    /// A row with a long text.
    Large { table: u8, id: i64, bytes: usize },
    /// A new row whose commit nobody waits for yet.
    Submit {
        table: u8,
        id: i64,
        group: i64,
        n: i64,
    },
    /// Waits for all commits submitted so far.
    Wait,
    /// Two transactions that change the same row, the second of which must not win unseen.
    Conflict { table: u8, id: i64 },
    /// A table, if it is not there.
    CreateTable { table: u8 },
    /// A table less, if it is there.
    DropTable { table: u8 },
    /// An index on `grp`, if it is not there.
    CreateIndex { table: u8 },
    /// That index less, if it is there.
    DropIndex { table: u8 },
    /// All rows less, at once.
    Truncate { table: u8 },
    /// A view, if it is not there.
    CreateView(View),
    /// A view less, if it is there.
    DropView(View),
    /// A checkpoint.
    Checkpoint,
    /// A step of background work.
    Background { choice: usize },
    /// The subscribers take what there is and store how far they are.
    Ack,
    /// The database is closed and opened again.
    Restart,
    /// The disk is full but for so many bytes.
    DiskFull { left: u64 },
    /// The disk has room again.
    DiskFree,
}

/// Names of kinds of operations, for counting.
pub const KINDS: [&str; 14] = [
    "insert",
    "update",
    "delete",
    "multi-row",
    "large",
    "submit",
    "conflict",
    "DDL",
    "view",
    "checkpoint",
    "background",
    "subscriber ack",
    "restart",
    "disk full",
];

impl Operation {
    /// Its kind: a position in [`KINDS`].
    #[must_use]
    pub fn kind(&self) -> usize {
        match self {
            Self::Insert { .. } => 0,
            Self::Update { .. } | Self::Move { .. } => 1,
            Self::Delete { .. } => 2,
            Self::MultiRow { .. } | Self::UpdateMany { .. } | Self::DeleteMany { .. } => 3,
            Self::Large { .. } => 4,
            Self::Submit { .. } | Self::Wait => 5,
            Self::Conflict { .. } => 6,
            Self::CreateTable { .. }
            | Self::DropTable { .. }
            | Self::CreateIndex { .. }
            | Self::DropIndex { .. }
            | Self::Truncate { .. } => 7,
            Self::CreateView(_) | Self::DropView(_) => 8,
            Self::Checkpoint => 9,
            Self::Background { .. } => 10,
            Self::Ack => 11,
            Self::Restart => 12,
            Self::DiskFull { .. } | Self::DiskFree => 13,
        }
    }

    /// A random one.
    pub fn random(rng: &mut Rng) -> Self {
        let table = (rng.below(5) == 0).into();
        let id = rng.below(IDS) as i64;
        let group = rng.below(GROUPS) as i64;
        let n = rng.below(100) as i64;
        let view = View::ALL[rng.below(View::ALL.len())];
        match rng.below(100) {
            0..=15 => Self::Insert {
                table,
                id,
                group,
                n,
            },
            16..=24 => Self::Update {
                table,
                id,
                add: 1 + n,
            },
            25..=27 => Self::Move {
                table,
                from: id,
                to: (id + 1 + n) % IDS as i64 + i64::from(n == 23),
            },
            28..=35 => Self::Delete { table, id },
            36..=41 => Self::MultiRow {
                table,
                first: id,
                count: 1 + group * 2,
                group: n % 4,
            },
            42..=44 => Self::UpdateMany {
                table,
                group,
                add: 1 + n,
            },
            45..=46 => Self::DeleteMany { table, group },
            47..=49 => Self::Large {
                table,
                id,
                bytes: 1 + rng.below(LARGE_BYTES_MAX),
            },
            50..=59 => Self::Submit {
                table,
                id,
                group,
                n,
            },
            60..=63 => Self::Wait,
            64..=65 => Self::Conflict { table, id },
            66 => Self::DropTable { table },
            67..=68 => Self::CreateTable { table },
            69..=70 => Self::CreateIndex { table },
            71 => Self::DropIndex { table },
            72 => Self::Truncate { table },
            73..=76 => Self::CreateView(view),
            77 => Self::DropView(view),
            78..=81 => Self::Checkpoint,
            82..=90 => Self::Background {
                choice: rng.below(6),
            },
            91..=95 => Self::Ack,
            96..=97 => Self::Restart,
            98 => Self::DiskFull {
                left: rng.below(40_000) as u64,
            },
            _ => Self::DiskFree,
        }
    }

    /// What it asks, in SQL; `None` if it is not a statement.
    #[must_use]
    pub fn sql(&self) -> Option<String> {
        Some(match self {
            Self::Insert {
                table,
                id,
                group,
                n,
            }
            | Self::Submit {
                table,
                id,
                group,
                n,
            } => {
                format!("INSERT INTO t{table} VALUES ({id}, {group}, {n}, 'row {id}')")
            }
            Self::Update { table, id, add } => {
                format!("UPDATE t{table} SET n = n + {add} WHERE id = {id}")
            }
            Self::Move { table, from, to } => {
                format!("UPDATE t{table} SET id = {to} WHERE id = {from}")
            }
            Self::Delete { table, id } => format!("DELETE FROM t{table} WHERE id = {id}"),
            Self::MultiRow {
                table,
                first,
                count,
                group,
            } => {
                let rows =
                    (*first..first + count).map(|id| format!("({id}, {group}, {id}, 'row {id}')"));
                let rows: Vec<_> = rows.collect();
                format!(
                    "INSERT INTO t{table} VALUES {} ON CONFLICT DO NOTHING",
                    rows.join(", ")
                )
            }
            Self::UpdateMany { table, group, add } => {
                format!("UPDATE t{table} SET n = n + {add} WHERE grp = {group}")
            }
            Self::DeleteMany { table, group } => {
                format!("DELETE FROM t{table} WHERE grp = {group}")
            }
            Self::Large { table, id, bytes } => {
                format!(
                    "INSERT INTO t{table} VALUES ({id}, 0, 60, '{}')",
                    large_text(*id, *bytes)
                )
            }
            Self::CreateTable { table } => format!(
                "CREATE TABLE IF NOT EXISTS t{table} (id INT PRIMARY KEY, grp INT, n BIGINT, body TEXT)"
            ),
            Self::DropTable { table } => format!("DROP TABLE IF EXISTS t{table}"),
            Self::CreateIndex { table } => {
                format!("CREATE INDEX IF NOT EXISTS t{table}_grp ON t{table} (grp)")
            }
            Self::DropIndex { table } => format!("DROP INDEX IF EXISTS t{table}_grp"),
            Self::Truncate { table } => format!("TRUNCATE t{table}"),
            Self::CreateView(view) => format!(
                "CREATE MATERIALIZED VIEW IF NOT EXISTS {} AS {}",
                view.name(),
                view.query()
            ),
            Self::DropView(view) => format!("DROP MATERIALIZED VIEW IF EXISTS {}", view.name()),
            Self::Wait
            | Self::Conflict { .. }
            | Self::Checkpoint
            | Self::Background { .. }
            | Self::Ack
            | Self::Restart
            | Self::DiskFull { .. }
            | Self::DiskFree => return None,
        })
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Large { table, id, bytes } => {
                write!(f, "insert row {id} of {bytes} bytes into t{table}")
            }
            Self::Submit { .. } => write!(f, "submit: {}", self.sql().unwrap_or_default()),
            other => match other.sql() {
                Some(sql) => f.write_str(&sql),
                None => write!(f, "{other:?}"),
            },
        }
    }
}

/// The text of a large row.
#[must_use]
pub fn large_text(id: i64, bytes: usize) -> String {
    let word = format!("large {id} ");
    word.chars().cycle().take(bytes).collect()
}
