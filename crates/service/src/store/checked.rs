//! A file whose every page is checked when it is read: the storage under a database.
//!
//! | physical page      | contents                                                       |
//! |--------------------|----------------------------------------------------------------|
//! | 0, 1               | the header's record, twice: magic ‖ sequence number ‖ length ‖ redb's header ‖ XXH3 |
//! | 2 + 513 g          | the checksums of group g, 512 of 8 bytes, little-endian        |
//! | the 512 after that | the pages of group g                                           |
//!
//! A checksum is the XXH3 of a page, with the page's number as its seed, so that a page in the place
//! of another one shows too. redb writes its header in place and copies all else on write. A page
//! that the durable trees need therefore keeps its checksum, whatever part of a later checksum page
//! reaches the disk. A free page may have another checksum after a kill: nothing reads it before it is
//! written. The header's record fits in one sector, and is written twice, one after the other: a bit
//! that flips in one of them changes nothing.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Seek as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;
use xxhash_rust::xxh3::xxh3_64_with_seed;

const PAGE: usize = 4096;
const SLOTS: u64 = 512;
/// The bytes that redb writes in place, at the start of its file.
const REDB_HEADER: usize = 320;
const MAGIC: &[u8; 16] = b"blocksmith ck 4\n";
/// What a file of redb without checksums begins with.
const REDB_MAGIC: &[u8; 9] = b"redb\x1a\x0a\xa9\x0d\x0a";
/// The bit behind that which says that the last process was killed.
const RECOVERY_REQUIRED: u8 = 2;
const BODY: usize = 16 + 8 + 8 + REDB_HEADER;
const RECORD: usize = BODY + 8;

/// The damage that a checked file shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAsWritten {
    /// A page has other contents than were written.
    #[error("page {0} is not as it was written")]
    Page(u64),
    /// Neither copy of the header is as it was written.
    #[error("both copies of its header are not as they were written")]
    Header,
    /// The file is empty; a new one has a header before it has its name.
    #[error("it is empty")]
    Empty,
    /// The file is shorter than its header says.
    #[error("it ends at byte {end}, and {missing} bytes are missing")]
    Short {
        /// Its length.
        end: u64,
        /// How much longer it was.
        missing: u64,
    },
}

impl NotAsWritten {
    /// The damage that an error of the storage is about.
    pub(super) fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

impl From<NotAsWritten> for io::Error {
    fn from(damage: NotAsWritten) -> Self {
        Self::new(ErrorKind::InvalidData, damage)
    }
}

#[derive(Debug)]
struct State {
    sequence: u64,
    len: u64,
    header: [u8; REDB_HEADER],
    /// Checksum pages by group, and whether each differs from the disk's.
    sums: BTreeMap<u64, (Box<[u64]>, bool)>,
}

impl Default for State {
    fn default() -> Self {
        Self { sequence: 0, len: 0, header: [0; REDB_HEADER], sums: BTreeMap::new() }
    }
}

/// A checked file: a storage for [`redb::Builder::create_with_backend`].
#[derive(Debug)]
pub struct Checked {
    file: File,
    state: Mutex<State>,
}

/// The checksum of a page. Zero stands for a page that was never written.
fn sum(page: u64, bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(bytes, page).max(1)
}

fn is_good(expected: u64, page: u64, bytes: &[u8]) -> bool {
    match expected {
        0 => bytes.iter().all(|byte| *byte == 0),
        expected => sum(page, bytes) == expected,
    }
}

/// Where a group's checksums are; its pages follow.
fn group_at(group: u64) -> u64 {
    (2 + group * (SLOTS + 1)) * PAGE as u64
}

/// Group, slot and place of a logical page other than the first.
fn place(page: u64) -> (u64, usize, u64) {
    let (group, slot) = ((page - 1) / SLOTS, (page - 1) % SLOTS);
    (group, slot as usize, group_at(group) + (1 + slot) * PAGE as u64)
}

/// The file's length for a logical length.
fn physical(len: u64) -> u64 {
    match len.div_ceil(PAGE as u64) {
        0 | 1 => 2 * PAGE as u64,
        pages => place(pages - 1).2 + PAGE as u64,
    }
}

/// Sequence number, length and redb's header, if the record is as it was written.
fn parse(record: &[u8; RECORD]) -> Option<(u64, u64, [u8; REDB_HEADER])> {
    let (body, kept) = record.split_at(BODY);
    let number = |at: usize| u64::from_le_bytes(*body[at..].first_chunk().expect("8 bytes"));
    let good = body.starts_with(MAGIC) && kept == sum(0, body).to_le_bytes();
    good.then(|| (number(16), number(24), *body[32..].first_chunk().expect("the header")))
}

/// Whether a file is one of redb without checksums.
pub(super) fn is_unchecked(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(REDB_MAGIC.len() as u64).read_to_end(&mut start)?;
    Ok(start == REDB_MAGIC)
}

/// Writes the database of a file without checksums, which nothing has open, to a new checked file.
pub(super) fn copy(from: &Path, to: &Path, mut progress: impl FnMut(u64)) -> io::Result<()> {
    let mut from = File::open(from)?;
    let len = from.seek(io::SeekFrom::End(0))?;
    from.rewind()?;
    let checked = Checked::create(to)?;
    checked.set_len(len)?;
    let mut bytes = vec![0; PAGE * SLOTS as usize];
    let mut at = 0;
    while at < len {
        let part = bytes.len().min(usize::try_from(len - at).unwrap_or(usize::MAX));
        from.read_exact(&mut bytes[..part])?;
        checked.write(at, &bytes[..part])?;
        at += part as u64;
        progress(at);
    }
    checked.close()
}

impl Checked {
    /// Makes a new checked file.
    ///
    /// # Errors
    /// Fails if the file exists, or with the system's error.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        Self::of(file, State::default())
    }

