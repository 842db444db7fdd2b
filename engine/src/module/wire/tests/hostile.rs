//! Bytes from anybody: what dynamic messages refuse is refused, what they take is taken, and nothing is deep, long or slow.

use prost::Message as _;
use prost_reflect::{
    DynamicMessage, Kind, MessageDescriptor, ReflectMessage as _, Syntax, Value as Dynamic,
};
use tailwater_proto::{Document, Value};

use super::random::{self, Rng, damage, message};
use super::{Rows, assert_same_rows, everything, twin};

const MESSAGES: usize = 6_000;

/// How often each way out was taken.
#[derive(Debug, Default)]
struct Tally {
    same: usize,
    refused: usize,
    out_of_range: usize,
    too_deep: usize,
    no_entry: usize,
}

#[test]
fn damaged_messages_are_taken_and_refused_as_dynamic_messages_are() {
    let seed = random::seed();
    let rng = &mut Rng(seed);
    let mut tally = Tally::default();
    for descriptor in everything::both() {
        let rows = Rows::new(&descriptor);
        let mut other = Vec::new();
        for case in 0..MESSAGES {
            let sparse = 1 + rng.below(60);
            let mut wire = message(rng, &descriptor, 3, sparse).encode_to_vec();
            damage(rng, &mut wire, &other);
            let what = format!(
                "seed {seed}, case {case} of {}: {wire:02x?}",
                descriptor.full_name()
            );
            compare(&rows, &descriptor, &wire, &what, &mut tally);
            other = wire;
            other.truncate(2_000);
        }
    }
    eprintln!("{tally:?}");
    // A comparison that never takes one of the ways proves nothing about it.
    assert!(
        tally.same > MESSAGES / 10 && tally.refused > MESSAGES / 10,
        "{tally:?}"
    );
}

fn compare(
    rows: &Rows,
    descriptor: &MessageDescriptor,
    wire: &[u8],
    what: &str,
    tally: &mut Tally,
) {
    let ours = rows.decode(wire);
    let twins = DynamicMessage::decode(descriptor.clone(), wire);
    match (ours, twins) {
        (Err(_), Err(_)) => tally.refused += 1,
        (Ok(row), Ok(twins)) => {
            tally.same += 1;
            // The twin knows no closed enums: of two numbers it keeps the last, even if it is no value.
            if has_unknown_enum(&twins) {
                return;
            }
            let expected = twin::row(&twins).unwrap_or_else(|why| panic!("{why}: {what}"));
            assert_same_rows(&row, &expected, descriptor, what);
            let again = rows
                .encode(&row)
                .unwrap_or_else(|error| panic!("{error}: {what}"));
            let back = DynamicMessage::decode(descriptor.clone(), again.as_slice()).unwrap();
            assert_same_rows(&twin::row(&back).unwrap(), &row, descriptor, what);
        }
        // Stricter: points in time, also those that a later entry of the same map would replace; and depth.
        (Err(error), Ok(_)) if error.sqlstate() == "22008" => tally.out_of_range += 1,
        (Err(error), Ok(twins)) if error.sqlstate() == "54001" => {
            assert!(wire.len() > 64, "{what}: {error}: {twins}");
            tally.too_deep += 1;
        }
        // The twin reads an entry of a map whatever its wire type is.
        (Err(error), Ok(_)) if is_about_a_map(&error.to_string(), descriptor, wire) => {
            tally.no_entry += 1;
        }
        (Err(error), Ok(_)) => panic!("{error}: {what}"),
        (Ok(_), Err(error)) => panic!("the twin says {error}: {what}"),
    }
}

/// Whether an error is about the wire type of a map: that of another type, or that of the end of a group.
fn is_about_a_map(error: &str, descriptor: &MessageDescriptor, wire: &[u8]) -> bool {
    let pool = descriptor.parent_pool();
    let Some((name, why)) = error.split_once(" at byte ") else {
        return false;
    };
    let field = match pool.get_message_by_name(name) {
        Some(message) => {
            let at: usize = why.split(':').next().unwrap().parse().unwrap();
            let key = prost::encoding::decode_varint(&mut &wire[at..]).unwrap();
            (key & 7 == 4)
                .then(|| message.get_field((key >> 3) as u32))
                .flatten()
        }
        None => name.rsplit_once('.').and_then(|(message, field)| {
            let is_wire_type = why.contains("of another type than the wire type");
            let message = pool.get_message_by_name(message).filter(|_| is_wire_type);
            message?.get_field_by_name(field)
        }),
    };
    field.is_some_and(|field| field.is_map())
}

