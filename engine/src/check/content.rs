//! What is made of rows: storages of the catalog, rows and their constraints, entries of indexes, rows of views.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeSet, HashSet};
use std::hash::BuildHasher;
use std::ops::Bound;
use std::sync::Arc;

use tailwater_proto::key_codec::{KeyOrder, decode_key_part};
use tailwater_proto::row_codec::RowView;
use tailwater_proto::{Direction, Key, KeyRange, StorageId, Value};
use tailwater_views::ExecContext;

use super::report::{CheckPart, Damage, Findings};
use crate::catalog::{Catalog, Index, Object, Relation, RelationKind, system_storage};
use crate::error::{Error, ErrorKind, Result};
use crate::index_entry::{index_entry, index_prefix};
use crate::maintenance;
use crate::storage::{Scan, Snapshot, StorageError, Surveyed};
use crate::table_writer::TableWriter;
use crate::txn::Transaction;

/// Reads the storage file: every row of every storage, and whether the catalog knows the storage.
pub(super) fn check_storages(
    txn: &Transaction,
    dropped: &BTreeSet<StorageId>,
    findings: &mut Findings<'_>,
) -> Result<()> {
    let known = txn.catalog.storages();
    survey(&txn.snapshot, &txn.catalog, findings)?;
    // What is dropped stays until the next checkpoint.
    let Ok(stored) = txn.snapshot.stored_storages() else {
        return Ok(());
    };
    for id in stored {
        if !known.contains(&id) && !dropped.contains(&id) {
            let message = format!("storage {id} has rows and belongs to nothing");
            findings.damage(Damage::new(CheckPart::Catalog, message));
        }
    }
    Ok(())
}

/// Reads every row of the storage file; names are the catalog's.
pub(super) fn survey(
    snapshot: &Snapshot,
    catalog: &Catalog,
    findings: &mut Findings<'_>,
) -> Result<()> {
    let mut ids = catalog.storages();
    match snapshot.stored_storages() {
        Ok(stored) => ids.extend(stored),
        Err(error) => {
            let message = damage_text(error)?;
            findings.damage(Damage::new(CheckPart::StorageFile, message));
        }
    }
    for id in ids {
        let name = storage_name(catalog, id);
        let step = format!("the storage file, {name}");
        let mut rows = 0;
        snapshot.survey(id, &mut |found| {
            let damage = match found {
                Surveyed::Row(..) => {
                    rows += 1;
                    return findings.progress(&step, rows);
                }
                Surveyed::BadRow(key) => {
                    Damage::new(CheckPart::Rows, "the row's checksum does not match")
                        .at_key(describe_key(&key))
                }
                Surveyed::Lost {
                    after,
                    before,
                    detail,
                } => {
                    let end = |key: Option<Key>, open: &str| {
                        key.map_or_else(|| open.to_owned(), |key| describe_key(&key))
                    };
                    let (after, before) = (end(after, "the beginning"), end(before, "the end"));
                    let message =
                        format!("rows between {after} and {before} cannot be read: {detail}");
                    Damage::new(CheckPart::StorageFile, message)
                }
            };
            findings.damage(damage.of(&name));
            findings.unreadable.insert(id);
        })?;
    }
    Ok(())
}

/// Checks every table and materialised view with its indexes, and views against their queries.
pub(super) fn check_relations(txn: &Transaction, findings: &mut Findings<'_>) -> Result<()> {
    for object in txn.catalog.objects() {
        if let Object::Index(index) = object
            && !matches!(txn.catalog.get(index.relation), Some(Object::Relation(_)))
        {
            let message = format!("index {} is of a table that is not there", index.name);
            findings.damage(Damage::new(CheckPart::Catalog, message));
        }
    }
    let known = txn.catalog.storages();
    for relation in txn.catalog.relations() {
        if relation.kind == RelationKind::View || relation.is_builtin() {
            continue;
        }
        let name = relation_name(relation);
        for source in relation.maintained_from() {
            if !known.contains(source) {
                let message = format!("it reads storage {source}, which is not there");
                findings.damage(Damage::new(CheckPart::Catalog, message).of(&name));
                findings.unreadable.insert(relation.storage);
            }
        }
        findings.progress(&name, 0);
        if findings.unreadable.contains(&relation.storage) {
            findings.note(format!(
                "{name} was not compared with what is made of it: it is damaged"
            ));
            continue;
        }
        let checked = check_rows(txn, relation, &name, findings)
            .and_then(|()| check_view(txn, relation, &name, findings));
        if let Err(error) = checked {
            if error.kind() != ErrorKind::Corrupted {
                return Err(error);
            }
            findings.damage(Damage::new(CheckPart::Rows, error.message()).of(&name));
        }
    }
    Ok(())
}

