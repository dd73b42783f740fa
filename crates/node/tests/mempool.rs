//! The mempool: what it promises, told with alice, bob and carol; and a hundred thousand payments.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use blocksmith_consensus::address::Address;
use blocksmith_consensus::ledger::{Account, Accounts};
use blocksmith_consensus::payment::{Draft, Verified};
use blocksmith_consensus::{Hash, Timestamp};
use blocksmith_node::mempool::{
    Admitted, FeeRate, Limits, MAX_HELD, MAX_HELD_S, Mempool, MempoolChange, Refused, Waiting,
};
use blocksmith_testkit::crowd::Bank;
use blocksmith_testkit::signers::{Signer, forge};

const START_S: u64 = 1_700_000_000;

fn at(seconds: u64) -> Timestamp {
    Timestamp { micros: (START_S + seconds) * 1_000_000 }
}

/// A mempool, the accounts, and a clock that each payment moves on by a second.
struct Node {
    mempool: Mempool,
    bank: Bank,
    alice: Signer,
    bob: Signer,
    carol: Signer,
    clock_s: u64,
}

impl Node {
    /// Everybody has 10,000 units.
    fn new(limits: Limits) -> Self {
        let (alice, bob, carol) = (Signer::alice(), Signer::bob(), Signer::new(0xca401));
        let mut bank = Bank::default();
        for person in [&alice, &bob, &carol] {
            bank.0.insert(person.address, Account { balance: 10_000, nonce: 0 });
        }
        Self { mempool: Mempool::new(limits), bank, alice, bob, carol, clock_s: 0 }
    }

    fn admit(&mut self, payment: &Verified) -> Result<MempoolChange, Refused> {
        match self.offer(payment)? {
            Admitted::Waits(change) => Ok(change),
            held => panic!("{held:?}"),
        }
    }

    fn offer(&mut self, payment: &Verified) -> Result<Admitted, Refused> {
        self.clock_s += 1;
        let Ok(outcome) = self.mempool.admit(at(self.clock_s), payment.clone(), &self.bank);
        outcome
    }

    fn admit_all<'a>(&mut self, payments: impl IntoIterator<Item = &'a Verified>) {
        for payment in payments {
            self.admit(payment).expect("there is nothing to say against it");
        }
    }

    fn follow(&mut self, touched: &[&Signer], returned: &[Verified]) -> MempoolChange {
        let touched = Some(touched.iter().map(|person| person.address).collect());
        let now = at(self.clock_s);
        let Ok(change) = self.mempool.follow(now, touched, returned.iter().cloned(), &self.bank);
        change
    }

    fn ids(&self) -> Vec<Hash> {
        ids(&self.mempool.template(usize::MAX))
    }
}

fn ids<'a>(payments: impl IntoIterator<Item = &'a &'a Verified>) -> Vec<Hash> {
    payments.into_iter().map(|payment| payment.id()).collect()
}

/// 300 units to somebody. All payments with fees and nonces of as many digits are of one length.
fn pay(from: &Signer, nonce: u64, fee: u64) -> Verified {
    pay_amount(from, nonce, fee, 300)
}

fn pay_amount(from: &Signer, nonce: u64, fee: u64, amount: u64) -> Verified {
    let draft = from.draft(Signer::new(7).address, amount, fee, nonce);
    from.pay(&draft, &forge()).verify().expect("signed")
}

fn bytes(payment: &Verified) -> usize {
    payment.text().len()
}

fn room_for(payments: usize) -> Limits {
    Limits { payments, ..Limits::default() }
}

/// The ids of those that left.
fn removed(change: &MempoolChange) -> Vec<Hash> {
    change.removed.iter().map(|gone| gone.payment.id()).collect()
}

#[test]
fn who_leaves_more_is_mined_first_and_of_equals_who_came_first() {
    let mut node = Node::new(Limits::default());
    let [a, b, c] = [pay(&node.alice, 0, 20), pay(&node.bob, 0, 30), pay(&node.carol, 0, 20)];
    node.admit_all([&c, &a, &b]);
    assert_eq!(node.ids(), ids([&&b, &&c, &&a]));
    let in_order: Vec<_> = node.mempool.iter().map(|waiting| waiting.payment.id()).collect();
    assert_eq!(in_order, ids([&&c, &&a, &&b]));
}

#[test]
fn a_fee_counts_by_the_byte_so_a_long_memo_has_its_price() {
    let mut node = Node::new(Limits::default());
    let memo = "x".repeat(200);
    let mut draft = node.alice.draft(node.bob.address, 300, 30, 0);
    draft.memo = Some(&memo);
    let long = node.alice.pay(&draft, &forge()).verify().expect("signed");
    let short = pay(&node.bob, 0, 25);
    node.admit_all([&long, &short]);
    assert_eq!(node.ids(), ids([&&short, &&long]));
}

