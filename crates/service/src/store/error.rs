//! Errors of a store, and what to do about them.

use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;

use blocksmith_consensus::ledger::BadBody;
use redb::DatabaseError;

use super::checked::NotAsWritten;
use crate::chain::Differences;
use crate::system;

/// The advice for a store that is lost.
const START_OVER: &str = "`blocksmith chain repair` with the same options keeps what can be read; or move \
                          chain.redb out of that directory, and get the chain again from peers or with chain \
                          import";

/// The error of a store: the fault of this program or the disk, never a peer's.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it open.
    #[error(
        "the data directory {} is in use by {}; stop it, or choose another directory with --data-dir",
        .dir.display(),
        .url.as_ref().map_or("another node or command".into(), |url| format!("the node at {url}"))
    )]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// Where the node answers that uses it, if that is known.
        url: Option<String>,
    },
    /// It holds the blocks of another chain.
    #[error(
        "the data directory {} holds the chain {found:?}, but this node was asked to run \
         {expected:?}{}; start it with the options of that chain, or choose another directory with \
         --data-dir",
        .dir.display(),
        .differences.iter().map(|differences| format!(" ({differences})")).collect::<String>()
    )]
    OtherChain {
        /// The directory.
        dir: PathBuf,
        /// The chain that the directory holds.
        found: String,
        /// The chain that the node runs.
        expected: String,
        /// How the two differ, "here" being the chain that it should hold and "there" the one that
        /// it holds; `None` if the store is too old to tell.
        differences: Option<Differences>,
    },
    /// It was written by a version that this one does not know.
    #[error(
        "the data directory {} has the format {found}, but this version reads {expected}; choose \
         another directory with --data-dir, and get the chain again from peers or with chain import",
        .dir.display()
    )]
    Format {
        /// The directory.
        dir: PathBuf,
        /// Its format.
        found: String,
        /// This version's.
        expected: &'static str,
    },
    /// There is no chain in it.
    #[error(
        "there is no chain in the data directory {}; `blocksmith node` makes one, and --data-dir \
         names another directory", .dir.display()
    )]
    Nothing {
        /// The directory.
        dir: PathBuf,
    },
    /// The directory can't be made.
    #[error(
        "the data directory {} can't be made: {error}; choose another one with --data-dir",
        .dir.display()
    )]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The directory can't be locked against a second process.
    #[error(
        "the data directory {} can't be locked: {error}; without a lock a second node could write into \
         it, and both would lose blocks: choose a directory on another disk with --data-dir",
        .dir.display()
    )]
    Unlockable {
        /// The directory.
        dir: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// Something else has the name of the file that is locked.
    #[error(
        "the data directory {} can't be locked: {name} in it is not a file; move it away, or choose another \
         directory with --data-dir",
        .dir.display()
    )]
    NoLock {
        /// The directory.
        dir: PathBuf,
        /// The file's name.
        name: &'static str,
    },
    /// The file in the directory can't be opened.
    #[error("the data in {} can't be opened: {error}; {}", .dir.display(), way_out(.error))]
    Unopened {
        /// The directory.
        dir: PathBuf,
        /// The database's error.
        error: Box<redb::Error>,
    },
    /// It was opened, and can't be read or written any more.
    #[error(
        "the data in {} can't be read or written: {error}; {}",
        .dir.display(),
        way_on(.error)
    )]
    Failed {
        /// The directory.
        dir: PathBuf,
        /// The database's error.
        error: Box<redb::Error>,
    },
    /// The file was moved or removed.
    #[error(
        "chain.redb is no longer in the data directory {}: it was moved or removed while the node used \
         it; put it back, or start without it and get the chain again from peers or with chain import",
        .dir.display()
    )]
    Gone {
        /// The directory.
        dir: PathBuf,
    },
    /// The genesis block's allocations break a rule.
    #[error("the genesis block of this chain breaks a rule: {0}")]
    Allotted(BadBody),
    /// The store has other contents than were written.
    #[error("the store is damaged: {0}; chain import builds a new one from an export")]
    Damaged(String),
    /// The store in a directory has other contents than were written.
    #[error("the data in {} is damaged: {what}; {START_OVER}", .dir.display())]
    DamagedIn {
        /// The directory.
        dir: PathBuf,
        /// The damage.
        what: String,
    },
    /// This program panicked on the store's contents.
    #[error(
        "the data in {} is damaged, or this program has a fault: {what}; start it again, and if it \
         ends like this once more, {START_OVER}", .dir.display()
    )]
    Impossible {
        /// The directory.
        dir: PathBuf,
        /// The message of the panic.
        what: String,
    },
    /// The database reports an error.
    #[error("the store failed: {0}")]
    Database(redb::Error),
}

