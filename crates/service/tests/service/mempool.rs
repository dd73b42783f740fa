//! Payments that wait, in a node with its store: they outlast a restart and a reorg, and what
//! everybody could sign is not taken.

use std::path::Path;

use blocksmith_consensus::address::Address;
use blocksmith_consensus::payment::Domain;
use blocksmith_consensus::rules::sealed::genesis as sealed_genesis;
use blocksmith_consensus::{Block, Difficulty, Hash, Proof, Rules, Sealed, Target};
use blocksmith_node::mempool::Refused;
use blocksmith_node::{Entered, NetworkEffect, Verdict};
use blocksmith_service::chain::{Chain, Dialect};
use blocksmith_service::{Handle, NotPaid, Options, StoreError};
use blocksmith_testkit::process::once;
use blocksmith_testkit::signers::Signer;
use blocksmith_wallet::{DevKeys, Phrase, Wallet, dev};
use tokio::sync::mpsc::UnboundedReceiver;

const ALLOTTED: u64 = 1_000_000;

/// Forge with something for Alice, Bob and the first of the known keys; proofs cost nothing.
fn rules() -> Rules {
    let forge = Sealed::forge();
    let hrp = forge.hrp;
    let known = dev::addresses().next().expect("ten");
    let balances =
        [Signer::alice().address, Signer::bob().address, known].map(|address| (address, ALLOTTED));
    let genesis = sealed_genesis(1000, Target::EASIEST, hrp, &balances).expect("a genesis block");
    Sealed { genesis, difficulty: Difficulty::Fixed(Target::EASIEST), ..forge }.named("forge")
}

fn open(dir: &Path, dev: bool) -> (Handle, UnboundedReceiver<NetworkEffect>) {
    let options = Options {
        data_dir: Some(dir.to_path_buf()),
        dev,
        ..Options::new(Chain { rules: rules(), dialect: Dialect::Notes })
    };
    let in_use = |error: &StoreError| matches!(error, StoreError::InUse { .. });
    once(|| blocksmith_service::start(options.clone()), in_use).expect("it starts")
}

fn domain() -> Domain {
    rules().domain().expect("signed")
}

fn payment(from: &Signer, to: Address, amount: u64, nonce: u64) -> String {
    from.signed(&from.draft(to, amount, 5, nonce), &domain())
}

async fn pay(handle: &Handle, text: &str) -> Result<(Hash, Entered), NotPaid> {
    let mut paid = handle.pay(vec![text.into()], None).await.expect("it runs");
    paid.pop().expect("one answer")
}

async fn waits(handle: &Handle) -> Vec<String> {
    let page = handle.pending(0, usize::MAX).await.expect("it runs");
    page.transactions.into_iter().map(|waiting| waiting.text).collect()
}

async fn mine(handle: &Handle, recipient: Address) -> Block {
    let to = recipient.to_text(domain().hrp);
    let work = handle.work(Some(&to)).await.expect("it runs").expect("work");
    let mined = handle.submit_work(&work.id, Proof::from(0)).await.expect("it runs");
    mined.expect("every proof is good")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_outlasts_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let (alice, bob) = (Signer::alice(), Signer::bob());
    let payments: Vec<_> = (0..3).map(|nonce| payment(&alice, bob.address, 10, nonce)).collect();
    {
        let (handle, _orders) = open(dir.path(), false);
        for text in &payments {
            assert!(matches!(pay(&handle, text).await, Ok((_, Entered::Waits))));
        }
        let held = payment(&alice, bob.address, 10, 5);
        assert!(matches!(pay(&handle, &held).await, Ok((_, Entered::Held { missing: 3 }))));
    }
    let (handle, _orders) = open(dir.path(), false);
    assert_eq!(waits(&handle).await, payments);
    let block = mine(&handle, bob.address).await;
    let mined: Vec<_> = block.view().transactions().map(|value| value.text()).collect();
    assert_eq!(mined[..3], payments[..]);
    drop((handle, _orders));
    let (handle, _orders) = open(dir.path(), false);
    assert!(waits(&handle).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorg_brings_payments_back_but_not_those_that_were_paid_otherwise() {
    let dirs = [tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("another")];
    let (alice, bob) = (Signer::alice(), Signer::bob());
    let carol = Signer::new(0xca501);
    let [(ours, mut orders), (theirs, _orders)] =
        [open(dirs[0].path(), false), open(dirs[1].path(), false)];
    ours.register(vec!["peer:1".parse().expect("an address")]).await.expect("it runs");
    while orders.try_recv().is_ok() {}
    // Alice's first payment is on both sides, her second another on each; Bob's on ours alone.
    let (common, of_bob) =
        (payment(&alice, bob.address, 10, 0), payment(&bob, carol.address, 20, 0));
    let (spent, again) =
        (payment(&alice, bob.address, 30, 1), payment(&alice, carol.address, 30, 1));
    for text in [&common, &spent, &of_bob] {
        pay(&ours, text).await.expect("it fits");
    }
    mine(&ours, carol.address).await;
    assert!(waits(&ours).await.is_empty());
    for text in [&common, &again] {
        pay(&theirs, text).await.expect("it fits");
    }
    let branch = [mine(&theirs, carol.address).await, mine(&theirs, carol.address).await];
    while orders.try_recv().is_ok() {}
    assert_eq!(ours.submit_block(branch[0].clone(), None).await, Ok(Verdict::SideBranch));
    assert_eq!(ours.submit_block(branch[1].clone(), None).await, Ok(Verdict::NewTip));
    assert_eq!(waits(&ours).await, std::slice::from_ref(&of_bob));
    // Peers may have lost it as well.
    let relayed = std::iter::from_fn(|| orders.try_recv().ok()).find_map(|order| match order {
        NetworkEffect::Relay { payments, .. } => Some(payments),
        _ => None,
    });
    let relayed = relayed.expect("peers are told");
    assert!(relayed.iter().map(|payment| payment.text()).eq([&*of_bob]));
    assert_eq!(
        ours.snapshot().expect("a snapshot").state_hash().expect("read"),
        theirs.snapshot().expect("a snapshot").state_hash().expect("read")
    );
    let block = mine(&ours, carol.address).await;
    assert_eq!(block.view().transactions().next().expect("one").text(), of_bob);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_everybody_could_sign_is_taken_on_dev_chains_alone() {
    let known = dev::addresses().next().expect("ten");
    let phrase = Phrase::parse(dev::PHRASE).expect("words");
    let wallet = Wallet::new(phrase, "").expect("a wallet");
    let draft = blocksmith_consensus::payment::Draft {
        sender: known,
        recipient: Signer::bob().address,
        amount: 1,
        fee: 0,
        nonce: 0,
        memo: None,
    };
    let payment = wallet.sign(&draft, &domain(), DevKeys::Allowed).expect("it signs");
    let dir = tempfile::tempdir().expect("a directory");
    {
        let (handle, _orders) = open(dir.path(), true);
        pay(&handle, payment.text()).await.expect("it is taken");
        assert_eq!(waits(&handle).await.len(), 1);
    }
    // The same directory, by a node that knows better.
    let (handle, _orders) = open(dir.path(), false);
    assert!(waits(&handle).await.is_empty());
    let refused = pay(&handle, payment.text()).await.expect_err("it is refused");
    assert_eq!(refused, NotPaid::Refused(Refused::Sender { sender: known }));
}