#[test]
fn a_good_payment_of_alice_pays_for_her_cheap_ones_before_it() {
    let mut node = Node::new(Limits::default());
    let cheap = [pay(&node.alice, 0, 0), pay(&node.alice, 1, 10)];
    let good = pay(&node.alice, 2, 95);
    let bob = pay(&node.bob, 0, 34);
    node.admit_all([&bob, &cheap[0], &cheap[1]]);
    assert_eq!(node.ids(), ids([&&bob, &&cheap[0], &&cheap[1]]), "5 a payment is less than 34");
    node.admit(&good).expect("fine");
    assert_eq!(node.ids(), ids([&&cheap[0], &&cheap[1], &&good, &&bob]), "35 a payment is more");
    let length = bytes(&bob) + 2;
    assert_eq!(ids(&node.mempool.template(3 * length)).len(), 3);
    assert_eq!(ids(&node.mempool.template(3 * length - 4)), ids([&&bob]), "all three or none");
}

#[test]
fn a_cheap_payment_of_alice_after_a_good_one_does_not_ride_along() {
    let mut node = Node::new(Limits::default());
    let (good, cheap) = (pay(&node.alice, 0, 90), pay(&node.alice, 1, 10));
    let bob = pay(&node.bob, 0, 40);
    node.admit_all([&good, &cheap, &bob]);
    assert_eq!(node.ids(), ids([&&good, &&bob, &&cheap]));
}

#[test]
fn a_block_is_filled_to_the_byte_and_one_that_is_too_long_keeps_nobody_else_waiting() {
    let mut node = Node::new(Limits::default());
    let (a, b, long) = (pay(&node.alice, 0, 90), pay(&node.bob, 0, 80), pay(&node.carol, 0, 1_000));
    node.admit_all([&a, &b, &long]);
    let two = bytes(&a) + bytes(&b) + 4;
    assert!(bytes(&long) > bytes(&a));
    assert_eq!(ids(&node.mempool.template(two)), ids([&&long]), "what is left is too little");
    assert_eq!(ids(&node.mempool.template(bytes(&a) + 2)), ids([&&a]));
    assert_eq!(ids(&node.mempool.template(bytes(&a) + 1)), ids([]));
    assert_eq!(ids(&node.mempool.template(two + 2)), ids([&&long, &&a]));
}

#[test]
fn alices_nonces_go_up_one_by_one_and_not_too_far() {
    let mut node = Node::new(Limits::default());
    node.bank.0.insert(node.alice.address, Account { balance: 100_000, nonce: 5 });
    let alice = node.alice.clone();
    let refused = |node: &mut Node, nonce| node.admit(&pay(&alice, nonce, 10)).unwrap_err();
    let id = pay(&alice, 4, 10).id();
    assert_eq!(refused(&mut node, 4), Refused::NonceUsed { id, next: 5, found: 4 });
    assert_eq!(node.mempool.next_nonce(&alice.address), None);
    for nonce in 5..21 {
        node.admit(&pay(&alice, nonce, 10)).expect("it is its turn");
        assert_eq!(node.mempool.next_nonce(&alice.address), Some(nonce + 1));
    }
    assert_eq!(refused(&mut node, 21), Refused::TooFar { last: 20, found: 21 });
    assert_eq!(
        refused(&mut node, u64::MAX >> 11),
        Refused::TooFar { last: 20, found: u64::MAX >> 11 }
    );
    let id = pay(&alice, 9, 10).id();
    assert_eq!(refused(&mut node, 9), Refused::Known { id, missing: None });
    assert_eq!(node.mempool.get(&id).expect("waits").payment.nonce(), 9);
    assert_eq!(node.mempool.of_sender(&alice.address).len(), 16);
    assert_eq!((node.mempool.len(), node.mempool.is_empty()), (16, false));
}

#[test]
fn a_payment_that_overtook_another_is_held_until_that_one_comes() {
    let mut node = Node::new(Limits::default());
    let a = [0, 1, 2, 3, 4].map(|nonce| pay(&node.alice, nonce, 10));
    assert_eq!(node.offer(&a[2]), Ok(Admitted::Held { missing: 0 }));
    assert_eq!(node.offer(&a[2]), Err(Refused::Known { id: a[2].id(), missing: Some(0) }));
    node.admit(&a[0]).expect("its turn");
    assert_eq!(node.offer(&a[4]), Ok(Admitted::Held { missing: 1 }));
    assert_eq!((node.mempool.len(), node.mempool.get(&a[2].id())), (1, None));
    let change = node.admit(&a[1]).expect("its turn");
    let arrivals: Vec<_> = change.added.iter().map(|w| (w.payment.nonce(), w.arrived)).collect();
    assert_eq!(arrivals, [(1, at(5)), (2, at(1))]);
    // The missing one comes in a block of others, together with all before it.
    node.bank.0.insert(node.alice.address, Account { balance: 9_000, nonce: 4 });
    let alice = node.alice.clone();
    let change = node.follow(&[&alice], &[]);
    assert_eq!((change.removed.len(), change.added.len()), (3, 1));
    assert_eq!(node.ids(), ids([&&a[4]]));
}

