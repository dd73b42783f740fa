//! What blocks do to accounts, one story at a time.

use std::collections::BTreeMap;
use std::convert::Infallible;

use blocksmith_consensus::address::Address;
use blocksmith_consensus::json::{Value, canonical};
use blocksmith_consensus::ledger::{
    Account, Accounts, BadBody, Body, Change, Changes, Contents, NotApplied, Unpayable, allot,
    apply,
};
use blocksmith_consensus::payment::{
    BadTransaction, Coinbase, Emission, Entry, MAX_INTEGER, Payment, Verified,
};
use blocksmith_testkit::signers::{Signer, forge};

/// 100 units for each block, for ever as far as these stories go.
const EMISSION: Emission =
    Emission { first: 100, halving: std::num::NonZeroU64::new(1_000_000).expect("not zero") };

struct World(BTreeMap<Address, Account>);

impl Accounts for World {
    type Error = Infallible;

    fn account(&self, address: &Address) -> Result<Account, Infallible> {
        Ok(self.0.get(address).copied().unwrap_or_default())
    }
}

fn contents(payments: &[Verified], coin: &Coinbase) -> Contents {
    Contents { payments: payments.to_vec(), coin: *coin }
}

struct Story {
    alice: Signer,
    bob: Signer,
    miner: Signer,
    world: World,
}

impl Story {
    /// Alice has 1000 units, nobody else has anything.
    fn new() -> Self {
        let (alice, bob, miner) = (Signer::alice(), Signer::bob(), Signer::new(77));
        let rich = Account { balance: 1000, nonce: 0 };
        let world = World([(alice.address, rich)].into());
        Self { alice, bob, miner, world }
    }

    fn payment(&self, from: &Signer, to: &Signer, units: u64, fee: u64, nonce: u64) -> Payment {
        from.pay(&from.draft(to.address, units, fee, nonce), &forge())
    }

    fn pay(&self, from: &Signer, to: &Signer, units: u64, fee: u64, nonce: u64) -> Verified {
        self.payment(from, to, units, fee, nonce).verify().expect("signed")
    }

    fn coin(&self, amount: u64) -> Coinbase {
        Coinbase { recipient: self.miner.address, amount, nonce: 9 }
    }

    /// Block 9.
    fn apply(&self, payments: &[Verified], coin: &Coinbase) -> Result<Changes, BadBody> {
        apply(&self.world, 9, &contents(payments, coin), &EMISSION).map_err(|fault| match fault {
            NotApplied::Invalid(fault) => fault,
            NotApplied::Accounts(never) => match never {},
        })
    }

    fn why(&self, payments: &[Verified]) -> (usize, Unpayable) {
        let fees: u64 = payments.iter().map(|payment| payment.fee()).sum();
        match self.apply(payments, &self.coin(100 + fees)) {
            Err(BadBody::Payment { position, id, why }) => {
                assert_eq!(id, payments[position].id());
                (position, why)
            }
            other => panic!("no payment is at fault: {other:?}"),
        }
    }
}

fn after(changes: &Changes, signer: &Signer) -> Option<(u64, u64)> {
    let change = changes.accounts.iter().find(|change| change.address == signer.address)?;
    Some((change.after.balance, change.after.nonce))
}

#[test]
fn alice_pays_bob_and_the_miner_gets_the_fee() {
    let story = Story::new();
    let changes =
        story.apply(&[story.pay(&story.alice, &story.bob, 300, 7, 0)], &story.coin(107)).unwrap();
    assert_eq!(changes.fees, 7);
    assert_eq!(after(&changes, &story.alice), Some((693, 1)));
    assert_eq!(after(&changes, &story.bob), Some((300, 0)));
    assert_eq!(after(&changes, &story.miner), Some((107, 0)));
    assert!(changes.accounts.is_sorted_by_key(|change| change.address));
    let alices = changes.accounts.iter().find(|change| change.address == story.alice.address);
    let change = Change {
        address: story.alice.address,
        before: Account { balance: 1000, nonce: 0 },
        after: Account { balance: 693, nonce: 1 },
    };
    assert_eq!(alices, Some(&change));
}