    /// Opens the checked file at `path`.
    ///
    /// # Errors
    /// Fails with [`NotAsWritten`] if the file is damaged, with [`ErrorKind::ResourceBusy`] if it is open
    /// elsewhere, or with the system's error.
    pub fn open(path: &Path) -> io::Result<Self> {
        let (file, state) = Self::opened(OpenOptions::new().read(true).write(true).open(path)?)?;
        Self::of(file, state)
    }

    /// Opens the checked file at `path` for readers alone, and writes nothing to it. After a kill they see
    /// the last commit: all are in two phases, so that a header never names one that is not whole.
    ///
    /// # Errors
    /// As [`Checked::open`].
    pub fn reader(path: &Path) -> io::Result<Self> {
        let (file, mut state) = Self::opened(File::open(path)?)?;
        state.header[REDB_MAGIC.len()] &= !RECOVERY_REQUIRED;
        Ok(Self { file, state: Mutex::new(state) })
    }

    /// What the header says of a file, which stays locked.
    fn opened(file: File) -> io::Result<(File, State)> {
        // The lock of the data directory counts; a file system without locks has refused that one.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(ErrorKind::ResourceBusy.into());
        }
        let end = file.metadata()?.len();
        if end == 0 {
            return Err(NotAsWritten::Empty.into());
        }
        let record = |at: u64| {
            let mut bytes = [0; RECORD];
            file.read_exact_at(&mut bytes, at).ok().and_then(|()| parse(&bytes))
        };
        let copies = [record(0), record(PAGE as u64)];
        let newest = copies.into_iter().flatten().max_by_key(|record| record.0);
        let (sequence, len, header) = newest.ok_or(NotAsWritten::Header)?;
        if let Some(missing) = physical(len).checked_sub(end).filter(|less| *less > 0) {
            return Err(NotAsWritten::Short { end, missing }.into());
        }
        Ok((file, State { sequence, len, header, sums: BTreeMap::new() }))
    }

    fn of(file: File, state: State) -> io::Result<Self> {
        let checked = Self { file, state: Mutex::new(state) };
        checked.record(&mut checked.lock())?;
        Ok(checked)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes both copies of the header, one after the other.
    fn record(&self, state: &mut State) -> io::Result<()> {
        state.sequence += 1;
        let mut bytes = Vec::with_capacity(RECORD);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&state.sequence.to_le_bytes());
        bytes.extend_from_slice(&state.len.to_le_bytes());
        bytes.extend_from_slice(&state.header);
        bytes.extend_from_slice(&sum(0, &bytes).to_le_bytes());
        self.file.write_all_at(&bytes, 0)?;
        self.file.write_all_at(&bytes, PAGE as u64)
    }

    fn sums<'a>(&self, state: &'a mut State, group: u64) -> io::Result<&'a mut (Box<[u64]>, bool)> {
        match state.sums.entry(group) {
            Entry::Occupied(found) => Ok(found.into_mut()),
            Entry::Vacant(place) => {
                let mut bytes = [0; PAGE];
                if group_at(group) < self.file.metadata()?.len() {
                    self.file.read_exact_at(&mut bytes, group_at(group))?;
                }
                let (slots, _) = bytes.as_chunks::<8>();
                let slots = slots.iter().map(|slot| u64::from_le_bytes(*slot)).collect();
                Ok(place.insert((slots, false)))
            }
        }
    }

    /// Writes the checksums that differ from the disk's.
    fn write_sums(&self, state: &mut State) -> io::Result<()> {
        let end = physical(state.len);
        for (group, (slots, dirty)) in state.sums.iter_mut().filter(|(_, (_, dirty))| *dirty) {
            if group_at(*group) < end {
                let bytes: Vec<u8> = slots.iter().flat_map(|slot| slot.to_le_bytes()).collect();
                self.file.write_all_at(&bytes, group_at(*group))?;
            }
            *dirty = false;
        }
        Ok(())
    }

    /// Reads pages of one group, from the page `first` on.
    fn read_run(&self, first: u64, out: &mut [u8]) -> io::Result<()> {
        let (group, slot, at) = place(first);
        let pages = out.len() / PAGE;
        let expected = {
            let mut state = self.lock();
            self.sums(&mut state, group)?.0[slot..slot + pages].to_vec()
        };
        // Without the lock: redb writes no page that it reads at the same time.
        self.file.read_exact_at(out, at)?;
        let mut pages = (first..).zip(expected).zip(out.chunks_exact(PAGE));
        match pages.find(|((page, expected), bytes)| !is_good(*expected, *page, bytes)) {
            Some(((page, _), _)) => Err(NotAsWritten::Page(page).into()),
            None => Ok(()),
        }
    }

    /// Writes pages of one group, from the page `first` on.
    fn write_run(&self, state: &mut State, first: u64, data: &[u8]) -> io::Result<()> {
        let (group, slot, at) = place(first);
        self.file.write_all_at(data, at)?;
        let (slots, dirty) = self.sums(state, group)?;
        *dirty = true;
        for ((page, slot), bytes) in (first..).zip(&mut slots[slot..]).zip(data.chunks_exact(PAGE))
        {
            *slot = sum(page, bytes);
        }
        Ok(())
    }
}

