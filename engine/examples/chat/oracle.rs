//! The oracle: the chat in a few maps. What each frame must hold it works out from the script; it never asks the
//! database while the chat goes on. Next door: `audit`, which compares everything at the end.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::Outcome;
use super::script::{Also, Message, Op, Script, WRITERS};
use super::tables::{self, CHATS, USERS, VIEWS};

/// Rows before and after, by message.
type Changes = BTreeMap<String, (Option<String>, Option<String>)>;
/// Life, writer, number in its script.
type Deed = (u64, u64, u64);

/// A writer in one life, and the first thing it does that was not delivered yet.
struct Voice {
    script: Script,
    number: u64,
    next: Op,
}

#[derive(Default)]
pub(crate) struct Oracle {
    logins: BTreeMap<String, String>,
    topics: BTreeMap<String, String>,
    pub(crate) members: BTreeSet<(String, String)>,
    messages: BTreeMap<String, Message>,
    voices: Vec<Voice>,
    pub(crate) acknowledged: BTreeMap<u64, Deed>,
    pub(crate) delivered: BTreeMap<u64, Deed>,
    /// Of each view: the commit of the last frame, and the rows by key that all frames together make.
    pub(crate) folds: [(u64, BTreeMap<String, String>); VIEWS.len()],
    pub(crate) lost: u64,
    pub(crate) duplicated: u64,
}

impl Oracle {
    /// The chat as it was created.
    pub(crate) fn new(created_at: u64) -> Self {
        let mut oracle = Self::default();
        oracle.folds = oracle.folds.map(|(_, rows)| (created_at, rows));
        oracle.logins = (0..USERS)
            .map(|n| (tables::user_id(n), tables::user_login(n)))
            .collect();
        oracle.topics = (0..CHATS)
            .map(|n| (tables::chat_id(n), tables::chat_topic(n)))
            .collect();
        oracle
    }

    /// A new process begins. What the one before did and nobody acknowledged may be there, whole, or not.
    pub(crate) fn begin_life(&mut self, seed: u64, life: u64) {
        for writer in 0..WRITERS {
            let mut script = Script::new(seed, life, writer);
            let next = script.next();
            self.voices.extend(next.map(|next| Voice {
                script,
                number: 0,
                next,
            }));
        }
    }

    /// The process says that a commit is durable.
    pub(crate) fn ack(&mut self, ack: &Json) -> Outcome<()> {
        let deed = (
            number(ack, "life")?,
            number(ack, "writer")?,
            number(ack, "number")?,
        );
        match self.acknowledged.insert(number(ack, "lsn")?, deed) {
            None => Ok(()),
            Some(other) => Err(format!("{deed:?} and {other:?} have the same lsn").into()),
        }
    }

    /// A frame of the view at that place in `VIEWS`.
    pub(crate) fn frame(&mut self, view: usize, frame: &Json) -> Outcome<()> {
        let lsn = number(frame, "lsn")?;
        let (last, rows) = &mut self.folds[view];
        // Each commit of the script changes the first view, so it has a frame for every lsn.
        if lsn <= *last || (view == 0 && lsn > *last + 1) {
            self.duplicated += u64::from(lsn <= *last);
            self.lost += lsn.saturating_sub(*last + 1);
            return Err(format!("lsn {lsn} was delivered right after {last}").into());
        }
        *last = lsn;
        let mut changes = Changes::new();
        for change in frame["changes"].as_array().into_iter().flatten() {
            let image = |name| change.get(name).map(Json::to_string);
            let (key, before, after) = (text(change, "key")?, image("before"), image("after"));
            let known = match &after {
                Some(after) => rows.insert(key.to_owned(), after.clone()),
                None => rows.remove(key),
            };
            if known != before {
                self.lost += 1;
                return Err(format!("lsn {lsn} changes {before:?}, the row is {known:?}").into());
            }
            if view == 0 {
                let row = change.get("after").unwrap_or(&change["before"]);
                changes.insert(text(row, "chat_message_id")?.to_owned(), (before, after));
            }
        }
        if view == 0 {
            self.recognise(lsn, &changes)
        } else {
            Ok(())
        }
    }

