//! A light client: follows the headers of a `forge` chain and checks a payment by its inclusion
//! proof. It trusts the node for nothing but to answer: each header is checked for its work, its
//! target and its place, and a payment for its signature and its way up to a header.
//!
//! ```text
//! cargo run --example light_client -- http://127.0.0.1:5000 forge-dev [TRANSACTION_ID]
//! ```
//!
//! What it can't see without the blocks: whether a payment was allowed. That is what the work on
//! top of it says: no miner would have put any there in vain.

use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use blocksmith::chain::Chain;
use blocksmith_api::RawValue;
use blocksmith_api::client::{Node, parse_url};
use blocksmith_consensus::payment::Payment;
use blocksmith_consensus::{ChainBlock, Hash, Rules, Timestamp, check, merkle};
use serde_json::Value;

/// How many headers are asked for at a time.
const PAGE: usize = 2_000;

/// How far ahead of this machine's clock a header may be, in seconds.
const MAX_AHEAD_S: u64 = 45;

struct LightClient {
    node: Node,
    rules: Rules,
    /// From the genesis block on, each with the work up to it. Their blocks have no transactions.
    headers: Vec<ChainBlock>,
}

impl LightClient {
    fn new(node: &str, rules: Rules) -> anyhow::Result<Self> {
        rules
            .domain()
            .context("payments are not signed on this chain, so a proof would show nothing")?;
        let genesis = ChainBlock::genesis(&rules, rules.genesis_block(Timestamp::default()));
        let url = parse_url(node).map_err(anyhow::Error::msg)?;
        let node = Node::new(url, |there| format!("light_client {there} …"))?;
        Ok(Self { node, rules, headers: vec![genesis] })
    }

    fn tip(&self) -> &ChainBlock {
        self.headers.last().expect("the genesis block at least")
    }

    /// Makes sure that the node runs this chain.
    async fn meet(&self) -> anyhow::Result<()> {
        let status = self.node.status().await?;
        let ours = self.rules.chain_id();
        ensure!(
            status.chain_id.0 == ours,
            "the node runs {:?} with the chain id \"{}\", not {:?} with \"{ours}\": name its chain, as in \
             forge, forge-dev or a chain file",
            status.name,
            status.chain_id,
            self.rules.name
        );
        Ok(())
    }

    /// Takes the node's headers if they have more work than those known.
    async fn follow(&mut self) -> anyhow::Result<()> {
        let mut fork = self.headers.len();
        // Where the node's chain leaves ours: back in steps that double, as far as the genesis block.
        let mut step = 1;
        while fork > 1 {
            let known = &self.headers[fork - 1].block;
            let page = self.node.headers(known.index(), 1).await?;
            if page.headers.first().is_some_and(|header| header.hash.0 == known.hash()) {
                break;
            }
            fork = fork.saturating_sub(step).max(1);
            step *= 2;
        }
        let mut branch = vec![self.headers[fork - 1].clone()];
        loop {
            let parent = branch.last().expect("where it leaves ours");
            let page = self.node.headers(parent.block.index() + 1, PAGE).await?;
            for header in &page.headers {
                let parent = branch.last().expect("where it leaves ours");
                let header = header.header.as_ref().context("there is a block without a header")?;
                let next = self.check(parent, header)?;
                branch.push(next);
            }
            if page.headers.is_empty() || page.next.is_none() {
                break;
            }
        }
        if branch.last().is_some_and(|end| end.work > self.tip().work) {
            self.headers.truncate(fork);
            self.headers.extend(branch.drain(1..));
        }
        Ok(())
    }

    /// Checks a header on the one before it: index, parent, time, target and work.
    fn check(&self, parent: &ChainBlock, header: &RawValue) -> anyhow::Result<ChainBlock> {
        let mut block: Value = serde_json::from_str(header.get())?;
        let fields = block.as_object_mut().context("a header is an object")?;
        // Its id is that of the block with all transactions: their root stands for them.
        fields.insert("transactions".into(), Value::Array(Vec::new()));
        let block = self.rules.parse_block(block.to_string().as_bytes())?;
        let (view, above) = (block.view(), parent.block.view());
        check::link(&self.rules, above, &parent.block.hash(), &parent.difficulty_state, view)?;
        let now_s = std::time::UNIX_EPOCH.elapsed()?.as_secs();
        let time_s = block.header().map_or(0, |header| header.timestamp_s);
        ensure!(time_s <= now_s + MAX_AHEAD_S, "block {} is ahead of its time", block.index());
        Ok(parent.followed_by(&self.rules, block))
    }

    /// How many blocks confirm a payment, and the payment.
    async fn confirm(&self, id: Hash) -> anyhow::Result<(u64, Payment)> {
        let proof = self.node.proof(&id).await?;
        let place = proof.block.checked_sub(self.headers[0].block.index());
        let known = place.and_then(|place| self.headers.get(usize::try_from(place).ok()?));
        let known = known.context("the proof is for a block that this client has no header of")?;
        let domain = self.rules.domain().context("payments are not signed on this chain")?;
        let payment = Payment::parse(proof.transaction.get().as_bytes(), &domain)?;
        ensure!(payment.id() == id, "the proof is for another payment");
        let path: Vec<Hash> = proof.path.iter().map(|hash| hash.0).collect();
        let root = known.block.header().context("a sealed block has a header")?.merkle_root;
        let (text, position) = (payment.text().as_bytes(), proof.position.into());
        let leads_up = merkle::verify(text, position, proof.leaves, &path, &root);
        ensure!(leads_up, "the proof does not lead to the header of block {}", proof.block);
        let payment = payment.verify()?.into_payment();
        Ok((self.tip().block.index() + 1 - proof.block, payment))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (Some(node), Some(chain)) = (args.first(), args.get(1)) else {
        eprintln!("usage: light_client URL CHAIN [TRANSACTION_ID]");
        return Ok(ExitCode::from(2));
    };
    let mut client = LightClient::new(node, Chain::load(chain, None)?.rules)?;
    client.meet().await?;
    client.follow().await?;
    let tip = client.tip();
    println!("block {} {} with {:#x} tries of work", tip.block.index(), tip.block.hash(), tip.work);
    if let Some(id) = args.get(2) {
        let (confirmations, payment) = client.confirm(id.parse()?).await?;
        let (amount, nonce) = (payment.amount(), payment.nonce());
        println!("confirmed by {confirmations} blocks: {amount} units, nonce {nonce}");
    }
    Ok(ExitCode::SUCCESS)
}
