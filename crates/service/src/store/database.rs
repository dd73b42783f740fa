//! The database under a store: one process has it at a time, and its panics become errors.
//!
//! redb panics on some files that were changed behind its back, when they are opened and also when
//! they are read and written. All code that uses it runs in a [`Db::guard`].

use std::any::Any;
use std::cell::RefCell;
use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::ops::Deref;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::path::Path;
use std::sync::{Arc, Once, OnceLock};
use std::time::{Duration, Instant};

use redb::{Builder, Database, DatabaseError};

use super::checked::{self, Checked, NotAsWritten};
use super::error::StoreError;
use super::walk;
use blocksmith_text::escaped;

/// Pages kept in memory, in bytes.
const CACHE_BYTES: usize = 64 << 20;

/// Pages kept in memory of a file beside the store, in bytes.
const BESIDE_CACHE_BYTES: usize = 16 << 20;

/// The longest file, in bytes, of which every checksum is verified before anything is written,
/// which takes a moment. A page that points back to itself would overflow the stack and end the
/// process without a message, which a panic would not. For longer files `chain verify --replay`
/// verifies all.
const MAX_CHECKED_BYTES: u64 = 64 << 20;

/// How often the log says how far a file is that gets checksums.
const PROGRESS: Duration = Duration::from_secs(5);

/// The file in a data directory.
pub(crate) const FILE: &str = "chain.redb";

/// The file beside it whose lock says that the directory is in use. redb locks its own file too,
/// but goes on without a lock if the file system has none.
const LOCK: &str = "lock";

/// The longest URL that the file says, in bytes.
const MAX_URL_BYTES: u64 = 300;

/// How many places of a damaged store an error names.
const MAX_PLACES_SAID: usize = 3;

/// How much of a panic's message an error quotes, in characters.
const MAX_SAID: usize = 200;

/// Which file to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// The existing file, checked unless it is long, or else a new one.
    Create,
    /// The existing file.
    Existing,
    /// The existing file, if all of it is as it was written: every checksum is verified, and the
    /// list of free pages is made anew.
    Checked,
}

/// An open database.
pub(crate) struct Db {
    /// None once it is being dropped.
    database: Option<Database>,
    dir: Option<Arc<Path>>,
    /// The message of a panic, after which nothing more is read or written.
    panicked: OnceLock<Panicked>,
    /// The first error of the system, and the damage that it was about. Later redb only says that there
    /// was one.
    first_no: OnceLock<((ErrorKind, String), Option<String>)>,
    _lock: Option<File>,
}

