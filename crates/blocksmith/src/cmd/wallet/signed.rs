//! Payments that were signed elsewhere, as `blocksmith wallet sign` prints them.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use blocksmith_consensus::payment::{BadTransaction, MAX_WIRE_BYTES, Payment, Verified};

use super::node::{Account, Node, Remote, Whereabouts};
use super::send::{Purse, Ready, choose};

/// The most bytes of a file with a payment: its text, and a newline.
const MAX_FILE_BYTES: usize = MAX_WIRE_BYTES + 1;

/// What a file has in the place of a payment.
#[derive(Debug)]
pub(super) struct Text {
    /// Where it comes from, as people say it.
    source: String,
    /// Without the newline at its end.
    pub(super) bytes: Vec<u8>,
}

/// Whether the file is the standard input.
pub(super) fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

/// Reads the file, elsewhere, so that a signal is heard while somebody types.
pub(super) async fn read(file: PathBuf) -> anyhow::Result<Text> {
    let source =
        if is_stdin(&file) { "the standard input".into() } else { file.display().to_string() };
    match tokio::task::spawn_blocking(move || read_file(&file)).await? {
        Ok(bytes) => Ok(Text { source, bytes }),
        Err(error) if error.kind() == ErrorKind::NotFound => anyhow::bail!(
            "the payment can't be read from {source}: there is no such file; `blocksmith wallet sign \
             --out` makes one, and - is the standard input"
        ),
        Err(error) => {
            Err(error).with_context(|| format!("the payment can't be read from {source}"))
        }
    }
}

/// One byte more than a file may have tells that there is more.
fn read_file(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = MAX_FILE_BYTES as u64 + 1;
    if is_stdin(file) {
        io::stdin().lock().take(most).read_to_end(&mut bytes)?;
    } else {
        File::open(file)?.take(most).read_to_end(&mut bytes)?;
    }
    bytes.pop_if(|last| *last == b'\n');
    Ok(bytes)
}

impl Text {
    /// The payment, if its sender signed it for the node's chain. The node is told nothing yet.
    fn verify(&self, remote: &Remote) -> anyhow::Result<Verified> {
        let (source, chain) = (&self.source, &remote.name);
        let payment = Payment::parse(&self.bytes, &remote.domain).map_err(|why| {
            let why = match why {
                // How many there are is not known: no more are read.
                BadTransaction::TooLong { .. } => {
                    format!("it has more than {MAX_WIRE_BYTES} bytes")
                }
                why => why.to_string(),
            };
            anyhow::anyhow!(
                "{source} has no payment of the chain {chain}: {why}; hand in the text just as \
                 `blocksmith wallet sign` prints it for that chain"
            )
        })?;
        payment.verify().map_err(|_| {
            anyhow::anyhow!(
                "the payment of {source} is not signed by its sender for the chain {chain}, {}: it was \
                 changed on the way, or is one of another chain. `blocksmith wallet sign --chain` \
                 signs it for this one, and --node names a node of another",
                remote.domain.chain_id
            )
        })
    }

    /// The payment, and what the node knows of it. One that can't be made is refused.
    pub(super) async fn ready(&self, node: &Node, remote: &Remote) -> anyhow::Result<Ready> {
        let payment = self.verify(remote)?;
        let (sender, hrp) = (payment.sender(), remote.domain.hrp);
        for address in [sender, payment.recipient()] {
            remote.dev_keys.check(&address, hrp)?;
        }
        let found = node.whereabouts(&payment.id()).await?;
        let account = node.account(&sender.to_text(hrp)).await?;
        let spendable = node.spendable(&account, &sender, &remote.domain).await?;
        if found == Whereabouts::Nowhere {
            if payment.nonce() < account.nonce {
                anyhow::bail!(
                    "another payment of {} has the nonce {}, so that this one can't be made any more; \
                     if it is to be paid all the same, sign it with --nonce {}",
                    sender.to_text(hrp),
                    payment.nonce(),
                    account.next_nonce
                );
            }
            // What another payment's place costs, or one that is held, the node knows better.
            if payment.nonce() == account.next_nonce {
                let nonce = payment.nonce();
                let purse = Purse { address: sender, label: String::new(), spendable, nonce };
                choose(&[purse], payment.cost(), &payment.recipient(), hrp)?;
            }
        }
        let nonce = Some(about_nonce(payment.nonce(), &account, &found));
        Ok(Ready { payment, spendable, nonce, found })
    }
}

/// A nonce that somebody chose, and what comes of it.
fn about_nonce(nonce: u64, account: &Account, found: &Whereabouts) -> String {
    let next = account.next_nonce;
    if *found != Whereabouts::Nowhere || nonce == next {
        nonce.to_string()
    } else if nonce < next {
        format!("{nonce}, as another payment that waits: this one takes its place if it pays more")
    } else {
        format!(
            "{nonce}, but the sender's next one is {next}: it can only be held until that comes"
        )
    }
}
