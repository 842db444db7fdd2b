//! Records: any bytes are a record or refused, section by section; any record comes back.
//!
//! Next door: `proto::record_codec`.

use std::sync::Arc;

use tailwater_proto::{
    Change, Key, Record, RecordRef, RecordView, Section, StorageId, encode_record,
};

use crate::choices::Choices;
use crate::memory;
use crate::rng::Rng;

/// Reads the input, then encodes the record it describes.
///
/// # Panics
/// If a record does not come back, or memory was taken on the word of a count.
pub fn run(input: &[u8]) {
    memory::bounded(|| {
        let Ok(view) = RecordView::decode(input) else {
            return;
        };
        for section in Section::ALL {
            assert!(view.changes(section).count() <= input.len());
        }
        if let Ok(record) = view.to_record() {
            comes_back(&record);
        }
    });
    comes_back(&record(&mut Choices::new(input)));
}

fn comes_back(record: &Record) {
    let bytes = encode_record(RecordRef::from(record)).expect("it is not 4 GiB");
    let view = RecordView::decode(&bytes).expect("what was encoded can be read");
    let back = view.to_record().expect("what was encoded can be read");
    assert_eq!(back, *record);
    assert_eq!(
        view.section(Section::Base).map(|section| section.len()),
        Some(record.base.len())
    );
    let again = encode_record(RecordRef::from(&back)).expect("it is not 4 GiB");
    assert_eq!(again, bytes);
}

fn record(choices: &mut Choices<'_>) -> Record {
    Record {
        commit_time_us: choices.word() as i64,
        principal: String::from_utf8_lossy(choices.bytes(8)).into_owned(),
        base: changes(choices),
        derived: changes(choices),
        state: changes(choices),
    }
}

fn changes(choices: &mut Choices<'_>) -> Vec<Change> {
    let count = choices.below(4);
    let changes = (0..count).map(|_| {
        let image = |choices: &mut Choices<'_>| Some(Arc::from(choices.bytes(60)));
        let (before, after) = match choices.below(3) {
            0 => (None, image(choices)),
            1 => (image(choices), None),
            _ => (image(choices), image(choices)),
        };
        Change {
            storage: StorageId(choices.word() as u32),
            schema_version: choices.word() as u32,
            key: Key::from(choices.bytes(30)),
            before,
            after,
        }
    });
    changes.collect()
}

/// The bytes of a record, some of its sections left out.
pub fn generate(rng: &mut Rng) -> Vec<u8> {
    let bytes = rng.bytes(500);
    let record = record(&mut Choices::new(&bytes));
    let mut sections = RecordRef::from(&record);
    sections.base = sections.base.filter(|_| rng.below(4) > 0);
    sections.state = sections.state.filter(|_| rng.below(4) > 0);
    encode_record(sections).map_or(bytes, |encoded| encoded.to_vec())
}