/// One index while the rows of its relation go by.
struct Watched {
    index: Arc<Index>,
    name: String,
    missing: u64,
}

fn check_rows(
    txn: &Transaction,
    relation: &Arc<Relation>,
    name: &str,
    findings: &mut Findings<'_>,
) -> Result<()> {
    let cx = ExecContext::default();
    let writer = TableWriter::new(&txn.catalog, relation);
    let mut indexes: Vec<Watched> = txn
        .catalog
        .indexes_of(relation.id)
        .filter(|index| !findings.unreadable.contains(&index.storage))
        .map(|index| Watched {
            index: Arc::clone(index),
            name: index_name(relation, index),
            missing: 0,
        })
        .collect();
    let mut rows = 0;
    let mut scan = scan_all(&txn.snapshot, relation.storage);
    while let Some((key, image)) = scan.next()? {
        rows += 1;
        findings.progress(name, rows);
        let row = match writer.decode(&image) {
            Ok(row) => row,
            Err(error) => {
                let damage = Damage::new(CheckPart::Rows, error.message());
                findings.damage(damage.of(name).at_key(describe_key(&key)));
                continue;
            }
        };
        if let Some(wrong) = constraint_broken(relation, &writer, &row, &key, &cx) {
            let damage = Damage::new(CheckPart::Rows, wrong);
            findings.damage(damage.of(name).at_key(describe_key(&key)));
        }
        for watched in &mut indexes {
            check_entry(&txn.snapshot, watched, &row, &key, &cx, findings)?;
        }
    }
    findings.report.rows += rows;
    for watched in &indexes {
        check_entries(txn, relation, watched, rows, findings)?;
    }
    Ok(())
}

/// What a table's row breaks, if anything.
fn constraint_broken(
    relation: &Relation,
    writer: &TableWriter,
    row: &[Value],
    key: &Key,
    cx: &ExecContext,
) -> Option<String> {
    if !relation.is_table() {
        return None;
    }
    match writer.key(row, cx) {
        Ok(own) if own == *key => {}
        Ok(_) => return Some("the row stands under a key that is not its own".to_owned()),
        Err(error) => return Some(error.message().to_owned()),
    }
    let checked = writer.check(row, cx);
    checked.err().map(|error| error.message().to_owned())
}

/// Whether a row has its entry, and no other row the same one where the index is unique.
fn check_entry(
    snapshot: &Snapshot,
    watched: &mut Watched,
    row: &[Value],
    key: &Key,
    cx: &ExecContext,
    findings: &mut Findings<'_>,
) -> Result<()> {
    let index = &watched.index;
    let (prefix, has_null) = match index_prefix(index, row, cx) {
        Ok(prefix) => prefix,
        Err(error) => {
            let damage = Damage::new(
                CheckPart::Index,
                format!("the entry cannot be made: {error}"),
            );
            findings.damage(damage.of(&watched.name).at_key(describe_key(key)));
            watched.missing += 1;
            return Ok(());
        }
    };
    let mut entry = prefix.clone();
    entry.extend(key);
    if snapshot.get(index.storage, &entry)?.is_none() {
        watched.missing += 1;
        let damage = Damage::new(CheckPart::Index, "the row has no entry");
        findings.damage(damage.of(&watched.name).at_key(describe_key(key)));
    }
    if index.unique && !has_null {
        // Only the entries behind its own, so that each pair shows once.
        let behind = KeyRange {
            lo: Bound::Excluded(entry),
            hi: KeyRange::prefix(prefix).hi,
        };
        let mut others = snapshot.scan(index.storage, behind, Direction::Forward);
        if others.next()?.is_some() {
            let damage = Damage::new(CheckPart::Index, "another row has the same unique values");
            findings.damage(damage.of(&watched.name).at_key(describe_key(key)));
        }
    }
    Ok(())
}