/// The bytes of a file whatever its checksums say, with and without such.
#[derive(Debug)]
pub(super) struct Raw {
    file: File,
    unchecked: bool,
    /// The length in bytes as the database counts them.
    len: u64,
}

/// Some bytes of a database, and the ranges of its bytes that are not as they were written.
pub(super) struct RawPiece {
    pub(super) at: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) damaged: Vec<(u64, u64)>,
}

impl Raw {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let unchecked = is_unchecked(path)?;
        let file = File::open(path)?;
        let end = file.metadata()?.len();
        // Each group has one page of checksums; the header's two copies stand for one page.
        let pages = (end / PAGE as u64).saturating_sub(2);
        let groups = pages.div_ceil(SLOTS + 1);
        let len = if unchecked { end } else { (1 + pages - groups.min(pages)) * PAGE as u64 };
        Ok(Self { file, unchecked, len })
    }

    /// Reads some bytes.
    pub(super) fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if self.unchecked {
            return self.file.read_exact_at(out, offset);
        }
        let mut done = 0;
        for (page, _, range) in parts(offset, out.len()) {
            let part = &mut out[done..done + range.len()];
            done += range.len();
            match page {
                0 => part.fill(0),
                page => self.file.read_exact_at(part, place(page).2 + range.start as u64)?,
            }
        }
        Ok(())
    }

    /// All bytes, group by group.
    pub(super) fn pieces(&self) -> impl Iterator<Item = io::Result<RawPiece>> {
        let mut at = PAGE as u64;
        std::iter::from_fn(move || {
            let bytes = (self.len.checked_sub(at)?).min(SLOTS * PAGE as u64);
            if bytes == 0 {
                return None;
            }
            let piece = self.piece(at, bytes as usize);
            at += bytes;
            Some(piece)
        })
    }

    fn piece(&self, at: u64, len: usize) -> io::Result<RawPiece> {
        let mut bytes = vec![0; len];
        self.read(at, &mut bytes)?;
        let first = at / PAGE as u64;
        let mut damaged = Vec::new();
        if !self.unchecked {
            let mut sums = [0; PAGE];
            self.file.read_exact_at(&mut sums, group_at(place(first).0))?;
            let (slots, _) = sums.as_chunks::<8>();
            for ((page, slot), bytes) in (first..).zip(slots).zip(bytes.chunks(PAGE)) {
                if !is_good(u64::from_le_bytes(*slot), page, bytes) {
                    damaged.push((page * PAGE as u64, (page + 1) * PAGE as u64));
                }
            }
        }
        Ok(RawPiece { at, bytes, damaged })
    }
}

/// The parts of a range of bytes: its pages by group, each with the range of bytes within those pages.
/// The first page, which the header's record stands for, is a part of its own.
fn parts(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let (mut at, end) = (offset, offset + len as u64);
    std::iter::from_fn(move || {
        if at >= end {
            return None;
        }
        let (page, start) = (at / PAGE as u64, (at % PAGE as u64) as usize);
        let last = match page {
            0 => 1,
            page => (page - 1) / SLOTS * SLOTS + SLOTS + 1,
        };
        let until = end.min(last * PAGE as u64);
        let bytes = (until - at) as usize;
        at = until;
        Some((page, (start + bytes).div_ceil(PAGE), start..start + bytes))
    })
}

