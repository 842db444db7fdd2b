//! A copy of redb's header, so that no power cut while it is rewritten costs the database.
//!
//! redb rewrites the first sector of its file in place with every checkpoint and trusts the disk not to garble it. We do
//! not: each new header first goes, durably, to one of two slots of a file beside it. If the header in the storage file
//! is then no header at all, the newest whole copy is put back: redb wrote it, and would have found it. A header that
//! is one is never touched, so a storage file put here from elsewhere is safe. Next door: `backend`, which calls.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tailwater_wal::checksum;
use tailwater_wal::vfs::{OpenMode, Vfs, VfsFile};

/// How redb's files begin.
const REDB_MAGIC: [u8; 9] = [b'r', b'e', b'd', b'b', 0x1A, 0x0A, 0xA9, 0x0D, 0x0A];
/// How a slot begins; persisted, see FORMAT.md.
const SLOT_MAGIC: [u8; 4] = *b"TWH1";
/// Bytes from one slot to the next: a write to one never touches a block of the other.
const SLOT_BYTES: u64 = 4096;
/// Bytes of a slot before the header: magic, checksum, number, length.
const SLOT_HEAD_BYTES: usize = 20;
/// What a disk writes as one.
const SECTOR_BYTES: usize = 512;
/// The longest header a slot holds.
const HEADER_BYTES_MAX: usize = SLOT_BYTES as usize - SLOT_HEAD_BYTES;

/// The file with the copies.
#[derive(Debug)]
pub(super) struct HeaderCopies {
    file: Arc<dyn VfsFile>,
    /// The number of the newest copy; the slot is its remainder by two.
    newest: Mutex<u64>,
}

impl HeaderCopies {
    /// Opens the copies beside the storage file at `path`, made when there are none, and puts the newest one back if the
    /// storage file has lost its header.
    ///
    /// # Errors
    /// I/O.
    pub(super) fn open(vfs: &dyn Vfs, path: &Path) -> io::Result<Arc<Self>> {
        let beside = beside(path);
        let is_new = !vfs.exists(&beside)?;
        let file = vfs.open(&beside, OpenMode::Create)?;
        if is_new && let Some(dir) = beside.parent() {
            vfs.sync_dir(dir)?;
        }
        let newest = [0, 1].map(|slot| read_slot(&*file, slot));
        let newest = newest
            .into_iter()
            .flatten()
            .max_by_key(|(number, _)| *number);
        let copies = Self {
            file,
            newest: Mutex::new(newest.as_ref().map_or(0, |(number, _)| *number)),
        };
        if let Some((_, header)) = newest {
            let storage = vfs.open(path, OpenMode::ReadWrite)?;
            if has_lost_its_header(&*storage)? {
                storage.write_all_at(&header, 0)?;
                storage.sync_data()?;
            }
        }
        Ok(Arc::new(copies))
    }

    /// Keeps a copy of the header that is about to be written; durable when this returns.
    ///
    /// # Errors
    /// I/O.
    pub(super) fn keep(&self, header: &[u8]) -> io::Result<()> {
        if header.len() > HEADER_BYTES_MAX || !header.starts_with(&REDB_MAGIC) {
            return Ok(());
        }
        let mut newest = self.newest.lock();
        let number = *newest + 1;
        let slot = encode_slot(number, header);
        self.file.write_all_at(&slot, number % 2 * SLOT_BYTES)?;
        self.file.sync_data()?;
        *newest = number;
        Ok(())
    }
}

/// Whether the first sector is not what redb writes there, while the rest of the first page is: zeros. So a file that
/// never was redb's is left alone.
fn has_lost_its_header(storage: &dyn VfsFile) -> io::Result<bool> {
    let mut page = vec![0; SLOT_BYTES as usize];
    if storage.len()? < SLOT_BYTES {
        return Ok(false);
    }
    storage.read_exact_at(&mut page, 0)?;
    let (sector, rest) = page.split_at(SECTOR_BYTES);
    Ok(!sector.starts_with(&REDB_MAGIC) && rest.iter().all(|byte| *byte == 0))
}

