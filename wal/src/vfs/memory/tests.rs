//! The file system in memory, and what a crash does to it.

use super::*;

fn read(vfs: &MemoryVfs, path: &str) -> Vec<u8> {
    let file = vfs.open(Path::new(path), OpenMode::Read).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

fn disk_with(path: &str, bytes: &[u8]) -> (MemoryVfs, Arc<dyn VfsFile>) {
    let vfs = MemoryVfs::new();
    vfs.create_dir_all(Path::new("/d")).unwrap();
    let file = vfs.open(Path::new(path), OpenMode::CreateNew).unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file.sync_data().unwrap();
    vfs.sync_dir(Path::new("/d")).unwrap();
    (vfs, file)
}

#[test]
fn a_crash_loses_unsynced_bytes_lengths_and_names() {
    let (vfs, file) = disk_with("/d/a", b"hello");
    file.write_all_at(b"J", 0).unwrap();
    file.write_all_at(&[7; 9000], 5).unwrap();
    vfs.open(Path::new("/d/b"), OpenMode::Create).unwrap();
    vfs.rename(Path::new("/d/a"), Path::new("/d/c")).unwrap();
    assert_eq!(vfs.list(Path::new("/d")).unwrap(), ["b", "c"]);
    assert_eq!(vfs.used_bytes(), 9005);
    let dead = vfs.clone();
    let vfs = vfs.crash();
    assert_eq!(vfs.list(Path::new("/d")).unwrap(), ["a"]);
    assert_eq!(read(&vfs, "/d/a"), b"hello");
    assert_eq!(vfs.used_bytes(), 5);
    assert!(
        file.write_all_at(b"x", 0).is_err(),
        "handles of the dead machine are dead"
    );
    assert!(
        dead.remove(Path::new("/d/a")).is_err(),
        "and so is its door"
    );
}

#[test]
fn a_crash_may_keep_chosen_sectors() {
    let (vfs, file) = disk_with("/d/a", &[1; 2048]);
    file.write_all_at(&[2; 2048], 0).unwrap();
    let vfs =
        vfs.crash_keeping(&mut |pending| matches!(pending, Pending::Sector { offset: 512, .. }));
    let bytes = read(&vfs, "/d/a");
    assert_eq!(bytes.iter().position(|b| *b == 2), Some(512));
    assert_eq!(bytes.iter().filter(|b| **b == 2).count(), 512);
}

#[test]
fn cutting_and_growing_shows_zeros_and_a_crash_brings_the_old_bytes_back() {
    let (vfs, file) = disk_with("/d/a", &[1; 6000]);
    file.set_len(100).unwrap();
    file.set_len(6000).unwrap();
    let bytes = read(&vfs, "/d/a");
    assert_eq!(bytes.iter().filter(|b| **b == 1).count(), 100);
    let vfs = vfs.crash();
    assert_eq!(read(&vfs, "/d/a"), [1; 6000]);
}

#[test]
fn a_full_disk_says_so_and_frees_what_is_removed() {
    let vfs = MemoryVfs::with_capacity_bytes(100);
    let file = vfs.open(Path::new("a"), OpenMode::Create).unwrap();
    file.write_all_at(&[1; 60], 0).unwrap();
    let other = vfs.open(Path::new("b"), OpenMode::Create).unwrap();
    let full = other.write_all_at(&[1; 60], 0).unwrap_err();
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    assert_eq!(vfs.free_bytes(Path::new("")).unwrap(), Some(40));
    vfs.remove(Path::new("a")).unwrap();
    other.write_all_at(&[1; 60], 0).unwrap();
    file.write_all_at(&[1; 600], 0).unwrap();
    assert_eq!(vfs.used_bytes(), 60);
}

#[test]
fn faults_hit_the_call_they_were_set_for() {
    let (vfs, file) = disk_with("/d/a", b"");
    vfs.fail_sync_after(1);
    file.sync_data().unwrap();
    assert!(file.sync_data().is_err());
    file.sync_data().unwrap();
    vfs.fail_write_after(0);
    assert!(file.write_all_at(b"x", 0).is_err());
    file.write_all_at(b"x", 0).unwrap();
}

#[test]
fn a_lock_is_exclusive_until_dropped_or_crashed() {
    let vfs = MemoryVfs::new();
    let path = Path::new("lock");
    let LockOutcome::Held(first) = vfs.lock(path).unwrap() else {
        panic!("free")
    };
    assert!(matches!(vfs.lock(path).unwrap(), LockOutcome::Busy { .. }));
    let vfs = vfs.crash();
    let LockOutcome::Held(second) = vfs.lock(path).unwrap() else {
        panic!("free")
    };
    drop(first);
    assert!(matches!(vfs.lock(path).unwrap(), LockOutcome::Busy { .. }));
    drop(second);
    assert!(matches!(vfs.lock(path).unwrap(), LockOutcome::Held(_)));
}