#[test]
fn what_is_held_takes_nobodys_room_and_is_let_go_soon() {
    let mut node = Node::new(room_for(1));
    let bob = pay(&node.bob, 0, 0);
    node.admit(&bob).expect("there is room");
    let early = pay(&node.alice, 1, 99);
    assert_eq!(node.offer(&early), Ok(Admitted::Held { missing: 0 }));
    assert_eq!(node.ids(), ids([&&bob]));
    assert!(node.mempool.expire(at(node.clock_s + MAX_HELD_S - 1)).is_empty());
    assert_eq!(node.offer(&early), Err(Refused::Known { id: early.id(), missing: Some(0) }));
    assert!(node.mempool.expire(at(2 + MAX_HELD_S)).is_empty());
    assert_eq!(node.offer(&early), Ok(Admitted::Held { missing: 0 }), "it was forgotten");
    let poor = pay_amount(&node.carol, 1, 1, 10_000);
    let balance = Refused::Balance { balance: 10_000, queued: 0, cost: 10_001 };
    assert_eq!(node.offer(&poor), Err(balance));
    // Many others, and the oldest is let go.
    for person in 0..=MAX_HELD as u64 / 15 {
        let signer = Signer::new(1_000 + person);
        node.bank.0.insert(signer.address, Account { balance: 10_000, nonce: 0 });
        for nonce in 1..16 {
            node.offer(&pay(&signer, nonce, 0)).expect("held");
        }
    }
    assert_eq!(node.offer(&early), Ok(Admitted::Held { missing: 0 }), "it was forgotten");
    let last = pay(&Signer::new(1_000 + MAX_HELD as u64 / 15), 15, 0);
    assert_eq!(node.offer(&last), Err(Refused::Known { id: last.id(), missing: Some(0) }));
}

#[test]
fn what_is_held_comes_in_within_the_bounds_or_not_at_all() {
    let mut node = Node::new(room_for(2));
    let a = [0, 1, 2].map(|nonce| pay(&node.alice, nonce, 30 - 10 * nonce));
    let bob = pay(&node.bob, 0, 25);
    assert_eq!(node.offer(&a[1]), Ok(Admitted::Held { missing: 0 }));
    assert_eq!(node.offer(&a[2]), Ok(Admitted::Held { missing: 0 }));
    node.admit_all([&bob]);
    let change = node.admit(&a[0]).expect("its turn");
    assert_eq!(change.added.len(), 1, "for the second one there is no room");
    assert_eq!(node.ids(), ids([&&a[0], &&bob]));
    // After a reorg alice's queue is as long as it may be, and the one held for its end stays held.
    let mut node = Node::new(Limits { ahead: 2, ..Limits::default() });
    node.bank.0.insert(node.alice.address, Account { balance: 10_000, nonce: 1 });
    assert_eq!(node.offer(&a[2]), Ok(Admitted::Held { missing: 1 }));
    node.bank.0.insert(node.alice.address, Account { balance: 10_000, nonce: 0 });
    let alice = node.alice.clone();
    assert_eq!(node.follow(&[&alice], &a[..1]).added.len(), 1);
    node.admit(&a[1]).expect("its turn");
    assert_eq!(node.ids(), ids([&&a[0], &&a[1]]));
    node.bank.0.insert(node.alice.address, Account { balance: 9_000, nonce: 1 });
    node.follow(&[&alice], &[]);
    assert_eq!(node.ids(), ids([&&a[1], &&a[2]]));
}

#[test]
fn what_is_held_is_forgotten_when_another_takes_its_place() {
    let mut node = Node::new(Limits::default());
    let (early, others) =
        (pay(&node.alice, 1, 10), [pay(&node.alice, 0, 50), pay(&node.alice, 1, 50)]);
    assert_eq!(node.offer(&early), Ok(Admitted::Held { missing: 0 }));
    // A block has both nonces; then it is dropped for one that has the first.
    let alice = node.alice.clone();
    node.bank.0.insert(alice.address, Account { balance: 9_000, nonce: 2 });
    assert!(node.follow(&[&alice], &[]).is_empty());
    node.bank.0.insert(alice.address, Account { balance: 9_500, nonce: 1 });
    assert_eq!(node.follow(&[&alice], &others).added.len(), 1);
    assert_eq!(node.ids(), ids([&&others[1]]));
    node.bank.0.insert(alice.address, Account { balance: 9_000, nonce: 2 });
    assert_eq!(removed(&node.follow(&[&alice], &[])), [others[1].id()]);
    node.bank.0.insert(alice.address, Account { balance: 9_500, nonce: 1 });
    assert!(node.follow(&[&alice], &[]).is_empty());
}