/// Whether an index has no entries besides those of rows.
fn check_entries(
    txn: &Transaction,
    relation: &Arc<Relation>,
    watched: &Watched,
    rows: u64,
    findings: &mut Findings<'_>,
) -> Result<()> {
    let index = &watched.index;
    let mut entries = 0;
    let mut scan = scan_all(&txn.snapshot, index.storage);
    while scan.next()?.is_some() {
        entries += 1;
        findings.progress(&watched.name, entries);
    }
    findings.report.entries += entries;
    // Every row that is not missed has one of its own.
    if entries == rows - watched.missing {
        return Ok(());
    }
    let cx = ExecContext::default();
    let hasher = RandomState::new();
    let mut of_rows: HashSet<u64> = HashSet::new();
    let layout = relation.layout();
    let mut values: Vec<Value> = Vec::new();
    let mut scan = scan_all(&txn.snapshot, relation.storage);
    while let Some((key, image)) = scan.next()? {
        values.clear();
        let decoded = RowView::new(&image).and_then(|view| view.project(&layout, &mut values));
        if decoded.is_ok()
            && let Ok(entry) = index_entry(index, &values, &key, &cx)
        {
            of_rows.insert(hasher.hash_one(&*entry));
        }
    }
    let mut scan = scan_all(&txn.snapshot, index.storage);
    while let Some((entry, _)) = scan.next()? {
        if !of_rows.contains(&hasher.hash_one(&*entry)) {
            let damage = Damage::new(CheckPart::Index, "the entry is of no row");
            findings.damage(damage.of(&watched.name).at_key(describe_key(&entry)));
        }
    }
    Ok(())
}

fn check_view(
    txn: &Transaction,
    relation: &Arc<Relation>,
    name: &str,
    findings: &mut Findings<'_>,
) -> Result<()> {
    if relation.kind != RelationKind::MaterializedView {
        return Ok(());
    }
    let mut unreadable = relation.maintained_from().iter();
    if unreadable.any(|source| findings.unreadable.contains(source)) {
        findings.note(format!(
            "{name} was not compared with its query: what it reads is damaged"
        ));
        return Ok(());
    }
    findings.progress(&format!("{name}, computed again"), 0);
    let cx = ExecContext::default();
    let compared = maintenance::compare(&txn.catalog, relation, &txn.snapshot, &cx)?;
    findings.report.views += 1;
    for (key, difference) in compared.differences {
        let message = format!("computed again, the row {}", difference.name());
        let damage = Damage::new(CheckPart::View, message);
        findings.damage(damage.of(name).at_key(describe_key(&key)));
    }
    Ok(())
}

fn scan_all(snapshot: &Snapshot, storage: StorageId) -> Scan {
    snapshot.scan(storage, KeyRange::all(), Direction::Forward)
}

/// What damage of the storage file says; anything else is an error.
pub(super) fn damage_text(error: StorageError) -> Result<String> {
    let error = Error::from(error);
    match error.kind() {
        ErrorKind::Corrupted => Ok(error.message().to_owned()),
        _ => Err(error),
    }
}

fn relation_name(relation: &Relation) -> String {
    format!("{} {}", relation.kind.name(), relation.name)
}

fn index_name(relation: &Relation, index: &Index) -> String {
    format!("index {} of {}", index.name, relation_name(relation))
}

/// What a storage holds, in words.
pub(crate) fn storage_name(catalog: &Catalog, id: StorageId) -> String {
    match id {
        system_storage::OBJECTS => return "the catalog".to_owned(),
        system_storage::SEQUENCES => return "the sequences".to_owned(),
        _ => {}
    }
    for object in catalog.objects() {
        match object {
            Object::Relation(relation) if relation.storage == id => return relation_name(relation),
            Object::Relation(relation) => {
                if relation.state_storages().any(|state| state == id) {
                    return format!("the state of {}", relation_name(relation));
                }
            }
            Object::Index(index) if index.storage == id => {
                return match catalog.get(index.relation) {
                    Some(Object::Relation(relation)) => index_name(relation, index),
                    _ => format!("index {}", index.name),
                };
            }
            Object::Index(_) | Object::Sequence(_) | Object::Module(_) => {}
        }
    }
    format!("storage {id}")
}

/// A key as its values, if it is made of ascending ones; else as bytes.
pub(crate) fn describe_key(key: &Key) -> String {
    let mut rest: &[u8] = key;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        match decode_key_part(rest, KeyOrder::Ascending) {
            Ok((value, len)) if len > 0 => {
                parts.push(value.to_string());
                rest = rest.get(len..).unwrap_or_default();
            }
            _ => return format!("{key:?}"),
        }
    }
    match parts.as_slice() {
        [one] => one.clone(),
        _ => format!("({})", parts.join(", ")),
    }
}
