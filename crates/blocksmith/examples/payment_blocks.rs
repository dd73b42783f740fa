//! How fast a node takes signed payments: alone, in blocks that come unseen, and in blocks of
//! payments that it knows; what libsecp256k1 could do on as many cores; and how long a miner waits
//! for work while a hundred thousand payments do.
//!
//!     cargo run --release -p blocksmith --example payment_blocks [ROUNDS]

use std::time::{Duration, Instant};

use blocksmith::chain::{Chain, Dialect};
use blocksmith::service::{self, Handle, Options, Signatures};
use blocksmith_consensus::address::Address;
use blocksmith_consensus::payment::{Coinbase, Domain, Draft};
use blocksmith_consensus::rules::sealed::genesis as sealed_genesis;
use blocksmith_consensus::{Block, Difficulty, Hash, Rules, Sealed, Target, Unproven, merkle};
use blocksmith_node::Verdict;
use secp256k1::{Keypair, XOnlyPublicKey, schnorr};

/// How often everything is measured.
const ROUNDS: usize = 7;

/// Payments in a block, each of another sender.
const PAYMENTS: usize = 2_500;

/// Blocks of a round.
const BLOCKS: usize = 8;

/// Those who pay, each [`AHEAD`] times, while work is measured.
const CROWD: usize = 6_250;

/// As many payments of one sender wait at most.
const AHEAD: u64 = 16;

/// Payments that are handed in together, as peers do.
const BATCH: usize = 1_000;

struct Signed {
    text: String,
    sender: [u8; 32],
    recipient: [u8; 32],
    hash: [u8; 32],
    signature: schnorr::Signature,
}

/// What there is to take.
struct Load {
    rules: Rules,
    /// As many as a block has, no party of which is in another one.
    strangers: Vec<Signed>,
    /// In the order of their blocks.
    payments: Vec<Signed>,
    blocks: Vec<Block>,
}

fn keys(number: u64) -> Keypair {
    let mut secret = [1; 32];
    secret[24..].copy_from_slice(&number.to_be_bytes());
    Keypair::from_secret_bytes(secret).expect("a secret key")
}

fn address(keys: &Keypair) -> Address {
    Address::from_key(keys.x_only_public_key().0.to_byte_array()).expect("a point")
}

/// Forge with something for each of them, where proofs cost nothing.
fn rules(people: &[Keypair]) -> Rules {
    let forge = Sealed::forge();
    let hrp = forge.hrp;
    let balances: Vec<_> = people.iter().map(|keys| (address(keys), 1_000_000_000)).collect();
    let genesis = sealed_genesis(0, Target::EASIEST, hrp, &balances).expect("a genesis block");
    Sealed { genesis, difficulty: Difficulty::Fixed(Target::EASIEST), ..forge }.named("forge")
}

fn load() -> Load {
    let people: Vec<Keypair> = (0..PAYMENTS as u64).map(keys).collect();
    let addresses: Vec<Address> = people.iter().map(address).collect();
    let rules = rules(&people);
    let domain = rules.domain().expect("signed");
    let hrp = domain.hrp;
    let to_stranger = |(place, keys): (usize, &Keypair)| {
        let stranger = address(&self::keys((PAYMENTS + place) as u64));
        sign(keys, addresses[place], stranger, 0, &domain)
    };
    let strangers = people.iter().enumerate().map(to_stranger).collect();
    let (mut payments, mut blocks) = (Vec::new(), Vec::new());
    let mut parent = rules.genesis_block(Default::default());
    for nonce in 0..BLOCKS as u64 {
        let signed = |(place, keys): (usize, &Keypair)| {
            let recipient = addresses[(place * 7 + 1) % PAYMENTS];
            sign(keys, addresses[place], recipient, nonce, &domain)
        };
        let new: Vec<Signed> = people.iter().enumerate().map(signed).collect();
        let index = parent.index() + 1;
        let amount = 2_000_000_000 + new.len() as u64;
        let coin = Coinbase { recipient: addresses[0], amount, nonce: index }.text(hrp);
        let texts = || new.iter().map(|one| &*one.text).chain([&*coin]);
        let root = merkle::root(texts());
        let draft = Unproven::new(index, &parent.hash(), 0, Target::EASIEST, &root, texts());
        parent = draft.expect("a draft").with_proof(0).expect("a block");
        blocks.push(parent.clone());
        payments.extend(new);
    }
    Load { rules, strangers, payments, blocks }
}

fn sign(
    keys: &Keypair,
    sender: Address,
    recipient: Address,
    nonce: u64,
    domain: &Domain,
) -> Signed {
    let draft = Draft { sender, recipient, amount: 1_000, fee: 1, nonce, memo: None };
    let unsigned = draft.write(domain).expect("a payment");
    let Hash(hash) = unsigned.id();
    let signature = schnorr::sign_no_aux_rand(&hash, keys);
    let text = unsigned.signed(&signature.to_byte_array());
    Signed { text, sender: *sender.key(), recipient: *recipient.key(), hash, signature }
}

/// Payments a second.
fn rate(payments: usize, took: Duration) -> f64 {
    payments as f64 / took.as_secs_f64()
}

/// What libsecp256k1 does on one core: the sender's point and the signature; and with the recipient's
/// point, which the rules ask for as well.
fn raw(load: &Load) -> [f64; 2] {
    let point = |key| XOnlyPublicKey::from_byte_array(key).expect("a point");
    let verify = |one: &Signed| {
        schnorr::verify(&one.signature, &one.hash, &point(one.sender)).expect("signed");
    };
    let rate_of = |work: &dyn Fn(&Signed)| {
        let start = Instant::now();
        load.strangers.iter().for_each(work);
        rate(PAYMENTS, start.elapsed())
    };
    let both = |one: &Signed| {
        std::hint::black_box(point(one.recipient));
        verify(one);
    };
    [rate_of(&verify), rate_of(&both)]
}

