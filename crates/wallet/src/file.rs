//! Wallet files on the disk: written whole or not at all, readable by their owner alone, and never
//! by accident over another file.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::keystore::{self, Cost, Fresh, MAX_READ_BYTES, OpenError, SealError};
use crate::wallet::Wallet;

/// A wallet file, as it was when it was last read or written.
#[derive(Debug)]
pub struct WalletFile {
    path: PathBuf,
    text: Vec<u8>,
}

/// The error of using a wallet file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is a file of that name already.
    #[error("{} already exists, and a wallet file is never overwritten", path.display())]
    Exists {
        /// The file's path.
        path: PathBuf,
    },
    /// There is no such file.
    #[error("there is no wallet file {}", path.display())]
    Missing {
        /// The file's path.
        path: PathBuf,
    },
    /// Another process wrote it since it was read.
    #[error("another program changed {} in the meantime: run the command again", path.display())]
    Changed {
        /// The file's path.
        path: PathBuf,
    },
    /// The disk failed, or permissions are missing.
    #[error("{} can't be read or written", path.display())]
    Io {
        /// The file's path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The text does not open.
    #[error("can't open {}", path.display())]
    Open {
        /// The file's path.
        path: PathBuf,
        /// The reason.
        source: OpenError,
    },
    /// The wallet can't be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The system gives no randomness.
    #[error("the operating system gives no random bytes")]
    Randomness(#[from] getrandom::Error),
}

impl WalletFile {
    /// Writes `wallet` into a new file, which on Unix only its owner can read.
    ///
    /// # Errors
    /// Returns [`FileError::Exists`] if there is a file already; fails if it can't be written.
    pub fn create(
        path: impl Into<PathBuf>,
        wallet: &Wallet,
        password: &str,
        cost: Cost,
    ) -> Result<Self, FileError> {
        let path = path.into();
        // An early check saves the owner a wait. The check that counts comes when the file gets its
        // name.
        if path.symlink_metadata().is_ok() {
            return Err(FileError::Exists { path });
        }
        let text = keystore::seal(wallet.contents(), password, cost, Fresh::generate()?)?;
        if let Err(source) = write_new(&path, &text) {
            return Err(match source.kind() {
                io::ErrorKind::AlreadyExists => FileError::Exists { path },
                _ => FileError::Io { path, source },
            });
        }
        Ok(Self { path, text: text.into_bytes() })
    }

    /// Reads a file and opens it.
    ///
    /// # Errors
    /// Returns [`FileError::Missing`] or [`FileError::Io`] if the file can't be read, and
    /// [`FileError::Open`] if its contents don't open.
    pub fn open(path: impl Into<PathBuf>, password: &str) -> Result<(Self, Wallet), FileError> {
        let path = path.into();
        let text = read(&path)?;
        match keystore::open(&text, password).and_then(Wallet::from_contents) {
            Ok(wallet) => Ok((Self { path, text }, wallet)),
            Err(source) => Err(FileError::Open { path, source }),
        }
    }

    /// Replaces the file's contents by `wallet`: after an address was added, with another password,
    /// or at another cost. The old file stays until the new one is complete.
    ///
    /// # Errors
    /// Returns [`FileError::Changed`] if the file is no longer as it was read, which is checked
    /// just before it is replaced; fails if it can't be written.
    pub fn save(&mut self, wallet: &Wallet, password: &str, cost: Cost) -> Result<(), FileError> {
        let text = keystore::seal(wallet.contents(), password, cost, Fresh::generate()?)?;
        // Through links: the file they point to is replaced, not the link.
        let path = self.path.canonicalize().map_err(io_at(&self.path))?;
        let written = temporary(&path, &text).map_err(io_at(&path))?;
        if read(&path)? != self.text {
            return Err(FileError::Changed { path });
        }
        written.persist(&path).map_err(|error| io_at(&path)(error.error))?;
        sync_folder(&path).map_err(io_at(&path))?;
        self.text = text.into_bytes();
        Ok(())
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn io_at(path: &Path) -> impl Fn(io::Error) -> FileError {
    move |source| match source.kind() {
        io::ErrorKind::NotFound => FileError::Missing { path: path.to_owned() },
        _ => FileError::Io { path: path.to_owned(), source },
    }
}

/// Reads the file's bytes, at most as many as a wallet file has.
fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_READ_BYTES as u64 + 1).read_to_end(&mut bytes))
        .map_err(io_at(path))?;
    Ok(bytes)
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a new file, whole or not at all. On Unix only its owner can read it.
///
/// # Errors
/// Fails if there is one already, or if it can't be written.
pub fn write_new(path: &Path, text: &str) -> io::Result<()> {
    temporary(path, text)?.persist_noclobber(path).map_err(|error| error.error)?;
    sync_folder(path)
}

/// Writes `text` to a temporary file in the same folder, readable by its owner alone. A process
/// that is killed leaves it behind; it holds nothing that the file does not. No error names it,
/// since the user does not know it; the library's errors would, so this opens and writes the file
/// itself.
fn temporary(path: &Path, text: &str) -> io::Result<NamedTempFile> {
    let open = |path: &Path| {
        let mut options = File::options();
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.read(true).write(true).create_new(true).open(path)
    };
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    let mut file =
        tempfile::Builder::new().prefix(&prefix).suffix(".tmp").make_in(folder(path), open)?;
    file.as_file_mut().write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Makes a new name durable. On other systems than Unix folders can't be opened, and need not be.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder(path))?.sync_all() } else { Ok(()) }
}
