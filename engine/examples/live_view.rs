//! A view that replaces a cache: joined and grouped, up to date with every commit, there again after a restart.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use serde::Deserialize;
use tailwater::{Database, params};

#[derive(Deserialize, Debug)]
struct Chat {
    topic: String,
    messages: i64,
    last: String,
}

fn print(db: &Database, when: &str) -> tailwater::Result<()> {
    println!("{when}:");
    for chat in db
        .query("SELECT * FROM chat_list ORDER BY topic", ())?
        .rows_as::<Chat>()?
    {
        println!(
            "  {}: {} messages, the last {}",
            chat.topic, chat.messages, chat.last
        );
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("chat.db");
    {
        let db = Database::open(&path)?;
        db.exec(
            "CREATE TABLE chat (id INT PRIMARY KEY, topic TEXT);
             CREATE TABLE message (id INT PRIMARY KEY, chat_id INT, sent TEXT, text TEXT);
             CREATE MATERIALIZED VIEW chat_list AS
               SELECT c.topic, count(*) AS messages, max(m.sent) AS last
               FROM chat c JOIN message m ON m.chat_id = c.id
               GROUP BY c.topic;
             INSERT INTO chat VALUES (1, 'boats'), (2, 'dams');
             INSERT INTO message VALUES (0, 2, '2024-02-28 09:30', 'it holds')",
            (),
        )?;
        print(&db, "at first")?;
        let sent = "2024-02-29 12:00";
        // One transaction: nobody sees one of the two without the other.
        db.update(|tx| {
            for (id, text) in [(1, "ahoy"), (2, "ahoy yourself")] {
                tx.exec(
                    "INSERT INTO message VALUES (?, 1, ?, ?)",
                    params![id, sent, text],
                )?;
            }
            Ok(())
        })?;
        print(&db, "after two messages")?;
        db.exec("DELETE FROM message WHERE id = 2", ())?;
        db.close()?;
    }
    let db = Database::open(&path)?;
    print(&db, "after one was taken back, and a restart")?;
    Ok(())
}
