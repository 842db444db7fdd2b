//! Public .proto files against the descriptors that protoc makes of them. What is not identical stands here by name.
#![cfg(feature = "modules")]
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use tailwater::module::ModuleSource;

/// Files whose descriptors differ, and why.
const KNOWN: &[(&str, &str)] = &[(
    "google/protobuf/unittest_custom_options.proto",
    "options in the message-set wire format, which only old proto2 files have, are written as other extensions are",
)];

#[test]
fn public_files_have_the_descriptors_that_protoc_makes() {
    let root = common::suites().join("protos");
    let sources = root.join("protobuf");
    let mut texts = BTreeMap::new();
    collect(&sources, &sources, &mut texts);
    // One for all: messages of two pools are never equal.
    let google = DescriptorPool::decode(tailwater_proto::v1::FILE_DESCRIPTOR_SET).unwrap();
    let descriptor = google
        .get_message_by_name("google.protobuf.FileDescriptorProto")
        .unwrap();
    let (mut same, mut all, mut unlisted) = (0, 0, Vec::new());
    for entry in fs::read_dir(root.join("descriptors")).unwrap() {
        let path = entry.unwrap().path();
        let name = format!(
            "google/protobuf/{}.proto",
            path.file_stem().unwrap().to_str().unwrap()
        );
        let expected = fs::read(&path).unwrap();
        all += 1;
        match differs(&name, &texts, &expected, &descriptor) {
            None => same += 1,
            Some(how) if KNOWN.iter().all(|(known, _)| *known != name) => {
                unlisted.push(format!("{name}: {how}"))
            }
            Some(_) => {}
        }
    }
    println!("protos: {same} of {all} identical");
    assert!(unlisted.is_empty(), "{unlisted:#?}");
    assert!(all >= 38 && same * 100 >= all * 95, "{same} of {all}");
}

/// How the descriptor of a file differs from protoc's.
fn differs(
    name: &str,
    texts: &BTreeMap<String, String>,
    expected: &[u8],
    descriptor: &MessageDescriptor,
) -> Option<String> {
    let mut source = ModuleSource::new(name, texts.get(name)?.clone());
    for (other, text) in texts.iter().filter(|(other, _)| *other != name) {
        source = source.with_import(other.clone(), text.clone());
    }
    let set = match source.descriptor_set() {
        Ok(set) => set,
        Err(error) => return Some(error.to_string()),
    };
    let ours = file(&set, name, descriptor)?;
    let theirs = file(expected, name, descriptor)?;
    (ours != theirs).then(|| {
        let texts = [ours, theirs].map(|message| format!("{message:?}"));
        let at = texts[0]
            .bytes()
            .zip(texts[1].bytes())
            .take_while(|(a, b)| a == b)
            .count();
        let from = at.saturating_sub(120);
        let near = texts.map(|text| text.chars().skip(from).take(240).collect::<String>());
        format!("{} instead of {}", near[0], near[1])
    })
}

/// The descriptor of a file in a set, without what only tells where things stand in the text.
fn file(set: &[u8], name: &str, descriptor: &MessageDescriptor) -> Option<DynamicMessage> {
    let pool = DescriptorPool::decode(set).ok()?;
    let bytes = pool.get_file_by_name(name)?.encode_to_vec();
    // Read as a message that keeps options it does not know.
    let mut message = DynamicMessage::decode(descriptor.clone(), bytes.as_slice()).ok()?;
    message.clear_field_by_name("source_code_info");
    Some(message)
}

fn collect(root: &Path, dir: &Path, texts: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, texts);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "proto")
        {
            let name = path
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            texts.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
}