#[test]
fn alice_promises_no_more_than_she_has_whatever_bob_is_about_to_pay_her() {
    let mut node = Node::new(Limits::default());
    let to_alice = node.bob.draft(node.alice.address, 5_000, 90, 0);
    let to_alice = node.bob.pay(&to_alice, &forge()).verify().expect("signed");
    node.admit_all([&to_alice, &pay_amount(&node.alice, 0, 1, 5_000)]);
    let refused = node.admit(&pay_amount(&node.alice, 1, 1, 4_999)).unwrap_err();
    assert_eq!(refused, Refused::Balance { balance: 10_000, queued: 5_001, cost: 5_000 });
    node.admit(&pay_amount(&node.alice, 1, 1, 4_998)).expect("to the last unit");
}

#[test]
fn a_replacement_costs_a_tenth_more() {
    let mut node = Node::new(Limits::default());
    let old = pay(&node.alice, 0, 101);
    node.admit_all([&old, &pay(&node.alice, 1, 30)]);
    let refused = node.admit(&pay(&node.alice, 0, 111)).unwrap_err();
    assert_eq!(refused, Refused::Replacement { replaced: 101, least: 112, found: 111 });
    let new = pay(&node.alice, 0, 112);
    let change = node.admit(&new).expect("a tenth more, rounded up");
    assert_eq!(removed(&change), [old.id()]);
    assert_eq!(change.added, [Waiting { arrived: at(node.clock_s), payment: new.clone() }]);
    assert_eq!(node.mempool.get(&old.id()), None);
    assert_eq!(node.ids(), ids([&&new, &&pay(&node.alice, 1, 30)]), "what comes after it stays");

    node.admit_all([&pay(&node.bob, 0, 0)]);
    let refused = node.admit(&pay_amount(&node.bob, 0, 0, 5)).unwrap_err();
    assert_eq!(refused, Refused::Replacement { replaced: 0, least: 1, found: 0 });
    node.admit(&pay(&node.bob, 0, 1)).expect("a tenth of nothing is a unit");
}

#[test]
fn a_payments_rival_is_another_one_with_its_sender_and_nonce() {
    let mut node = Node::new(Limits::default());
    let (first, held) = (pay(&node.alice, 0, 10), pay(&node.alice, 2, 10));
    node.admit_all([&first]);
    node.offer(&held).expect("it is held");
    let rivals = |node: &Node, nonce| {
        let rival = |from: &Signer| node.mempool.rival(&pay(from, nonce, 99));
        (rival(&node.alice), rival(&node.bob))
    };
    assert_eq!(rivals(&node, 0), (Some(first.id()), None));
    assert_eq!(rivals(&node, 1), (None, None));
    assert_eq!(rivals(&node, 2), (Some(held.id()), None));
    assert_eq!(rivals(&node, u64::MAX >> 11), (None, None));
    for same in [&first, &held] {
        assert_eq!(node.mempool.rival(same), None);
    }
}

#[test]
fn a_replacement_pays_for_later_payments_that_it_makes_unpayable() {
    let mut node = Node::new(Limits::default());
    let [first, second, third] = [0, 1, 2].map(|nonce| pay_amount(&node.alice, nonce, 100, 3_000));
    node.admit_all([&first, &second, &third]);
    let greedy = |fee| pay_amount(&Signer::alice(), 0, fee, 6_000);
    let refused = node.admit(&greedy(219)).unwrap_err();
    assert_eq!(refused, Refused::Replacement { replaced: 200, least: 220, found: 219 });
    assert_eq!(node.mempool.len(), 3);
    let change = node.admit(&greedy(220)).expect("a tenth more than both");
    assert_eq!(removed(&change), [first.id(), third.id()]);
    assert_eq!(node.ids(), ids([&&greedy(220), &&second]));
}

#[test]
fn where_there_is_no_room_the_cheapest_tail_leaves() {
    let mut node = Node::new(room_for(4));
    let alice = [pay(&node.alice, 0, 90), pay(&node.alice, 1, 20), pay(&node.alice, 2, 10)];
    let bob = pay(&node.bob, 0, 30);
    node.admit_all(alice.iter().chain([&bob]));
    let refused = node.admit(&pay(&node.carol, 0, 10)).unwrap_err();
    let rate = FeeRate::of(&alice[2]);
    assert_eq!(refused, Refused::Full { worst: Some(rate), found: rate }, "the first one stays");
    let change = node.admit(&pay(&node.carol, 0, 11)).expect("better");
    assert_eq!(removed(&change), [alice[2].id()]);
    let change = node.admit(&pay(&node.carol, 1, 40)).expect("both are better, taken together");
    assert_eq!(removed(&change), [alice[1].id()]);
    assert_eq!(node.mempool.len(), 4);
}