fn has_unknown_enum(message: &DynamicMessage) -> bool {
    fn inside(value: &Dynamic, kind: &Kind) -> bool {
        match (value, kind) {
            (Dynamic::EnumNumber(number), Kind::Enum(of)) => {
                of.parent_file().syntax() == Syntax::Proto2 && of.get_value(*number).is_none()
            }
            (Dynamic::Message(message), _) => has_unknown_enum(message),
            (Dynamic::List(list), kind) => list.iter().any(|element| inside(element, kind)),
            (Dynamic::Map(map), Kind::Message(entry)) => {
                let kind = entry.map_entry_value_field().kind();
                map.values().any(|value| inside(value, &kind))
            }
            _ => false,
        }
    }
    message
        .fields()
        .any(|(field, value)| inside(value, &field.kind()))
}

#[test]
fn every_beginning_of_a_message_is_taken_or_refused_as_by_the_twin() {
    let seed = random::seed();
    let rng = &mut Rng(seed);
    for descriptor in everything::both() {
        let rows = Rows::new(&descriptor);
        let wire = message(rng, &descriptor, 2, 2).encode_to_vec();
        for end in 0..wire.len().min(3_000) {
            let cut = &wire[..end];
            let twins = DynamicMessage::decode(descriptor.clone(), cut).is_ok();
            assert_eq!(
                rows.decode(cut).is_ok(),
                twins,
                "seed {seed}, the first {end} bytes"
            );
        }
    }
}

/// A message that has itself in field `number`, `levels` deep.
fn nested(number: u32, levels: usize) -> Vec<u8> {
    let mut wire = Vec::new();
    for _ in 0..levels {
        let inner = wire;
        wire = Vec::new();
        prost::encoding::encode_key(
            number,
            prost::encoding::WireType::LengthDelimited,
            &mut wire,
        );
        prost::encoding::encode_varint(inner.len() as u64, &mut wire);
        wire.extend(inner);
    }
    wire
}

#[test]
fn messages_are_nested_up_to_64_deep() {
    let [three, two] = everything::both();
    for (descriptor, number) in [(&three, 122), (&two, 25)] {
        let rows = Rows::new(descriptor);
        assert!(rows.decode(&nested(number, 64)).is_ok());
        let error = rows.decode(&nested(number, 65)).unwrap_err();
        assert_eq!(error.sqlstate(), "54001");
        assert!(error.to_string().contains("within"), "{error}");
        // Out again as in.
        let row = rows.decode(&nested(number, 64)).unwrap();
        let mut within = row
            .into_iter()
            .find(|value| matches!(value, Value::Document(inner) if inner.get("within").is_some()))
            .unwrap();
        let place = descriptor
            .fields()
            .position(|field| field.number() == number)
            .unwrap();
        let mut row = vec![Value::Null; place];
        row.push(within.clone());
        assert_eq!(
            rows.encode(&row).unwrap().len(),
            rows.encode(&rows.decode(&nested(number, 64)).unwrap())
                .unwrap()
                .len()
        );
        let mut deeper = Document::new();
        deeper.set("within", within);
        within = Value::document(deeper);
        row[place] = within;
        assert_eq!(rows.encode(&row).unwrap_err().sqlstate(), "54001");
    }
}

