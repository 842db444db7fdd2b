//! Random messages and random damage, from a seed.

use std::collections::HashMap;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};

/// The seed of a run that was asked for none.
const SEED: u64 = 20_261_130;

/// The seed, which it prints; `TAILWATER_SEED` chooses another.
pub(super) fn seed() -> u64 {
    let given = std::env::var("TAILWATER_SEED").ok();
    let seed = given.and_then(|text| text.parse().ok()).unwrap_or(SEED);
    eprintln!("TAILWATER_SEED={seed}");
    seed
}

/// splitmix64.
#[derive(Debug)]
pub(super) struct Rng(pub(super) u64);

impl Rng {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// Numbers at the ends of their ranges as often as others.
    fn number(&mut self) -> u64 {
        const HARD: [u64; 12] = [
            0,
            1,
            2,
            127,
            128,
            16_383,
            16_384,
            1 << 31,
            (1 << 31) - 1,
            1 << 63,
            (1 << 63) - 1,
            u64::MAX,
        ];
        match self.below(3) {
            0 => HARD[self.below(HARD.len())],
            1 => self.next() >> self.below(64),
            _ => (self.next() >> self.below(64)).wrapping_neg(),
        }
    }

    fn text(&mut self) -> String {
        const LETTERS: [&str; 8] = ["a", "b", "ß", "漢", "\u{0}", "\"", "🦀", " "];
        let len = [0, 1, 3, 15, 16, 40, 200][self.below(7)];
        (0..len)
            .map(|_| LETTERS[self.below(LETTERS.len())])
            .collect()
    }

    fn bytes(&mut self) -> Vec<u8> {
        let len = self.below(40);
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// A message whose fields are each set in one of `sparse` cases, nested up to `depth`.
pub(super) fn message(
    rng: &mut Rng,
    of: &MessageDescriptor,
    depth: usize,
    sparse: usize,
) -> DynamicMessage {
    let mut message = DynamicMessage::new(of.clone());
    let full = of.full_name();
    match full {
        "google.protobuf.Timestamp" => {
            let seconds = -62_135_596_800 + (rng.next() % 315_537_897_600) as i64;
            message.set_field_by_name("seconds", Value::I64(seconds));
            message.set_field_by_name("nanos", Value::I32(rng.below(1_000_000_000) as i32));
        }
        "google.protobuf.Duration" => {
            let sign = [-1, 1][rng.below(2)];
            let seconds = [0, rng.next() % 315_576_000_000, rng.next() % 100][rng.below(3)] as i64;
            message.set_field_by_name("seconds", Value::I64(sign * seconds));
            let nanos = sign as i32 * rng.below(1_000_000_000) as i32;
            message.set_field_by_name("nanos", Value::I32(nanos));
        }
        "google.protobuf.Value" => {
            let arms = if depth == 0 { 4 } else { 6 };
            let number = 1 + rng.below(arms) as u32;
            let field = of.get_field(number).unwrap();
            let value = match number {
                1 => Value::EnumNumber(0),
                _ => single(rng, &field, depth),
            };
            message.set_field(&field, value);
        }
        _ => {
            for field in of.fields() {
                let is_deep = matches!(field.kind(), Kind::Message(_)) && depth == 0;
                let is_needed = full.ends_with("Entry")
                    || full.ends_with("Struct")
                    || full.ends_with("ListValue");
                if !is_deep && (is_needed || rng.below(sparse) == 0) {
                    let value = value(rng, &field, depth);
                    message.set_field(&field, value);
                }
            }
        }
    }
    message
}

fn value(rng: &mut Rng, field: &FieldDescriptor, depth: usize) -> Value {
    if let (true, Kind::Message(entry)) = (field.is_map(), field.kind()) {
        let (key, inner) = (entry.map_entry_key_field(), entry.map_entry_value_field());
        let len = rng.below(4);
        let entries = (0..len).map(|_| (map_key(single(rng, &key, 0)), single(rng, &inner, depth)));
        return Value::Map(entries.collect::<HashMap<_, _>>());
    }
    if field.is_list() {
        let len = rng.below(5);
        return Value::List((0..len).map(|_| single(rng, field, depth)).collect());
    }
    single(rng, field, depth)
}

fn map_key(value: Value) -> MapKey {
    value.into_map_key().unwrap()
}

fn single(rng: &mut Rng, field: &FieldDescriptor, depth: usize) -> Value {
    match field.kind() {
        Kind::Double => Value::F64([0.0, -0.0, 1.5, f64::MAX, f64::INFINITY, 1e-300][rng.below(6)]),
        Kind::Float => Value::F32([0.0, -0.0, 1.5, f32::MIN, f32::NEG_INFINITY, 0.1][rng.below(6)]),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(rng.number() as i32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(rng.number() as i64),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(rng.number() as u32),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(rng.number()),
        Kind::Bool => Value::Bool(rng.below(2) == 1),
        Kind::String => Value::String(rng.text()),
        Kind::Bytes => Value::Bytes(rng.bytes().into()),
        Kind::Enum(of) if of.parent_file().syntax() == prost_reflect::Syntax::Proto2 => {
            let numbers: Vec<i32> = of.values().map(|value| value.number()).collect();
            Value::EnumNumber(numbers[rng.below(numbers.len())])
        }
        Kind::Enum(_) => Value::EnumNumber([0, 1, -7, 99][rng.below(4)]),
        Kind::Message(of) => Value::Message(message(rng, &of, depth.saturating_sub(1), 3)),
    }
}

/// Changes some bytes, cuts, repeats and joins: what was a message may be one still.
pub(super) fn damage(rng: &mut Rng, wire: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..=rng.below(4) {
        let at = rng.below(wire.len() + 1);
        match rng.below(8) {
            0 => wire.truncate(at),
            1 => wire.insert(at, rng.next() as u8),
            2 if at < wire.len() => _ = wire.remove(at),
            3 => wire.extend_from_slice(other),
            4 => {
                let from = rng.below(other.len() + 1);
                let to = (from + rng.below(30)).min(other.len());
                wire.splice(at..at, other[from..to].iter().copied());
            }
            5 if at < wire.len() => wire[at] ^= 1 << rng.below(8),
            6 if at < wire.len() => {
                wire[at] = [0, 1, 0x7F, 0x80, 0xFF, 0x0B, 0x0C, 0x0A][rng.below(8)]
            }
            _ => {
                let to = (at + rng.below(30)).min(wire.len());
                let part = wire[at..to].to_vec();
                wire.splice(at..at, part);
            }
        }
    }
}
