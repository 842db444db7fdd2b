//! Damaged bytes in the file become errors that name the place; never other values, never a panic.

use tailwater_wal::vfs::{OpenMode, Vfs};

use super::*;
use crate::storage::{Pages, StorageError};

/// A file with rows, and where in it `needle` stands.
fn file_with_rows(needle: &[u8]) -> (MemoryVfs, Vec<usize>) {
    let vfs = new_vfs();
    let store = open(&vfs);
    let value = |n: u32| format!("value-of-{n:05}-{}", "x".repeat(80));
    let lsn = commit(
        &store,
        (0..500).map(|n| put(7, &format!("key{n:05}"), &value(n))),
    );
    store.checkpoint(lsn, &[]).unwrap();
    store.close().unwrap();
    let file = vfs.open(path(), OpenMode::Read).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    let places = bytes
        .windows(needle.len())
        .enumerate()
        .filter(|(_, window)| *window == needle)
        .map(|(at, _)| at)
        .collect();
    (vfs, places)
}

fn flip(vfs: &MemoryVfs, at: usize) {
    let file = vfs.open(path(), OpenMode::ReadWrite).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at as u64).unwrap();
    file.write_all_at(&[byte[0] ^ 4], at as u64).unwrap();
}

/// As a salvage has the file open: rows have a checksum of their own, pages are taken as they are.
fn open_without_sums(vfs: &MemoryVfs) -> Store {
    let vfs = Arc::new(vfs.clone());
    Store::open_read_only(vfs, path(), Pages::AsTheyAre, settings()).unwrap()
}

#[test]
fn a_damaged_page_is_refused_with_its_place_and_hides_no_row() {
    // A bit of a key: the row's own checksum would say so, but a search for another key may not come by.
    let (vfs, places) = file_with_rows(b"key00042");
    for at in &places {
        flip(&vfs, at + 7);
    }
    let named = |error: StorageError| {
        let text = error.to_string();
        let is_named = places.iter().any(|at| {
            let page = at - at % 4096;
            text.contains(&format!(
                "the page at byte {page} is not what was written there"
            ))
        });
        assert!(error.sqlstate() == "XX001" && is_named, "{text}");
    };
    let disk: Arc<dyn Vfs> = Arc::new(vfs.clone());
    // A process that only reads used to take pages as they are.
    let reader = || Store::open_read_only(Arc::clone(&disk), path(), Pages::Checked, settings());
    for opened in [reader(), Store::open(Arc::clone(&disk), path(), settings())] {
        // With debug assertions redb reads every page as it opens the file.
        let store = match opened {
            Ok(store) => store,
            Err(error) => {
                named(error);
                continue;
            }
        };
        let snapshot = store.snapshot_visible();
        let mut refused = 0;
        for n in 0..500 {
            match snapshot.get(StorageId(7), &super::named(&format!("key{n:05}"))) {
                Ok(row) => assert!(row.is_some(), "{n}"),
                Err(error) => {
                    named(error);
                    refused += 1;
                }
            }
        }
        assert!((1..100).contains(&refused), "{refused} rows of one page");
    }
}

#[test]
fn a_damaged_value_names_storage_and_key() {
    let (vfs, places) = file_with_rows(b"value-of-00042");
    assert!(!places.is_empty());
    for at in places {
        flip(&vfs, at + 3);
    }
    let store = open_without_sums(&vfs);
    let snapshot = store.snapshot_visible();
    assert!(
        snapshot
            .get(StorageId(7), &named("key00041"))
            .unwrap()
            .is_some()
    );
    let assert_names_it = |error: StorageError| match error {
        StorageError::Corrupted { storage, key, .. } => {
            assert_eq!(storage, Some(StorageId(7)));
            assert_eq!(key, Some(Key::from(&b"key00042"[..])));
        }
        other => panic!("{other}"),
    };
    assert_names_it(snapshot.get(StorageId(7), &named("key00042")).unwrap_err());
    let mut scan = snapshot.scan(StorageId(7), KeyRange::all(), Direction::Forward);
    let mut rows = 0;
    let error = loop {
        match scan.next() {
            Ok(row) => assert!(row.is_some()),
            Err(error) => break error,
        }
        rows += 1;
    };
    assert_eq!(rows, 42);
    assert_names_it(error);
    assert_names_it(store.scrub().unwrap_err());
    assert_eq!(scan.next().unwrap(), None, "a scan ends with its error");
}

#[test]
fn a_damaged_key_never_gives_a_row_to_another_key() {
    let (vfs, places) = file_with_rows(b"key00042");
    for at in places {
        flip(&vfs, at + 7);
    }
    let store = open_without_sums(&vfs);
    let snapshot = store.snapshot_visible();
    // The flipped byte makes it `key00046`, of which there are two now.
    for n in 0..500 {
        let key = format!("key{n:05}");
        match snapshot.get(StorageId(7), &named(&key)) {
            Ok(Some(value)) => {
                let expected = format!("value-of-{n:05}");
                assert!(value.starts_with(expected.as_bytes()), "{key}");
            }
            Ok(None) => assert_eq!(n, 42),
            Err(error) => assert_eq!(error.sqlstate(), "XX001", "{error}"),
        }
    }
    let scan = snapshot.scan(StorageId(7), KeyRange::all(), Direction::Forward);
    assert!(scan.into_iter().any(|row| row.is_err()));
}

#[test]
fn a_scrub_reads_every_row_of_the_file() {
    let store = open(&new_vfs());
    assert_eq!(store.scrub().unwrap().rows, 0);
    commit(&store, [put(1, "a", "1"), put(0xABC, "b", "22")]);
    store.checkpoint(Lsn(1), &[]).unwrap();
    commit(&store, [put(3, "in memory only", "")]);
    let report = store.scrub().unwrap();
    assert_eq!((report.storages, report.rows, report.bytes), (2, 2, 5));
}
