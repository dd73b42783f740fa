//! `blocksmith node`: runs one node until a signal stops it.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use blocksmith_consensus::Hash;
use blocksmith_node::{NoWork, PeerAddress};
use blocksmith_wallet::typed;
use console::Term;
use tokio::net::TcpListener;

use super::output::{heard, paragraph};
use super::values::{self, number};
use super::{Misused, note, stdout};
use crate::chain::dev::KEYS_WARNING;
use crate::chain::{Chain, describe};
use crate::daemon::{here, stop_on_signal, until};
use crate::http::{HostName, Manners, PageOrigin};
use crate::log::Format;
use crate::mining::NotMined;
use crate::searching::all_cores;
use crate::service::{Handle, Options};
use crate::text::escaped;
use crate::{config, daemon, early, http, mining, operator, system};

/// How long the server may take to end after the node had to stop.
const END_TIME: Duration = Duration::from_secs(2);

/// Run a node
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  blocksmith node 5001 --peer localhost:5000
      a second node that follows the first
  blocksmith node --bind 0.0.0.0 --mine
      open to other machines, and it mines")]
pub struct NodeArgs {
    /// The port to listen on; 0 takes a free one [default: 5000]
    #[arg(value_name = "PORT", value_parser = values::port)]
    port: Option<u16>,
    /// The same as PORT, as a flag
    #[arg(long = "port", value_name = "PORT", env = "BLOCKSMITH_PORT", id = "port_flag", value_parser = values::port)]
    port_flag: Option<u16>,
    /// The chain: lecture, course, dvf, forge, bitcoin-like, or a chain file [default: lecture]
    #[arg(long, value_name = "NAME", env = "BLOCKSMITH_CHAIN")]
    chain: Option<String>,
    /// How many zeros the hash of a proof must start with [default: as the chain says]
    #[arg(long, value_name = "N", env = "BLOCKSMITH_ZEROS", value_parser = number::<u8>(0..=64))]
    zeros: Option<u8>,
    /// The folder in which to keep the chain [default: a folder for this chain and port in
    /// ~/.local/share/blocksmith]
    #[arg(long, value_name = "DIR", env = "BLOCKSMITH_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// The address to listen on; 0.0.0.0 lets other machines connect [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS", env = "BLOCKSMITH_BIND")]
    bind: Option<String>,
    /// Another node to connect to, as in localhost:5001; repeat the flag for more
    #[arg(long = "peer", value_name = "URL", env = "BLOCKSMITH_PEERS", value_delimiter = ',', value_parser = PeerAddress::typed)]
    peers: Vec<PeerAddress>,
    #[command(flatten)]
    browsers: BrowserArgs,
    /// Who gets the coins mined here: a name, or an address if payments are signed [default: an id
    /// that is made at the first start]
    #[arg(long, visible_alias = "to", value_name = "NAME", env = "BLOCKSMITH_ID", value_parser = config::id)]
    id: Option<String>,
    /// The file with the operator's token; the node makes it if there is no such file [default:
    /// operator.token in the data directory]
    ///
    /// Some calls are for the operator alone, such as forgetting a peer. A call from another machine
    /// needs this token.
    #[arg(long, value_name = "FILE", env = "BLOCKSMITH_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// Mine on all cores, at the lowest priority
    #[arg(long)]
    mine: bool,
    /// How to write the log
    #[arg(long, value_name = "FORMAT", env = "BLOCKSMITH_LOG_FORMAT", value_enum, default_value_t)]
    pub(super) log_format: Format,
}

/// What a browser may do with a node.
#[derive(Debug, clap::Args)]
pub struct BrowserArgs {
    /// A host name with dots that browsers use for the node, for example through a tunnel; repeat the
    /// flag for more
    ///
    /// IP addresses and names like localhost or pc12.local need no flag.
    #[arg(long = "host", value_name = "NAME", env = "BLOCKSMITH_HOSTS", value_delimiter = ',')]
    hosts: Vec<HostName>,
    /// Let web pages from this origin use the node, as in http://localhost:3000; repeat the flag for more
    /// [default: no pages]
    #[arg(long = "cors", value_name = "ORIGIN", env = "BLOCKSMITH_CORS", value_delimiter = ',')]
    cors: Vec<PageOrigin>,
}

impl BrowserArgs {
    /// How the node is served.
    pub fn manners(self) -> Manners {
        Manners { hosts: self.hosts, cors: self.cors, ..Manners::default() }
    }
}