#[test]
fn alice_may_spend_her_last_unit_and_no_more() {
    let story = Story::new();
    let all = [story.pay(&story.alice, &story.bob, 990, 10, 0)];
    let changes = story.apply(&all, &story.coin(110)).expect("she has 1000");
    assert_eq!(after(&changes, &story.alice), Some((0, 1)));
    for (amount, fee) in [(991, 10), (990, 11), (1001, 0), (1, 1000), (MAX_INTEGER, 0)] {
        let too_much = [story.pay(&story.alice, &story.bob, amount, fee, 0)];
        let balance = Unpayable::Balance { balance: 1000, amount, fee };
        assert_eq!(story.why(&too_much), (0, balance));
    }
}

#[test]
fn alice_pays_herself_and_loses_the_fee_alone() {
    let story = Story::new();
    let herself = [story.pay(&story.alice, &story.alice, 990, 10, 0)];
    let changes = story.apply(&herself, &story.coin(110)).expect("paying oneself is allowed");
    assert_eq!(after(&changes, &story.alice), Some((990, 1)));
    // What she pays herself has to be there first.
    let more = [story.pay(&story.alice, &story.alice, 1000, 1, 0)];
    assert_eq!(story.why(&more).0, 0);
}

#[test]
fn a_miner_may_pay_and_mine_in_one_block() {
    let story = Story::new();
    let coin = Coinbase { recipient: story.alice.address, amount: 110, nonce: 9 };
    let changes = story.apply(&[story.pay(&story.alice, &story.bob, 990, 10, 0)], &coin).unwrap();
    assert_eq!(after(&changes, &story.alice), Some((110, 1)));
}

#[test]
fn cve_2018_17144_the_same_payment_twice_in_a_block_is_refused() {
    let story = Story::new();
    let payment = story.pay(&story.alice, &story.bob, 1, 1, 0);
    let twice = [payment.clone(), payment.clone()];
    assert_eq!(story.why(&twice), (1, Unpayable::Nonce { expected: 1, found: 0 }));
    let other = story.pay(&story.bob, &story.alice, 1, 0, 0);
    let apart = [payment.clone(), other, payment];
    assert_eq!(story.why(&apart), (2, Unpayable::Nonce { expected: 1, found: 0 }));
}

#[test]
fn two_payments_that_spend_the_same_units_are_not_both_made() {
    let story = Story::new();
    let both = [
        story.pay(&story.alice, &story.bob, 600, 0, 0),
        story.pay(&story.alice, &story.miner, 600, 0, 1),
    ];
    assert_eq!(story.why(&both), (1, Unpayable::Balance { balance: 400, amount: 600, fee: 0 }));
}

#[test]
fn nonces_count_up_by_one_without_gaps() {
    let mut story = Story::new();
    let pay = |story: &Story, nonce| story.pay(&story.alice, &story.bob, 1, 0, nonce);
    for found in [1, 2, MAX_INTEGER] {
        let nonce = Unpayable::Nonce { expected: 0, found };
        assert_eq!(story.why(&[pay(&story, found)]), (0, nonce));
    }
    let three = [pay(&story, 0), pay(&story, 1), pay(&story, 2)];
    let changes = story.apply(&three, &story.coin(100)).expect("in turn");
    assert_eq!(after(&changes, &story.alice), Some((997, 3)));
    let swapped = [pay(&story, 1), pay(&story, 0)];
    assert_eq!(story.why(&swapped), (0, Unpayable::Nonce { expected: 0, found: 1 }));
    // A payment of an earlier block cannot be made again.
    story.world.0.insert(story.alice.address, Account { balance: 997, nonce: 3 });
    assert_eq!(story.why(&three), (0, Unpayable::Nonce { expected: 3, found: 0 }));
}