impl Db {
    /// Opens the database in `dir`, or a new one in memory.
    pub(super) fn open(dir: Option<&Path>, opening: Opening) -> Result<Arc<Self>, StoreError> {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES);
        let Some(dir) = dir else {
            let database = builder.create_with_backend(redb::backends::InMemoryBackend::new())?;
            return Ok(Arc::new(Self::new(database, None, None)));
        };
        if opening == Opening::Create {
            make(dir).map_err(|error| StoreError::Directory { dir: dir.into(), error })?;
        }
        let lock = lock(dir)?;
        let file = dir.join(FILE);
        builder.set_check_integrity_on_open(match opening {
            Opening::Create => file.metadata().is_ok_and(|found| found.len() <= MAX_CHECKED_BYTES),
            Opening::Existing => false,
            Opening::Checked => true,
        });
        let place = Arc::from(dir);
        let opened = caught(Some(&place), || match opening {
            Opening::Create => create(&builder, &file),
            Opening::Existing | Opening::Checked => open_file(&builder, &file),
        });
        let database = opened
            .map_err(|panicked| panicked.in_dir(Some(dir)))?
            .map_err(|error| located(unopened(dir, error), &file))?;
        Ok(Arc::new(Self::new(database, Some(place), Some(lock))))
    }

    /// Opens the file `name` beside the store in `dir`, whose lock the caller holds, or a new one in
    /// memory. What is in it can be made again: a file that is no database any more makes way for a
    /// new one.
    pub(crate) fn beside(dir: Option<&Path>, name: &str) -> Result<Arc<Self>, StoreError> {
        let mut builder = Database::builder();
        builder.set_cache_size(BESIDE_CACHE_BYTES);
        let Some(dir) = dir else {
            let database = builder.create_with_backend(redb::backends::InMemoryBackend::new())?;
            return Ok(Arc::new(Self::new(database, None, None)));
        };
        let (file, place) = (dir.join(name), Arc::from(dir));
        let open = || match caught(Some(&place), || create(&builder, &file)) {
            Ok(opened) => opened.map_err(|error| unopened(dir, error)),
            Err(panicked) => Err(panicked.in_dir(Some(dir))),
        };
        let opened = open();
        let damage = opened.as_ref().err().and_then(|error| match error {
            // Another file in its place, or the start of one.
            StoreError::Unopened { error, .. } => match &**error {
                redb::Error::Io(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::InvalidData | ErrorKind::UnexpectedEof
                    ) =>
                {
                    Some(error.to_string())
                }
                _ => None,
            },
            error => error.damage().map(Into::into),
        });
        let database = match damage {
            Some(what) => {
                tracing::warn!("{name} is damaged and is built again from the chain: {what}");
                remove(&file).map_err(|error| unopened(dir, error))?;
                open()?
            }
            None => opened?,
        };
        Ok(Arc::new(Self::new(database, Some(place.clone()), None)))
    }

    fn new(database: Database, dir: Option<Arc<Path>>, lock: Option<File>) -> Self {
        Self {
            database: Some(database),
            dir,
            panicked: OnceLock::new(),
            first_no: OnceLock::new(),
            _lock: lock,
        }
    }

    /// Runs work that reads or writes the store, and adds the directory to its error. After a panic
    /// the store is not used any more: its state in memory may be worse than that on the disk.
    pub(crate) fn guard<T>(
        &self,
        work: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if let Some(panicked) = self.panicked.get() {
            return Err(panicked.in_dir(self.dir.as_deref()));
        }
        match caught(self.dir.as_ref(), work) {
            Ok(outcome) => outcome.map_err(|error| self.placed(error)),
            Err(panicked) => {
                let error = panicked.in_dir(self.dir.as_deref());
                let _ = self.panicked.set(panicked);
                Err(error)
            }
        }
    }

    /// Moves what is in use to the start of the file, and cuts off the rest.
    pub(crate) fn compact(&mut self) -> Result<(), StoreError> {
        let mut database = self.database.take().expect("it is there until it is dropped");
        let compacted =
            self.guard(|| Ok(database.compact().map(drop).map_err(redb::Error::from)?));
        self.database = Some(database);
        compacted
    }

    /// The damage that was met so far.
    pub(super) fn damage(&self) -> Option<StoreError> {
        let dir = self.dir.as_deref()?.to_path_buf();
        match (self.panicked.get(), self.first_no.get()) {
            (Some(panicked), _) => Some(panicked.in_dir(Some(&dir))),
            (None, Some((_, Some(what)))) => {
                Some(StoreError::DamagedIn { dir, what: what.clone() })
            }
            _ => None,
        }
    }

    /// Adds the directory and the first reason to an error.
    fn placed(&self, error: StoreError) -> StoreError {
        let Some(dir) = self.dir.as_deref().map(Path::to_path_buf) else { return error };
        match error {
            StoreError::Damaged(what) => {
                let no = (ErrorKind::InvalidData, what.clone());
                let _ = self.first_no.set((no, Some(what.clone())));
                StoreError::DamagedIn { dir, what }
            }
            StoreError::Database(redb::Error::Corrupted(what)) => {
                StoreError::DamagedIn { dir, what }
            }
            StoreError::Database(redb::Error::PreviousIo) => {
                let error = match self.first_no.get() {
                    Some((_, Some(what))) => {
                        return StoreError::DamagedIn { dir, what: what.clone() };
                    }
                    Some((error, None)) => io::Error::new(error.0, error.1.clone()).into(),
                    None => redb::Error::PreviousIo,
                };
                StoreError::Failed { dir, error: error.into() }
            }
            StoreError::Database(error) => {
                if let redb::Error::Io(error) = &error {
                    let damage = NotAsWritten::of(error).map(|damage| damage.to_string());
                    let _ = self.first_no.set(((error.kind(), error.to_string()), damage.clone()));
                    if let Some(what) = damage {
                        return StoreError::DamagedIn { dir, what };
                    }
                }
                StoreError::Failed { dir, error: error.into() }
            }
            error => error,
        }
    }

    /// Checks that the file still has its name: data written into a removed file is lost.
    pub(super) fn still_there(&self) -> Result<(), StoreError> {
        let Some(dir) = &self.dir else { return Ok(()) };
        match dir.join(FILE).symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(StoreError::Gone { dir: dir.to_path_buf() })
            }
            _ => Ok(()),
        }
    }
}

