//! Chinook itself: the dump as statements, the five views, and a random cut of a few hundred rows that belong together.

use std::collections::BTreeSet;

use tailwater::{Outcome, Parameters, Session, Value};

use super::common::{Rng, rows, suites};

/// The views and the queries they must equal.
pub(crate) const VIEWS: [(&str, &str); 5] = [
    (
        "sales_by_genre",
        "SELECT g.name AS genre, sum(l.quantity) AS sold, sum(l.unit_price * l.quantity) AS sales, \
         count(DISTINCT l.invoice_id) AS invoices \
         FROM invoice_line l JOIN track t ON t.track_id = l.track_id JOIN genre g ON g.genre_id = t.genre_id \
         GROUP BY g.name",
    ),
    (
        "sales_by_country_month",
        "SELECT billing_country AS country, date_trunc('month', invoice_date) AS month, count(*) AS invoices, \
         sum(total) AS total, avg(total) AS mean, max(invoice_date) AS latest \
         FROM invoice GROUP BY billing_country, date_trunc('month', invoice_date)",
    ),
    (
        "top_customers",
        "SELECT c.customer_id, c.first_name || ' ' || c.last_name AS name, sum(i.total) AS spent \
         FROM customer c JOIN invoice i ON i.customer_id = c.customer_id \
         GROUP BY c.customer_id, c.first_name, c.last_name HAVING sum(i.total) > 5 ORDER BY spent DESC",
    ),
    (
        "album_lengths",
        "SELECT a.album_id, a.title, r.name AS artist, count(*) AS tracks, sum(t.milliseconds) AS length, \
         min(t.milliseconds) AS shortest, max(t.name) AS last_title, count(t.genre_id) AS with_genre \
         FROM album a JOIN artist r ON r.artist_id = a.artist_id JOIN track t ON t.album_id = a.album_id \
         GROUP BY a.album_id, a.title, r.name",
    ),
    (
        "playlists",
        "SELECT p.playlist_id, p.name AS playlist, t.track_id, t.name AS track, t.milliseconds / 1000 AS seconds \
         FROM playlist p JOIN playlist_track m ON m.playlist_id = p.playlist_id \
         JOIN track t ON t.track_id = m.track_id",
    ),
];

/// The tables the views read, with their keys.
pub(crate) const TABLES: [(&str, &str); 9] = [
    ("artist", "artist_id"),
    ("album", "album_id"),
    ("genre", "genre_id"),
    ("track", "track_id"),
    ("customer", "customer_id"),
    ("invoice", "invoice_id"),
    ("invoice_line", "invoice_line_id"),
    ("playlist", "playlist_id"),
    ("playlist_track", "playlist_id, track_id"),
];

/// The dump's statements, without psql's commands and those about the database as a whole.
fn statements() -> Vec<String> {
    let path = suites().join("chinook/Chinook_PostgreSql.sql");
    let dump = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut found = Vec::new();
    let mut statement = String::new();
    for line in dump.lines().filter(|line| !line.starts_with('\\')) {
        statement.push_str(line);
        statement.push('\n');
        if line.trim_end().ends_with(';') {
            found.push(std::mem::take(&mut statement));
        }
    }
    found.retain(|sql| !sql.contains(" DATABASE "));
    found
}

/// Loads the dump; returns how many FOREIGN KEY constraints were refused.
pub(crate) fn load(session: &mut Session) -> usize {
    let mut refused = 0;
    for sql in statements() {
        match session.execute(&sql, ()) {
            Ok(_) => {}
            Err(error) if sql.contains("FOREIGN KEY") => {
                assert_eq!(error.sqlstate(), "0A000", "{error}");
                refused += 1;
            }
            Err(error) => {
                let head: String = sql.chars().take(200).collect();
                panic!("{head}: {error}");
            }
        }
    }
    refused
}

pub(crate) fn create_views(session: &mut Session) {
    for (name, query) in VIEWS {
        session
            .execute(&format!("CREATE MATERIALIZED VIEW {name} AS {query}"), ())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// The keys of each table, in the order of `TABLES`.
pub(crate) type Ids = Vec<BTreeSet<Vec<i64>>>;

pub(crate) fn ids(session: &mut Session) -> Ids {
    TABLES
        .iter()
        .map(|(table, key)| {
            rows(session, &format!("SELECT {key} FROM {table}"), ())
                .unwrap()
                .iter()
                .map(|row| row.iter().map(integer).collect())
                .collect()
        })
        .collect()
}

pub(crate) fn integer(value: &Value) -> i64 {
    match value {
        Value::Int(number) => *number,
        other => panic!("{other} is not an integer"),
    }
}

/// The keys a query finds, as the inside of an IN list.
fn list(session: &mut Session, sql: &str, rng: &mut Rng, count: usize) -> String {
    let mut found = rows(session, sql, ()).unwrap();
    let mut chosen = Vec::new();
    while chosen.len() < count && !found.is_empty() {
        let place = rng.below(found.len());
        chosen.push(found.swap_remove(place)[0].to_string());
    }
    chosen.join(", ")
}

/// Makes Chinook's tables and the views in an empty database, then copies a random part of Chinook into it:
/// some customers, their invoices and lines, the tracks on them, and what those belong to.
pub(crate) fn cut(whole: &mut Session, part: &mut Session, rng: &mut Rng) -> Ids {
    for sql in statements() {
        if sql.contains("CREATE TABLE") || sql.contains("CREATE INDEX") {
            part.execute(&sql, ()).unwrap();
        }
    }
    create_views(part);
    let customers = list(whole, "SELECT customer_id FROM customer", rng, 6);
    let invoices = list(
        whole,
        &format!("SELECT invoice_id FROM invoice WHERE customer_id IN ({customers})"),
        rng,
        12,
    );
    let lines = list(
        whole,
        &format!("SELECT invoice_line_id FROM invoice_line WHERE invoice_id IN ({invoices})"),
        rng,
        24,
    );
    let of_lines = format!("SELECT track_id FROM invoice_line WHERE invoice_line_id IN ({lines})");
    let tracks = list(whole, &of_lines, rng, 16);
    let of_tracks =
        |column: &str| format!("SELECT {column} FROM track WHERE track_id IN ({tracks})");
    let albums = list(whole, &of_tracks("album_id"), rng, 12);
    let wheres = [
        format!("artist_id IN (SELECT artist_id FROM album WHERE album_id IN ({albums}))"),
        format!("album_id IN ({albums})"),
        format!("genre_id IN ({})", of_tracks("genre_id")),
        format!("track_id IN ({tracks})"),
        format!("customer_id IN ({customers})"),
        format!("invoice_id IN ({invoices})"),
        format!("invoice_line_id IN ({lines})"),
        "playlist_id < 12".to_owned(),
        format!("track_id IN ({tracks}) AND playlist_id < 12"),
    ];
    for ((table, _), condition) in TABLES.iter().zip(wheres) {
        let found = rows(
            whole,
            &format!("SELECT * FROM {table} WHERE {condition}"),
            (),
        )
        .unwrap();
        assert!(!found.is_empty(), "{table} WHERE {condition}");
        for row in found {
            let places = vec!["?"; row.len()].join(", ");
            let done = part
                .execute(
                    &format!("INSERT INTO {table} VALUES ({places})"),
                    Parameters::positional(row),
                )
                .unwrap();
            assert!(matches!(done, Outcome::Done { rows: 1, .. }));
        }
    }
    ids(part)
}