/// Reading and checking payments that were never seen, on all cores: those of parties each of which
/// is met once, and those of parties that were met before.
fn validated(load: &Load) -> [f64; 2] {
    let signatures = Signatures::new(&load.rules);
    let check = |payments: &[Signed]| {
        let texts: Vec<_> = payments.iter().map(|one| one.text.as_bytes()).collect();
        let start = Instant::now();
        let all = signatures.payments(&texts);
        let took = start.elapsed();
        assert!(all.iter().all(Result::is_ok));
        rate(texts.len(), took)
    };
    let strangers = check(&load.strangers);
    check(&load.payments[..PAYMENTS]);
    [strangers, check(&load.payments[PAYMENTS..][..PAYMENTS])]
}

fn node(rules: &Rules, dir: &std::path::Path) -> Handle {
    let options = Options {
        data_dir: Some(dir.to_path_buf()),
        ..Options::new(Chain { rules: rules.clone(), dialect: Dialect::Notes })
    };
    service::start(options).expect("it starts").0
}

/// Blocks one by one, each durable before the next comes.
async fn connected(load: &Load, handle: &Handle) -> f64 {
    let start = Instant::now();
    for block in &load.blocks {
        let verdict = handle.submit_block(block.clone(), None).await.expect("it runs");
        assert_eq!(verdict, Verdict::NewTip);
    }
    rate(load.payments.len(), start.elapsed())
}

async fn unseen(load: &Load) -> f64 {
    let dir = tempfile::tempdir().expect("a directory");
    connected(load, &node(&load.rules, dir.path())).await
}

async fn seen(load: &Load) -> f64 {
    let dir = tempfile::tempdir().expect("a directory");
    let handle = node(&load.rules, dir.path());
    for batch in load.payments.chunks(BATCH) {
        let texts = batch.iter().map(|one| one.text.clone().into_bytes()).collect();
        let paid = handle.pay(texts, None).await.expect("it runs");
        assert!(paid.iter().all(Result::is_ok));
    }
    connected(load, &handle).await
}

/// How long a miner waits for work just after a block, in milliseconds, while about 100,000 payments
/// wait: once for each block.
async fn work() -> Vec<f64> {
    let people: Vec<Keypair> = (0..CROWD as u64).map(keys).collect();
    let rules = rules(&people);
    let domain = rules.domain().expect("signed");
    let dir = tempfile::tempdir().expect("a directory");
    let handle = node(&rules, dir.path());
    let miner = address(&people[0]);
    for nonce in 0..AHEAD {
        for batch in people.chunks(BATCH) {
            let signed = |keys| sign(keys, address(keys), miner, nonce, &domain).text.into_bytes();
            let paid = handle.pay(batch.iter().map(signed).collect(), None).await;
            assert!(paid.expect("it runs").iter().all(Result::is_ok));
        }
    }
    let miner = miner.to_text(domain.hrp);
    let mut times = Vec::new();
    for _ in 0..BLOCKS {
        let start = Instant::now();
        let work = handle.work(Some(&miner)).await.expect("it runs").expect("work");
        times.push(1000.0 * start.elapsed().as_secs_f64());
        let block = handle.submit_work(&work.id, 0.into()).await.expect("it runs");
        block.expect("every proof is good");
    }
    times
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[tokio::main]
async fn main() {
    let rounds = std::env::args().nth(1).map_or(ROUNDS, |text| text.parse().expect("a number"));
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    let load = load();
    let mut rows: [Vec<f64>; 6] = Default::default();
    for _ in 0..rounds.max(1) {
        let [sender, both] = raw(&load).map(|rate| rate * cores);
        let [strangers, met] = validated(&load);
        let rates = [sender, both, strangers, met, unseen(&load).await, seen(&load).await];
        for (row, rate) in rows.iter_mut().zip(rates) {
            row.push(rate);
        }
    }
    println!("{cores} cores, {rounds} rounds, blocks of {PAYMENTS} payments\n");
    println!("| payments a second | best | median | to libsecp256k1, best | median | at least |");
    println!("|---|---|---|---|---|---|");
    let best = |row: &[f64]| row.iter().copied().fold(0.0, f64::max);
    let names = [
        ("libsecp256k1, a point and a signature, one core times the cores", "–"),
        ("libsecp256k1, two points and a signature, one core times the cores", "–"),
        ("read and checked, of new parties", "0.85"),
        ("read and checked, of parties that were met", "0.85"),
        ("in durable blocks, unseen", "0.5"),
        ("in durable blocks, known", "1.0"),
    ];
    for ((name, least), row) in names.into_iter().zip(&rows) {
        let ratios = row.iter().zip(&rows[0]).map(|(rate, raw)| rate / raw).collect();
        println!(
            "| {name} | {:.0} | {:.0} | {:.2} | {:.2} | {least} |",
            best(row),
            median(row.clone()),
            best(row) / best(&rows[0]),
            median(ratios),
        );
    }
    let times = work().await;
    let best = times.iter().copied().fold(f64::INFINITY, f64::min);
    println!(
        "\nwork while 100,000 payments wait: best {best:.1} ms, median {:.1} ms",
        median(times)
    );
}
