//! `blocksmith wallet`: the owner's keys, the payments that they sign, and what a node knows of
//! them.
//!
//! A node is asked which chain it runs, and payments are signed for that chain. All else that a
//! node says is unproven: `remote` is about the chain's name, `payer` about nonces. `--chain` pins
//! the chain for owners who ask a node that is not their own.

mod address;
mod balance;
mod chain_name;
mod code;
mod export;
mod history;
mod mail;
mod new;
mod node;
mod payer;
mod payment_file;
mod payment_info;
mod remote;
mod replace;
mod secrets;
mod send;
mod sign;
mod signed;
mod table;
mod verify;
mod waiting;

use std::io::{self, ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
pub(super) use table::{aligned, columns};

use anyhow::Context as _;
use blocksmith_consensus::Rules;
use blocksmith_consensus::address::Address;
use blocksmith_consensus::json::string;
use blocksmith_consensus::payment::{Domain, MAX_MEMO_BYTES};
use blocksmith_wallet::keystore::OpenError;
use blocksmith_wallet::typed;
use blocksmith_wallet::wallet::Entry;
use blocksmith_wallet::{Cost, DevKeys, FileError, Wallet, WalletFile};
use reqwest::Url;
use serde::Serialize;
use zeroize::Zeroizing;

use self::node::{Node, NodeError};
use self::remote::{Remote, meet};
use self::secrets::PasswordArgs;
use super::{Misused, exit};
use crate::chain::{Chain, ChainError};
use crate::config;
use crate::daemon::{stop_on_signal, until};
use crate::text::{escaped, json, lines};

/// The chain whose addresses are shown by default.
const DEFAULT_CHAIN: &str = "forge";

/// The index of a chain's first block, where payments are signed.
const GENESIS_INDEX: u64 = 1;

/// The path of every key of the wallet, without its index.
const PATH: &str = "m/86'/1'/0'/0";

/// More bytes than words, a passphrase, an address and a path together have as JSON.
const MAX_SECRET_BYTES: usize = 32_768;

/// Keep coins: make addresses, pay, and see payments
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  blocksmith wallet new
      make a wallet, with a first address
  blocksmith wallet balance
      what it has
  blocksmith wallet send ADDRESS 2.5 --wait
      pay 2.5 coins, and wait until a block has the payment")]
pub struct WalletArgs {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: WalletCommand,
}

#[derive(Debug, clap::Subcommand)]
enum WalletCommand {
    New(new::NewArgs),
    Restore(new::RestoreArgs),
    Address(address::AddressArgs),
    Balance(balance::BalanceArgs),
    History(history::HistoryArgs),
    Send(send::SendArgs),
    Bump(replace::BumpArgs),
    Cancel(replace::CancelArgs),
    Sign(sign::SignArgs),
    Verify(verify::VerifyArgs),
    Export(export::ExportArgs),
}

/// What every command takes.
#[derive(Debug, clap::Args)]
struct Common {
    /// The wallet file [default: wallets/wallet.json in Blocksmith's data folder]
    #[arg(long, global = true, value_name = "FILE", env = "BLOCKSMITH_WALLET")]
    wallet: Option<PathBuf>,
    #[command(flatten)]
    password: PasswordArgs,
    /// Print JSON; amounts are in units: 1 coin is 100,000,000 units
    #[arg(long, global = true)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// Fails with what went wrong and what to do about it.
pub async fn run(args: WalletArgs) -> anyhow::Result<ExitCode> {
    let WalletArgs { common, command } = args;
    let stop = stop_on_signal()?;
    let run = async {
        match command {
            WalletCommand::New(args) => new::run(&common, &args),
            WalletCommand::Restore(args) => new::restore(&common, &args).await,
            WalletCommand::Address(args) => address::run(&common, &args),
            WalletCommand::Balance(args) => balance::run(&common, &args).await,
            WalletCommand::History(args) => history::run(&common, &args).await,
            WalletCommand::Send(args) => send::run(&common, &args).await,
            WalletCommand::Bump(args) => replace::bump(&common, &args).await,
            WalletCommand::Cancel(args) => replace::cancel(&common, &args).await,
            WalletCommand::Sign(args) => sign::run(&common, &args),
            WalletCommand::Verify(args) => verify::run(&common, args).await,
            WalletCommand::Export(args) => export::run(&common, &args),
        }
    };
    let outcome = tokio::select! {
        outcome = run => outcome,
        () = until(stop) => return Ok(ExitCode::from(exit::INTERRUPTED)),
    };
    let kind = outcome.as_ref().err().and_then(|error| error.downcast_ref()).map(io::Error::kind);
    match kind {
        // The reader of a pipe has what it wanted, as `head` does.
        Some(ErrorKind::BrokenPipe) => Ok(ExitCode::SUCCESS),
        // The person typed Ctrl-C at a question.
        Some(ErrorKind::Interrupted) => Ok(ExitCode::from(exit::INTERRUPTED)),
        _ => outcome,
    }
}

/// The exit code of a wallet's own errors.
pub(super) fn exit_code(error: &anyhow::Error) -> Option<u8> {
    if error.is::<secrets::NobodyToAsk>() {
        return Some(exit::USAGE);
    }
    if error.is::<replace::Confirmed>() {
        return Some(exit::REJECTED);
    }
    match error.downcast_ref()? {
        NodeError::Away { .. } => Some(exit::UNREACHABLE),
        NodeError::Refused { .. }
        | NodeError::Redirected(_)
        | NodeError::Misspoken(_)
        | NodeError::NotTaken { .. }
        | NodeError::Twin { .. } => Some(exit::REJECTED),
        NodeError::Unsigned { .. } | NodeError::Strange { .. } => None,
    }
}

/// A wallet, with what it takes to write it again.
struct Opened {
    file: WalletFile,
    wallet: Wallet,
    password: Zeroizing<String>,
}

impl Common {
    fn path(&self) -> anyhow::Result<PathBuf> {
        match &self.wallet {
            Some(path) => Ok(path.clone()),
            None => Ok(config::data_home()
                .map_err(|why| anyhow::anyhow!("{why}, or name the wallet file with --wallet"))?
                .join("wallets")
                .join("wallet.json")),
        }
    }

    /// Asks for the password and opens the file.
    fn open(&self) -> anyhow::Result<Opened> {
        let path = self.path()?;
        // Fails before a person types a password for nothing.
        if let Err(error) = path.metadata()
            && error.kind() == ErrorKind::NotFound
        {
            return Err(no_file(FileError::Missing { path }));
        }
        let password = self.password.get()?;
        let (file, wallet, password) = password.open(&path).map_err(|error| {
            let is_wrong =
                matches!(error, FileError::Open { source: OpenError::WrongPassword, .. });
            match password.hidden().filter(|_| is_wrong) {
                Some(hidden) => anyhow::Error::from(error).context(hidden),
                None => no_file(error),
            }
        })?;
        Ok(Opened { file, wallet, password })
    }

    /// Prints `text` for people, or `value` for programs.
    fn print(&self, text: impl FnOnce() -> String, value: &impl Serialize) -> anyhow::Result<()> {
        if self.json { print_json(value) } else { print_line(&text()) }
    }
}

fn no_file(error: FileError) -> anyhow::Error {
    match error {
        FileError::Missing { .. } => anyhow::anyhow!(
            "{error}: make one with `blocksmith wallet new`, or name another with --wallet"
        ),
        error => error.into(),
    }
}

impl Opened {
    /// Writes the wallet into its file.
    fn save(&mut self) -> anyhow::Result<()> {
        Ok(self.file.save(&self.wallet, &self.password, Cost::default())?)
    }

    /// The address that pays: the one that is named, which must be the wallet's, or the only one.
    fn payer(&self, named: Option<&str>, domain: &Domain) -> anyhow::Result<Address> {
        if let Some(text) = named {
            let address = parse_address(text, domain)?;
            if !self.wallet.addresses().any(|entry| entry.address == address) {
                return Err(Misused(format!(
                    "this wallet has no address {text}; `blocksmith wallet \
                     address` shows the ones that it has"
                ))
                .into());
            }
            return Ok(address);
        }
        let mut addresses = self.wallet.addresses();
        match (addresses.next(), addresses.next()) {
            (Some(only), None) => Ok(only.address),
            _ => Err(Misused(
                "this wallet has several addresses: name the one that pays with --from".into(),
            )
            .into()),
        }
    }
}

/// Which chain is meant where no node is asked.
#[derive(Debug, clap::Args)]
struct Which {
    /// The chain: forge, bitcoin-like, or a chain file [default: forge]
    #[arg(long, value_name = "NAME", env = "BLOCKSMITH_CHAIN")]
    chain: Option<String>,
}

impl Which {
    fn chain(&self) -> Result<Chain, ChainError> {
        Chain::load(self.chain.as_deref().unwrap_or(DEFAULT_CHAIN), None)
    }

    fn load(&self) -> anyhow::Result<Known> {
        Known::of(self.chain()?)
    }
}

/// Which chain a payment is signed for where no node is asked.
#[derive(Debug, clap::Args)]
struct Offline {
    #[command(flatten)]
    which: Which,
    /// Use the chain of `blocksmith dev`: --dev --chain forge is --chain forge-dev
    #[arg(long)]
    dev: bool,
}

impl Offline {
    fn load(&self) -> anyhow::Result<Known> {
        let chain = self.which.chain()?;
        Known::of(if self.dev { chain.for_dev()? } else { chain })
    }
}

/// A chain on which payments are signed.
struct Known {
    /// The preset's name, if a preset has this id: a file may give its copy any name.
    name: String,
    rules: Rules,
    domain: Domain,
    /// Whether the chain takes signatures of the keys that are public.
    dev_keys: DevKeys,
}

impl Known {
    fn of(chain: Chain) -> anyhow::Result<Self> {
        let dev_keys = if chain.is_dev() { DevKeys::Allowed } else { DevKeys::Refused };
        let (rules, domain) = signed_rules(chain)?;
        let preset = Chain::with_id(&domain.chain_id);
        let name = preset.map_or_else(|| rules.name.clone(), |preset| preset.rules.name);
        Ok(Self { name, rules, domain, dev_keys })
    }
}

/// The rules of a chain on which payments are signed.
fn signed_rules(Chain { rules, .. }: Chain) -> anyhow::Result<(Rules, Domain)> {
    match rules.domain() {
        Some(domain) => Ok((rules, domain)),
        None => Err(Misused(format!(
            "the chain {} has no signed payments and no addresses; name another chain with --chain",
            escaped(&rules.name)
        ))
        .into()),
    }
}

/// Which node is asked.
#[derive(Debug, clap::Args)]
struct NodeArgs {
    /// The node to ask
    #[arg(long, value_name = "URL", env = "BLOCKSMITH_NODE", default_value = "http://127.0.0.1:5000", value_parser = super::values::server)]
    node: Url,
    /// The chain that the node must run: forge, bitcoin-like, or a chain file [default: any]
    #[arg(long, value_name = "NAME", env = "BLOCKSMITH_CHAIN")]
    chain: Option<String>,
}

impl NodeArgs {
    /// Asks the node for its chain, and refuses a node of another chain than `--chain` names.
    async fn meet(&self) -> anyhow::Result<(Node, Remote)> {
        meet(&self.node, self.chain.as_deref()).await
    }
}

/// Reads an address as a person typed it.
fn parse_address(text: &str, domain: &Domain) -> Result<Address, Misused> {
    typed::address(text, domain.hrp)
        .map_err(|why| Misused(format!("the address {text:?} can't be used: {why}")))
}

/// Reads a memo from the command line.
fn memo(text: &str) -> Result<String, String> {
    let json = string(text);
    if json.len() > MAX_MEMO_BYTES {
        return Err(format!(
            "a memo can have at most {MAX_MEMO_BYTES} bytes as JSON, and this one has {}: write a \
             shorter one",
            json.len()
        ));
    }
    Ok(text.into())
}

/// The path of an entry's key (BIP-32).
fn path_of(entry: &Entry<'_>) -> String {
    format!("{PATH}/{}", entry.index)
}

/// Prints a line of results.
fn print_line(text: &str) -> anyhow::Result<()> {
    let mut out = super::stdout();
    writeln!(out, "{}", lines(text))?;
    Ok(out.flush()?)
}

/// Prints a line of results for programs.
fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print_line(&json(&serde_json::to_string(value)?))
}

/// Prints a line of results with secrets for programs, and wipes its copy.
fn print_secret_json(value: &impl Serialize) -> anyhow::Result<()> {
    // The capacity is enough from the start: growing would leave a copy behind.
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_SECRET_BYTES));
    serde_json::to_writer(&mut *text, value)?;
    text.push(b'\n');
    let mut out = super::stdout();
    out.write_all(&text)?;
    Ok(out.flush()?)
}

/// Asks on the terminal. Every answer but yes is no.
async fn agreed(question: &str) -> anyhow::Result<bool> {
    write!(io::stderr(), "{question}")?;
    io::stderr().flush()?;
    // Reads on another thread, so that a signal is heard meanwhile.
    let read = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = read.await?.context("the answer can't be read")?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Prints a line for people.
fn note(text: &str) {
    // The standard error may be closed.
    let _ = writeln!(io::stderr(), "{}", lines(text));
}