impl Deref for Db {
    type Target = Database;

    fn deref(&self) -> &Database {
        self.database.as_ref().expect("it is there until it is dropped")
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        let database = self.database.take();
        match self.panicked.get() {
            // Closing the database would write its state in memory. The process is about to end.
            Some(_) => std::mem::forget(database),
            None => drop(caught(self.dir.as_ref(), || drop(database))),
        }
    }
}

/// A part of a database, which is dropped in a guard, too.
pub(crate) struct Held<T> {
    value: Option<T>,
    db: Arc<Db>,
}

impl<T> Held<T> {
    pub(crate) fn new(db: &Arc<Db>, value: T) -> Self {
        Self { value: Some(value), db: db.clone() }
    }

    pub(crate) fn db(&self) -> &Arc<Db> {
        &self.db
    }

    /// Gives access to change it; call it in a guard.
    pub(super) fn get_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("it is there until it is dropped")
    }
}

impl<T> Deref for Held<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("it is there until it is dropped")
    }
}

impl<T> Drop for Held<T> {
    fn drop(&mut self) {
        let value = self.value.take();
        match self.db.panicked.get() {
            Some(_) => std::mem::forget(value),
            None => drop(caught(self.db.dir.as_ref(), || drop(value))),
        }
    }
}

/// Makes a directory, unless it exists.
fn make(dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir).map_err(|error| {
        // What is in the way may have the name of the directory, or of one above it.
        let in_the_way = dir.ancestors().find(|path| path.metadata().is_ok_and(|it| !it.is_dir()));
        match in_the_way {
            Some(path) => io::Error::new(
                ErrorKind::NotADirectory,
                format!("{} is a file, not a directory", path.display()),
            ),
            None => error,
        }
    })
}

/// Opens a database, or makes it under another name and renames it, so that an unfinished one never
/// has this name.
fn create(builder: &Builder, file: &Path) -> Result<Database, DatabaseError> {
    if file.metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        let unfinished = file.with_extension("new");
        let made = remove(&unfinished)
            .and_then(|()| builder.create_with_backend(Checked::create(&unfinished)?)?.close())
            .and_then(|()| Ok(std::fs::rename(&unfinished, file)?));
        if let Err(error) = made {
            let _ = remove(&unfinished);
            return Err(error);
        }
    }
    open_file(builder, file)
}

/// Opens an existing database; one of an earlier version gets checksums before.
fn open_file(builder: &Builder, file: &Path) -> Result<Database, DatabaseError> {
    if checked::is_unchecked(file)? {
        give_checksums(file)?;
    }
    builder.create_with_backend(Checked::open(file)?)
}

/// Replaces a database of an earlier version, which had no checksums that are verified as it is read, by
/// the same one with checksums. Until all of the new file is on the disk, the old one stays.
fn give_checksums(file: &Path) -> Result<(), DatabaseError> {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder.open(file)?.close()?;
    let unfinished = file.with_extension("checked");
    remove(&unfinished)?;
    let bytes = file.metadata()?.len();
    let long = bytes > MAX_CHECKED_BYTES;
    if long {
        tracing::info!(
            "the data of an earlier version gets checksums, {} MB; this is done once",
            bytes / 1_000_000
        );
    }
    let mut told = Instant::now();
    let progress = |done: u64| {
        if told.elapsed() >= PROGRESS {
            told = Instant::now();
            tracing::info!("{} of {} MB have checksums", done / 1_000_000, bytes / 1_000_000);
        }
    };
    let made = checked::copy(file, &unfinished, progress)
        .and_then(|()| std::fs::rename(&unfinished, file))
        .and_then(|()| File::open(file.parent().unwrap_or(Path::new(".")))?.sync_all());
    if let Err(error) = made {
        let _ = remove(&unfinished);
        return Err(error.into());
    }
    Ok(())
}