#[test]
fn what_a_payment_brings_can_be_spent_by_those_after_it_alone() {
    let story = Story::new();
    let to_bob = story.pay(&story.alice, &story.bob, 500, 0, 0);
    let from_bob = story.pay(&story.bob, &story.alice, 500, 0, 0);
    let in_order = [to_bob.clone(), from_bob.clone()];
    let changes = story.apply(&in_order, &story.coin(100)).expect("Bob has it by then");
    assert_eq!(after(&changes, &story.alice), Some((1000, 1)));
    assert_eq!(after(&changes, &story.bob), Some((0, 1)));
    let balance = Unpayable::Balance { balance: 0, amount: 500, fee: 0 };
    assert_eq!(story.why(&[from_bob, to_bob]), (0, balance));
}

#[test]
fn a_block_cannot_spend_its_own_coin() {
    let story = Story::new();
    let eager = [story.pay(&story.miner, &story.bob, 100, 0, 0)];
    let balance = Unpayable::Balance { balance: 0, amount: 100, fee: 0 };
    assert_eq!(story.why(&eager), (0, balance));
}

#[test]
fn the_coin_is_exactly_the_subsidy_and_the_fees() {
    let story = Story::new();
    let payments = [story.pay(&story.alice, &story.bob, 1, 7, 0)];
    for found in [0, 7, 100, 106, 108, 207, MAX_INTEGER] {
        let amount = BadBody::CoinbaseAmount { subsidy: 100, fees: 7, found };
        assert_eq!(story.apply(&payments, &story.coin(found)), Err(amount));
    }
    for found in [0, 8, 10, MAX_INTEGER] {
        let coin = Coinbase { nonce: found, ..story.coin(107) };
        let nonce = BadBody::CoinbaseNonce { expected: 9, found };
        assert_eq!(story.apply(&payments, &coin), Err(nonce));
    }
    assert!(story.apply(&payments, &story.coin(107)).is_ok());
}

#[test]
fn a_coin_of_nothing_for_a_stranger_changes_nothing() {
    let story = Story::new();
    let spent = Emission { first: 0, ..EMISSION };
    let changes = apply(&story.world, 9, &contents(&[], &story.coin(0)), &spent).expect("a block");
    assert_eq!(changes, Changes::default());
}

/// One transaction of Bitcoin's block 74,638 had two outputs of 92 billion coins: their sum wrapped
/// around and passed for small.
#[test]
fn cve_2010_5139_no_sum_wraps_around() {
    let mut story = Story::new();
    let rich = Account { balance: MAX_INTEGER, nonce: 0 };
    story.world.0.insert(story.bob.address, rich);
    let payment = story.pay(&story.alice, &story.bob, 1, 0, 0);
    let overflow = |position, sum, more| Err(BadBody::Overflow { position, sum, more });
    assert_eq!(story.apply(&[payment], &story.coin(100)), overflow(0, MAX_INTEGER, 1));
    // Fees of more than there can be.
    story.world.0.insert(story.alice.address, rich);
    let fees = [
        story.pay(&story.alice, &story.miner, 1, MAX_INTEGER - 1, 0),
        story.pay(&story.bob, &story.miner, 1, MAX_INTEGER - 1, 0),
    ];
    let most = MAX_INTEGER - 1;
    assert_eq!(story.apply(&fees, &story.coin(MAX_INTEGER)), overflow(1, most, most));
    assert_eq!(story.apply(&fees[..1], &story.coin(MAX_INTEGER)), overflow(1, most, 100));
    // A balance that even 64 bits could not count.
    story.world.0.insert(story.miner.address, Account { balance: u64::MAX, nonce: 0 });
    assert_eq!(story.apply(&[], &story.coin(100)), overflow(0, u64::MAX, 100));
}

