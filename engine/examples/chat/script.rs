//! The script: what every writer says, worked out from a seed, so that the writers that play it and the oracle that
//! reads along need not tell each other. No clock, no randomness but the seed's. Next door: `tables`.

use tailwater::{Result, Tx, params};

use super::tables::{CHATS, USERS, chat_id, user_id};

/// Threads that write. Each speaks for its own users and chairs its own chats.
pub(crate) const WRITERS: u64 = 4;

/// A row of `chat_message`.
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) time: String,
    pub(crate) text: String,
    pub(crate) chat: String,
    pub(crate) user: String,
}

/// One transaction: messages that are there together or not at all, and what else it does.
pub(crate) struct Op {
    pub(crate) said: Vec<Message>,
    pub(crate) also: Also,
}

/// What a transaction does beside speaking. Users and chats are those of its first message.
pub(crate) enum Also {
    Nothing,
    Join,
    Login(String),
    Topic(String),
    Edit(String, String),
    Delete(String),
}

impl Op {
    /// Does it.
    pub(crate) fn perform(&self, tx: &mut Tx<'_>) -> Result<()> {
        for m in &self.said {
            let sql = "INSERT INTO chat_message VALUES (?, ?, ?, ?, ?)";
            tx.exec(sql, params![m.id, m.time, m.text, m.chat, m.user])?;
        }
        let first = self.said.first();
        let (chat, user) = first.map_or(("", ""), |m| (&*m.chat, &*m.user));
        let (sql, values): (_, Vec<&str>) = match &self.also {
            Also::Nothing => return Ok(()),
            Also::Join => (
                "INSERT INTO user_chat VALUES (?, ?) ON CONFLICT DO NOTHING",
                vec![chat, user],
            ),
            Also::Login(login) => (
                "UPDATE user SET user_login = ? WHERE user_id = ?",
                vec![login, user],
            ),
            Also::Topic(topic) => (
                "UPDATE chat SET chat_topic = ? WHERE chat_id = ?",
                vec![topic, chat],
            ),
            Also::Edit(id, text) => (
                "UPDATE chat_message SET chat_message_text = ? WHERE chat_message_id = ?",
                vec![text, id],
            ),
            Also::Delete(id) => (
                "DELETE FROM chat_message WHERE chat_message_id = ?",
                vec![id],
            ),
        };
        tx.exec(sql, values).map(drop)
    }
}

/// What one writer does in one life of the process, without end.
pub(crate) struct Script {
    pub(crate) life: u64,
    pub(crate) writer: u64,
    number: u64,
    dice: Dice,
    alive: Vec<String>,
}

impl Script {
    pub(crate) fn new(seed: u64, life: u64, writer: u64) -> Self {
        let dice = Dice(seed ^ (life << 32) ^ (writer << 48));
        Self {
            life,
            writer,
            number: 0,
            dice,
            alive: Vec::new(),
        }
    }

    fn message(&mut self, part: u64) -> Message {
        let (life, writer, number) = (self.life, self.writer, self.number);
        let second = (number * WRITERS + writer) % 86_400;
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        let day = life % 28 + 1;
        let message = Message {
            id: format!("{life:08x}{writer:08x}{number:08x}{part:08x}"),
            time: format!("2026-01-{day:02}T{hour:02}:{minute:02}:{second:02}"),
            text: format!("\"{number}.{part}\" from writer {writer}, life {life}"),
            chat: chat_id(self.dice.below(CHATS)),
            user: user_id(self.dice.below(USERS / WRITERS) * WRITERS + writer),
        };
        self.alive.push(message.id.clone());
        message
    }
}

impl Iterator for Script {
    type Item = Op;

    fn next(&mut self) -> Option<Op> {
        let mark = format!("{}.{}", self.life, self.number);
        let older = self.alive.len() as u64;
        let chosen = self.dice.below(older.max(1)) as usize;
        let (messages, also) = match self.dice.below(1_000) {
            0 => (1, Also::Topic(format!("topic {mark}"))),
            1..3 => (1, Also::Login(format!("login {mark}"))),
            3..30 => (1, Also::Join),
            30..120 if older > 0 => {
                let text = format!("edited in {mark}");
                (0, Also::Edit(self.alive[chosen].clone(), text))
            }
            120..170 if older > 0 => (0, Also::Delete(self.alive.swap_remove(chosen))),
            170..220 => (3, Also::Nothing),
            _ => (1, Also::Nothing),
        };
        let mut said: Vec<_> = (0..messages).map(|part| self.message(part)).collect();
        if let (Also::Topic(_), Some(first)) = (&also, said.first_mut()) {
            first.chat = chat_id(self.dice.below(CHATS / WRITERS) * WRITERS + self.writer);
        }
        self.number += 1;
        Some(Op { said, also })
    }
}

/// Numbers from a seed (splitmix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}
