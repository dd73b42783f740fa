//! `blocksmith wallet new` and `blocksmith wallet restore`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use blocksmith_consensus::address::Hrp;
use blocksmith_wallet::keys::Account;
use blocksmith_wallet::keystore::MAX_ADDRESSES;
use blocksmith_wallet::words::Length;
use blocksmith_wallet::{Cost, FileError, Phrase, Wallet, WalletFile, dev};
use reqwest::Url;
use serde::Serialize;
use zeroize::Zeroizing;

use super::node::Node;
use super::{Common, Misused, Which, meet, note, print_line, print_secret_json, secrets};
use crate::cmd::values::{number, server};

/// How many addresses without a transaction end the search for used ones (BIP-44).
const DEFAULT_GAP: u16 = 20;

/// Make a new wallet
///
/// The command prints the words from which the wallet can be restored, and its first address.
#[derive(Debug, clap::Args)]
pub(super) struct NewArgs {
    /// How many words: 12 or 24; 12 are as hard to guess as a key
    #[arg(long, value_name = "N", default_value = "12", value_parser = length)]
    words: Words,
    #[command(flatten)]
    which: Which,
}

/// A choice of [`Length`].
#[derive(Debug, Clone, Copy)]
struct Words(Length);

fn length(text: &str) -> Result<Words, &'static str> {
    match text {
        "12" => Ok(Words(Length::Twelve)),
        "24" => Ok(Words(Length::TwentyFour)),
        _ => Err("it must be 12 or 24"),
    }
}

/// Restore a wallet from its words
///
/// The command asks for the words, or reads them from the standard input, on one line or on several.
/// Do not type them behind the command: every program on this machine could read them there.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  blocksmith wallet restore --node http://localhost:5000
      finds the addresses that were used")]
pub(super) struct RestoreArgs {
    /// Ask for the passphrase that belongs to the words, if there is one
    #[arg(long)]
    passphrase: bool,
    /// The node to ask which addresses of the wallet were used [default: restore the first address
    /// only]
    #[arg(long, value_name = "URL", env = "BLOCKSMITH_NODE", value_parser = server)]
    node: Option<Url>,
    /// Stop looking after this many addresses in a row without a transaction; a larger number finds
    /// coins that are further away [default: 20]
    #[arg(long, value_name = "N", value_parser = number::<u16>(1..=MAX_ADDRESSES as u64))]
    gap: Option<u16>,
    #[command(flatten)]
    which: Which,
    /// Words that are typed here get a warning, and are not shown again.
    #[arg(hide = true)]
    typed: Vec<String>,
}

#[derive(Serialize)]
struct Made<'a> {
    wallet: &'a Path,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<&'a str>,
    addresses: Vec<String>,
    /// How many addresses a restore asked a node about.
    #[serde(skip_serializing_if = "Option::is_none")]
    looked_at: Option<usize>,
}