#[test]
fn the_coin_is_the_last_transaction_and_the_only_coin() {
    let story = Story::new();
    let payment = Entry::Payment(story.payment(&story.alice, &story.bob, 1, 0, 0));
    let coin = Entry::Coinbase(story.coin(100));
    let of = |entries: &[&Entry]| Body::of_entries(entries.iter().copied().cloned().collect());
    let place = |position, last| Err(BadBody::CoinbasePlace { position, last });
    assert_eq!(of(&[]), Err(BadBody::NoCoinbase { transactions: 0 }));
    assert_eq!(of(&[&payment]), Err(BadBody::NoCoinbase { transactions: 1 }));
    assert_eq!(of(&[&coin, &payment]), place(0, 1));
    assert_eq!(of(&[&coin, &coin]), place(0, 1));
    assert_eq!(of(&[&payment, &coin, &payment, &coin]), place(1, 3));
    assert!(of(&[&coin]).is_ok());
    let body = of(&[&payment, &payment, &coin]).expect("the coin is last");
    assert_eq!((body.payments.len(), body.coin), (2, story.coin(100)));
}

#[test]
fn a_body_is_read_from_its_text() {
    let story = Story::new();
    let payment = story.payment(&story.alice, &story.bob, 1, 0, 0);
    let coin = story.coin(100);
    let parse = |text: &str| {
        let text = canonical(text.as_bytes()).expect("JSON");
        Body::parse(Value::of_canonical(&text).elements(), &forge())
    };
    let coins = coin.text(forge().hrp);
    let body = parse(&format!("[{}, {coins}]", payment.text())).expect("a body");
    assert_eq!(body, Body { payments: vec![payment.clone()], coin });
    let why = BadTransaction::NotAnObject { found: "5".into() };
    let fault = BadBody::Transaction { position: 1, why };
    assert_eq!(parse(&format!("[{}, 5, {coins}]", payment.text())), Err(fault));
}

#[test]
fn an_account_that_cannot_be_read_is_not_the_blocks_fault() {
    struct Broken;
    impl Accounts for Broken {
        type Error = &'static str;
        fn account(&self, _: &Address) -> Result<Account, Self::Error> {
            Err("the disk is on fire")
        }
    }
    let story = Story::new();
    let fault = NotApplied::Accounts("the disk is on fire");
    assert_eq!(apply(&Broken, 9, &contents(&[], &story.coin(100)), &EMISSION), Err(fault.clone()));
    let payments = [story.pay(&story.alice, &story.bob, 1, 0, 0)];
    assert_eq!(apply(&Broken, 9, &contents(&payments, &story.coin(100)), &EMISSION), Err(fault));
}

#[test]
fn a_genesis_block_allots_coins_by_their_places() {
    let story = Story::new();
    let coin =
        |signer: &Signer, amount, nonce| Coinbase { recipient: signer.address, amount, nonce };
    let coins = [coin(&story.alice, 5, 0), coin(&story.bob, 6, 1), coin(&story.alice, 7, 2)];
    let changes = allot(&coins, &EMISSION).expect("allotted");
    assert_eq!(after(&changes, &story.alice), Some((12, 0)));
    assert_eq!(after(&changes, &story.bob), Some((6, 0)));
    assert!(changes.accounts.iter().all(|change| change.before == Account::default()));
    assert_eq!(allot(&[], &EMISSION), Ok(Changes::default()));
    let nonce = BadBody::CoinbaseNonce { expected: 1, found: 2 };
    assert_eq!(allot(&[coins[0], coins[2]], &EMISSION), Err(nonce));
}

#[test]
fn a_chain_that_could_count_past_2_to_the_53_does_not_start() {
    let story = Story::new();
    let coin = |amount, nonce| Coinbase { recipient: story.alice.address, amount, nonce };
    let mined = Emission::FORGE.total();
    let room = MAX_INTEGER - u64::try_from(mined).expect("a small number");
    assert!(allot(&[coin(room, 0)], &Emission::FORGE).is_ok());
    let supply = |allotted| Err(BadBody::Supply { allotted, mined });
    assert_eq!(allot(&[coin(room, 0), coin(1, 1)], &Emission::FORGE), supply(u128::from(room) + 1));
    let huge = Emission { first: u64::MAX, halving: u64::MAX.try_into().expect("not zero") };
    assert!(matches!(allot(&[], &huge), Err(BadBody::Supply { .. })));
}
