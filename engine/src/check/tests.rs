//! What no statement can do to a database, done behind its back: each must be named.

use tailwater_proto::key_codec::key_of;
use tailwater_proto::{Direction, KeyRange, Value};

use super::*;
use crate::catalog::{Index, ObjectName, Relation};
use crate::index_entry::index_target;
use crate::txn::{Section, Target, Transaction};

const SETUP: &str = "CREATE TABLE t (id INT PRIMARY KEY, name TEXT NOT NULL, n INT CHECK (n < 1000));
    CREATE INDEX by_n ON t (n);
    CREATE UNIQUE INDEX by_name ON t (name);
    CREATE MATERIALIZED VIEW sums AS SELECT n % 3 AS g, count(*) AS c FROM t GROUP BY n % 3;
    INSERT INTO t SELECT i, 'name ' || CAST(i AS TEXT), i % 10 FROM generate_series(1, 50) AS s (i)";

fn database() -> Database {
    let db = Builder::default().without_background().memory().unwrap();
    db.exec(SETUP, ()).unwrap();
    assert!(db.check().unwrap().is_clean());
    db
}

fn relation(txn: &Transaction, name: &str) -> Arc<Relation> {
    Arc::clone(txn.catalog.relation(&ObjectName::new(name)).unwrap())
}

fn index(txn: &Transaction, name: &str) -> Arc<Index> {
    let table = relation(txn, "t");
    let mut indexes = txn.catalog.indexes_of(table.id);
    Arc::clone(indexes.find(|index| index.name.name == name).unwrap())
}

/// Stages changes past everything that would keep them right.
fn behind_the_back(db: &Database, work: impl FnOnce(&mut Transaction)) -> CheckReport {
    let engine = db.engine();
    let mut txn = engine.begin(Mode::ReadWrite, &Arc::from("")).unwrap();
    work(&mut txn);
    let lsn = engine.sequence(txn).unwrap();
    engine.wait(lsn).unwrap();
    db.check().unwrap()
}

fn one(report: &CheckReport) -> &Damage {
    match report.damages.as_slice() {
        [damage] => damage,
        _ => panic!("{report}"),
    }
}

#[test]
fn a_missing_entry_and_a_surplus_one_are_named() {
    let db = database();
    let report = behind_the_back(&db, |txn| {
        let index = index(txn, "by_n");
        let entry = key_of(&[Value::Int(3), Value::Int(13)]);
        let present = Some(Arc::from([]));
        txn.stage(index_target(&index), entry, present, None)
            .unwrap();
    });
    let damage = one(&report);
    assert_eq!(damage.part, CheckPart::Index);
    assert_eq!(damage.object.as_deref(), Some("index by_n of table t"));
    assert_eq!(damage.key.as_deref(), Some("13"), "{report}");

    // One more, so that the numbers of rows and entries agree again.
    let report = behind_the_back(&db, |txn| {
        let index = index(txn, "by_n");
        let entry = key_of(&[Value::Int(4), Value::Int(99)]);
        let present = Some(Arc::from([]));
        txn.stage(index_target(&index), entry, None, present)
            .unwrap();
    });
    let keys: Vec<_> = report
        .damages
        .iter()
        .filter_map(|damage| damage.key.as_deref())
        .collect();
    assert_eq!(keys, ["13", "(4, 99)"], "{report}");

    db.exec("REINDEX", ()).unwrap();
    assert!(db.check().unwrap().is_clean());
}

#[test]
fn a_row_gone_without_its_entries_and_a_view_that_differs_are_named() {
    let db = database();
    let report = behind_the_back(&db, |txn| {
        let table = relation(txn, "t");
        let target = Target {
            storage: table.storage,
            // As state, so that no view is stepped.
            section: Section::State,
            schema_version: 0,
        };
        let key = key_of(&[Value::Int(7)]);
        let image = txn.snapshot.get(table.storage, &key).unwrap();
        txn.stage(target, key, image.clone(), image).unwrap();
    });
    assert!(report.is_clean(), "{report}");

    let report = behind_the_back(&db, |txn| {
        let view = relation(txn, "sums");
        let target = Target {
            storage: view.storage,
            section: Section::Derived,
            schema_version: view.schema_version,
        };
        let mut rows = txn
            .snapshot
            .scan(view.storage, KeyRange::all(), Direction::Forward);
        let (key, image) = rows.next().unwrap().unwrap();
        txn.stage(target, key, Some(image), None).unwrap();
    });
    let damage = one(&report);
    assert_eq!(damage.part, CheckPart::View);
    assert_eq!(damage.object.as_deref(), Some("materialized view sums"));
    assert_eq!(damage.message, "computed again, the row is missing");
}

#[test]
fn rows_that_break_constraints_are_named() {
    let db = database();
    let report = behind_the_back(&db, |txn| {
        let table = relation(txn, "t");
        let target = Target {
            storage: table.storage,
            section: Section::Base,
            schema_version: table.schema_version,
        };
        let image = txn
            .snapshot
            .get(table.storage, &key_of(&[Value::Int(7)]))
            .unwrap();
        // A copy under another key: wrong key, no entries, and the same unique name.
        txn.stage(target, key_of(&[Value::Int(77)]), None, image)
            .unwrap();
    });
    let of = |part| {
        report
            .damages
            .iter()
            .filter(|damage| damage.part == part)
            .count()
    };
    assert_eq!(
        (of(CheckPart::Rows), of(CheckPart::Index)),
        (1, 2),
        "{report}"
    );
    assert!(
        report
            .damages
            .iter()
            .all(|damage| damage.key.as_deref() == Some("77")),
        "{report}"
    );
}

#[test]
fn what_is_listed_is_bounded() {
    let db = database();
    behind_the_back(&db, |txn| {
        let index = index(txn, "by_n");
        for id in 1..=50 {
            let entry = key_of(&[Value::Int(id % 10), Value::Int(id)]);
            txn.stage(index_target(&index), entry, Some(Arc::from([])), None)
                .unwrap();
        }
    });
    let options = CheckOptions::default().damages_max(10);
    let report = db.check_with(&options).unwrap();
    assert_eq!(
        (report.damages.len(), report.damages_unlisted),
        (10, 40),
        "{report}"
    );
}
