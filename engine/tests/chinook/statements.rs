//! Random INSERT, UPDATE and DELETE over Chinook's tables, single and many rows, which keep the tables about as large
//! as they were. What is in the tables is known here by its keys only, learnt from RETURNING.

use tailwater::Value;

use super::common::Rng;
use super::shop::{Ids, TABLES, integer};

/// Places of the tables in `TABLES`.
mod at {
    pub(super) const ARTIST: usize = 0;
    pub(super) const ALBUM: usize = 1;
    pub(super) const GENRE: usize = 2;
    pub(super) const TRACK: usize = 3;
    pub(super) const CUSTOMER: usize = 4;
    pub(super) const INVOICE: usize = 5;
    pub(super) const LINE: usize = 6;
    pub(super) const PLAYLIST: usize = 7;
    pub(super) const MEMBER: usize = 8;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Insert,
    Update,
    Delete,
}

/// One statement; it returns the keys of the rows it changed.
pub(crate) struct Statement {
    pub(crate) sql: String,
    pub(crate) kind: Kind,
    /// It inserts a key that is there already.
    pub(crate) may_fail: bool,
    table: usize,
    /// The key an UPDATE takes away.
    rekeyed: Option<Vec<i64>>,
}

/// The keys that are in the tables.
#[derive(Clone)]
pub(crate) struct Shop {
    keys: Ids,
    aims: Vec<usize>,
}

impl Shop {
    pub(crate) fn new(keys: Ids) -> Self {
        let aims = keys.iter().map(|keys| keys.len().max(6)).collect();
        Self { keys, aims }
    }

    /// Rows in all tables.
    pub(crate) fn rows(&self) -> usize {
        self.keys.iter().map(std::collections::BTreeSet::len).sum()
    }

    /// Learns what a statement did.
    pub(crate) fn note(&mut self, statement: &Statement, returned: &[Vec<Value>]) {
        let keys = &mut self.keys[statement.table];
        if let Some(gone) = &statement.rekeyed {
            assert!(keys.remove(gone), "{}", statement.sql);
        }
        for row in returned {
            let key: Vec<i64> = row.iter().map(integer).collect();
            match statement.kind {
                Kind::Insert => assert!(keys.insert(key), "{}", statement.sql),
                Kind::Update => {
                    let is_new = keys.insert(key);
                    assert_eq!(is_new, statement.rekeyed.is_some(), "{}", statement.sql);
                }
                Kind::Delete => assert!(keys.remove(&key), "{}", statement.sql),
            }
        }
    }

    /// A key that is there, mostly; seldom one that is not.
    fn any(&self, rng: &mut Rng, table: usize) -> i64 {
        let keys = &self.keys[table];
        if keys.is_empty() || rng.percent(5) {
            return rng.between(1, 40);
        }
        keys.iter().nth(rng.below(keys.len())).unwrap()[0]
    }

    fn fresh(&self, rng: &mut Rng, table: usize, taken: &[i64]) -> i64 {
        let most = i64::try_from(self.aims[table] * 4 + 20).unwrap();
        loop {
            let id = rng.between(1, most);
            if !taken.contains(&id) && !self.keys[table].contains(&vec![id]) {
                return id;
            }
        }
    }

    pub(crate) fn statement(&self, rng: &mut Rng) -> Statement {
        let table = *rng.pick(&[
            at::ARTIST,
            at::ALBUM,
            at::ALBUM,
            at::GENRE,
            at::TRACK,
            at::TRACK,
            at::TRACK,
            at::CUSTOMER,
            at::INVOICE,
            at::INVOICE,
            at::INVOICE,
            at::LINE,
            at::LINE,
            at::LINE,
            at::LINE,
            at::PLAYLIST,
            at::MEMBER,
            at::MEMBER,
            at::MEMBER,
        ]);
        let (now, aim) = (self.keys[table].len(), self.aims[table]);
        let kind = match rng.below(100) {
            _ if now * 2 < aim => Kind::Insert,
            _ if now > aim * 3 / 2 => Kind::Delete,
            0..36 => Kind::Insert,
            36..68 => Kind::Update,
            _ => Kind::Delete,
        };
        match kind {
            Kind::Insert => self.insert(rng, table),
            Kind::Update => self.update(rng, table),
            Kind::Delete => self.delete(rng, table),
        }
    }

