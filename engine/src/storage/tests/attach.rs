//! Reading the file while its writer is alive: exact at the checkpoint attached to, or an error; never mixed.

use std::sync::atomic::{AtomicBool, Ordering};

use tailwater_wal::vfs::{OpenMode, OsVfs, Vfs};

use super::*;
use crate::storage::{Pages, StorageError};

fn attach(vfs: &Arc<dyn Vfs>, path: &Path, cache_bytes: usize) -> Result<Store, StorageError> {
    let settings = StoreSettings {
        cache_bytes,
        ..StoreSettings::default()
    };
    Store::open_read_only(Arc::clone(vfs), path, Pages::Checked, settings)
}

fn rows(generation: u32) -> impl Iterator<Item = Write> {
    (0..3000).map(move |n| {
        put(
            1,
            &format!("{n:06}"),
            &format!("{generation}-{}", "x".repeat(60)),
        )
    })
}

fn attaches_beside_a_writer(vfs: &Arc<dyn Vfs>, path: &Path) {
    let store = Store::open(Arc::clone(vfs), path, settings()).unwrap();
    let lsn = commit(&store, rows(0));
    store.checkpoint(lsn, &[("note", b"n".to_vec())]).unwrap();
    commit(&store, rows(9));

    let reader = attach(vfs, path, 0).unwrap();
    assert_eq!(
        (reader.applied_lsn(), reader.meta_get("note")),
        (lsn, Some(b"n".to_vec()))
    );
    let snapshot = reader.snapshot_visible();
    let seen = all(&snapshot, StorageId(1));
    assert_eq!(seen.len(), 3000);
    assert!(seen.values().all(|value| value.starts_with(b"0-")));
    assert!(matches!(
        reader.checkpoint(lsn, &[]),
        Err(StorageError::ReadOnly)
    ));

    // Commits of the log may be applied on top.
    reader.apply(lsn.next(), [put(1, "000001", "on top")]);
    let value = reader.snapshot_tip().get(StorageId(1), &named("000001"));
    assert_eq!(&*value.unwrap().unwrap(), b"on top");

    // The writer goes on: every read is right or refused, and attaching again helps.
    let mut refused = 0;
    for generation in 1..6 {
        let reader = attach(vfs, path, 0).unwrap();
        let at = reader.snapshot_visible();
        let expected = format!("{}-", (generation - 1) * 10);
        let lsn = commit(&store, rows(generation * 10));
        store.checkpoint(lsn, &[]).unwrap();
        for n in (0..3000).step_by(7) {
            match at.get(StorageId(1), &named(&format!("{n:06}"))) {
                Ok(value) => {
                    let value = value.unwrap();
                    assert!(generation == 1 || value.starts_with(expected.as_bytes()));
                }
                Err(StorageError::CheckpointMoved) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
        let again = attach(vfs, path, 1 << 20).unwrap();
        assert_eq!(again.applied_lsn(), lsn);
        assert_eq!(all(&again.snapshot_visible(), StorageId(1)).len(), 3000);
    }
    assert!(
        refused > 0,
        "with no cache, reads after a checkpoint are refused"
    );
    drop(store);
    let after = attach(vfs, path, 1 << 20).unwrap();
    assert_eq!(
        after.snapshot_visible().lsn(),
        lsn.next().next().next().next().next().next()
    );
}

#[test]
fn a_reader_attaches_beside_a_living_writer_in_memory() {
    let vfs: Arc<dyn Vfs> = Arc::new(new_vfs());
    attaches_beside_a_writer(&vfs, path());
}

#[test]
fn a_reader_attaches_beside_a_living_writer_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let vfs: Arc<dyn Vfs> = Arc::new(OsVfs::new());
    attaches_beside_a_writer(&vfs, &dir.path().join("data.redb"));
}

#[test]
fn a_reader_of_a_crashed_database_sees_its_last_checkpoint() {
    let vfs = new_vfs();
    let store = open(&vfs);
    let lsn = commit(&store, rows(0));
    store.checkpoint(lsn, &[]).unwrap();
    commit(&store, rows(1));
    let vfs = vfs.crash();
    drop(store);
    let vfs: Arc<dyn Vfs> = Arc::new(vfs);
    let reader = attach(&vfs, path(), 1 << 20).unwrap();
    assert_eq!(reader.applied_lsn(), lsn);
    assert_eq!(all(&reader.snapshot_visible(), StorageId(1)).len(), 3000);
}

#[test]
fn there_is_nothing_to_attach_to_without_a_file() {
    let vfs: Arc<dyn Vfs> = Arc::new(new_vfs());
    let error = attach(&vfs, path(), 0).unwrap_err();
    assert!(
        matches!(error, StorageError::Io { path: Some(_), .. }),
        "{error}"
    );
}

/// What a process that attaches again and again beside a busy writer meets: each time all of one state, or that there is a
/// newer one. Never damage, though pages, sums and, with a compaction, both files are replaced under it.
fn attaches_beside_a_busy_writer(vfs: &Arc<dyn Vfs>, path: &Path, checkpoints: u32) {
    let store = Store::open(Arc::clone(vfs), path, settings()).unwrap();
    let lsn = commit(&store, rows(0));
    store.checkpoint(lsn, &[]).unwrap();
    let done = AtomicBool::new(false);
    let (mut whole, mut moved) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for generation in 1..=checkpoints {
                let mut random = Random::new(generation.into());
                let chosen = rows(generation).filter(|_| random.one_in(3));
                let lsn = commit(&store, chosen.collect::<Vec<_>>());
                store.checkpoint(lsn, &[]).unwrap();
                if generation % 4 == 0 {
                    store.compact(&**vfs).unwrap();
                }
            }
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) {
            let found = attach(vfs, path, 0).and_then(|reader| {
                let mut scan = reader.snapshot_visible().scan(
                    StorageId(1),
                    KeyRange::all(),
                    Direction::Forward,
                );
                let mut count = 0;
                while scan.next()?.is_some() {
                    count += 1;
                }
                Ok(count)
            });
            match found {
                Ok(count) => {
                    assert_eq!(count, 3000);
                    whole += 1;
                }
                Err(StorageError::CheckpointMoved) => moved += 1,
                Err(error) => panic!("{error}"),
            }
        }
    });
    assert!(whole > 0, "{moved} were of a state that was");
    let last = attach(vfs, path, 0).unwrap();
    assert_eq!(all(&last.snapshot_visible(), StorageId(1)).len(), 3000);
}

