//! Nodes of a dev chain, as `blocksmith dev` starts them, and a client for what they serve.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};

use blocksmith::chain::Chain;
use blocksmith::daemon::{Running, start};
use blocksmith::mining::next_block;
use blocksmith::service::Options;
use blocksmith_consensus::address::Address;
use blocksmith_consensus::payment::{Domain, Draft};
use blocksmith_consensus::{Hash, U256};
use blocksmith_wallet::keys::{Account, SigningKey};
use blocksmith_wallet::{Phrase, dev};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::partitions::link::Link;

/// The longest that anything here may take: a peer that was away is asked again within some
/// seconds, and other programs use the machine, too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until it is so.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut so: impl FnMut() -> F) {
    let began = Instant::now();
    while !so().await {
        assert!(began.elapsed() < PATIENCE, "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A key under the phrase that everybody has; the first ten have coins.
pub(crate) fn key(index: u32) -> SigningKey {
    let phrase = Phrase::parse(dev::PHRASE).unwrap();
    Account::new(&phrase.seed(""), 0).unwrap().key(index).unwrap()
}

pub(crate) struct Network {
    pub(crate) nodes: Vec<Running>,
    /// Between nodes of different groups.
    links: Vec<Link>,
    pub(crate) domain: Domain,
    client: Client,
    stop: watch::Sender<bool>,
}

impl Network {
    /// Nodes in groups: within a group, all know each other; `bridges` are pairs of nodes that know
    /// each other over links.
    pub(crate) async fn start(
        chain: &Chain,
        groups: &[Vec<usize>],
        bridges: &[(usize, usize)],
    ) -> Self {
        let mut listeners = Vec::new();
        for _ in groups.iter().flatten() {
            listeners.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
        }
        let address = |listener: &TcpListener| listener.local_addr().unwrap();
        let addresses: Vec<_> = listeners.iter().map(address).collect();
        let mut peers = vec![Vec::new(); addresses.len()];
        for group in groups {
            for &node in group {
                let others = group.iter().filter(|&&other| other != node);
                peers[node].extend(others.map(|&other| addresses[other]));
            }
        }
        let mut links = Vec::new();
        for &(one, other) in bridges {
            for (from, to) in [(one, other), (other, one)] {
                let link = Link::to(addresses[to]).await;
                peers[from].push(link.address);
                links.push(link);
            }
        }
        let (stop, stopped) = watch::channel(false);
        let mut nodes = Vec::new();
        for (listener, peers) in listeners.into_iter().zip(peers) {
            let options = Options { keep_peers: false, dev: true, ..Options::new(chain.clone()) };
            let peers = peers.iter().map(|peer| peer.to_string().parse().unwrap()).collect();
            nodes.push(
                start(options, None, listener, peers, Default::default(), stopped.clone())
                    .await
                    .unwrap(),
            );
        }
        let client =
            blocksmith::client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        Self { nodes, links, domain: chain.rules.domain().unwrap(), client, stop }
    }

    pub(crate) fn cut(&self) {
        self.links.iter().for_each(Link::cut);
    }

    pub(crate) fn heal(&self) {
        self.links.iter().for_each(Link::heal);
    }

    pub(crate) async fn end(self) {
        self.stop.send_replace(true);
        for node in self.nodes {
            tokio::time::timeout(PATIENCE, node.ended()).await.expect("it ends");
        }
    }

    fn url(&self, node: usize, path: &str) -> String {
        format!("http://{}{path}", self.nodes[node].address)
    }

    /// Status and body of an answer.
    pub(crate) async fn get(&self, node: usize, path: &str) -> (u16, Value) {
        let answer = self.client.get(self.url(node, path)).send().await.unwrap();
        (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap())
    }

    pub(crate) async fn post(&self, node: usize, path: &str, body: String) -> (u16, Value) {
        let call = self.client.post(self.url(node, path)).body(body);
        let answer = call.header("content-type", "application/json").send().await.unwrap();
        (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap())
    }

    pub(crate) fn text(&self, address: Address) -> String {
        address.to_text(self.domain.hrp)
    }

    /// A signed payment: its id and its text.
    pub(crate) fn sign(
        &self,
        from: &SigningKey,
        recipient: Address,
        (amount, fee, nonce): (u64, u64, u64),
    ) -> (String, String) {
        let draft = Draft { sender: from.address(), recipient, amount, fee, nonce, memo: None };
        let unsigned = draft.write(&self.domain).unwrap();
        let signature = from.sign_with(&unsigned.id().0, &[7; 32]).unwrap();
        (unsigned.id().to_string(), unsigned.signed(&signature))
    }

    /// Hands a payment in at a node, which takes it.
    pub(crate) async fn pay(&self, node: usize, payment: &(String, String)) {
        let (status, answer) = self.post(node, "/api/v1/transactions", payment.1.clone()).await;
        assert_eq!((status / 100, answer["id"].as_str()), (2, Some(&*payment.0)), "{answer}");
    }

    /// A block that this node makes.
    pub(crate) async fn mine(&self, node: usize, to: Address) -> Hash {
        let to = self.text(to);
        let mining =
            next_block(&self.nodes[node].handle, Some(&to), std::num::NonZero::<usize>::MIN);
        let block = tokio::time::timeout(PATIENCE, mining).await.expect("a block in time");
        block.unwrap().hash()
    }

    pub(crate) fn tip(&self, node: usize) -> Hash {
        self.nodes[node].handle.standing().tip.block.hash()
    }

    pub(crate) fn work(&self, node: usize) -> U256 {
        self.nodes[node].handle.standing().tip.work
    }

    /// Waits until these nodes have the same tip.
    pub(crate) async fn agree(&self, nodes: &[usize]) {
        until(&format!("agreement of {nodes:?}"), || async {
            nodes.iter().all(|node| self.tip(*node) == self.tip(nodes[0]))
        })
        .await;
    }

    pub(crate) fn state(&self, node: usize) -> Hash {
        self.nodes[node].handle.snapshot().unwrap().state_hash().unwrap()
    }

    pub(crate) async fn account(&self, node: usize, address: Address) -> (u64, u64) {
        let (_, account) =
            self.get(node, &format!("/api/v1/accounts/{}", self.text(address))).await;
        (account["balance"].as_u64().unwrap(), account["nonce"].as_u64().unwrap())
    }

    /// `confirmed`, `queued` and so on; nothing if the node knows no such payment.
    pub(crate) async fn status(&self, node: usize, id: &str) -> Option<String> {
        let (status, transaction) = self.get(node, &format!("/api/v1/transactions/{id}")).await;
        match status {
            404 => None,
            _ => {
                let places = transaction["places"].as_array().unwrap().len();
                let state = transaction["status"].as_str().unwrap();
                assert_eq!(places, usize::from(state == "confirmed"), "{transaction}");
                Some(state.to_string())
            }
        }
    }

    /// What everybody has and how often they paid, by nothing but the texts that a node serves.
    pub(crate) async fn replayed(&self, node: usize) -> BTreeMap<String, (u64, u64)> {
        let (_, document) = self.get(node, "/chain").await;
        let mut accounts: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for block in document["chain"].as_array().unwrap() {
            for transaction in block["transactions"].as_array().unwrap() {
                let party = |name: &str| transaction[name].as_str().unwrap().to_string();
                let number = |name: &str| transaction[name].as_u64().unwrap();
                if transaction["sender"] != json!("0") {
                    let (balance, nonce) = accounts.entry(party("sender")).or_default();
                    assert_eq!(*nonce, number("nonce"), "{transaction}");
                    let cost = number("amount") + number("fee");
                    *balance = balance.checked_sub(cost).expect("nobody pays what they lack");
                    *nonce += 1;
                }
                accounts.entry(party("recipient")).or_default().0 += number("amount");
            }
        }
        accounts
    }
}