impl StorageBackend for Checked {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let (len, header) = {
            let state = self.lock();
            (state.len, state.header)
        };
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > len) {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let mut done = 0;
        for (page, pages, range) in parts(offset, out.len()) {
            let part = &mut out[done..done + range.len()];
            done += range.len();
            if page == 0 {
                let mut whole = [0; PAGE];
                whole[..REDB_HEADER].copy_from_slice(&header);
                part.copy_from_slice(&whole[range]);
            } else if part.len() == pages * PAGE {
                self.read_run(page, part)?;
            } else {
                let mut whole = vec![0; pages * PAGE];
                self.read_run(page, &mut whole)?;
                part.copy_from_slice(&whole[range]);
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.lock();
        // The header names a length that the file has at every moment.
        if len >= state.len {
            self.file.set_len(physical(len))?;
            state.len = len;
            return self.record(&mut state);
        }
        // What is cut off reads as zero when the file grows again.
        for page in len.div_ceil(PAGE as u64).max(1)..state.len.div_ceil(PAGE as u64) {
            let (group, slot, _) = place(page);
            let (slots, dirty) = self.sums(&mut state, group)?;
            (slots[slot], *dirty) = (0, true);
        }
        self.write_sums(&mut state)?;
        state.len = len;
        self.record(&mut state)?;
        self.file.sync_data()?;
        self.file.set_len(physical(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.write_sums(&mut self.lock())?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut done = 0;
        for (page, pages, range) in parts(offset, data.len()) {
            let part = &data[done..done + range.len()];
            done += range.len();
            if page > 0 && part.len() != pages * PAGE {
                let mut whole = vec![0; pages * PAGE];
                self.read_run(page, &mut whole)?;
                whole[range].copy_from_slice(part);
                self.write_run(&mut self.lock(), page, &whole)?;
                continue;
            }
            let mut state = self.lock();
            if page > 0 {
                self.write_run(&mut state, page, part)?;
                continue;
            }
            match state.header.get_mut(range.clone()) {
                Some(header) => header.copy_from_slice(part),
                // redb writes nothing behind its header there but zeros, in a new file or a copy of one.
                None => {
                    let within = range.start.min(REDB_HEADER)..range.end.min(REDB_HEADER);
                    let (header, rest) = part.split_at(within.len());
                    if rest.iter().any(|byte| *byte != 0) {
                        return Err(ErrorKind::Unsupported.into());
                    }
                    state.header[within].copy_from_slice(header);
                }
            }
            self.record(&mut state)?;
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

    const T: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("t");

    fn make(path: &Path) {
        let db = Database::builder().create_with_backend(Checked::create(path).unwrap()).unwrap();
        for round in 0..20u64 {
            let write = db.begin_write().unwrap();
            {
                let mut table = write.open_table(T).unwrap();
                for key in round * 10..round * 10 + 10 {
                    table.insert(key, &*vec![key as u8; key as usize * 40]).unwrap();
                }
            }
            write.commit().unwrap();
        }
    }

    /// Whether all is right; an error is named, and a panic or another value fails the test.
    fn read(path: &Path) -> Result<(), redb::Error> {
        let db = Database::builder().create_with_backend(Checked::open(path)?)?;
        let table = db.begin_read()?.open_table(T)?;
        let mut count = 0;
        for entry in table.iter()? {
            let (key, value) = entry?;
            assert_eq!(value.value(), &*vec![key.value() as u8; key.value() as usize * 40]);
            count += 1;
        }
        assert_eq!(count, 200);
        Ok(())
    }

    #[test]
    fn flipped_bits_zeroed_pages_and_cuts_are_named_or_harmless() {
        let dir = tempfile::tempdir().unwrap();
        let (good, bad) = (dir.path().join("good"), dir.path().join("bad"));
        make(&good);
        let bytes = std::fs::read(&good).unwrap();
        read(&good).unwrap();
        let mut named = [0; 3];
        let mut attempt = |kind: usize, bytes: &[u8]| {
            std::fs::write(&bad, bytes).unwrap();
            named[kind] += usize::from(read(&bad).is_err());
        };
        let mut at = 1usize;
        for _ in 0..200 {
            at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let bit = (at >> 16) % (bytes.len() * 8);
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            attempt(0, &flipped);
        }
        for page in (0..bytes.len()).step_by(PAGE).step_by(8) {
            let mut zeroed = bytes.clone();
            zeroed[page..][..PAGE].fill(0);
            attempt(1, &zeroed);
            if page > 0 {
                attempt(2, &bytes[..page]);
            }
        }
        println!("{named:?} of 200 flips, zeroed pages and cuts are named; {} bytes", bytes.len());
        assert!(named.iter().all(|named| *named > 0));
    }
}
