//! What waits: its place in line, the block that will have it, and why no earlier one.

use std::collections::BTreeMap;

use blocksmith::chain::{Chain, Dialect};
use blocksmith::service::Options;
use blocksmith_consensus::payment::{Coinbase, Draft};
use blocksmith_consensus::rules::MIN_SEALED_BLOCK_BYTES;
use blocksmith_consensus::{Difficulty, Hash, Proof, Sealed, Target, Unproven, merkle};
use blocksmith_testkit::random::{Random, setting};
use blocksmith_testkit::signers::Signer;
use serde_json::{Value, json};

use crate::forge::Forge;
use crate::node::Node;

const ALLOTTED: u64 = 1_000_000;

/// A chain of the smallest blocks, whose proofs are all valid, with coins for these people.
fn chain(people: &[Signer]) -> Chain {
    let forge = Sealed::forge();
    let coins: Vec<_> = (0..)
        .zip(people)
        .map(|(nonce, one)| {
            Coinbase { recipient: one.address, amount: ALLOTTED, nonce }.text(forge.hrp)
        })
        .collect();
    let texts = || coins.iter().map(String::as_str);
    let (target, root) = (Target::from_zeros(0), merkle::root(texts()));
    let genesis = Unproven::new(1, &Hash([0; 32]), 1000, target, &root, texts()).unwrap();
    let rules = Sealed {
        genesis: genesis.into_genesis(),
        difficulty: Difficulty::Fixed(target),
        max_block_bytes: MIN_SEALED_BLOCK_BYTES,
        ..forge
    };
    Chain { rules: rules.named("forge"), dialect: Dialect::Notes }
}

