//! Messages as canonical Protobuf JSON and back, and a query string as the fields of a message.
//!
//! Only browsers and people go through a dynamic message here; gRPC stays bytes.

use std::sync::Arc;

use prost::Message as _;
use prost::bytes::Bytes;
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor};
use serde_json::{Map, Value as Json};
use tailwater_proto::sqlstate;

use crate::serve::fault::Fault;
use crate::serve::method::Message;

/// A message's bytes, from its JSON; nothing at all is the empty message.
pub(super) fn from_json(descriptor: &MessageDescriptor, text: &[u8]) -> Result<Bytes, Fault> {
    let text = if text.trim_ascii().is_empty() {
        b"{}"
    } else {
        text
    };
    let mut reader = serde_json::Deserializer::from_slice(text);
    let message = DynamicMessage::deserialize(descriptor.clone(), &mut reader);
    let message = message.map_err(|error| malformed(descriptor, &error))?;
    reader
        .end()
        .map_err(|error| malformed(descriptor, &error))?;
    Ok(message.encode_to_vec().into())
}

fn malformed(descriptor: &MessageDescriptor, error: &serde_json::Error) -> Fault {
    Fault::malformed(error).with_hint(format!(
        "the body is the JSON of a {}; 64-bit integers may be texts, bytes are base64",
        descriptor.full_name()
    ))
}

/// A message's JSON; made once where many get the message.
pub(super) fn shown(descriptor: &MessageDescriptor, message: &Message) -> Result<Arc<str>, Fault> {
    if let Some(known) = message.json.as_ref().and_then(|json| json.get()) {
        return Ok(Arc::clone(known));
    }
    let json: Arc<str> = to_json(descriptor, message.bytes.clone())?.into();
    if let Some(place) = &message.json {
        // Two may make it at once: it is the same.
        let _ = place.set(Arc::clone(&json));
    }
    Ok(json)
}

/// A message's JSON, from its bytes.
pub(super) fn to_json(descriptor: &MessageDescriptor, bytes: Bytes) -> Result<String, Fault> {
    let internal = |error: &dyn std::fmt::Display| {
        Fault::new(
            sqlstate::INTERNAL_ERROR,
            format!("an answer cannot be shown as JSON: {error}"),
        )
    };
    let message =
        DynamicMessage::decode(descriptor.clone(), bytes).map_err(|error| internal(&error))?;
    serde_json::to_string(&message).map_err(|error| internal(&error))
}

/// A message's bytes, from a query string: `request` holds all of it as JSON, or each field has its own name, with dots
/// between a message's name and its field's: `?object=v&equals.topic=…`.
pub(super) fn from_query(descriptor: &MessageDescriptor, query: &str) -> Result<Bytes, Fault> {
    let mut whole = Map::new();
    for (name, value) in pairs(query) {
        match &*name {
            name if super::is_of_call(name) => {}
            "request" => return from_json(descriptor, value.as_bytes()),
            name => place(&mut whole, descriptor, name, value)?,
        }
    }
    from_json(descriptor, Json::Object(whole).to_string().as_bytes())
}

/// Puts a value under a dotted name.
fn place(
    object: &mut Map<String, Json>,
    descriptor: &MessageDescriptor,
    name: &str,
    value: String,
) -> Result<(), Fault> {
    let (head, rest) = match name.split_once('.') {
        Some((head, rest)) => (head, Some(rest)),
        None => (name, None),
    };
    let unknown = || {
        Fault::malformed(&format!("{} has no field {head}", descriptor.full_name()))
            .with_hint("or give the whole message as ?request={JSON}")
    };
    let field = descriptor
        .get_field_by_name(head)
        .or_else(|| descriptor.get_field_by_json_name(head))
        .ok_or_else(unknown)?;
    match (field.kind(), rest) {
        (Kind::Message(inner), Some(rest)) if !field.is_list() && !field.is_map() => {
            let entry = object
                .entry(head)
                .or_insert_with(|| Json::Object(Map::new()));
            let inside = entry.as_object_mut().ok_or_else(unknown)?;
            place(inside, &inner, rest, value)
        }
        (kind, None) if !field.is_map() => {
            let value = match kind {
                Kind::Bool => match &*value {
                    "" | "true" | "1" => Json::Bool(true),
                    _ => Json::Bool(false),
                },
                // Numbers may be texts in the JSON of Protobuf.
                _ => Json::String(value),
            };
            if field.is_list() {
                let entry = object
                    .entry(head)
                    .or_insert_with(|| Json::Array(Vec::new()));
                entry.as_array_mut().ok_or_else(unknown)?.push(value);
            } else {
                object.insert(head.to_owned(), value);
            }
            Ok(())
        }
        _ => Err(unknown()),
    }
}

/// Names and values of a query string, decoded.
pub(super) fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

/// Percent signs and plus signs undone.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let mut ahead = rest.clone();
                let digits = [ahead.next(), ahead.next()]
                    .map(|digit| digit.and_then(|digit| char::from(digit).to_digit(16)));
                match digits {
                    [Some(high), Some(low)] => {
                        bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
                        rest = ahead;
                    }
                    _ => bytes.push(byte),
                }
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost_reflect::DescriptorPool;
    use tailwater_proto::v1;

    fn descriptor(name: &str) -> MessageDescriptor {
        let pool = DescriptorPool::decode(v1::FILE_DESCRIPTOR_SET).unwrap();
        pool.get_message_by_name(name).unwrap()
    }

    #[test]
    fn json_is_a_message_and_back() {
        let query = descriptor("tailwater.v1.QueryRequest");
        let text =
            br#"{"sql": "SELECT ?", "parameters": [{"int": "9007199254740993"}, {"text": "a"}]}"#;
        let bytes = from_json(&query, text).unwrap();
        let message = v1::QueryRequest::decode(bytes.clone()).unwrap();
        assert_eq!(message.parameters.len(), 2);
        let back = to_json(&query, bytes).unwrap();
        assert!(back.contains("9007199254740993"), "{back}");
        assert!(from_json(&query, b"").unwrap().is_empty());
        for wrong in ["{", "[]", "{\"sq\": 1}", "{} {}", "{\"sql\": 1}"] {
            let fault = from_json(&query, wrong.as_bytes()).unwrap_err();
            assert_eq!(fault.sqlstate(), "22P03", "{wrong}");
        }
    }

    #[test]
    fn a_query_string_is_a_message() {
        let subscribe = descriptor("tailwater.v1.SubscribeRequest");
        let bytes = from_query(&subscribe, "object=a%20b+c&skip_snapshot&where=n%3E%2").unwrap();
        let message = v1::SubscribeRequest::decode(bytes).unwrap();
        use v1::subscribe_request::Of;
        assert_eq!(message.of, Some(Of::Object("a b c".into())));
        assert!(message.skip_snapshot);
        assert_eq!(message.r#where, "n>%2");
        let whole = from_query(
            &subscribe,
            "request=%7B%22object%22%3A%22t%22%7D&access_token=x",
        );
        let message = v1::SubscribeRequest::decode(whole.unwrap()).unwrap();
        assert_eq!(message.of, Some(Of::Object("t".into())));
        assert!(from_query(&subscribe, "objekt=t").is_err());
        assert!(from_query(&subscribe, "object.x=t").is_err());
    }
}
