//! Networks on which people pay, which are cut in two and healed: whatever each side did meanwhile,
//! all nodes end with the same chain and the same accounts, no coin is lost or made, nobody's
//! payment is lost, and none is made twice.
//!
//! `BLOCKSMITH_PARTITION_SEED` says which networks; a failure prints it.

mod link;
mod network;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use blocksmith::chain::{Chain, Dialect};
use blocksmith_consensus::address::Address;
use blocksmith_consensus::{Difficulty, Sealed, Target};
use blocksmith_testkit::random::{Random, setting};
use network::{Network, PATIENCE, key, until};

const SEED: u64 = 1_769_299;

/// Whose coins each side spends while it is alone, and who spends the same coins on both.
const PAYERS: [[u32; 2]; 2] = [[5, 6], [7, 8]];
const CHEAT: u32 = 9;
/// What this one pays is known on both sides.
const HONEST: u32 = 4;

/// Nobody had anything before the cheat paid them, one on each side.
const SHOPS: [u32; 2] = [20, 21];
/// Whom the shops pay.
const SUPPLIERS: [u32; 2] = [30, 31];

/// What the cheat pays.
const PRICE: u64 = 5_000 * 100_000_000;

/// Forge for dev, with easy blocks, whose target soon follows how fast they come: sides that mine
/// differently differ in the work of a block, too.
fn chain() -> Chain {
    let difficulty = Difficulty::Asert {
        spacing_s: 2,
        half_life_s: 20,
        easiest: Target::from_zeros(2),
        longest_gap_s: 60,
    };
    let rules = Sealed { difficulty, ..Sealed::forge() }.named("forge");
    Chain { rules, dialect: Dialect::Notes }.for_dev().unwrap()
}

/// People who pay over a network, and what they paid.
struct World {
    seed: u64,
    random: Random,
    network: Network,
    groups: [Vec<usize>; 2],
    /// The next nonce of everybody who pays.
    nonces: BTreeMap<u32, u64>,
    /// What has to be on the chain in the end.
    paid: Vec<String>,
}

impl World {
    async fn start(seed: u64, groups: [Vec<usize>; 2]) -> Self {
        println!("seed {seed}, groups {groups:?}");
        let mut random = Random::new(seed);
        let mut bridges = Vec::new();
        for &one in &groups[0] {
            for &other in &groups[1] {
                if bridges.is_empty() || random.percent(40) {
                    bridges.push((one, other));
                }
            }
        }
        let network = Network::start(&chain(), &groups, &bridges).await;
        Self { seed, random, network, groups, nonces: BTreeMap::new(), paid: Vec::new() }
    }

    fn all(&self) -> Vec<usize> {
        self.groups.concat()
    }

    fn sign(&mut self, from: u32, to: Address, amount: u64) -> (String, String) {
        let nonce = self.nonces.entry(from).or_default();
        let fee = self.random.number() % 1_000;
        *nonce += 1;
        self.network.sign(&key(from), to, (amount, fee, *nonce - 1))
    }

    /// Each of these pays one or two of the others, at any of the nodes. The second payment may come
    /// before the first, which its node lacks then.
    async fn pay(&mut self, payers: &[u32], nodes: &[usize]) {
        for &from in payers {
            let mut payments = Vec::new();
            for _ in 0..1 + self.random.below(2) {
                let to = key(self.random.below(10) as u32).address();
                let amount = 1 + self.random.number() % 1_000_000_000;
                payments.push(self.sign(from, to, amount));
            }
            if self.random.percent(50) {
                payments.reverse();
            }
            for payment in payments {
                self.network.pay(*self.random.pick(nodes), &payment).await;
                self.paid.push(payment.0);
            }
        }
    }

    /// Any of the nodes makes a block, and the others get it. Each has an account for its coins.
    async fn mine(&mut self, nodes: &[usize]) {
        let node = *self.random.pick(nodes);
        self.network.mine(node, key(node as u32).address()).await;
        self.network.agree(nodes).await;
    }