/// Blocks made of the mempool one after the other have each payment where its turn said.
#[tokio::test(flavor = "multi_thread")]
async fn each_payment_comes_into_the_block_that_was_said() {
    let seed = setting("BLOCKSMITH_TURNS_SEED", 14);
    println!("BLOCKSMITH_TURNS_SEED={seed}");
    let mut random = Random::new(seed);
    let people: Vec<_> = (1..=12).map(Signer::new).collect();
    let chain = chain(&people);
    let (domain, hrp) = (chain.rules.domain().unwrap(), Sealed::forge().hrp);
    let node_id = Some(people[0].address.to_text(hrp));
    let node = Node::start_with(Options { node_id, ..Options::new(chain) }).await;
    let mine = async || {
        let work = node.handle.work(None).await.unwrap().unwrap();
        node.handle.submit_work(&work.id, Proof::from(1)).await.unwrap().unwrap()
    };
    // The index gets a digit more on the way.
    while node.tip().index() < 7 {
        mine().await;
    }
    let mut of = BTreeMap::new();
    for nonce in 0..16 {
        for person in &people {
            let memo = "m".repeat(random.below(200));
            let draft = Draft {
                memo: Some(&memo),
                ..person.draft(people[3].address, 1, random.below(40) as u64, nonce)
            };
            let payment = person.signed(&draft, &domain);
            let answer = node.post("/api/v1/transactions", payment).await.good();
            of.insert(Forge::id(&answer), (person.address, draft.fee, nonce));
        }
    }
    let waiting = node.get("/api/v1/transactions?queued").await.good().1;
    let list = |name: &str| waiting[name].as_array().unwrap().clone();
    let text = |id: &Value| id.as_str().unwrap().to_string();
    let turns: BTreeMap<_, _> = list("ids").iter().map(text).zip(list("waits")).collect();
    assert_eq!((turns.len(), &waiting["queued"]), (of.len(), &json!(of.len())));
    // One by one, and by account, the node says the same.
    for id in of.keys().step_by(17) {
        let one = node.get(&format!("/api/v1/transactions/{id}")).await.good().1;
        assert_eq!((&one["status"], &one["waits"]), (&json!("queued"), &turns[id]));
    }
    let account = node.get(&format!("/api/v1/accounts/{}", people[3].address.to_text(hrp))).await;
    let account = account.good().1;
    for (name, count) in [("outgoing", 16), ("incoming", 100)] {
        let listed = account[name].as_array().unwrap();
        assert_eq!(listed.len(), count, "{name}");
        assert!(listed.iter().all(|one| one["waits"] == turns[&text(&one["id"])]), "{name}");
        let is_its = |one: &Value| of[&text(&one["id"])].0 == people[3].address;
        assert!(listed.iter().all(|one| is_its(one) == (name == "outgoing")), "{name}");
    }

    let next = node.tip().index() + 1;
    let (mut place, mut reasons) = (0, BTreeMap::<_, u64>::new());
    while place < of.len() {
        let block = mine().await;
        let transactions: Vec<Value> = block
            .view()
            .transactions()
            .map(|transaction| serde_json::from_str(transaction.text()).unwrap())
            .collect();
        assert!(transactions.len() > 1, "block {} has no payment", block.index());
        for paid in &transactions[..transactions.len() - 1] {
            place += 1;
            let key = (&paid["sender"], &paid["nonce"]);
            let (id, (sender, fee, nonce)) = of
                .iter()
                .find(|(_, (sender, _, nonce))| key == (&json!(sender.to_text(hrp)), &json!(nonce)))
                .unwrap();
            let turn = &turns[id];
            let said = (&turn["place"], &turn["block"]);
            assert_eq!(said, (&json!(place), &json!(block.index())), "{paid}");
            let why = turn["why"].as_str().unwrap_or("none");
            *reasons.entry(why).or_default() += 1;
            match why {
                "none" => assert_eq!(block.index(), next, "{turn}"),
                "nonce" => {
                    // An earlier one pays less, and holds it up.
                    let first = turn["nonce"].as_u64().unwrap();
                    let less = |other: &(_, u64, u64)| {
                        other.0 == *sender && (first..*nonce).contains(&other.2) && other.1 < *fee
                    };
                    assert!(block.index() > next && of.values().any(less), "{turn} {paid}");
                }
                why => assert!(why == "fee" && block.index() > next, "{turn}"),
            }
        }
    }
    println!("{reasons:?}");
    assert!(node.tip().index() > 10 && reasons.len() == 3, "{reasons:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_payment_says_what_is_missing_and_whether_it_can_be_paid() {
    let forge = Forge::start().await;
    let (alice, bob) = (forge.text(forge.alice.address), forge.text(forge.bob.address));
    let accounts = async || {
        let get = async |address: &str| {
            forge.node.get(&format!("/api/v1/accounts/{address}")).await.good().1
        };
        (get(&alice).await["outgoing"].clone(), get(&bob).await["incoming"].clone())
    };
    assert_eq!(accounts().await, (json!([]), json!([])));
    let late = forge.payment(600_000, 0, 2);
    let held = Forge::id(&forge.pay(&late).await);
    let waits =
        |why: &str, nonce: Value| json!({"place": null, "block": null, "why": why, "nonce": nonce});
    let entry = |id: &str, waits: &Value, text: &str| {
        let transaction: Value = serde_json::from_str(text).unwrap();
        json!({"id": id, "waits": waits, "transaction": transaction})
    };
    let missing = waits("nonce", json!(0));
    let found = forge.node.get(&format!("/api/v1/transactions/{held}")).await.good().1;
    assert_eq!((&found["status"], &found["waits"]), (&json!("held"), &missing));
    assert_eq!(accounts().await, (json!([entry(&held, &missing, &late)]), json!([])));

    // What waits before it takes what it would need.
    let early = forge.payment(400_001, 0, 0);
    let first = Forge::id(&forge.pay(&early).await);
    let turn = json!({"place": 1, "block": 2, "why": null, "nonce": null});
    let short = waits("balance", Value::Null);
    let outgoing = json!([entry(&first, &turn, &early), entry(&held, &short, &late)]);
    assert_eq!(accounts().await, (outgoing, json!([entry(&first, &turn, &early)])));

    // With less before it, it waits for the nonce alone.
    let cheap = forge.payment(300_000, 9, 0);
    let second = Forge::id(&forge.pay(&cheap).await);
    let outgoing =
        json!([entry(&second, &turn, &cheap), entry(&held, &waits("nonce", json!(1)), &late)]);
    assert_eq!(accounts().await, (outgoing, json!([entry(&second, &turn, &cheap)])));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_signs_the_line_is_the_order_in_which_transactions_came() {
    let node = Node::easy().await;
    let pay = |from: &str, amount: u64| {
        format!(r#"{{"amount": {amount}, "recipient": "b", "sender": "{from}"}}"#)
    };
    let texts = [pay("a", 1), pay("c", 2), pay("a", 1)];
    for text in &texts {
        node.post("/transactions/new", text.clone()).await;
    }
    let turn = |place: u64| json!({"place": place, "block": 2, "why": null, "nonce": null});
    let ids = texts.each_ref().map(|text| Hash::of(text).to_string());
    let queued = node.get("/api/v1/transactions?queued&from=1").await.good().1;
    assert_eq!(queued["ids"], json!(ids[1..]));
    assert_eq!(queued["waits"], json!([turn(2), turn(3)]));
    let account = node.get("/api/v1/accounts/a").await.good().1;
    let outgoing = account["outgoing"].as_array().unwrap();
    let turns: Vec<_> = outgoing.iter().map(|one| &one["waits"]).collect();
    assert_eq!(turns, [&turn(1), &turn(3)]);
    // Of two that are equal, the first is in front.
    let found = node.get(&format!("/api/v1/transactions/{}", ids[0])).await.good().1;
    assert_eq!(found["waits"], turn(1));
    node.handle.submit_proof(Proof::from(1), None).await.unwrap().unwrap();
    let empty = node.get("/api/v1/transactions?queued").await.good().1;
    assert_eq!((&empty["ids"], &empty["waits"]), (&json!([]), &json!([])));
}
