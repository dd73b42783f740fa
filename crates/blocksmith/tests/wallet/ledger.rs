//! A node with accounts, as far as a wallet sees it: signatures are checked by the rules, and what
//! payments do is written once more here.

use std::collections::HashMap;
use std::fmt::Write as _;

use blocksmith_consensus::Hash;
use blocksmith_consensus::address::Address;
use blocksmith_consensus::payment::{Coinbase, Domain, Payment, Verified};
use serde_json::json;

use crate::fake::{Call, Fake, Reply, status};
use crate::owner::forge;

/// Transactions of a page, whatever is asked for: a history takes several.
const PAGE: usize = 2;

/// The time of the block before the first: 2027-01-15 08:00:00.
const FIRST_TIME: u64 = 1_800_000_000;

/// A block's coin, in units.
pub(crate) const SUBSIDY: u64 = 2_000_000_000;

pub(crate) struct Ledger {
    pub(crate) domain: Domain,
    /// What it calls the chain.
    pub(crate) name: String,
    pub(crate) dev: bool,
    /// The nonce and the next nonce that it says every account has, whatever is so.
    pub(crate) claims: Option<(u64, u64)>,
    /// Whether it shows no payment and no transaction of anybody's.
    pub(crate) hides: bool,
    /// How many payments it refuses as if others had their nonces.
    pub(crate) lies_to_refuse: usize,
    /// Whether it keeps what it refuses like that.
    pub(crate) keeps_refused: bool,
    /// Who pays first whenever a payment is handed in, as long as there is one.
    pub(crate) faster: Vec<Verified>,
    /// Whether it changes what others signed.
    pub(crate) forges: bool,
    /// What it takes to be in the next block.
    pub(crate) fee: u64,
    /// What waits, in order.
    pub(crate) queue: Vec<Verified>,
    /// What the first block allots.
    allotted: Vec<(Address, u64)>,
    /// Blocks from index 2 on: payments, and the coin's recipient.
    blocks: Vec<(Vec<Verified>, Address)>,
    balances: HashMap<Address, u64>,
    /// Every call, as in `GET /api/v1/status`.
    pub(crate) calls: Vec<String>,
    /// How many payments are taken without an answer from here on.
    pub(crate) answers_to_lose: usize,
    /// Makes a block with each of so many questions where a payment is.
    pub(crate) mine_when_asked: usize,
    /// Makes a block before it looks at each of so many payments.
    pub(crate) mine_when_paid: usize,
    /// The payments of a block that another node makes once others with their nonces wait.
    pub(crate) block_elsewhere: Vec<Verified>,
}

pub(crate) fn start() -> Fake<Ledger> {
    Fake::start(Ledger::new(), Ledger::answer)
}

