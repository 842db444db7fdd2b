//! The chat's tables as its authors wrote them, the view they meant, and one with statistics.
//! Next door: `script`, which fills them, and `oracle`, which knows what they must hold.

use tailwater::{Database, Settings, params};

use super::Outcome;

pub(crate) const USERS: u64 = 40;
pub(crate) const CHATS: u64 = 8;

/// Four tables, a table called `user` among them.
const TABLES: &str = "
CREATE TABLE user (user_id CHAR(32), user_login VARCHAR(255), user_password CHAR(64), user_email VARCHAR(400), PRIMARY KEY (user_id));
CREATE TABLE chat_message (chat_message_id CHAR(32), chat_message_datetime DATETIME, chat_message_text TEXT,
                           chat_message_chat_id CHAR(32), chat_message_user_id CHAR(32), PRIMARY KEY (chat_message_id));
CREATE TABLE user_chat (user_chat_chat_id CHAR(32), user_chat_user_id CHAR(32), PRIMARY KEY (user_chat_chat_id, user_chat_user_id));
CREATE TABLE chat (chat_id CHAR(32), chat_topic VARCHAR(32), chat_password CHAR(64), user_chat_user_id CHAR(32), PRIMARY KEY (chat_id));";

/// The view as it was first written. It is refused; the error says how to mend it.
const FIRST_TRY: &str = "CREATE MATERIALISED VIEW chat AS SELECT * FROM chat WHERE blah GROUP BY chat_topic=<some uuid> ORDER BY chat_message_datetime";

/// The views that are followed: names and queries. The first is the one that was meant.
pub(crate) const VIEWS: [(&str, &str); 2] = [
    (
        "chat_messages",
        "SELECT m.chat_message_id, m.chat_message_datetime, m.chat_message_text, u.user_login, c.chat_id, c.chat_topic
         FROM chat_message m
         JOIN user u ON u.user_id = m.chat_message_user_id
         JOIN chat c ON c.chat_id = m.chat_message_chat_id
         ORDER BY m.chat_message_datetime",
    ),
    (
        "chat_statistics",
        "SELECT chat_message_chat_id AS chat_id, count(*) AS messages, max(chat_message_datetime) AS last_message,
                count(DISTINCT chat_message_user_id) AS senders
         FROM chat_message GROUP BY chat_message_chat_id",
    ),
];

pub(crate) fn user_id(number: u64) -> String {
    format!("u{number:031}")
}

pub(crate) fn chat_id(number: u64) -> String {
    format!("c{number:031}")
}

/// Durable commits, and many checkpoints, so that processes are killed during some.
pub(crate) fn open(path: &std::path::Path) -> tailwater::Result<Database> {
    let mut settings = Settings {
        checkpoint_interval: std::time::Duration::from_millis(250),
        ..Settings::default()
    };
    settings.feed.progress_after = std::time::Duration::from_millis(100);
    Database::builder().settings(settings).open(path)
}

/// Makes tables, views, users and chats.
pub(crate) fn create(db: &Database) -> Outcome<()> {
    db.exec(TABLES, ())?;
    match db.exec(FIRST_TRY, ()) {
        Ok(_) => return Err("the view as first written must be refused".into()),
        Err(error) => println!("the view as first written:\n  {error}"),
    }
    for (name, query) in VIEWS {
        db.exec(&format!("CREATE MATERIALISED VIEW {name} AS {query}"), ())?;
    }
    let made = db.update(|tx| {
        for user in 0..USERS {
            tx.exec(
                "INSERT INTO user VALUES (?, ?, NULL, NULL)",
                params![user_id(user), user_login(user)],
            )?;
        }
        for chat in 0..CHATS {
            tx.exec(
                "INSERT INTO chat VALUES (?, ?, NULL, NULL)",
                params![chat_id(chat), chat_topic(chat)],
            )?;
        }
        Ok(())
    })?;
    println!(
        "tables, views, users and chats are there at lsn {}",
        made.lsn
    );
    Ok(())
}

pub(crate) fn user_login(number: u64) -> String {
    format!("user {number}")
}

pub(crate) fn chat_topic(number: u64) -> String {
    format!("chat {number}")
}
