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
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use blocksmith::chain::Chain;
use blocksmith::client::Redirected;
use blocksmith_consensus::payment::Payment;
use blocksmith_consensus::{Hash, Linked, Rules, Timestamp, check, merkle};
use serde_json::Value;

/// How many headers are asked for at a time.
const PAGE: u64 = 2_000;

/// The most bytes of an answer.
const MAX_BYTES: usize = 16 << 20;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How far ahead of this machine's clock a header may be, in seconds.
const MAX_AHEAD_S: u64 = 45;

struct LightClient {
    http: reqwest::Client,
    node: String,
    rules: Rules,
    /// From the genesis block on, each with the work up to it. Their blocks have no transactions.
    headers: Vec<Linked>,
}

impl LightClient {
    fn new(node: &str, rules: Rules) -> anyhow::Result<Self> {
        rules.domain().context("nobody signs payments on this chain: no proof would prove any")?;
        let genesis = Linked::genesis(&rules, rules.genesis.block(Timestamp::default()));
        let http = blocksmith::client::builder().timeout(PATIENCE).build()?;
        Ok(Self { http, node: node.trim_end_matches('/').into(), rules, headers: vec![genesis] })
    }

    fn tip(&self) -> &Linked {
        self.headers.last().expect("the genesis block at least")
    }

    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let mut response = self.http.get(format!("{}/api/v1/{path}", self.node)).send().await?;
        if let Some(redirected) = Redirected::of_document(&response) {
            return Err(redirected.into());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            ensure!(body.len() + chunk.len() <= MAX_BYTES, "the answer has no end");
            body.extend_from_slice(&chunk);
        }
        let value: Value = serde_json::from_slice(&body)?;
        match value.get("detail").and_then(Value::as_str) {
            Some(detail) if !response.status().is_success() => bail!("the node says: {detail}"),
            _ => Ok(value),
        }
    }

    /// Makes sure that the node runs this chain.
    async fn meet(&self) -> anyhow::Result<()> {
        let status = self.get("status").await?;
        let (theirs, ours) = (&status["chain_id"], self.rules.chain_id().to_string());
        ensure!(
            *theirs == ours,
            "the node runs {} with the chain id {theirs}, not {:?} with {ours:?}: name its chain, as \
             in forge, forge-dev or a chain file",
            status["name"],
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
            let page = self.get(&format!("headers?from={}&limit=1", known.index())).await?;
            if page["headers"][0]["hash"] == known.hash().to_string() {
                break;
            }
            fork = fork.saturating_sub(step).max(1);
            step *= 2;
        }
        let mut branch = vec![self.headers[fork - 1].clone()];
        loop {
            let parent = branch.last().expect("where it leaves ours");
            let path = format!("headers?from={}&limit={PAGE}", parent.block.index() + 1);
            let page = self.get(&path).await?;
            let headers = page["headers"].as_array().context("there is no list of headers")?;
            for header in headers {
                let parent = branch.last().expect("where it leaves ours");
                let next = self.check(parent, &header["header"])?;
                branch.push(next);
            }
            if headers.is_empty() || page["next"].is_null() {
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
    fn check(&self, parent: &Linked, header: &Value) -> anyhow::Result<Linked> {
        let mut block = header.clone();
        let fields = block.as_object_mut().context("a header is an object")?;
        // Its id is that of the block with all transactions: their root stands for them.
        fields.insert("transactions".into(), Value::Array(Vec::new()));
        let block = self.rules.parse_block(block.to_string().as_bytes())?;
        let (view, above) = (block.view(), parent.block.view());
        check::link(&self.rules, above, &parent.block.hash(), &parent.pace, view)?;
        let now_s = std::time::UNIX_EPOCH.elapsed()?.as_secs();
        let time_s = block.header().map_or(0, |header| header.timestamp_s);
        ensure!(time_s <= now_s + MAX_AHEAD_S, "block {} is ahead of its time", block.index());
        Ok(parent.followed_by(&self.rules, block))
    }

    /// How many blocks confirm a payment, and the payment.
    async fn confirm(&self, id: Hash) -> anyhow::Result<(u64, Payment)> {
        let proof = self.get(&format!("transactions/{id}/proof")).await?;
        let number = |name| proof[name].as_u64().with_context(|| format!("there is no {name}"));
        let index = number("block")?;
        let place = index.checked_sub(self.headers[0].block.index());
        let known = place.and_then(|place| self.headers.get(usize::try_from(place).ok()?));
        let known = known.context("the proof is for a block that this client has no header of")?;
        let domain = self.rules.domain().context("nobody signs payments on this chain")?;
        let payment = Payment::parse(proof["transaction"].to_string().as_bytes(), &domain)?;
        ensure!(payment.id() == id, "the proof is for another payment");
        let path = proof["path"].as_array().context("there is no path")?.iter();
        let hash = |text: &Value| text.as_str().and_then(|text| text.parse().ok());
        let path: Option<Vec<Hash>> = path.map(hash).collect();
        let path = path.context("the path is not one of hashes")?;
        let root = known.block.header().context("a sealed block has a header")?.merkle_root;
        let (position, leaves) = (number("position")?, number("leaves")?);
        let leads_up = merkle::verify(payment.text().as_bytes(), position, leaves, &path, &root);
        ensure!(leads_up, "the proof does not lead to the header of block {index}");
        let payment = payment.verify()?.into_payment();
        Ok((self.tip().block.index() + 1 - index, payment))
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