#[test]
fn the_bytes_are_bounded_and_cheap_ones_leave_together_for_a_long_one() {
    let short = bytes(&pay(&Signer::alice(), 0, 10));
    let mut node = Node::new(Limits { bytes: 3 * short, ..Limits::default() });
    let (a, b) = (pay(&node.alice, 0, 10), pay(&node.bob, 0, 20));
    let c = pay(&node.carol, 0, 99);
    node.admit_all([&a, &b, &c]);
    assert_eq!(node.mempool.bytes(), 3 * short);
    let memo = "x".repeat(200);
    let draft = Draft { memo: Some(&memo), ..node.carol.draft(node.bob.address, 300, 99, 1) };
    let long = node.carol.pay(&draft, &forge()).verify().expect("signed");
    let change = node.admit(&long).expect("better than both");
    assert_eq!(removed(&change), [a.id(), b.id()]);
    assert_eq!(node.mempool.bytes(), short + bytes(&long));
}

#[test]
fn a_payment_that_cannot_lift_alices_cheap_one_far_enough_is_refused_and_changes_nothing() {
    let mut node = Node::new(room_for(2));
    let (cheap, bob) = (pay(&node.alice, 0, 10), pay(&node.bob, 0, 30));
    node.admit_all([&cheap, &bob]);
    let found = FeeRate::of(&bob);
    let refused = node.admit(&pay(&node.alice, 1, 40)).unwrap_err();
    assert!(matches!(refused, Refused::Full { worst: Some(worst), .. } if worst == found));
    assert_eq!(node.ids(), ids([&&bob, &&cheap]));
    let change = node.admit(&pay(&node.alice, 1, 60)).expect("35 a payment are more than 30");
    assert_eq!(removed(&change), [bob.id()]);
}

#[test]
fn a_replacement_may_cost_its_own_sender_the_tail() {
    let mut node =
        Node::new(Limits { bytes: 2 * bytes(&pay(&Signer::alice(), 0, 10)), ..Limits::default() });
    let (first, tail) = (pay(&node.alice, 0, 50), pay(&node.alice, 1, 10));
    node.admit_all([&first, &tail]);
    let longer = pay(&node.alice, 0, 100);
    let change = node.admit(&longer).expect("the tail is worse");
    assert_eq!(removed(&change), [first.id(), tail.id()]);
    assert_eq!(node.ids(), ids([&&longer]));
}

#[test]
fn what_is_larger_than_the_whole_mempool_is_refused() {
    let mut node = Node::new(Limits { bytes: 100, ..Limits::default() });
    let payment = pay(&node.alice, 0, 10);
    let found = FeeRate::of(&payment);
    assert_eq!(node.admit(&payment), Err(Refused::Full { worst: None, found }));
    let mut node = Node::new(room_for(0));
    assert_eq!(node.admit(&payment), Err(Refused::Full { worst: None, found }));
}

#[test]
fn a_refusal_names_units_and_the_way_out() {
    let rate = |fee| FeeRate::of(&pay(&Signer::alice(), 0, fee));
    let bytes = bytes(&pay(&Signer::alice(), 0, 10));
    for (refused, text) in [
        (
            Refused::TooFar { last: 20, found: 21 },
            "nonce 21 is too far ahead: the node takes nonces up to 20 now, and later ones after the next \
             block; wait for it"
                .into(),
        ),
        (
            Refused::Balance { balance: 10, queued: 4, cost: 7 },
            "the payment costs 7 units, but its sender has 10 units, and needs 4 of them for payments that \
             wait"
                .into(),
        ),
        (
            Refused::Replacement { replaced: 1, least: 2, found: 1 },
            "another payment waits with this nonce; to replace it and those that depend on it, whose fees are 1 \
             units, the fee must be at least 2 units, not 1"
                .to_string(),
        ),
        (
            Refused::Full { worst: Some(rate(12)), found: rate(10) },
            format!(
                "the mempool is full, and a fee of 10 units for {bytes} bytes is not higher than the lowest \
                 in it, 12 units for {bytes} bytes; pay a higher fee, or try again after the \
                 next block"
            ),
        ),
        (
            Refused::Full { worst: None, found: rate(10) },
            format!(
                "the mempool is full, and a fee of 10 units for {bytes} bytes is not higher than the lowest \
                 in it; pay a higher fee, or try again after the next block"
            ),
        ),
    ] {
        assert_eq!(refused.to_string(), text);
    }
}