    /// Blocks of this node alone, until all that was paid is in them.
    async fn settle(&mut self, node: usize) {
        let all = self.all();
        let began = Instant::now();
        loop {
            self.network.mine(node, key(node as u32).address()).await;
            self.network.agree(&all).await;
            let open = self.open(node).await;
            if open.is_empty() {
                return;
            }
            let seed = self.seed;
            assert!(began.elapsed() < PATIENCE, "seed {seed}: never mined by {node}: {open:?}");
            // Payments need a moment from node to node. Who refused some while it was on another
            // chain hears of them again when it is asked next, after ten seconds.
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// What was paid and is not confirmed, with what the node says of it.
    async fn open(&self, node: usize) -> Vec<(String, Option<String>)> {
        let mut open = Vec::new();
        for id in &self.paid {
            let status = self.network.status(node, id).await;
            if status.as_deref() != Some("confirmed") {
                open.push((id.clone(), status));
            }
        }
        open
    }

    /// All nodes say the same, and it adds up.
    async fn check(&self) {
        let (network, all) = (&self.network, self.all());
        let accounts = network.replayed(all[0]).await;
        let sum: u64 = accounts.values().map(|(balance, _)| balance).sum();
        for &node in &all {
            assert_eq!(network.tip(node), network.tip(all[0]), "seed {}", self.seed);
            assert_eq!(network.state(node), network.state(all[0]), "seed {}", self.seed);
            let (_, supply) = network.get(node, "/api/v1/supply").await;
            assert_eq!(supply["circulating"], sum, "seed {}", self.seed);
            let snapshot = network.nodes[node].handle.snapshot().unwrap();
            let mut kept = 0;
            for entry in snapshot.accounts().unwrap() {
                let (address, account) = entry.unwrap();
                let expected = accounts[&network.text(address)];
                assert_eq!((account.balance, account.nonce), expected, "seed {}", self.seed);
                assert_eq!(network.account(node, address).await, expected);
                kept += 1;
            }
            assert_eq!(kept, accounts.len());
            assert!(self.open(node).await.is_empty(), "seed {}", self.seed);
        }
        for (from, nonce) in &self.nonces {
            assert_eq!(network.account(all[0], key(*from).address()).await.1, *nonce);
        }
    }
}

impl World {
    /// Blocks of this side alone, until somebody has so much.
    async fn mine_until(&mut self, nodes: &[usize], address: Address, balance: u64) {
        for _ in 0..30 {
            self.mine(nodes).await;
            if self.network.account(nodes[0], address).await.0 == balance {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("seed {}: the payment never reached nodes {nodes:?}", self.seed);
    }

    /// What a side does while it is alone: the ids of what the cheat paid here, and of what was paid
    /// on with it. The last of these waits when the sides meet again.
    async fn live_alone(&mut self, side: usize, honest: &(String, String)) -> [String; 3] {
        let nodes = self.groups[side].clone();
        let (shop, supplier) = (key(SHOPS[side]), key(SUPPLIERS[side]));
        let nonce = self.nonces.get(&CHEAT).copied().unwrap_or(0);
        let cheat = self.network.sign(&key(CHEAT), shop.address(), (PRICE, 5, nonce));
        for payment in [honest, &cheat] {
            self.network.pay(*self.random.pick(&nodes), payment).await;
        }
        self.mine_until(&nodes, shop.address(), PRICE).await;
        let paid_on = self.network.sign(&shop, supplier.address(), (PRICE / 2, 9, 0));
        self.network.pay(*self.random.pick(&nodes), &paid_on).await;
        self.mine_until(&nodes, supplier.address(), PRICE / 2).await;
        for _ in 0..self.random.below(4) {
            self.pay(&PAYERS[side], &nodes).await;
            self.mine(&nodes).await;
        }
        self.pay(&PAYERS[side], &nodes).await;
        // On the other side, the supplier has nothing: it is refused there until they agree.
        let last = self.network.sign(&supplier, key(HONEST).address(), (PRICE / 4, 9, 0));
        self.network.pay(*self.random.pick(&nodes), &last).await;
        [cheat.0, paid_on.0, last.0]
    }
}

async fn is_cut_and_healed(seed: u64, groups: [Vec<usize>; 2]) {
    let mut world = World::start(seed, groups.clone()).await;
    let all = world.all();
    let everybody = [PAYERS.concat(), vec![CHEAT, HONEST]].concat();
    for _ in 0..2 {
        world.pay(&everybody, &all).await;
        world.mine(&all).await;
    }
    let node = *world.random.pick(&all);
    world.settle(node).await;
    world.check().await;

    world.network.cut();
    let honest = world.sign(HONEST, key(CHEAT).address(), 123_456_789);
    world.paid.push(honest.0.clone());
    let left = world.live_alone(0, &honest).await;
    let right = world.live_alone(1, &honest).await;
    let ends = [groups[0][0], groups[1][0]];
    if world.network.work(ends[0]) == world.network.work(ends[1]) {
        world.mine(&groups[1]).await;
    }
    assert_ne!(world.network.tip(ends[0]), world.network.tip(ends[1]));
    assert_ne!(world.network.state(ends[0]), world.network.state(ends[1]));
    for (side, end) in ends.into_iter().enumerate() {
        for (shop, its) in SHOPS.into_iter().enumerate() {
            let has = world.network.account(end, key(its).address()).await.0;
            assert_eq!(has > 0, side == shop, "seed {seed}: each side knows its own payment");
        }
    }

    world.network.heal();
    let wins = usize::from(world.network.work(ends[1]) > world.network.work(ends[0]));
    let tip = world.network.tip(ends[wins]);
    until("one chain", || async { all.iter().all(|node| world.network.tip(*node) == tip) }).await;

    let node = *world.random.pick(&all);
    println!("seed {seed}: side {wins} wins; node {node} mines what waits");
    let [lost, won] = if wins == 1 { [left, right] } else { [right, left] };
    world.paid.extend(won);
    *world.nonces.entry(CHEAT).or_default() += 1;
    world.nonces.extend([(SHOPS[wins], 1), (SUPPLIERS[wins], 1)]);
    world.settle(node).await;
    world.check().await;
    for node in all {
        for id in &lost {
            assert_eq!(world.network.status(node, id).await, None, "seed {seed}");
        }
        let loser = key(SHOPS[1 - wins]).address();
        assert_eq!(world.network.account(node, loser).await, (0, 0), "seed {seed}");
        let queued = || world.network.nodes[node].handle.standing().queued;
        until("empty mempools", || async { queued() == 0 }).await;
    }
    world.network.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_were_apart_agree_again_and_no_payment_is_lost_or_made_twice() {
    let seed = setting("BLOCKSMITH_PARTITION_SEED", SEED);
    for seed in seed..seed + 3 {
        is_cut_and_healed(seed, [vec![0], vec![1]]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_nodes_that_were_apart_agree_again_and_no_payment_is_lost_or_made_twice() {
    let seed = setting("BLOCKSMITH_PARTITION_SEED", SEED);
    is_cut_and_healed(seed, [vec![0, 1], vec![2, 3, 4]]).await;
    is_cut_and_healed(seed + 1, [vec![0, 3, 4], vec![1, 2]]).await;
}
