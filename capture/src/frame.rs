//! Cuts what a selection shows out of a record.
//!
//! Reads the sections of tables and views, never the one of operator state. A row that enters the predicate is an
//! insert, one that leaves it a delete, and an image it hides is not shown. Next door: `subscription`.

use std::sync::Arc;

use tailwater_proto::{ChangeRef, DecodeError, EcoString, Key, RecordView, Section};

use crate::event::{FeedChange, Op};
use crate::selection::Selection;

/// What is selected of one commit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) commit_time_us: i64,
    pub(crate) principal: EcoString,
    pub(crate) changes: Vec<FeedChange>,
}

/// Cuts a record; `None` if nothing of it is selected. The selection must be `checked`.
pub(crate) fn cut(record: &[u8], selection: &Selection) -> Result<Option<Cut>, DecodeError> {
    let view = RecordView::decode(record)?;
    let mut changes = Vec::new();
    for section in [Section::Base, Section::Derived] {
        for change in view.changes(section) {
            changes.extend(select(change?, selection));
        }
    }
    Ok((!changes.is_empty()).then(|| Cut {
        commit_time_us: view.commit_time_us(),
        principal: EcoString::from(view.principal()),
        changes,
    }))
}

pub(crate) fn select(change: ChangeRef<'_>, selection: &Selection) -> Option<FeedChange> {
    let ChangeRef {
        storage,
        schema_version,
        key,
        before,
        after,
    } = change;
    if !selection.has_storage(storage) || !selection.has_key(storage, key) {
        return None;
    }
    let shown = |image: &&[u8]| selection.shows(storage, key, image);
    let (before, after) = (before.filter(shown), after.filter(shown));
    let op = match (before, after) {
        (None, Some(_)) => Op::Insert,
        (Some(_), Some(_)) => Op::Update,
        (Some(_), None) => Op::Delete,
        (None, None) => return None,
    };
    Some(FeedChange {
        storage,
        schema_version,
        op,
        key: Key::from(key),
        before: before.map(Arc::from),
        after: after.map(Arc::from),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selection::RowPredicate;
    use crate::testing::{change, record};
    use tailwater_proto::{Record, StorageId};

    /// Shows rows whose first byte is even.
    struct Even;

    impl RowPredicate for Even {
        fn matches(&self, _: StorageId, _: &[u8], row: &[u8]) -> bool {
            row.first().is_some_and(|byte| byte % 2 == 0)
        }
        fn fingerprint(&self) -> u64 {
            2
        }
    }

    #[test]
    fn rows_enter_and_leave_a_predicate_and_hidden_images_are_never_shown() {
        let bytes = record(&[
            change(1, b"a", None, Some(&[2])),
            change(1, b"b", None, Some(&[3])),
            change(1, b"c", Some(&[3]), Some(&[4])),
            change(1, b"d", Some(&[4]), Some(&[5])),
            change(1, b"e", Some(&[4]), Some(&[6])),
            change(1, b"f", Some(&[5]), Some(&[7])),
            change(1, b"g", Some(&[5]), None),
            change(1, b"h", Some(&[6]), None),
            change(2, b"i", None, Some(&[8])),
        ]);
        let selection = Selection::whole(StorageId(1)).with_predicate(Arc::new(Even));
        let cut = cut(&bytes, &selection).unwrap().unwrap();
        let seen: Vec<_> = cut
            .changes
            .iter()
            .map(|c| (&*c.key, c.op, c.before.as_deref(), c.after.as_deref()))
            .collect();
        type Seen<'s> = (&'s [u8], Op, Option<&'s [u8]>, Option<&'s [u8]>);
        let expected: [Seen<'_>; 5] = [
            (b"a", Op::Insert, None, Some(&[2])),
            (b"c", Op::Insert, None, Some(&[4])),
            (b"d", Op::Delete, Some(&[4]), None),
            (b"e", Op::Update, Some(&[4]), Some(&[6])),
            (b"h", Op::Delete, Some(&[6]), None),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn views_are_cut_and_operator_state_is_not() {
        let whole = Record {
            commit_time_us: 77,
            principal: "ann".into(),
            base: vec![change(1, b"a", None, Some(&[1]))],
            derived: vec![change(5, b"v", None, Some(&[2]))],
            state: vec![change(6, b"s", None, Some(&[3]))],
        };
        let bytes = tailwater_proto::encode_record((&whole).into()).unwrap();
        let of_view = cut(&bytes, &Selection::whole(StorageId(5)))
            .unwrap()
            .unwrap();
        assert_eq!((of_view.commit_time_us, &*of_view.principal), (77, "ann"));
        assert_eq!(of_view.changes.len(), 1);
        assert_eq!(cut(&bytes, &Selection::whole(StorageId(6))).unwrap(), None);
    }
}