#[test]
fn keys_that_everybody_knows_are_refused_after_a_restart_and_a_reorg_too() {
    let (alice, bob) = (Signer::alice(), Signer::bob());
    let limits = Limits { refused_senders: BTreeSet::from([alice.address]), ..Limits::default() };
    let mut node = Node::new(limits.clone());
    let (known, good) = (pay(&alice, 0, 10), pay(&bob, 0, 10));
    assert_eq!(node.admit(&known), Err(Refused::Sender { sender: alice.address }));
    assert!(node.follow(&[&alice], std::slice::from_ref(&known)).is_empty());
    let kept = [&known, &good].map(|payment| Waiting { arrived: at(0), payment: payment.clone() });
    let Ok((mempool, change)) = Mempool::restore(limits, kept, &node.bank);
    assert_eq!(ids(&mempool.template(usize::MAX)), ids([&&good]));
    assert_eq!((removed(&change), change.added.len()), ([known.id()].into(), 0));
}

#[test]
fn what_waited_too_long_leaves_with_all_that_cannot_do_without_it() {
    let mut node = Node::new(Limits { expiry_s: 100, ..Limits::default() });
    let alice = [pay(&node.alice, 0, 10), pay(&node.alice, 1, 10), pay(&node.alice, 2, 10)];
    let bob = pay(&node.bob, 0, 10);
    node.admit_all([&alice[0], &alice[1], &bob, &alice[2]]);
    let younger = pay(&node.alice, 0, 20);
    node.admit_all([&younger]);
    assert!(node.mempool.expire(at(101)).is_empty());
    let change = node.mempool.expire(at(102));
    assert_eq!(removed(&change), [alice[1].id(), alice[2].id()], "the second came at 2 s");
    assert_eq!(removed(&node.mempool.expire(at(103))), [bob.id()]);
    assert_eq!(node.ids(), ids([&&younger]));
    assert!(node.mempool.expire(Timestamp::default()).is_empty(), "a clock that was set back");
}

#[test]
fn payments_that_were_made_leave_and_so_do_those_that_others_took_the_place_of() {
    let mut node = Node::new(Limits::default());
    let (a, b) = ([0, 1, 2].map(|n| pay(&node.alice, n, 10)), pay(&node.bob, 0, 10));
    node.admit_all(a.iter().chain([&b]));
    // A block has alice's first payment, and another one of hers than we know with nonce 1.
    node.bank.0.insert(node.alice.address, Account { balance: 9_000, nonce: 2 });
    let (alice, bob) = (node.alice.clone(), node.bob.clone());
    let change = node.follow(&[&alice, &bob], &[]);
    assert_eq!((removed(&change), change.added.len()), ([a[0].id(), a[1].id()].into(), 0));
    assert_eq!(node.ids().len(), 2);
    // She spent the rest elsewhere.
    node.bank.0.insert(alice.address, Account { balance: 309, nonce: 2 });
    assert_eq!(removed(&node.follow(&[&alice], &[])), [a[2].id()]);
    // A block of others has all nonces of bob.
    node.bank.0.insert(bob.address, Account { balance: 9_000, nonce: 40 });
    assert_eq!(removed(&node.follow(&[&bob], &[])), [b.id()]);
    assert!(node.mempool.is_empty());
    assert_eq!(node.mempool.bytes(), 0);
}

#[test]
fn dropped_payments_come_back_in_front_and_what_was_paid_with_dropped_coins_leaves() {
    let mut node = Node::new(Limits::default());
    let a = [0, 1, 2, 3].map(|nonce| pay(&node.alice, nonce, 10));
    // After two blocks alice has made two payments, and bob was paid.
    node.bank.0.insert(node.alice.address, Account { balance: 9_000, nonce: 2 });
    node.bank.0.insert(node.bob.address, Account { balance: 20_000, nonce: 0 });
    let rich = pay_amount(&node.bob, 0, 10, 15_000);
    node.admit_all([&a[2], &a[3], &rich]);
    // Another branch wins, in which none of it was made, but alice's first payment.
    node.bank.0.insert(node.alice.address, Account { balance: 9_690, nonce: 1 });
    node.bank.0.insert(node.bob.address, Account { balance: 10_000, nonce: 0 });
    let (alice, bob) = (node.alice.clone(), node.bob.clone());
    let change = node.follow(&[&alice, &bob], &a[..2]);
    assert_eq!(removed(&change), [rich.id()]);
    assert_eq!(change.added, [Waiting { arrived: at(node.clock_s), payment: a[1].clone() }]);
    assert_eq!(node.ids(), ids([&&a[1], &&a[2], &&a[3]]));
}