/// Nobody's wallet has it.
pub(crate) fn stranger() -> Address {
    // The x coordinate of the curve's generator.
    let key = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    Address::from_key(key.parse::<Hash>().unwrap().0).unwrap()
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self {
            domain: forge(),
            name: "forge".into(),
            dev: false,
            claims: None,
            hides: false,
            lies_to_refuse: 0,
            keeps_refused: false,
            faster: Vec::new(),
            forges: false,
            fee: 0,
            queue: Vec::new(),
            allotted: Vec::new(),
            blocks: Vec::new(),
            balances: HashMap::new(),
            calls: Vec::new(),
            answers_to_lose: 0,
            mine_when_asked: 0,
            mine_when_paid: 0,
            block_elsewhere: Vec::new(),
        }
    }

    /// A block of all that waits, whose coin goes to `miner`.
    pub(crate) fn mine(&mut self, miner: Address) {
        let payments = std::mem::take(&mut self.queue);
        for payment in &payments {
            let sender = self.balances.get_mut(&payment.sender()).unwrap();
            *sender = sender.checked_sub(payment.cost()).unwrap();
            *self.balances.entry(payment.recipient()).or_default() += payment.amount();
        }
        let fees: u64 = payments.iter().map(|payment| payment.fee()).sum();
        *self.balances.entry(miner).or_default() += SUBSIDY + fees;
        self.blocks.push((payments, miner));
    }

    /// Has the first block allot coins.
    pub(crate) fn allot(&mut self, address: Address, units: u64) {
        *self.balances.entry(address).or_default() += units;
        self.allotted.push((address, units));
    }

    pub(crate) fn balance(&self, address: &Address) -> u64 {
        self.balances.get(address).copied().unwrap_or(0)
    }

    fn tip(&self) -> u64 {
        self.blocks.len() as u64 + 1
    }

    fn nonce(&self, address: &Address) -> u64 {
        let all = self.blocks.iter().flat_map(|(payments, _)| payments);
        all.filter(|payment| payment.sender() == *address).count() as u64
    }

    fn waiting<'a>(&'a self, address: &'a Address) -> impl Iterator<Item = &'a Verified> {
        self.queue.iter().filter(move |payment| payment.sender() == *address)
    }

    /// Everything about the address in the chain, as JSON, the newest first.
    fn history(&self, address: &Address) -> Vec<String> {
        let mut all = Vec::new();
        let mut put = |block: u64, position: usize, id: String, text: &str| {
            let (confirmations, timestamp) = (self.tip() - block + 1, FIRST_TIME + 60 * block);
            all.push(format!(
                r#"{{"id": "{id}", "block": {block}, "hash": "{block:064x}", "position": {position}, "confirmations": {confirmations}, "timestamp": {timestamp}, "transaction": {text}}}"#
            ));
        };
        for (position, (recipient, amount)) in self.allotted.iter().enumerate() {
            if recipient == address {
                let coin = Coinbase { recipient: *recipient, amount: *amount, nonce: 1 };
                let id = coin.id(&self.domain).to_string();
                put(1, position, id, &coin.text(self.domain.hrp));
            }
        }
        for (at, (payments, miner)) in self.blocks.iter().enumerate() {
            let block = at as u64 + 2;
            for (position, payment) in payments.iter().enumerate() {
                if payment.sender() == *address || payment.recipient() == *address {
                    put(block, position, payment.id().to_string(), payment.text());
                }
            }
            if miner == address {
                let fees: u64 = payments.iter().map(|payment| payment.fee()).sum();
                let coin = Coinbase { recipient: *miner, amount: SUBSIDY + fees, nonce: block };
                let id = coin.id(&self.domain).to_string();
                put(block, payments.len(), id, &coin.text(self.domain.hrp));
            }
        }
        all.reverse();
        all
    }

    pub(crate) fn answer(&mut self, call: &Call) -> Reply {
        self.calls.push(format!("{} {}", call.method, call.path));
        let (path, query) = call.path.split_once('?').unwrap_or((&call.path, ""));
        let query: HashMap<&str, &str> =
            query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        match (&*call.method, &parts[..]) {
            ("GET", ["api", "v1", "status"]) => self.status(),
            ("GET", ["api", "v1", "accounts", text, rest @ ..]) => {
                let address = match Address::parse(text, self.domain.hrp) {
                    Ok(address) => address,
                    Err(why) => return problem(422, "address", &why.to_string()),
                };
                match rest {
                    [] => self.account(text, &address),
                    ["transactions"] => self.page(&address, &query),
                    _ => Reply::html(404, ""),
                }
            }
            ("GET", ["api", "v1", "fees"]) => {
                let bytes: u64 = query["bytes"].parse().unwrap();
                let fee = self.fee;
                Reply::json(format!(
                    r#"{{"bytes": {bytes}, "next_block": {fee}, "three_blocks": 0}}"#
                ))
            }
            ("POST", ["api", "v1", "transactions"]) => {
                let reply = self.submit(&call.body, query.get("replaces").copied());
                if self.answers_to_lose > 0 {
                    self.answers_to_lose -= 1;
                    return Reply::html(502, "<h1>Bad Gateway</h1>");
                }
                reply
            }
            ("GET", ["api", "v1", "transactions", id]) => self.whereabouts(id),
            _ => Reply::html(404, "<h1>Not Found</h1>"),
        }
    }

    fn status(&self) -> Reply {
        let Domain { chain_id, hrp } = self.domain;
        let hrp = hrp.to_string();
        let spending = json!({"addresses": hrp, "first_subsidy": 1, "halving_blocks": 1});
        let members = json!({
            "name": self.name, "chain_id": chain_id.to_string(), "dev": self.dev, "signed": true,
            "addresses": hrp, "rules": {"puzzle": "seal", "spending": {"signed": spending}},
        });
        Reply::json(status(members).to_string())
    }

    fn account(&self, text: &str, address: &Address) -> Reply {
        let (balance, nonce) = (self.balance(address), self.nonce(address));
        let next = nonce + self.waiting(address).count() as u64;
        let (nonce, next) = self.claims.unwrap_or((nonce, next));
        let transactions = self.history(address).len();
        Reply::json(format!(
            r#"{{"party": "{text}", "balance": {balance}, "nonce": {nonce}, "next_nonce": {next}, "transactions": {transactions}, "uncounted": 0}}"#
        ))
    }

    fn page(&self, address: &Address, query: &HashMap<&str, &str>) -> Reply {
        let limit = query["limit"].parse::<usize>().unwrap().min(PAGE);
        let start: usize = query.get("before").map_or(0, |before| before.parse().unwrap());
        let all = if self.hides { Vec::new() } else { self.history(address) };
        let page = &all[start..all.len().min(start + limit)];
        let next = match start + limit < all.len() {
            true => format!(r#""{}""#, start + limit),
            false => "null".into(),
        };
        let mut body = String::from("{");
        if start == 0 {
            let own = |payment: &&Verified| payment.sender() == *address;
            let (own, others): (Vec<_>, Vec<_>) = self.queue.iter().partition(own);
            let to_it = others.into_iter().filter(|payment| payment.recipient() == *address);
            for (name, payments) in [("queued", own), ("incoming", to_it.collect())] {
                let texts: Vec<_> = payments.iter().map(|payment| payment.text()).collect();
                let texts = if self.hides { Vec::new() } else { texts };
                let _ = write!(body, r#""{name}": [{}], "#, texts.join(", "));
            }
        }
        let _ = write!(body, r#""transactions": [{}], "next": {next}}}"#, page.join(", "));
        Reply::json(if self.forges { body.replace("\"fee\": 0", "\"fee\": 1") } else { body })
    }

    fn submit(&mut self, body: &[u8], replaces: Option<&str>) -> Reply {
        let payment = match Payment::parse(body, &self.domain) {
            Ok(payment) => payment,
            Err(why) => return problem(422, "shape", &why.to_string()),
        };
        let payment = match payment.verify() {
            Ok(payment) => payment,
            Err(why) => return problem(422, "signature", &why.to_string()),
        };
        let (id, sender) = (payment.id(), payment.sender());
        if self.mine_when_paid > 0 {
            self.mine_when_paid -= 1;
            self.mine(stranger());
        }
        if self.queue.iter().any(|waiting| waiting.id() == id) {
            return Reply::json(format!(r#"{{"id": "{id}", "status": "queued"}}"#));
        }
        if self.lies_to_refuse > 0 {
            self.lies_to_refuse -= 1;
            if self.keeps_refused {
                self.queue.push(payment);
            }
            return problem(409, "replaces", "another payment waits with that nonce already");
        }
        if !self.faster.is_empty() {
            let faster = self.faster.remove(0);
            self.queue.push(faster);
        }
        let rival = self.waiting(&sender).find(|waiting| waiting.nonce() == payment.nonce());
        let rival = rival.map(|rival| rival.id());
        match (rival, replaces) {
            (Some(rival), Some(replaces)) if replaces == rival.to_string() => {
                self.queue.retain(|waiting| waiting.id() != rival);
                self.queue.push(payment);
                return Reply::json(format!(r#"{{"id": "{id}", "status": "queued"}}"#));
            }
            (Some(rival), Some(_)) => {
                return problem(409, "replaces", &format!("payment {rival} waits already"));
            }
            _ => {}
        }
        let (next, used) = (self.waiting(&sender).count() as u64, self.nonce(&sender));
        if payment.nonce() < used + next {
            return problem(422, "nonce", "the nonce is used");
        }
        if payment.nonce() > used + next {
            let missing = used + next;
            let body = format!(r#"{{"id": "{id}", "status": "held", "missing": {missing}}}"#);
            return Reply { status: 201, ..Reply::json(body) };
        }
        let queued: u64 = self.waiting(&sender).map(|payment| payment.cost()).sum();
        if self.balance(&sender) < queued + payment.cost() {
            return problem(422, "balance", "the sender has too little\n\u{1b}[31m");
        }
        if payment.fee() < self.fee {
            return problem(422, "fee", "the fee is too low");
        }
        self.queue.push(payment);
        let body = format!(r#"{{"id": "{id}", "status": "queued"}}"#);
        Reply { status: 201, ..Reply::json(body) }
    }

    fn whereabouts(&mut self, id: &str) -> Reply {
        if self.mine_when_asked > 0 {
            self.mine_when_asked -= 1;
            self.mine(stranger());
        }
        let is_rival = |waiting: &Verified, other: &Verified| {
            let key = |payment: &Verified| (payment.sender(), payment.nonce());
            key(waiting) == key(other) && waiting.id() != other.id()
        };
        let elsewhere = &self.block_elsewhere;
        let has_rival = |waiting: &Verified| elsewhere.iter().any(|other| is_rival(waiting, other));
        if self.queue.iter().any(has_rival) {
            let (_, left) =
                std::mem::take(&mut self.queue).into_iter().partition::<Vec<_>, _>(has_rival);
            self.queue = std::mem::take(&mut self.block_elsewhere);
            self.mine(stranger());
            self.queue = left;
        }
        if self.hides {
            return problem(404, "unknown", "there is no such transaction");
        }
        if let Some(payment) = self.queue.iter().find(|payment| payment.id().to_string() == id) {
            let text = payment.text();
            return Reply::json(format!(
                r#"{{"id": "{id}", "status": "queued", "places": [], "transaction": {text}}}"#
            ));
        }
        for (at, (payments, _)) in self.blocks.iter().enumerate() {
            let found = payments.iter().position(|payment| payment.id().to_string() == id);
            if let Some(position) = found {
                let block = at as u64 + 2;
                let (text, confirmations) = (payments[position].text(), self.tip() - block + 1);
                return Reply::json(format!(
                    r#"{{"id": "{id}", "status": "confirmed", "places": [{{"block": {block}, "hash": "{block:064x}", "position": {position}, "confirmations": {confirmations}}}], "transaction": {text}}}"#
                ));
            }
        }
        problem(404, "unknown", "there is no such transaction")
    }
}

fn problem(status: u16, rule: &str, detail: &str) -> Reply {
    Reply::problem(status, rule, detail)
}
