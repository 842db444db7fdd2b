//! The audit: acknowledgements, frames, oracle and database are laid beside each other when the chat is over.
//! Next door: `oracle`, which it asks.

use serde_json::{Value as Json, json};
use tailwater::Database;

use super::Outcome;
use super::oracle::Oracle;
use super::tables::VIEWS;

/// Compares everything; returns the final rows of the views as JSON lines.
pub(crate) fn audit(oracle: &mut Oracle, db: &Database) -> Outcome<Vec<String>> {
    for (lsn, deed) in &oracle.acknowledged {
        if oracle.delivered.get(lsn) != Some(deed) {
            oracle.lost += 1;
            return Err(format!("{deed:?} was acknowledged at lsn {lsn} and not delivered").into());
        }
    }
    let mut lines = Vec::new();
    for ((view, query), ((_, fold), expected)) in
        VIEWS.iter().zip(oracle.folds.iter().zip(oracle.rows()))
    {
        let stored = rows(db, &format!("SELECT * FROM {view}"))?;
        lines.extend(
            stored
                .iter()
                .map(|row| format!(r#"{{"view":"{view}","row":{row}}}"#)),
        );
        same(
            view,
            &stored,
            "its frames, folded",
            fold.values().cloned().collect(),
        )?;
        same(view, &stored, "its query, recomputed", rows(db, query)?)?;
        same(view, &stored, "the oracle", expected)?;
        let check = rows(db, &format!("CHECK VIEW {view}"))?.concat();
        if !check.contains(r#""differences":0"#) {
            return Err(format!("CHECK VIEW {view}: {check}").into());
        }
    }
    let times = db.query("SELECT * FROM chat_messages", ())?;
    let times = times.map(|row| Ok(row?.values()[1].to_string()));
    if !times.collect::<tailwater::Result<Vec<_>>>()?.is_sorted() {
        return Err("chat_messages is not read in time order".into());
    }
    let member = |(chat, user): &(String, String)| {
        json!({"user_chat_chat_id": chat, "user_chat_user_id": user}).to_string()
    };
    let members = oracle.members.iter().map(member).collect();
    same(
        "user_chat",
        &rows(db, "SELECT * FROM user_chat")?,
        "the oracle",
        members,
    )?;
    Ok(lines)
}

/// Rows as JSON.
fn rows(db: &Database, sql: &str) -> Outcome<Vec<String>> {
    let json = |row: String| Ok(serde_json::from_str::<Json>(&row)?.to_string());
    db.query(sql, ())?
        .map(|row| json(row?.to_document().to_string()))
        .collect()
}

/// Compares two sets of rows.
fn same(view: &str, stored: &[String], other: &str, mut rows: Vec<String>) -> Outcome<()> {
    let mut stored = stored.to_vec();
    stored.sort_unstable();
    rows.sort_unstable();
    if stored == rows {
        return Ok(());
    }
    let odd = stored.iter().zip(&rows).find(|(left, right)| left != right);
    Err(format!(
        "{view}: {} rows, {other}: {} rows, {odd:?}",
        stored.len(),
        rows.len()
    )
    .into())
}