impl StoreError {
    /// Names what was read or written where the store is damaged: the table, and the block or key.
    pub(super) fn about(self, what: impl fmt::Display) -> Self {
        let named = |damage: &dyn fmt::Display| format!("{what}: {damage}");
        match self {
            Self::Damaged(damage) => Self::Damaged(named(&damage)),
            Self::DamagedIn { dir, what: damage } => Self::DamagedIn { dir, what: named(&damage) },
            Self::Database(redb::Error::Io(error)) => match NotAsWritten::of(&error) {
                Some(damage) => Self::Damaged(named(&damage)),
                None => Self::Database(redb::Error::Io(error)),
            },
            Self::Database(redb::Error::Corrupted(damage)) => Self::Damaged(named(&damage)),
            other => other,
        }
    }

    /// What is damaged, if that is the error.
    pub(crate) fn damage(&self) -> Option<&str> {
        match self {
            Self::Damaged(what) | Self::DamagedIn { what, .. } | Self::Impossible { what, .. } => {
                Some(what)
            }
            _ => None,
        }
    }

    /// What is wrong with the store, without its directory and without advice.
    pub(super) fn said(&self) -> String {
        match self {
            Self::Damaged(what) | Self::DamagedIn { what, .. } | Self::Impossible { what, .. } => {
                what.clone()
            }
            Self::Database(redb::Error::Io(error)) => match NotAsWritten::of(error) {
                Some(damage) => damage.to_string(),
                None => error.to_string(),
            },
            Self::Database(error) => error.to_string(),
            other => other.to_string(),
        }
    }

    /// The error for clients, without this machine's paths.
    pub(crate) fn without_paths(&self) -> String {
        match self {
            Self::Unopened { error, .. } | Self::Failed { error, .. } => match &**error {
                redb::Error::Io(error) if system::is_full(error) => {
                    format!("there is no room for its data ({error})")
                }
                error => format!("its data can't be read or written ({error})"),
            },
            Self::Gone { .. } => "its data was moved or removed while the node used it".into(),
            Self::Damaged(_) | Self::DamagedIn { .. } | Self::Impossible { .. } => {
                "its data is damaged".into()
            }
            _ => "its data can't be used".into(),
        }
    }
}

/// The advice for a store that can't be opened, read or written.
fn way_out(error: &redb::Error) -> &'static str {
    let redb::Error::Io(error) = error else {
        return "choose another directory with --data-dir, or move chain.redb out of this one, and get the \
                chain again from peers or with chain import";
    };
    match error.kind() {
        ErrorKind::PermissionDenied => {
            "you do not have the permission to read and write it: change that, or choose another \
             directory with --data-dir"
        }
        ErrorKind::ReadOnlyFilesystem => {
            "it must be in a place where you can write files: copy it, and name the copy with --data-dir"
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "make room on that disk, or choose another directory with --data-dir"
        }
        // It is not a file, or ends too early.
        ErrorKind::IsADirectory | ErrorKind::UnexpectedEof | ErrorKind::InvalidData => START_OVER,
        _ => system::way_out(error).unwrap_or(
            "check the disk and run the command again, or choose another directory with --data-dir",
        ),
    }
}

/// The advice for a store that can't be read or written any more.
fn way_on(error: &redb::Error) -> String {
    match error {
        redb::Error::Io(error) if system::is_full(error) => {
            let way_out = system::way_out(error).unwrap_or("make room");
            format!("{way_out}; no block or payment that the node confirmed is lost")
        }
        error => way_out(error).into(),
    }
}

macro_rules! database_errors {
    ($($error:ty),*) => {$(
        impl From<$error> for StoreError {
            fn from(error: $error) -> Self {
                Self::Database(error.into())
            }
        }
    )*};
}
database_errors!(
    redb::Error,
    DatabaseError,
    redb::TransactionError,
    redb::TableError,
    redb::StorageError,
    redb::CommitError,
    redb::SetDurabilityError
);