#[test]
fn a_deep_reorg_brings_back_no_more_than_the_bounds_allow() {
    let mut node = Node::new(Limits::default());
    let a: Vec<_> = (0..30).map(|nonce| pay(&Signer::alice(), nonce, 10)).collect();
    node.bank.0.insert(node.alice.address, Account { balance: 10_000, nonce: 20 });
    node.admit_all(&a[20..]);
    node.bank.0.insert(node.alice.address, Account { balance: 10_000, nonce: 0 });
    let change = node.follow(&[], &a[..20]);
    assert_eq!(removed(&change), a[20..].iter().map(|p| p.id()).collect::<Vec<_>>());
    assert_eq!(node.ids(), ids(&a[..16].iter().collect::<Vec<_>>()));

    let mut node = Node::new(room_for(2));
    let (b, c) = ([pay(&node.bob, 0, 20), pay(&node.bob, 1, 10)], pay(&node.carol, 0, 15));
    node.admit(&c).expect("fine");
    let change = node.follow(&[], &b);
    assert_eq!((removed(&change), change.added.len()), ([].into(), 1), "the third was never here");
    assert_eq!(node.ids(), ids([&&b[0], &&c]));
}

#[test]
fn what_comes_back_while_it_waits_is_not_new() {
    let mut node = Node::new(Limits::default());
    let (old, other) = (pay(&node.alice, 0, 10), pay(&node.alice, 0, 90));
    node.admit(&old).expect("fine");
    node.clock_s += 10;
    assert!(node.follow(&[], &[old.clone(), other]).is_empty());
    assert_eq!(node.mempool.get(&old.id()).expect("waits").arrived, at(1));
}

#[test]
fn after_a_restart_everything_waits_as_before() {
    let mut node = Node::new(Limits::default());
    let (alice, bob, carol) = (node.alice.clone(), node.bob.clone(), node.carol.clone());
    for nonce in 0..9 {
        node.admit_all([&pay(&carol, nonce, 10), &pay(&alice, nonce, 10 * nonce)]);
        node.admit_all([&pay(&bob, nonce, 10)]);
    }
    let mut kept: Vec<_> = node.mempool.iter().cloned().collect();
    kept.reverse();
    let Ok((mempool, change)) = Mempool::restore(Limits::default(), kept, &node.bank);
    assert!(change.is_empty());
    assert_eq!(mempool.template(usize::MAX), node.mempool.template(usize::MAX));
    assert!(mempool.iter().eq(node.mempool.iter()));
    assert_eq!(mempool.bytes(), node.mempool.bytes());
}

/// Accounts on a disk that broke.
struct Broken;

impl Accounts for Broken {
    type Error = &'static str;

    fn account(&self, _: &Address) -> Result<Account, Self::Error> {
        Err("the disk is gone")
    }
}

#[test]
fn nothing_changes_when_an_account_cannot_be_read() {
    let mut node = Node::new(Limits::default());
    let (a, b) = (pay(&node.alice, 0, 10), pay(&node.bob, 0, 10));
    node.admit(&a).expect("fine");
    assert_eq!(node.mempool.admit(at(9), b.clone(), &Broken), Err("the disk is gone"));
    let outcome = node.mempool.follow(at(9), Some(vec![node.alice.address]), [b], &Broken);
    assert_eq!(outcome, Err("the disk is gone"));
    assert_eq!(node.ids(), ids([&&a]));
}

#[test]
fn a_longer_replacement_with_the_same_rate_takes_its_own_room() {
    let mut node = Node::new(Limits::default());
    node.bank.0.get_mut(&node.alice.address).expect("she is there").balance = 1_000_000;
    let alice = node.alice.clone();
    let with_memo = |nonce, fee, memo: &str| {
        let draft =
            Draft { memo: Some(memo), ..alice.draft(Signer::new(7).address, 300, fee, nonce) };
        alice.pay(&draft, &forge()).verify().expect("signed")
    };
    // Ten units a byte, both of them.
    let short = with_memo(1, 9_999, "");
    let short = with_memo(1, 10 * bytes(&short) as u64, "");
    let long = with_memo(1, 9_999, &"x".repeat(200));
    let long = with_memo(1, 10 * bytes(&long) as u64, &"x".repeat(200));
    assert_eq!(FeeRate::of(&short), FeeRate::of(&long));
    // As in one list of a peer: all come at the same time, and the first has the largest id.
    let first = (0..1_000)
        .map(|number| with_memo(0, 9_999, &format!("{number}")))
        .find(|first| first.id() > short.id().max(long.id()))
        .expect("one of eight");
    for payment in [&first, &short, &long] {
        let Ok(admitted) = node.mempool.admit(at(1), payment.clone(), &node.bank);
        assert!(matches!(admitted, Ok(Admitted::Waits(_))), "{admitted:?}");
    }
    let needed = bytes(&first) + bytes(&long) + 4;
    assert_eq!(ids(&node.mempool.template(needed)), ids([&&first, &&long]));
    assert_eq!(ids(&node.mempool.template(needed - 1)), ids([&&first]));
}