/// Makes a wallet.
pub(super) fn run(common: &Common, args: &NewArgs) -> anyhow::Result<ExitCode> {
    let hrp = args.which.load()?.domain.hrp;
    let phrase =
        Phrase::generate(args.words.0).context("the operating system gives no random bytes")?;
    let wallet = Wallet::new(phrase, "")?;
    let file = New::prepare(common)?.write(&wallet)?;
    let words = wallet.phrase().text();
    let addresses = addresses(&wallet, hrp);
    note(
        "These words are the wallet: anyone who has them can take its coins. Write them on paper, \
         in this order, and keep them secret. If you lose the file or its password, only these \
         words bring the coins back.\n",
    );
    let shown = if common.json {
        let made = Made { wallet: file.path(), words: Some(&words), addresses, looked_at: None };
        print_secret_json(&made)
    } else {
        print_line(&words).and_then(|()| print_line(&format!("\n{}", addresses[0])))
    };
    if let Err(error) = shown {
        // This is more than an error of the output: the owner does not have the words.
        anyhow::bail!(
            "the words could not be shown ({error}), but the wallet was made: it is in {}, and \
             `blocksmith wallet export --words` shows the words",
            file.path().display()
        );
    }
    note(&format!(
        "\nThat is the first address: give it to the people who pay you. The wallet is in {}.",
        file.path().display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// Restores a wallet.
pub(super) async fn restore(common: &Common, args: &RestoreArgs) -> anyhow::Result<ExitCode> {
    if !args.typed.is_empty() {
        return Err(Misused(
            "words on a command line can be read by every program on this machine, and most shells \
             keep them: leave them out, and type them when you are asked. If these are the words \
             of a wallet with coins, move the coins to a new wallet"
                .into(),
        )
        .into());
    }
    // The node may be that of the settings file, which clap's own checks don't see.
    if args.node.is_none() && args.gap.is_some() {
        let why = "--gap needs a node to ask for transactions, as in --node http://localhost:5000";
        return Err(Misused(why.into()).into());
    }
    let (node, hrp) = match &args.node {
        Some(url) => {
            let (node, remote) = meet(url, args.which.chain.as_deref()).await?;
            (Some(node), remote.domain.hrp)
        }
        None => (None, args.which.load()?.domain.hrp),
    };
    // If the standard input has all of it, the password is the first line.
    let new = New::prepare(common)?;
    let (phrase, passphrase) = secrets::words(args.passphrase)?;
    let gap = usize::from(args.gap.unwrap_or(DEFAULT_GAP));
    let found = match &node {
        Some(node) => Some(find_used(node, &phrase, &passphrase, hrp, gap).await?),
        None => None,
    };
    let mut wallet = Wallet::new(phrase, &passphrase)?;
    for _ in 1..found.map_or(1, |found| found.used) {
        wallet.add_address("")?;
    }
    let everybodys = wallet.addresses().any(|entry| dev::is_dev_key(&entry.address));
    let file = new.write(&wallet)?;
    note(&format!("The wallet is in {}.", file.path().display()));
    if everybodys {
        note(
            "These words are public: anyone can take what is paid to their addresses. Use them on \
             dev chains only.",
        );
    }
    match found {
        Some(found) => note(&found.told(gap)),
        None => note(
            "The wallet has its first address only. If it had more, add them with `blocksmith wallet \
             address --new`, or restore it again with --node, which finds the addresses with \
             transactions.",
        ),
    }
    let (addresses, looked_at) = (addresses(&wallet, hrp), found.map(|found| found.looked_at));
    let made = Made { wallet: file.path(), words: None, addresses, looked_at };
    common.print(|| made.addresses.join("\n"), &made)?;
    Ok(ExitCode::SUCCESS)
}

/// A path without a file yet, and the password for the new file.
struct New {
    path: PathBuf,
    password: Zeroizing<String>,
}

impl New {
    /// Asks for a password, unless the file exists.
    fn prepare(common: &Common) -> anyhow::Result<Self> {
        let path = common.path()?;
        if path.symlink_metadata().is_ok() {
            return Err(exists(FileError::Exists { path }));
        }
        Ok(Self { path, password: common.password.choose()? })
    }

    fn write(&self, wallet: &Wallet) -> anyhow::Result<WalletFile> {
        let folders = self.path.ancestors().skip(1);
        let missing: Vec<_> = folders.take_while(|folder| is_missing(folder)).collect();
        let made = missing.first().map_or(Ok(()), |folder| {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("the folder {} can't be made", folder.display()))
        });
        let written = made.and_then(|()| {
            WalletFile::create(&self.path, wallet, &self.password, Cost::default()).map_err(exists)
        });
        if written.is_err() {
            // A folder is only removed if it is still empty.
            let _ = missing.into_iter().try_for_each(std::fs::remove_dir);
        }
        written
    }
}

fn is_missing(folder: &Path) -> bool {
    !folder.as_os_str().is_empty() && folder.symlink_metadata().is_err()
}

fn exists(error: FileError) -> anyhow::Error {
    match error {
        FileError::Exists { .. } => anyhow::anyhow!("{error}: name another file with --wallet"),
        error => error.into(),
    }
}

fn addresses(wallet: &Wallet, hrp: Hrp) -> Vec<String> {
    wallet.addresses().map(|entry| entry.address.to_text(hrp)).collect()
}

/// The outcome of a search for a wallet's addresses.
#[derive(Debug, Clone, Copy)]
struct Found {
    /// How many addresses there are up to the last one with a transaction.
    used: usize,
    /// How many addresses the node was asked about.
    looked_at: usize,
}

impl Found {
    /// Says how far the search went, and how to go further.
    fn told(self, gap: usize) -> String {
        let Self { used, looked_at } = self;
        let seen = match used {
            0 => format!("The first {looked_at} addresses have no transactions."),
            1 => format!("Looked at {looked_at} addresses: only the first has transactions."),
            _ => format!(
                "Looked at {looked_at} addresses: the last one with a transaction is number {used}."
            ),
        };
        if looked_at == MAX_ADDRESSES {
            return format!("{seen} A wallet can't have more addresses.");
        }
        format!(
            "{seen} If coins are missing, look further: restore again with --gap {}, and name another \
             file with --wallet.",
            (5 * gap).min(MAX_ADDRESSES)
        )
    }
}

/// Looks for the addresses that were used, until `gap` in a row were not (BIP-44).
async fn find_used(
    node: &Node,
    phrase: &Phrase,
    passphrase: &str,
    hrp: Hrp,
    gap: usize,
) -> anyhow::Result<Found> {
    let account = Account::new(&phrase.seed(passphrase), 0)?;
    let mut found = Found { used: 0, looked_at: 0 };
    while found.looked_at < (found.used + gap).min(MAX_ADDRESSES) {
        let address = account.key(found.looked_at as u32)?.address().to_text(hrp);
        found.looked_at += 1;
        if node.account(&address).await?.is_used() {
            found.used = found.looked_at;
        }
    }
    Ok(found)
}