/// Removes a file, if it exists.
fn remove(file: &Path) -> Result<(), DatabaseError> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Makes this process the only one that uses a directory, as long as the file is open. However a
/// process ends, the system releases its lock; the file stays, and means nothing by itself. While it is
/// locked, it says where its owner answers, if that is a node that serves calls.
fn lock(dir: &Path) -> Result<File, StoreError> {
    // Opening a pipe would wait for its reader.
    if std::fs::symlink_metadata(dir.join(LOCK)).is_ok_and(|lock| !lock.is_file()) {
        return Err(StoreError::NoLock { dir: dir.into(), name: LOCK });
    }
    let file = File::options().write(true).create(true).truncate(false).open(dir.join(LOCK));
    let file = file
        .map_err(|error| StoreError::Unopened { dir: dir.into(), error: Box::new(error.into()) })?;
    let unlockable = |error| StoreError::Unlockable { dir: dir.into(), error };
    match file.try_lock() {
        // What an earlier owner said of itself is over.
        Ok(()) => file.set_len(0).map_err(unlockable).map(|()| file),
        Err(TryLockError::WouldBlock) => Err(in_use(dir)),
        Err(TryLockError::Error(error)) => Err(unlockable(error)),
    }
}

fn in_use(dir: &Path) -> StoreError {
    StoreError::InUse { dir: dir.into(), url: url_of_owner(dir) }
}

/// Where the owner of a directory in use answers, if it says so.
fn url_of_owner(dir: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(dir.join(LOCK)).ok()?.take(MAX_URL_BYTES).read_to_string(&mut text).ok()?;
    // Nothing else is called, or told to people, whatever wrote the file.
    let address = text.strip_prefix("http://")?.parse::<SocketAddr>();
    address.is_ok().then_some(text)
}

/// The lock of a directory, for as long as this value lives.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(dir: &Path) -> Result<Self, StoreError> {
        Ok(Self { _file: lock(dir)? })
    }
}

/// Says where the owner of a directory answers, for commands that find the directory in use.
///
/// # Errors
/// Fails if the file can't be written; nothing but such a hint is missing then.
pub fn tell_url(dir: &Path, url: &str) -> std::io::Result<()> {
    File::options().write(true).open(dir.join(LOCK))?.write_all(url.as_bytes())
}

/// Names the tables and keys that can't be read where a store is damaged.
fn located(error: StoreError, file: &Path) -> StoreError {
    match error {
        StoreError::DamagedIn { dir, what } => {
            let mut places = walk::unreadable(file);
            let more = places.len().saturating_sub(MAX_PLACES_SAID);
            places.truncate(MAX_PLACES_SAID);
            let mut said = places.join("; ");
            if more > 0 {
                said += &format!("; and {more} more tables");
            }
            // What no table leads to any more may still be damaged.
            StoreError::DamagedIn { dir, what: if said.is_empty() { what } else { said } }
        }
        error => error,
    }
}

fn unopened(dir: &Path, error: DatabaseError) -> StoreError {
    match redb::Error::from(error) {
        redb::Error::DatabaseAlreadyOpen => in_use(dir),
        redb::Error::Io(error) if error.kind() == ErrorKind::ResourceBusy => in_use(dir),
        redb::Error::Io(error) if let Some(damage) = NotAsWritten::of(&error) => {
            StoreError::DamagedIn { dir: dir.into(), what: damage.to_string() }
        }
        redb::Error::Corrupted(what) => StoreError::DamagedIn { dir: dir.into(), what },
        error => StoreError::Unopened { dir: dir.into(), error: error.into() },
    }
}

/// The message of a panic.
pub(super) struct Panicked {
    what: String,
    /// Whether the database panicked, and not the code that reads its contents.
    in_database: bool,
}