    /// Finds whose commit it is, and compares the frame with all that this commit does.
    fn recognise(&mut self, lsn: u64, changes: &Changes) -> Outcome<()> {
        let marked = |voice: &&mut Voice| voice.next.is_marked_in(changes);
        let Some(voice) = self.voices.iter_mut().find(marked) else {
            self.lost += 1;
            return Err(format!("lsn {lsn} is nothing a writer does next: {changes:?}").into());
        };
        let deed = (voice.script.life, voice.script.writer, voice.number);
        voice.number += 1;
        let next = voice.script.next().ok_or("a script ends")?;
        let op = std::mem::replace(&mut voice.next, next);
        // What has not happened by the time a later process writes, never will.
        self.voices.retain(|voice| voice.script.life >= deed.0);
        let expected = self.play(op);
        if *changes != expected {
            self.lost += 1;
            return Err(format!("lsn {lsn} brings {changes:?}\ninstead of {expected:?}").into());
        }
        self.delivered.insert(lsn, deed);
        Ok(())
    }

    /// Does in the maps what the commit does in the database.
    fn play(&mut self, op: Op) -> Changes {
        let mut touched: Vec<String> = op.said.iter().map(|said| said.id.clone()).collect();
        let (chat, user) = op.said.first().map_or_else(Default::default, |said| {
            (said.chat.clone(), said.user.clone())
        });
        let touches = |message: &Message| match &op.also {
            Also::Nothing | Also::Join => false,
            Also::Login(_) => message.user == user,
            Also::Topic(_) => message.chat == chat,
            Also::Edit(id, _) | Also::Delete(id) => message.id == *id,
        };
        touched.extend(
            self.messages
                .values()
                .filter(|m| touches(m))
                .map(|m| m.id.clone()),
        );
        let before: Vec<_> = touched.iter().map(|id| self.row(id)).collect();
        match op.also {
            Also::Nothing => {}
            Also::Join => drop(self.members.insert((chat, user))),
            Also::Login(login) => drop(self.logins.insert(user, login)),
            Also::Topic(topic) => drop(self.topics.insert(chat, topic)),
            Also::Edit(id, text) => drop(self.messages.entry(id).and_modify(|m| m.text = text)),
            Also::Delete(id) => drop(self.messages.remove(&id)),
        }
        self.messages
            .extend(op.said.into_iter().map(|said| (said.id.clone(), said)));
        let rows = touched.into_iter().zip(before);
        rows.map(|(id, before)| {
            let after = self.row(&id);
            (id, (before, after))
        })
        .collect()
    }

    /// A row of the first view.
    fn row(&self, id: &str) -> Option<String> {
        let message = self.messages.get(id)?;
        let row = json!({
            "chat_message_id": id,
            "chat_message_datetime": message.time,
            "chat_message_text": message.text,
            "user_login": self.logins.get(&message.user),
            "chat_id": message.chat,
            "chat_topic": self.topics.get(&message.chat),
        });
        Some(row.to_string())
    }

    /// The rows of both views.
    pub(crate) fn rows(&self) -> [Vec<String>; VIEWS.len()] {
        let mut chats = BTreeMap::<&str, (u64, &str, BTreeSet<&str>)>::new();
        for message in self.messages.values() {
            let (count, last, senders) = chats.entry(&message.chat).or_default();
            (*count, *last) = (*count + 1, (*last).max(&message.time));
            senders.insert(&message.user);
        }
        let statistics = chats.into_iter().map(|(chat, (count, last, senders))| {
            let senders = senders.len();
            json!({"chat_id": chat, "messages": count, "last_message": last, "senders": senders})
                .to_string()
        });
        [
            self.messages.keys().filter_map(|id| self.row(id)).collect(),
            statistics.collect(),
        ]
    }
}

impl Op {
    /// Whether a frame shows what only this does.
    fn is_marked_in(&self, changes: &Changes) -> bool {
        let after = |id| changes.get(id).map(|(_, after)| after.as_deref());
        self.said.iter().any(|said| changes.contains_key(&said.id))
            || match &self.also {
                Also::Edit(id, text) => after(id).flatten().is_some_and(|row| row.contains(text)),
                Also::Delete(id) => after(id) == Some(None),
                _ => false,
            }
    }
}

fn number(line: &Json, name: &str) -> Outcome<u64> {
    line[name]
        .as_u64()
        .ok_or_else(|| format!("no number {name} in {line}").into())
}

fn text<'l>(line: &'l Json, name: &str) -> Outcome<&'l str> {
    line[name]
        .as_str()
        .ok_or_else(|| format!("no text {name} in {line}").into())
}