/// Runs the command.
///
/// # Errors
/// Fails with what keeps the node from running, and the way out.
pub async fn run(args: NodeArgs) -> anyhow::Result<ExitCode> {
    let port = args.port.or(args.port_flag).unwrap_or(config::DEFAULT_PORT);
    let chain = Chain::load(args.chain.as_deref().unwrap_or(config::DEFAULT_CHAIN), args.zeros)?;
    let bind = args.bind.unwrap_or_else(|| config::DEFAULT_BIND.into());
    let (id, peers) = (args.id, args.peers);
    if let (Some(domain), Some(id)) = (chain.rules.domain(), &id) {
        typed::address(id, domain.hrp).map_err(|why| {
            Misused(format!(
                "coins of this chain go to addresses, and {id:?} is not an address: {why}"
            ))
        })?;
    }

    let manners = args.browsers.manners();
    http::raise_file_limit();
    let stop = stop_on_signal()?;
    let listener = listen(&bind, port).await?;
    let data_dir = match args.data_dir {
        Some(dir) => dir,
        // The port is the one that was taken: with port 0, two nodes side by side would share a
        // folder.
        None => config::default_data_dir(&chain.rules, listener.local_addr()?.port())?,
    };
    let (rules, chain_id) = (describe(&chain.rules), chain.rules.chain_id());
    let token_file = args.token_file.unwrap_or_else(|| data_dir.join(operator::FILE));
    let options = Options { data_dir: Some(data_dir.clone()), node_id: id, ..Options::new(chain) };
    let node =
        daemon::start(options, Some(&token_file), listener, peers, manners, stop.clone()).await?;
    if args.mine
        && let Err(NoWork::NoRecipient) = node.handle.work(None).await?
    {
        let why = "coins of this chain go to addresses, so --mine needs --to ADDRESS";
        return Err(Misused(why.into()).into());
    }
    // The node runs for its clients even if the reader of these lines is gone.
    // Programs read the address from the first line. They are written at once, so that no line of the log
    // comes between, where both go to one terminal.
    let lines = format!(
        "Running on http://{} (press Ctrl-C to stop)\nIts page is http://{}\n",
        node.address,
        here(node.address)
    );
    heard(stdout().write_all(lines.as_bytes()))?;
    introduce(&node.handle, &rules, &chain_id, &data_dir, &token_file);
    let watching = tokio::spawn(early::watch(node.handle.clone()));
    let miner = args.mine.then(|| tokio::spawn(mine(node.handle.clone())));
    let failed = tokio::select! {
        () = until(stop) => None,
        stopped = node.handle.stopped() => Some(stopped),
    };
    watching.abort();
    if let Some(miner) = miner {
        miner.abort();
    }
    match failed {
        None => node.ended().await,
        Some(stopped) => {
            // The log of the other tasks comes before the reason.
            let _ = tokio::time::timeout(END_TIME, node.ended()).await;
            return Err(anyhow::Error::new(stopped).context("the node had to stop"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn listen(bind: &str, port: u16) -> anyhow::Result<TcpListener> {
    TcpListener::bind((bind, port)).await.map_err(|error| {
        let way_out = match error.kind() {
            ErrorKind::AddrInUse => "; is another node there? Choose another port, or 0 for any",
            ErrorKind::PermissionDenied => {
                "; ports below 1024 need administrator rights; choose another, like 5000"
            }
            // The error itself says what to do.
            _ if system::way_out(&error).is_some() => "",
            _ => "; --bind takes an address of this machine, like 127.0.0.1 or 0.0.0.0",
        };
        anyhow::Error::new(error).context(format!("can't listen on {bind}:{port}{way_out}"))
    })
}

/// Says which chain runs here, and with which data.
fn introduce(handle: &Handle, rules: &str, chain_id: &Hash, data_dir: &Path, token_file: &Path) {
    let start = format!(
        "{rules}; chain id {chain_id}; block {} is the tip; node id {}; data in {}",
        handle.standing().tip.block.index(),
        handle.node_id(),
        data_dir.display()
    );
    note(escaped(start));
    note(format_args!(
        "the operator's token is in {}; calls of the operator from other machines need it",
        escaped(token_file.display())
    ));
    // Anybody may run a dev chain like any other. Its id is its own, so nothing that is signed
    // there is valid elsewhere; and to refuse the keys that are public would lock coins that its
    // blocks have anyway. But the operator is told whose the coins are.
    if handle.is_dev() {
        note(paragraph(KEYS_WARNING, &Term::stderr()));
    }
}

/// Mines one block after the other for as long as the node runs.
async fn mine(handle: Handle) {
    loop {
        match mining::next_block(&handle, None, all_cores()).await {
            // The log tells of each block that joins the chain.
            Ok(_) => {}
            Err(NotMined::Stopped(_)) => break,
            Err(NotMined::NoWork(no_work)) => {
                tracing::error!("mining stops: {no_work}");
                break;
            }
        }
    }
}
