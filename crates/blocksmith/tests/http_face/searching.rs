//! What a text may mean, on both kinds of chains.

use std::time::Duration;

use blocksmith_consensus::json::canonical;
use blocksmith_consensus::{Block, Hash};
use reqwest::Url;
use serde_json::{Value, json};

use crate::forge::Forge;
use crate::node::{Node, paying};

/// What the node says to a text, once its index is at the tip.
async fn search(node: &Node, text: &str) -> Value {
    loop {
        let url = format!("{}/api/v1/search", node.url);
        let request = node.client.get(Url::parse_with_params(&url, [("q", text)]).unwrap());
        let (status, found) = node.call(request).await.good();
        assert_eq!(status, 200, "{text:?}");
        let is_open = node.handle.chain().rules.domain().is_none();
        let tip = node.tip();
        let indexed = json!({"index": tip.index(), "hash": tip.hash().to_string()});
        if found["indexed"] == if is_open { indexed } else { Value::Null } {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn matches(node: &Node, text: &str) -> Vec<Value> {
    let found = search(node, text).await;
    assert_eq!(found["more"], false, "{text:?}: {found}");
    found["matches"].as_array().unwrap().clone()
}

fn block(block: &Block) -> Value {
    json!({"kind": "block", "index": block.index(), "hash": block.hash().to_string()})
}

fn account(party: &str) -> Value {
    json!({"kind": "account", "party": party})
}

fn transaction(id: &str, place: Option<(u64, u32)>, status: &str) -> Value {
    let (block, position) = place.unzip();
    json!({"kind": "transaction", "id": id, "status": status, "block": block, "position": position})
}

fn payment(from: &str, to: &str) -> String {
    let [from, to] =
        [from, to].map(|name| canonical(json!(name).to_string().as_bytes()).unwrap().into_owned());
    format!(r#"{{"amount": 1, "recipient": {to}, "sender": {from}}}"#)
}

/// A chain of blocks with these payments.
async fn with_blocks(node: &Node, blocks: &[&[String]]) -> Vec<Block> {
    let mut all = vec![node.tip()];
    for (proof, payments) in (1..).zip(blocks) {
        let next = paying(all.last().unwrap(), proof, payments);
        assert_eq!(node.post("/api/v1/blocks", next.text().to_string()).await.status, 200);
        all.push(next);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_a_transaction_and_a_name_are_found_by_their_start_where_nobody_signs() {
    let node = Node::easy().await;
    let long = format!("<b>\u{202e}{}", "x".repeat(200));
    let twice = payment("ann", "3");
    let blocks = with_blocks(
        &node,
        &[
            &[twice.clone(), payment("anna", &long), twice.clone()],
            &[payment(" ann", &long), twice.clone(), payment("ANN", "{\"a\": 1}")],
        ],
    )
    .await;
    for (at, one) in blocks.iter().enumerate() {
        let hash = one.hash().to_string();
        // Where two hashes begin alike, both are found.
        for digits in [6, 15, 63, 64] {
            let start = &hash[..digits];
            assert_eq!(matches(&node, start).await, [block(one)], "{start}");
            assert_eq!(matches(&node, &format!(" {}\n", start.to_uppercase())).await, [block(one)]);
        }
        let index = (at + 1).to_string();
        assert_eq!(search(&node, &index).await["matches"][0], block(one));
        assert_eq!(search(&node, &format!("0{index} ")).await["matches"][0], block(one));
        let wrong = format!("{}{}", &hash[..63], if hash.ends_with('0') { '1' } else { '0' });
        assert_eq!(matches(&node, &wrong).await, [] as [Value; 0]);
    }
    // The account with this name comes next to the block with this index.
    assert_eq!(search(&node, "3").await["matches"][1], account("3"));

    let id = Hash::of(&twice).to_string();
    for digits in [6, 15, 16, 17, 63, 64] {
        let expected = transaction(&id, Some((2, 0)), "confirmed");
        assert_eq!(matches(&node, &id[..digits]).await, [expected], "{digits}");
    }
    // The index has the first 16 digits alone.
    for right in [16, 17, 63] {
        let other = if id[right..].starts_with('0') { "1" } else { "0" };
        let wrong = format!("{}{}", &id[..right], other);
        assert_eq!(matches(&node, &wrong).await, [] as [Value; 0], "{right}");
        let wrong = format!("{wrong:0<64}");
        assert_eq!(matches(&node, &wrong).await, [] as [Value; 0], "{right}");
    }
    let waits = payment("eve", "bob");
    node.post("/transactions/new", waits.clone()).await;
    let waits = Hash::of(&waits).to_string();
    for start in [&waits[..8], &waits] {
        assert_eq!(matches(&node, start).await, [transaction(&waits, None, "queued")]);
    }

    assert_eq!(matches(&node, "ann").await, [account("ann"), account("anna")]);
    assert_eq!(matches(&node, " ann").await, [account(" ann")]);
    assert_eq!(matches(&node, "AN").await, [account("ANN")]);
    for chars in [1, 40, 70, 203, 204] {
        let start: String = long.chars().take(chars).collect();
        assert_eq!(matches(&node, &start).await, [account(&long)], "{chars}");
    }
    for none in [&*format!("{long}x"), &format!("{}y", &long[..80]), "annab", "bob"] {
        assert_eq!(matches(&node, none).await, [] as [Value; 0], "{none}");
    }

    // A reorg: what left is not found any more.
    let mut branch = vec![blocks[0].clone()];
    for proof in 11..14 {
        let next = paying(branch.last().unwrap(), proof, &[payment("zoe", "yan")]);
        assert_eq!(node.post("/api/v1/blocks", next.text().to_string()).await.status, 200);
        branch.push(next);
    }
    assert_eq!(node.tip().hash(), branch[3].hash());
    assert_eq!(matches(&node, "ann").await, [] as [Value; 0]);
    assert_eq!(matches(&node, &blocks[1].hash().to_string()).await, [] as [Value; 0]);
    assert_eq!(matches(&node, "zo").await, [account("zoe")]);
    // It waits again.
    assert_eq!(matches(&node, &id).await, [transaction(&id, None, "queued")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_many_fit_is_cut_and_each_kind_has_its_turn() {
    let node = Node::easy().await;
    let to: Vec<_> = (0..30).map(|name| format!("a{name:02}")).collect();
    let payments: Vec<_> = to.iter().map(|to| payment("a", to)).collect();
    // More blocks and transactions than fit, of each first digit.
    let pages: Vec<_> = (0..600).map(|at| vec![payment("0", &format!("{at}"))]).collect();
    let mut all: Vec<&[String]> = vec![&payments];
    all.extend(pages.iter().map(|page| &**page));
    let blocks = with_blocks(&node, &all).await;
    let found = search(&node, "a").await;
    let kinds: Vec<_> =
        found["matches"].as_array().unwrap().iter().map(|it| it["kind"].clone()).collect();
    assert_eq!((kinds.len(), &found["more"]), (20, &json!(true)), "{found}");
    let of = |kind: &str| kinds.iter().filter(|it| **it == kind).count();
    assert_eq!([of("account"), of("block"), of("transaction")], [8, 6, 6], "{found}");
    assert_eq!(found["matches"][0], account("a"));
    let mut hashes: Vec<_> = blocks.iter().map(|block| block.hash().to_string()).collect();
    hashes.retain(|hash| hash.starts_with('a'));
    hashes.sort();
    let shown = found["matches"].as_array().unwrap()[8..14].iter();
    assert_eq!(shown.map(|it| it["hash"].clone()).collect::<Vec<_>>(), hashes[..6]);
    // Of one kind alone there may be 20.
    let found = search(&node, "a1").await;
    let accounts = found["matches"].as_array().unwrap().iter().filter(|it| it["kind"] == "account");
    assert_eq!(accounts.count(), 10, "{found}");
    assert_eq!(matches(&node, "a29").await[0], account("a29"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_means_nothing_is_no_match_and_too_much_is_refused() {
    let forge = Forge::start().await;
    let open = Node::easy().await;
    for node in [&open, &forge.node] {
        let path = |text: &str| format!("/api/v1/search{text}");
        for wrong in ["", "?q=", "?q", "?q=1&q=2"] {
            assert_eq!(node.get(&path(wrong)).await.problem().0, 400, "{wrong}");
        }
        let (status, problem) =
            node.get(&path(&format!("?q={}", "x".repeat(1_001)))).await.problem();
        let detail = problem["detail"].as_str().unwrap();
        assert!(status == 400 && detail.contains("has 1001 characters; at most 1000"), "{detail}");
        assert_eq!(node.get(&path(&format!("?q={}", "%C3%A9".repeat(1_000)))).await.status, 200);
        for raw in ["%", "%25", "%ED%A0%80", "%FF", "%00", "%0A", "+", "%20%20", "a%1b[2J"] {
            let (status, found) = node.get(&path(&format!("?q={raw}"))).await.good();
            assert_eq!((status, &found["matches"]), (200, &json!([])), "{raw}");
        }
        let long = "0".repeat(65);
        let hash = "0".repeat(64);
        for text in [
            &*hash,
            &long,
            "18446744073709551615",
            "18446744073709551616",
            "-1",
            "+1",
            "1.0",
            "0x1",
            "{\"a\":",
            "\\ud800",
            "\"\\ud800\"",
            "' OR 1=1",
            "..",
            "/",
            "forge1b",
            "forge11",
            "forge1qé",
            "\u{202e}",
        ] {
            assert_eq!(matches(node, text).await, [] as [Value; 0], "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_and_a_payment_are_found_by_their_start_where_all_is_signed() {
    let forge = Forge::start().await;
    let (alice, bob) = (forge.text(forge.alice.address), forge.text(forge.bob.address));
    let common = alice.chars().zip(bob.chars()).take_while(|(one, other)| one == other).count();
    for chars in common + 1..alice.len() {
        assert_eq!(matches(&forge.node, &alice[..chars]).await, [account(&alice)], "{chars}");
    }
    for whole in [alice.to_uppercase(), format!("forge:{alice}"), format!(" {alice}\n")] {
        assert_eq!(matches(&forge.node, &whole).await, [account(&alice)], "{whole}");
    }
    let both = matches(&forge.node, &alice[..common]).await;
    assert!(common < 7 || both.contains(&account(&alice)) && both.contains(&account(&bob)));
    let wrong = format!("{}{}", &alice[..63], if alice[63..].starts_with('q') { 'p' } else { 'q' });
    assert_eq!(matches(&forge.node, &wrong).await, [] as [Value; 0]);

    let mined = Forge::id(&forge.pay(&forge.payment(10, 1, 0)).await);
    forge.mine(forge.bob.address).await;
    let waits = Forge::id(&forge.pay(&forge.payment(10, 1, 1)).await);
    let held = Forge::id(&forge.pay(&forge.payment(10, 1, 3)).await);
    for (id, place, status) in
        [(&mined, Some((2, 0)), "confirmed"), (&waits, None, "queued"), (&held, None, "held")]
    {
        for digits in [8, 16, 31, 64] {
            let expected = transaction(id, place, status);
            assert_eq!(matches(&forge.node, &id[..digits]).await, [expected], "{digits}");
        }
    }
    let tip = forge.node.tip();
    assert_eq!(matches(&forge.node, &tip.hash().to_string()[..20]).await, [block(&tip)]);
    assert_eq!(search(&forge.node, "2").await["matches"][0], block(&tip));
}
