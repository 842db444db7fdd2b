//! The public JSON suites: JSONTestSuite's verdicts, every one, and the big list of naughty strings there and back.
//! They lie in `../shared/suites` beside the repository, or where `TAILWATER_SUITES` says.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use tailwater_proto::json::parse_json_bytes;
use tailwater_proto::{
    KeyOrder, Value, decode_key, decode_key_part, decode_value, encode_key_desc, encode_value,
    key_of, parse_json, to_json,
};

fn suites() -> PathBuf {
    let root = std::env::var_os("TAILWATER_SUITES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/suites"),
        PathBuf::from,
    );
    if root.is_dir() {
        return root;
    }
    // A work tree beside the main one lies a folder deeper.
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/suites")
}

#[test]
fn jsontestsuite_is_accepted_and_refused_exactly() {
    let folder = suites().join("jsontestsuite/test_parsing");
    let mut wrong = Vec::new();
    let mut verdicts = [0, 0];
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).unwrap();
        let parsed = parse_json_bytes(&bytes);
        let expected = match name.split('_').next() {
            Some("y") => true,
            Some("n") => false,
            _ => continue,
        };
        verdicts[usize::from(expected)] += 1;
        if parsed.is_ok() != expected {
            wrong.push(name.clone());
        }
        if let Ok(value) = parsed {
            let again = parse_json(&to_json(&value)).unwrap();
            assert_eq!(format!("{again:?}"), format!("{value:?}"), "{name}");
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(verdicts[0] > 180 && verdicts[1] > 90, "suite incomplete");
}

#[test]
fn naughty_strings_come_back_through_every_codec() {
    let text = std::fs::read_to_string(suites().join("blns/blns.json")).unwrap();
    let list = parse_json(&text).unwrap();
    let strings = list.as_array().unwrap();
    assert!(strings.len() > 500, "suite incomplete");
    assert_eq!(parse_json(&to_json(&list)).unwrap(), list);
    for string in strings {
        assert_eq!(&parse_json(&to_json(string)).unwrap(), string);
        let mut bytes = Vec::new();
        encode_value(&mut bytes, string).unwrap();
        assert_eq!(&decode_value(&bytes).unwrap(), string);
        assert_eq!(&decode_key(&key_of([string])).unwrap(), string);
        let mut key = tailwater_proto::Key::new();
        encode_key_desc(&mut key, string);
        let (back, len) = decode_key_part(&key, KeyOrder::Descending).unwrap();
        assert_eq!((&back, len), (string, key.len()));
    }
    for a in strings {
        for b in strings {
            assert_eq!(key_of([a]).cmp(&key_of([b])), Value::cmp_total(a, b));
        }
    }
}