    fn insert(&self, rng: &mut Rng, table: usize) -> Statement {
        let may_fail = rng.percent(3) && !self.keys[table].is_empty();
        let count = if rng.percent(50) {
            1
        } else {
            rng.between(2, 4)
        };
        let mut rows = Vec::new();
        if table == at::MEMBER {
            let mut keys = Vec::new();
            while keys.is_empty() {
                for _ in 0..count {
                    let playlist = self.any(rng, at::PLAYLIST);
                    let track = if rng.percent(20) {
                        rng.between(1, 4000)
                    } else {
                        self.any(rng, at::TRACK)
                    };
                    let key = vec![playlist, track];
                    if !keys.contains(&key) && !self.keys[table].contains(&key) {
                        keys.push(key);
                    }
                }
            }
            if may_fail {
                let there = self.keys[table]
                    .iter()
                    .nth(rng.below(self.keys[table].len()));
                keys.push(there.unwrap().clone());
            }
            rows.extend(keys.iter().map(|key| format!("({}, {})", key[0], key[1])));
        } else {
            let mut taken = Vec::new();
            for _ in 0..count {
                taken.push(self.fresh(rng, table, &taken));
            }
            if may_fail {
                let there = self.keys[table]
                    .iter()
                    .nth(rng.below(self.keys[table].len()));
                taken.push(there.unwrap()[0]);
            }
            rows.extend(taken.iter().map(|id| self.row(rng, table, *id)));
        }
        let columns = match table {
            at::CUSTOMER => " (customer_id, first_name, last_name, country, email)",
            at::INVOICE => " (invoice_id, customer_id, invoice_date, billing_country, total)",
            at::TRACK => {
                " (track_id, name, album_id, media_type_id, genre_id, milliseconds, unit_price)"
            }
            _ => "",
        };
        let (name, key) = TABLES[table];
        Statement {
            sql: format!(
                "INSERT INTO {name}{columns} VALUES {} RETURNING {key}",
                rows.join(", ")
            ),
            kind: Kind::Insert,
            may_fail,
            table,
            rekeyed: None,
        }
    }

    fn row(&self, rng: &mut Rng, table: usize, id: i64) -> String {
        match table {
            at::ARTIST | at::GENRE | at::PLAYLIST => format!("({id}, {})", name_or_null(rng)),
            at::ALBUM => format!("({id}, {}, {})", name(rng), self.any(rng, at::ARTIST)),
            at::TRACK => format!(
                "({id}, {}, {}, 1, {}, {}, {})",
                name(rng),
                self.or_null(rng, at::ALBUM),
                self.or_null(rng, at::GENRE),
                rng.between(1_000, 400_000),
                price(rng)
            ),
            at::CUSTOMER => format!(
                "({id}, {}, {}, {}, 'a@b.c')",
                name(rng),
                name(rng),
                country(rng)
            ),
            at::INVOICE => format!(
                "({id}, {}, {}, {}, {})",
                self.any(rng, at::CUSTOMER),
                day(rng),
                country(rng),
                price(rng)
            ),
            _ => format!(
                "({id}, {}, {}, {}, {})",
                self.any(rng, at::INVOICE),
                self.any(rng, at::TRACK),
                price(rng),
                rng.between(0, 3)
            ),
        }
    }

    fn or_null(&self, rng: &mut Rng, table: usize) -> String {
        if rng.percent(10) {
            "NULL".to_owned()
        } else {
            self.any(rng, table).to_string()
        }
    }