#[test]
fn an_estimate_says_what_would_have_to_be_beaten() {
    let mut node = Node::new(Limits::default());
    let alice = node.alice.clone();
    let queue: Vec<_> = (0..8).map(|nonce| pay(&alice, nonce, 90 - 10 * nonce)).collect();
    node.admit_all(&queue);
    let block = 2 * (bytes(&queue[0]) + 2);
    let estimate = node.mempool.estimate(block);
    assert_eq!(estimate.next, Some(FeeRate::of(&queue[2])));
    assert_eq!(estimate.next_three, Some(FeeRate::of(&queue[6])));
    let fee = estimate.next.expect("full").fee_above(bytes(&queue[0]));
    assert_eq!(fee, 71);
    let bob = pay(&node.bob, 0, fee);
    node.admit(&bob).expect("fine");
    assert!(!ids(&node.mempool.template(block)).contains(&queue[2].id()));
    let estimate = node.mempool.estimate(20 * block);
    assert_eq!((estimate.next, estimate.next_three), (None, None), "any fee gets in");
}

/// Generous, for builds without optimization on busy cores: the figures of an optimized one are
/// those of `examples/mempool_speed.rs`.
const PATIENCE: Duration = Duration::from_millis(400);

#[test]
fn a_hundred_thousand_payments_come_and_go_in_bounded_time() {
    let (mut bank, mut all) = blocksmith_testkit::crowd::payments(0..10_000, 10, 0..=5_000);
    let (rich_bank, rich) = blocksmith_testkit::crowd::payments(10_000..11_000, 1, 10_000..=20_000);
    bank.0.extend(rich_bank.0);
    // Nonce by nonce, as if all of them paid at the same time.
    all.sort_by_key(|payment| payment.nonce());
    let count = all.len();
    let mut mempool = Mempool::new(room_for(count));
    let timed = |what: &str, start: Instant, bound: Duration| {
        println!("{what}: {:?}", start.elapsed());
        assert!(start.elapsed() < bound, "{what} took {:?}", start.elapsed());
    };

    let start = Instant::now();
    for (number, payment) in (0..).zip(all) {
        let Ok(admitted) = mempool.admit(at(number / 1_000), payment, &bank);
        admitted.expect("there is room");
    }
    timed("100,000 admissions", start, 50 * PATIENCE);
    assert_eq!(mempool.len(), 100_000);

    let start = Instant::now();
    let mut evicted = 0;
    for payment in rich {
        let Ok(admitted) = mempool.admit(at(200), payment, &bank);
        match admitted.expect("it is better than most") {
            Admitted::Waits(change) => evicted += change.removed.len(),
            held => panic!("{held:?}"),
        }
    }
    timed("1,000 admissions that evict", start, PATIENCE);
    assert!(evicted >= 1_000, "{evicted}");
    assert_eq!(mempool.len(), 101_000 - evicted);

    let start = Instant::now();
    let block: Vec<Verified> = mempool.template(990_000).into_iter().cloned().collect();
    timed("template", start, PATIENCE);
    assert!(block.iter().map(|payment| bytes(payment) + 2).sum::<usize>() > 980_000);

    for payment in &block {
        let account = bank.0.get_mut(&payment.sender()).expect("somebody of the crowd");
        *account = account.pay(payment).expect("in the order of the nonces");
    }
    let start = Instant::now();
    let senders = Some(block.iter().map(|payment| payment.sender()).collect());
    let Ok(change) = mempool.follow(at(201), senders, [], &bank);
    timed("following that block", start, PATIENCE);
    assert_eq!(change.removed.len(), block.len());

    let kept: Vec<_> = mempool.iter().cloned().collect();
    let page = |place| mempool.iter_from(place).take(1_000);
    let pages: Vec<_> = (0..kept.len()).step_by(1_000).flat_map(page).collect();
    assert!(pages.into_iter().eq(&kept));
    let start = Instant::now();
    assert_eq!(mempool.iter_from(kept.len() - 1_000).count(), 1_000);
    timed("the last page", start, PATIENCE / 10);
    let start = Instant::now();
    let Ok((restored, _)) = Mempool::restore(room_for(count), kept, &bank);
    timed("restart", start, 10 * PATIENCE);
    assert_eq!(restored.len(), mempool.len());

    let start = Instant::now();
    let change = mempool.expire(at(30 * 24 * 60 * 60));
    timed("expiry of all", start, 50 * PATIENCE);
    assert_eq!((mempool.len(), mempool.bytes()), (0, 0));
    assert_eq!(change.removed.len(), restored.len());
}
