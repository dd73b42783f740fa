//! The chain that a node runs.
//!
//! Payments are signed for a chain's id, so the id alone says which chain it is: a node that gave
//! one chain's id with another one's name would get payments that are valid on the first. The name
//! is that of the preset with this id, or of the file that `--chain` names. Other chains have the
//! name that the owner agreed to, once, which the wallet file keeps.

use blocksmith_api::Status;
use blocksmith_consensus::address::Hrp;
use blocksmith_consensus::json::Value;
use blocksmith_consensus::payment::Domain;
use blocksmith_wallet::keystore::MAX_LABEL_BYTES;
use blocksmith_wallet::{DevKeys, Wallet};
use reqwest::Url;

use super::chain_name::{Name, named};
use super::node::{Node, NodeError, canonical};
use super::{GENESIS_INDEX, Known, Misused, Opened, agreed, note};
use crate::chain::{Chain, Differences, dev, taken_for};
use crate::text::escaped;

/// The name that the wallet keeps for a chain whose own name it can't use.
const UNNAMED: &str = "unnamed";

/// The chain that a node runs.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) name: Name,
    pub(super) domain: Domain,
    /// Whether the chain takes signatures of the keys that are public.
    pub(super) dev_keys: DevKeys,
}

/// Asks the node for its chain, and refuses a node of another chain than `chain` names.
pub(super) async fn meet(url: &Url, chain: Option<&str>) -> anyhow::Result<(Node, Remote)> {
    let named = chain.map(|name| Known::of(Chain::load(name, None)?)).transpose()?;
    let node = Node::new(url.clone())?;
    let told = node.status().await?;
    let id = told.chain_id.0;
    let preset = || Chain::with_id(&id).and_then(|chain| Known::of(chain).ok());
    let remote = match named {
        Some(known) if known.domain.chain_id != id => {
            return Err(another_chain(&node, &told, &known));
        }
        Some(known) => known.into(),
        None => match preset() {
            Some(known) => known.into(),
            None => stranger(&node, &told).await?,
        },
    };
    Ok((node, remote))
}

impl From<Known> for Remote {
    fn from(Known { name, domain, dev_keys, .. }: Known) -> Self {
        Self { name: Name::Known(name), domain, dev_keys }
    }
}

/// A chain that only the node names.
async fn stranger(node: &Node, told: &Status) -> Result<Remote, NodeError> {
    let chain_id = told.chain_id.0;
    let name = Name::of(&chain_id, &told.name);
    let Some(hrp) = told.addresses.as_deref().and_then(|hrp| Hrp::new(hrp).ok()) else {
        return Err(NodeError::Unsigned { url: node.name().into(), chain: name });
    };
    let is_dev = told.dev
        && match node.block(GENESIS_INDEX).await {
            Ok(genesis) => {
                dev::is_told(&chain_id, Value::of_canonical(&rules(told)), &genesis, hrp)
            }
            Err(away @ NodeError::Away { .. }) => return Err(away),
            Err(_) => false,
        };
    let dev_keys = if is_dev { DevKeys::Allowed } else { DevKeys::Refused };
    Ok(Remote { name, domain: Domain { chain_id, hrp }, dev_keys })
}

/// The rules that a node says it has, as canonical JSON.
fn rules(told: &Status) -> String {
    canonical(&told.rules).unwrap_or_else(|_| "{}".into())
}

/// Says that the node runs another chain than was named, and what differs.
fn another_chain(node: &Node, told: &Status, known: &Known) -> anyhow::Error {
    let differences = Differences::between(&known.rules, Value::of_canonical(&rules(told)));
    let differences =
        if differences.is_empty() { String::new() } else { format!(": {differences}") };
    anyhow::anyhow!(
        "{} runs {} with the chain id {}, not {} with {}{differences}. Name that node's chain with \
         --chain, or another node with --node",
        node.name(),
        Name::of(&told.chain_id.0, &told.name),
        told.chain_id,
        escaped(&known.name),
        known.domain.chain_id
    )
}

impl Remote {
    /// Takes the name that the owner agreed to, if the owner was asked about this chain.
    pub(super) fn recall(&mut self, wallet: &Wallet) {
        if let (Name::Unconfirmed(_), Some(name)) =
            (&self.name, wallet.chain_name(&self.domain.chain_id))
        {
            self.name = Name::Kept(name.into());
        }
    }

    /// Whether the owner pays on this chain. The owner is asked once about each chain that neither
    /// a preset nor `--chain` names, and the wallet file keeps the answer.
    pub(super) async fn is_agreed(
        &mut self,
        opened: &mut Opened,
        node: &Node,
        unasked: bool,
    ) -> anyhow::Result<bool> {
        self.recall(&opened.wallet);
        let Name::Unconfirmed(said) = &self.name else { return Ok(true) };
        let id = self.domain.chain_id;
        if unasked {
            return Err(Misused(format!(
                "this wallet does not know the chain {id}, which {} calls {}, and does not pay on \
                 it without asking you: name the chain's file with --chain; or pay once without \
                 --yes, and the wallet asks you and remembers the chain",
                node.name(),
                named(said)
            ))
            .into());
        }
        let taken = taken_for(said).is_some()
            || opened.wallet.chains().iter().any(|chain| chain.name.eq_ignore_ascii_case(said));
        note(&format!(
            "this wallet does not know the chain {id}. {} calls it {}{}. What you pay counts on \
             the chain with this id, whatever its name is: compare the id with the one that \
             `blocksmith chain show` prints or your teacher gives",
            node.name(),
            named(said),
            if taken { ", which is the name of another chain" } else { "" }
        ));
        if !agreed("Pay on it, and remember it? [y/N] ").await? {
            return Ok(false);
        }
        // People don't call a chain by a name that has to be shown escaped.
        let is_plain = named(said) == format!("\"{said}\"");
        let is_name = !said.is_empty() && said.len() <= MAX_LABEL_BYTES && is_plain;
        let name = if is_name && !taken { said.clone() } else { UNNAMED.into() };
        opened.wallet.remember_chain(id, &name)?;
        opened.save()?;
        self.name = Name::Kept(name);
        Ok(true)
    }
}