    fn update(&self, rng: &mut Rng, table: usize) -> Statement {
        let (table_name, key) = TABLES[table];
        let id = self.any(rng, table);
        let is_there = self.keys[table].contains(&vec![id]);
        let mut rekeyed = None;
        let mut condition = format!("{key} = {id}");
        let change = match table {
            at::MEMBER => {
                let old = self.keys[table]
                    .iter()
                    .nth(rng.below(self.keys[table].len().max(1)));
                let old = old.cloned().unwrap_or(vec![0, 0]);
                let mut new = old.clone();
                while self.keys[table].contains(&new) || new == old {
                    new[1] = rng.between(1, 4000);
                }
                condition = format!("playlist_id = {} AND track_id = {}", old[0], old[1]);
                if self.keys[table].contains(&old) {
                    rekeyed = Some(old);
                }
                format!("track_id = {}", new[1])
            }
            _ if rng.percent(12) => {
                if is_there {
                    rekeyed = Some(vec![id]);
                }
                format!("{key} = {}", self.fresh(rng, table, &[]))
            }
            at::ARTIST | at::GENRE | at::PLAYLIST => {
                if rng.percent(15) {
                    condition = format!("{key} % 3 = {}", rng.below(3));
                }
                format!("name = {}", name_or_null(rng))
            }
            at::ALBUM => match rng.below(3) {
                0 => format!("title = {}", name(rng)),
                1 => format!("artist_id = {}", self.any(rng, at::ARTIST)),
                _ => {
                    condition = format!("artist_id = {}", self.any(rng, at::ARTIST));
                    "title = title || '!'".to_owned()
                }
            },
            at::TRACK => match rng.below(6) {
                0 => format!("name = {}", name(rng)),
                1 => format!(
                    "milliseconds = milliseconds + {}",
                    rng.between(-1_000, 1_000)
                ),
                2 => format!("album_id = {}", self.or_null(rng, at::ALBUM)),
                3 => format!("genre_id = {}", self.or_null(rng, at::GENRE)),
                4 => {
                    condition = format!("album_id = {}", self.any(rng, at::ALBUM));
                    format!("genre_id = {}", self.or_null(rng, at::GENRE))
                }
                _ => {
                    condition = format!("milliseconds > {}", rng.between(200_000, 400_000));
                    "milliseconds = milliseconds - 7".to_owned()
                }
            },
            at::CUSTOMER => format!("last_name = {}", name(rng)),
            at::INVOICE => match rng.below(5) {
                0 => format!("total = total + {}", price(rng)),
                1 => format!("invoice_date = {}", day(rng)),
                2 => format!("billing_country = {}", country(rng)),
                3 => format!("customer_id = {}", self.any(rng, at::CUSTOMER)),
                _ => {
                    condition = format!("customer_id = {}", self.any(rng, at::CUSTOMER));
                    format!("total = {}, billing_country = {}", price(rng), country(rng))
                }
            },
            _ => match rng.below(5) {
                0 => format!("quantity = {}", rng.between(0, 4)),
                1 => format!("unit_price = {}", price(rng)),
                2 => format!("track_id = {}", self.any(rng, at::TRACK)),
                3 => format!("invoice_id = {}", self.any(rng, at::INVOICE)),
                _ => {
                    condition = format!("invoice_id = {}", self.any(rng, at::INVOICE));
                    "quantity = quantity + 1".to_owned()
                }
            },
        };
        Statement {
            sql: format!("UPDATE {table_name} SET {change} WHERE {condition} RETURNING {key}"),
            kind: Kind::Update,
            may_fail: false,
            table,
            rekeyed,
        }
    }

    fn delete(&self, rng: &mut Rng, table: usize) -> Statement {
        let (table_name, key) = TABLES[table];
        let id = self.any(rng, table);
        let mut condition = format!("{key} = {id}");
        if table == at::MEMBER {
            let pair = self.keys[table]
                .iter()
                .nth(rng.below(self.keys[table].len().max(1)));
            let pair = pair.cloned().unwrap_or(vec![0, 0]);
            condition = format!("playlist_id = {} AND track_id = {}", pair[0], pair[1]);
        }
        if rng.percent(20) {
            condition = match table {
                at::MEMBER if rng.percent(50) => format!("track_id = {}", self.any(rng, at::TRACK)),
                at::MEMBER => format!("playlist_id = {}", self.any(rng, at::PLAYLIST)),
                at::LINE => format!("invoice_id = {}", self.any(rng, at::INVOICE)),
                at::INVOICE => format!("customer_id = {}", self.any(rng, at::CUSTOMER)),
                at::TRACK => format!("album_id = {}", self.any(rng, at::ALBUM)),
                _ => format!("{key} IN ({id}, {})", self.any(rng, table)),
            };
        }
        Statement {
            sql: format!("DELETE FROM {table_name} WHERE {condition} RETURNING {key}"),
            kind: Kind::Delete,
            may_fail: false,
            table,
            rekeyed: None,
        }
    }
}

fn name(rng: &mut Rng) -> String {
    let names = [
        "Rock", "Jazz", "Ada", "Björk", "it''s", "", "長い", "blue", "Rock 2",
    ];
    format!("'{}'", rng.pick(&names))
}

fn name_or_null(rng: &mut Rng) -> String {
    if rng.percent(10) {
        "NULL".to_owned()
    } else {
        name(rng)
    }
}

fn country(rng: &mut Rng) -> &'static str {
    rng.pick::<&'static str>(&["'Norway'", "'USA'", "'Chile'", "NULL", "'Brazil'"])
}

fn day(rng: &mut Rng) -> String {
    format!(
        "'20{}-{:02}-{:02} 12:30:00'",
        rng.between(24, 25),
        rng.between(1, 4),
        rng.between(1, 28)
    )
}

fn price(rng: &mut Rng) -> String {
    format!("{}.{:02}", rng.between(0, 9), rng.below(100))
}