/// Where the copies of a storage file's header are.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".header");
    PathBuf::from(name)
}

fn encode_slot(number: u64, header: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(SLOT_BYTES as usize);
    body.extend_from_slice(&number.to_le_bytes());
    // Checked by the caller: it is less than a block.
    body.extend_from_slice(&(header.len() as u32).to_le_bytes());
    body.extend_from_slice(header);
    let mut slot = SLOT_MAGIC.to_vec();
    slot.extend_from_slice(&checksum(&body).to_le_bytes());
    slot.append(&mut body);
    slot.resize(SLOT_BYTES as usize, 0);
    slot
}

/// The copy in a slot, if there is a whole one.
fn read_slot(file: &dyn VfsFile, slot: u64) -> Option<(u64, Vec<u8>)> {
    let mut bytes = vec![0; SLOT_BYTES as usize];
    // A file that is too short has no such slot; one that cannot be read is no help either.
    file.read_exact_at(&mut bytes, slot * SLOT_BYTES).ok()?;
    let rest = bytes.strip_prefix(&SLOT_MAGIC)?;
    let (crc, body) = rest.split_first_chunk()?;
    let (number, rest) = body.split_first_chunk()?;
    let (len, rest) = rest.split_first_chunk()?;
    let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
    let header = rest.get(..len)?;
    let whole = body.get(..12 + len)?;
    let is_right = u32::from_le_bytes(*crc) == checksum(whole);
    is_right.then(|| (u64::from_le_bytes(*number), header.to_vec()))
}

#[cfg(test)]
mod tests {
    use tailwater_wal::vfs::MemoryVfs;

    use super::*;

    fn header(last: u8) -> Vec<u8> {
        let mut header = REDB_MAGIC.to_vec();
        header.resize(512, last);
        header
    }

    fn setup() -> (MemoryVfs, Arc<dyn VfsFile>) {
        let vfs = MemoryVfs::new();
        let file = vfs.open(Path::new("f"), OpenMode::Create).unwrap();
        file.set_len(8192).unwrap();
        (vfs, file)
    }

    fn first_sector(file: &dyn VfsFile) -> Vec<u8> {
        let mut bytes = vec![0; 512];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    #[test]
    fn a_header_that_is_lost_is_put_back_and_another_is_left_alone() {
        let (vfs, file) = setup();
        let path = Path::new("f");
        let copies = HeaderCopies::open(&vfs, path).unwrap();
        for last in 1..=5 {
            copies.keep(&header(last)).unwrap();
            let mut garbled = header(9);
            garbled[0] = 0;
            file.write_all_at(&garbled, 0).unwrap();
            HeaderCopies::open(&vfs, path).unwrap();
            assert_eq!(first_sector(&*file), header(last));
        }
        file.write_all_at(&header(7), 0).unwrap();
        HeaderCopies::open(&vfs, path).unwrap();
        assert_eq!(first_sector(&*file), header(7));
    }

    #[test]
    fn a_file_that_never_was_one_is_left_alone() {
        let (vfs, file) = setup();
        let path = Path::new("f");
        HeaderCopies::open(&vfs, path)
            .unwrap()
            .keep(&header(1))
            .unwrap();
        file.write_all_at(&[b'x'; 4096], 0).unwrap();
        HeaderCopies::open(&vfs, path).unwrap();
        assert_eq!(first_sector(&*file), [b'x'; 512]);
    }

    #[test]
    fn a_copy_that_is_torn_leaves_the_one_before() {
        let (vfs, file) = setup();
        let path = Path::new("f");
        let copies = HeaderCopies::open(&vfs, path).unwrap();
        copies.keep(&header(1)).unwrap();
        copies.keep(&header(2)).unwrap();
        let slots = vfs.open(&beside(path), OpenMode::ReadWrite).unwrap();
        slots.write_all_at(&[0xAA; 512], 0).unwrap();
        HeaderCopies::open(&vfs, path).unwrap();
        assert_eq!(first_sector(&*file), header(1));
    }
}