impl Panicked {
    /// The message.
    pub(super) fn into_text(self) -> String {
        self.what
    }

    fn in_dir(&self, dir: Option<&Path>) -> StoreError {
        let what = self.what.clone();
        match dir {
            Some(dir) if self.in_database => StoreError::DamagedIn { dir: dir.into(), what },
            Some(dir) => StoreError::Impossible { dir: dir.into(), what },
            None => StoreError::Damaged(what),
        }
    }
}

/// The guard that a thread is in.
struct Guarding {
    dir: Option<Arc<Path>>,
    said: Option<Panicked>,
}

thread_local! {
    static GUARDING: RefCell<Option<Guarding>> = const { RefCell::new(None) };
}

/// Runs `work` with the database in `dir`; returns the message of its panic, if there was one.
pub(super) fn caught<T>(dir: Option<&Arc<Path>>, work: impl FnOnce() -> T) -> Result<T, Panicked> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !matches!(GUARDING.try_with(|guarding| hear(info, guarding)), Ok(true)) {
                usual(info);
            }
        }));
    });
    let guarding = Guarding { dir: dir.cloned(), said: None };
    let outer = GUARDING.replace(Some(guarding));
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    let said = GUARDING.replace(outer).and_then(|guarding| guarding.said);
    outcome.map_err(|payload| {
        said.unwrap_or_else(|| Panicked { what: self::said(&*payload), in_database: false })
    })
}

/// Keeps the message of a panic if the thread is in a guard; returns whether it is.
fn hear(info: &PanicHookInfo<'_>, guarding: &RefCell<Option<Guarding>>) -> bool {
    let mut guarding = guarding.borrow_mut();
    let Some(guarding) = &mut *guarding else { return false };
    if let Some(first) = &guarding.said {
        // A destructor of redb panics while the first panic unwinds: the process is about to abort
        // without a message. This is the last place to print one.
        let error = first.in_dir(guarding.dir.as_deref());
        let _ = writeln!(io::stderr(), "blocksmith: {}", escaped(error));
        std::process::exit(1);
    }
    let place = info.location().map_or("", |location| location.file());
    let line = info.location().map_or(0, |location| location.line());
    let file = Path::new(place).file_name().unwrap_or_default().display();
    let mut parts = place.split(['/', '\\']);
    guarding.said = Some(Panicked {
        what: format!("{}, {file}:{line}", said(info.payload())),
        in_database: parts.any(|part| part == "redb" || part.starts_with("redb-")),
    });
    true
}

/// The message of a panic, in one line.
fn said(payload: &(dyn Any + Send)) -> String {
    let text = match payload.downcast_ref::<&str>() {
        Some(text) => text,
        None => payload.downcast_ref::<String>().map_or("without a reason", String::as_str),
    };
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ").chars().filter(|char| !char.is_control()).take(MAX_SAID).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_that_names_the_directory_and_the_end_of_its_use() {
        let dir = tempfile::tempdir().expect("a directory");
        let db = Db::open(Some(dir.path()), Opening::Create).expect("a store");
        db.guard(|| Ok(())).expect("all is well");
        let panics = || -> Result<(), StoreError> { panic!("no way\n\tout") };
        let said = db.guard(panics).expect_err("it panics").to_string();
        let place = dir.path().display().to_string();
        for part in [&*place, "no way out", "database.rs", "move chain.redb"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        let used = db.guard(|| -> Result<(), StoreError> { unreachable!("it is not used again") });
        assert_eq!(used.expect_err("the same").to_string(), said);
        // Outside of a guard a panic stays a panic.
        let outside = panic::catch_unwind(|| panic!("outside"));
        assert_eq!(outside.expect_err("it panics").downcast_ref(), Some(&"outside"));
    }

    #[test]
    fn a_panic_of_the_database_is_damage() {
        let dir: Arc<Path> = Path::new("data").into();
        let damaged =
            caught(Some(&dir), || redb::TableDefinition::<u64, u64>::new(std::hint::black_box("")));
        let error = damaged.err().expect("no table has no name").in_dir(Some(&dir));
        assert!(matches!(error, StoreError::DamagedIn { .. }), "{error}");
    }
}