#[test]
fn a_reader_beside_a_busy_writer_sees_no_damage_in_memory() {
    let vfs: Arc<dyn Vfs> = Arc::new(new_vfs());
    attaches_beside_a_busy_writer(&vfs, path(), 40);
}

#[test]
fn a_reader_beside_a_busy_writer_sees_no_damage_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let vfs: Arc<dyn Vfs> = Arc::new(OsVfs::new());
    attaches_beside_a_busy_writer(&vfs, &dir.path().join("data.redb"), 40);
}

/// A crash between the names of a compacted file and of its sums: the sums under the old name are of another file.
#[test]
fn a_compacted_file_is_read_with_its_sums_under_their_first_name() {
    let vfs = new_vfs();
    let store = open(&vfs);
    let lsn = commit(&store, rows(0));
    store.checkpoint(lsn, &[]).unwrap();
    let lsn = commit(&store, rows(1));
    store.checkpoint(lsn, &[]).unwrap();
    let sums = |name: &str| Path::new(&format!("{}{name}", path().display())).to_owned();
    let file = vfs.open(&sums(".sums"), OpenMode::Read).unwrap();
    let mut old = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(&mut old, 0).unwrap();
    store.compact(&vfs).unwrap();
    drop(store);
    vfs.rename(&sums(".sums"), &sums(".compact.sums")).unwrap();
    let file = vfs.open(&sums(".sums"), OpenMode::CreateNew).unwrap();
    file.write_all_at(&old, 0).unwrap();
    let vfs: Arc<dyn Vfs> = Arc::new(vfs);
    let reader = attach(&vfs, path(), 0).unwrap();
    assert_eq!(all(&reader.snapshot_visible(), StorageId(1)).len(), 3000);
}