#[test]
fn depth_is_bounded_wherever_it_comes_from() {
    let [three, two] = everything::both();
    let rows = Rows::new(&three);
    // Hundreds of thousands of levels: groups that nobody knows, and messages of which each is longer than is there.
    let groups = [0xA3, 0x3F].repeat(500_000);
    assert_eq!(rows.decode(&groups).unwrap_err().sqlstate(), "54001");
    let results = Rows::new(&two).decode(&[0x7B].repeat(500_000)).unwrap_err();
    assert_eq!(results.sqlstate(), "54001");
    assert_eq!(
        rows.decode(&nested(122, 30_000)).unwrap_err().sqlstate(),
        "54001"
    );
    // JSON within JSON costs two messages a level.
    let list = |levels| {
        let mut value = Value::array(Vec::new());
        for _ in 0..levels {
            value = Value::array(vec![value]);
        }
        let place = three
            .fields()
            .position(|field| field.name() == "json")
            .unwrap();
        let mut row = vec![Value::Null; place];
        row.push(value);
        row
    };
    let wire = rows.encode(&list(30)).unwrap();
    assert!(rows.decode(&wire).is_ok());
    assert_eq!(rows.encode(&list(40)).unwrap_err().sqlstate(), "54001");
    assert_eq!(rows.encode(&list(120)).unwrap_err().sqlstate(), "54001");
}

#[test]
fn a_small_message_does_not_come_to_much() {
    let mut text = "syntax = \"proto3\"; message Wide { ".to_owned();
    for number in 1..=900 {
        text.push_str(&format!("int32 f{number} = {number}; "));
    }
    text.push_str("} message Many { repeated Wide wide = 1; map<int32, Wide> by_number = 2; }");
    let rows = Rows::new(&everything::message(&text, "Many"));
    let empty_ones = |count| [0x0A, 0].repeat(count);
    let few = rows.decode(&empty_ones(1_000)).unwrap();
    assert_eq!(few[0].as_array().unwrap().len(), 1_000);
    assert_eq!(
        rows.decode(&empty_ones(100_000)).unwrap_err().sqlstate(),
        "54000"
    );
    assert_eq!(
        rows.decode(&[0x12, 0].repeat(100_000))
            .unwrap_err()
            .sqlstate(),
        "54000"
    );
    // A length alone takes nothing.
    let error = rows
        .decode(&[0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F])
        .unwrap_err();
    assert_eq!(error.sqlstate(), "22P03");
    assert!(error.to_string().contains("Many.wide at byte 7"), "{error}");
}

#[test]
fn many_keys_of_a_map_are_each_looked_at_once() {
    let descriptor = everything::message(
        "syntax = \"proto3\"; message M { map<int32, bool> m = 1; }",
        "M",
    );
    let rows = Rows::new(&descriptor);
    let mut wire = Vec::new();
    for key in (0..200_000_u32).chain(0..200_000) {
        let mut entry = vec![0x08];
        prost::encoding::encode_varint(key.into(), &mut entry);
        wire.extend([0x0A, entry.len() as u8]);
        wire.extend(entry);
    }
    let row = rows.decode(&wire).unwrap();
    assert_eq!(row[0].as_document().unwrap().len(), 200_000);
}

#[test]
fn duplicates_of_messages_within_each_other_take_the_time_of_their_bytes() {
    // Each level has itself twice, the second time empty: joined as bytes, each level would be read twice as often.
    let [three, _] = everything::both();
    let mut wire = Vec::new();
    for _ in 0..60 {
        let inner = wire;
        wire = Vec::new();
        prost::encoding::encode_key(122, prost::encoding::WireType::LengthDelimited, &mut wire);
        prost::encoding::encode_varint(inner.len() as u64, &mut wire);
        wire.extend(inner);
        wire.extend([0xD2, 0x07, 0]);
    }
    let row = Rows::new(&three).decode(&wire).unwrap();
    let twins = DynamicMessage::decode(three.clone(), wire.as_slice()).unwrap();
    assert_same_rows(
        &row,
        &twin::row(&twins).unwrap(),
        &twins.descriptor(),
        "60 levels",
    );
}

#[test]
fn the_deepest_messages_need_little_stack() {
    let work = || {
        let [three, two] = everything::both();
        for (descriptor, number) in [(three, 122), (two, 25)] {
            let rows = Rows::new(&descriptor);
            let row = rows.decode(&nested(number, 64)).unwrap();
            assert!(rows.encode(&row).is_ok());
            assert!(rows.decode(&nested(number, 65)).is_err());
        }
    };
    // A quarter of what threads have, in a build that is not optimized.
    let thread = std::thread::Builder::new().stack_size(512 << 10);
    thread.spawn(work).unwrap().join().unwrap();
}
