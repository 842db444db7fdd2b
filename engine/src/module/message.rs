//! What the messages of a module are for: which are rows, and which only carry values.

use std::collections::BTreeMap;

use prost_reflect::{FieldDescriptor, FileDescriptor, Kind, MessageDescriptor, MethodDescriptor};

use super::name::snake_case;
use super::options;

/// Endings of the names of messages that are asked and answered with, and are no rows.
const ENVELOPES: [&str; 6] = ["Request", "Response", "Reply", "Ack", "Event", "Empty"];
/// Fields that name a message, the most telling first; `<message>_id` stands behind `id`.
const KEYS: [&str; 4] = ["id", "uuid", "key", "name"];
/// The one of them that may also be only a label: it tells which message is meant, and not rows apart.
const LABEL: &str = "name";

/// Why a message is a table, or is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Row(String),
    Value(String),
}

/// Every message of a file, those within others too, in the order they stand there.
pub(super) fn all(file: &FileDescriptor) -> Vec<MessageDescriptor> {
    let mut all = Vec::new();
    let mut rest: Vec<MessageDescriptor> = file.messages().collect();
    rest.reverse();
    while let Some(message) = rest.pop() {
        if message.is_map_entry() {
            continue;
        }
        let mut within: Vec<MessageDescriptor> = message.child_messages().collect();
        within.reverse();
        rest.extend(within);
        all.push(message);
    }
    all
}

/// The roles of messages, by full name.
pub(super) fn roles(
    messages: &[MessageDescriptor],
    methods: &[MethodDescriptor],
) -> BTreeMap<String, Role> {
    let role =
        |message: &MessageDescriptor| (message.full_name().to_owned(), role(message, methods));
    messages.iter().map(role).collect()
}

fn role(message: &MessageDescriptor, methods: &[MethodDescriptor]) -> Role {
    if let Some(said) = options::of_message(message) {
        return match said.none {
            true => Role::Value("its options say that it is no table".to_owned()),
            false => Role::Row("its options say so".to_owned()),
        };
    }
    if message.fields().len() == 0 {
        return Role::Value("it has no fields".to_owned());
    }
    let is_me = |other: &MessageDescriptor| other.full_name() == message.full_name();
    let streams = methods.iter().find_map(|method| {
        let sent = method.is_server_streaming() && is_me(&method.output());
        let received = method.is_client_streaming() && is_me(&method.input());
        match (sent, received) {
            (_, true) => Some(format!("{} receives a stream of it", method.name())),
            (true, false) => Some(format!("{} sends a stream of it", method.name())),
            (false, false) => None,
        }
    });
    if let Some(why) = streams {
        return Role::Row(why);
    }
    let is_within = message.parent_message().is_some();
    if let Some(method) = methods
        .iter()
        .find(|method| !is_within && names(method.name(), message.name()))
    {
        return Role::Row(format!("{} names it", method.name()));
    }
    if let Some(method) = methods.iter().find(|method| is_me(&method.input())) {
        return Role::Value(format!("{} is asked with it", method.name()));
    }
    if let Some(method) = methods.iter().find(|method| is_me(&method.output())) {
        return Role::Value(format!("{} answers with it", method.name()));
    }
    if is_envelope(message) {
        return Role::Value("its name says that it is asked or answered with".to_owned());
    }
    if is_within {
        return Role::Value("it stands within another message".to_owned());
    }
    match row_key(message) {
        Some(key) => Role::Row(format!("it has the key {}", key.name())),
        None => Role::Value("it has no key of its own".to_owned()),
    }
}

/// Whether the name of a message says that it is asked or answered with.
pub(super) fn is_envelope(message: &MessageDescriptor) -> bool {
    ENVELOPES
        .iter()
        .any(|ending| message.name().ends_with(ending))
}

/// The field that names a message: `id`, `<message>_id`, `uuid`, `key` or `name`, whichever comes first in that order.
pub(super) fn key(message: &MessageDescriptor) -> Option<FieldDescriptor> {
    let own = format!("{}_id", snake_case(message.name()));
    let candidates = ["id", own.as_str()]
        .into_iter()
        .chain(KEYS.into_iter().skip(1));
    candidates
        .filter_map(|name| message.get_field_by_name(name))
        .find(is_key_like)
}

/// The field that tells rows apart: as `key`, but for `name`.
pub(super) fn row_key(message: &MessageDescriptor) -> Option<FieldDescriptor> {
    key(message).filter(|key| key.name() != LABEL)
}

/// Whether a field's values can be a key.
fn is_key_like(field: &FieldDescriptor) -> bool {
    let is_scalar = !matches!(
        field.kind(),
        Kind::Message(_) | Kind::Enum(_) | Kind::Float | Kind::Double | Kind::Bool
    );
    let is_arm = field
        .containing_oneof()
        .is_some_and(|oneof| !oneof.is_synthetic());
    is_scalar && !field.is_list() && !is_arm
}

/// Verbs of methods that are about one kind of rows.
pub(super) const VERBS: [(&str, Verb); 9] = [
    ("Create", Verb::Create),
    ("Insert", Verb::Create),
    ("Add", Verb::Create),
    ("Post", Verb::Create),
    ("Send", Verb::Create),
    ("Get", Verb::Get),
    ("List", Verb::List),
    ("Update", Verb::Update),
    ("Delete", Verb::Delete),
];

/// What a method's name says that it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Create,
    Get,
    List,
    Update,
    Delete,
}

/// The verb of a method, and what it is about.
pub(super) fn verb(method: &str) -> Option<(Verb, &str)> {
    VERBS
        .iter()
        .find_map(|(name, verb)| Some((*verb, method.strip_prefix(name)?)))
        .filter(|(_, about)| about.starts_with(|c: char| c.is_ascii_uppercase()))
}

/// Whether the name of a method names a message: `GetUser`, `ListUsers`.
fn names(method: &str, message: &str) -> bool {
    verb(method).is_some_and(|(verb, about)| match verb {
        Verb::List => is_plural(about, message),
        _ => about == message,
    })
}

/// `Users`, `Boxes` and `Cities` are plurals.
pub(super) fn is_plural(plural: &str, one: &str) -> bool {
    let with = |ending: &str, instead: &str| {
        plural
            .strip_suffix(ending)
            .is_some_and(|stem| one.strip_suffix(instead) == Some(stem))
    };
    with("s", "") || with("es", "") || with("ies", "y")
}
