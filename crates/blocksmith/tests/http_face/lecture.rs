//! The course's calls: exact bodies, in both dialects.

use std::time::{Duration, Instant};

use blocksmith::chain::{Chain, Dialect};
use blocksmith_consensus::Rules;
use blocksmith_node::NetworkEffect;
use reqwest::Method;
use serde_json::json;

use crate::node::{GENESIS, GENESIS_HASH, Node, next};

const NODE: &str = "00341426854640f596f4ba49a64f7c5a";

#[tokio::test(flavor = "multi_thread")]
async fn a_new_node_serves_the_genesis_of_the_notes() {
    let node = Node::notes().await;
    let chain = node.get("/chain").await;
    assert_eq!(chain.text, format!(r#"{{"chain": [{GENESIS}], "length": 1}}"#));
    assert_eq!((chain.status, chain.kind.as_str()), (200, "application/json"));
    assert_eq!(node.get("/last_proof").await.good(), (200, json!({"last_proof": 99})));
    assert_eq!(node.get("/last_block").await.text, format!(r#"{{"last_block": {GENESIS}}}"#));
    assert_eq!(node.get("/healthz").await.plain(), (200, "ok"));
    assert_eq!(node.send(Method::HEAD, "/chain").await.text, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_the_first_lecture_calls_its_chain_as_that_lecture_does() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../chains/lecture-1.toml");
    let node = Node::start(Chain::load(file, None).unwrap()).await;
    assert_eq!(node.post("/mine", r#"{"proof": 74581}"#).await.json()["index"], 2);
    let chain = node.get("/chain").await;
    assert!(chain.text.starts_with(r#"{"currentChain": [{"index": 1, "#), "{chain:?}");
    assert!(chain.text.ends_with(r#"], "length": 2}"#), "{chain:?}");
    assert_eq!(chain.json().as_object().unwrap().len(), 2);
    // Its other answers are those of the notes.
    assert_eq!(node.get("/last_proof").await.good(), (200, json!({"last_proof": 74581})));
    assert_eq!(node.post("/mine", "{}").await.plain(), (400, "Missing Value: proof"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proofs_that_the_notes_print_forge_blocks_and_late_ones_do_not() {
    let node = Node::notes().await;
    let reward = json!([{"sender": "0", "recipient": NODE, "amount": 1}]);
    let forged = node.post("/mine", r#"{"proof": 74581}"#).await;
    assert_eq!(
        forged.good(),
        (
            200,
            json!({
                "message": "New Block Forged", "index": 2, "transactions": reward,
                "proof": 74581, "previous_hash": GENESIS_HASH,
            })
        )
    );
    let refused = json!({"message": "Proof is invalid or already submitted."});
    for late_or_wrong in [r#"{"proof": 74581}"#, r#"{"proof": -1}"#, r#"{"proof": ""}"#] {
        assert_eq!(node.post("/mine", late_or_wrong).await.good(), (200, refused.clone()));
    }
    let forged = node.post("/mine", r#"{"proof": 28441, "id": "alice"}"#).await.good();
    assert_eq!(forged.1["transactions"][0]["recipient"], "alice");
    let chain = node.get("/chain").await.json();
    assert_eq!((&chain["length"], chain["chain"].as_array().unwrap().len()), (&json!(3), 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_came_as_a_text_is_served_as_a_text() {
    let node = Node::notes().await;
    let forged = node.post("/mine", r#"{"proof": "74581"}"#).await.good();
    assert_eq!(forged.1["proof"], "74581");
    assert_eq!(node.get("/last_proof").await.text, r#"{"last_proof": "74581"}"#);
    assert_eq!(node.post("/mine", r#"{"proof": 28441}"#).await.json()["index"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_proof_and_no_recipient_is_a_400_that_says_so() {
    let node = Node::easy().await;
    assert_eq!(node.post("/mine", "{}").await.plain(), (400, "Missing Value: proof"));
    for proof in ["1.5", "null", "[]", "true", r#"{"a": 1}"#, r#""\ud800""#] {
        let answer = node.post("/mine", format!(r#"{{"proof": {proof}}}"#)).await;
        let found = format!("a proof must be a whole number or a string, not {proof}");
        assert_eq!(answer.plain(), (400, &*found));
    }
    for id in ["null", "1.5", "[]", &format!("\"{}\"", "x".repeat(255))] {
        let answer = node.post("/mine", format!(r#"{{"proof": 1, "id": {id}}}"#)).await;
        assert_eq!(answer.plain().0, 400, "{answer:?}");
    }
    let longest = format!(r#"{{"proof": 1, "id": "{}"}}"#, "x".repeat(254));
    assert_eq!(node.post("/mine", longest).await.status, 200);
    let number = node.post("/mine", r#"{"proof": 1, "id": 7}"#).await.json();
    assert_eq!(number["transactions"][0]["recipient"], 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_wait_for_the_next_block_and_come_before_the_coin() {
    let node = Node::notes().await;
    let payment = r#"{"sender": "ann", "recipient": "bob", "amount": 5, "note": "left out"}"#;
    for _ in 0..2 {
        let queued = node.post("/transactions/new", payment).await.good();
        assert_eq!(queued, (201, json!({"message": "Transaction will be added to Block 2"})));
    }
    for missing in ["{}", r#"{"sender": "a", "recipient": "b"}"#, r#"{"amount": 1, "sender": 2}"#] {
        let answer = node.post("/transactions/new", missing).await;
        assert_eq!(answer.plain(), (400, "Missing values"));
    }
    let too_long =
        format!(r#"{{"sender": "{}", "recipient": 1, "amount": 1}}"#, "x".repeat(100_000));
    assert_eq!(node.post("/transactions/new", too_long).await.plain().0, 400);
    let forged = node.post("/mine", r#"{"proof": 74581}"#).await.json();
    let payment = json!({"sender": "ann", "recipient": "bob", "amount": 5});
    let coin = json!({"sender": "0", "recipient": NODE, "amount": 1});
    assert_eq!(forged["transactions"], json!([payment, payment, coin]));
    let queued = node.post("/transactions/new", payment.to_string()).await.json();
    assert_eq!(queued, json!({"message": "Transaction will be added to Block 3"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn register_keeps_host_and_port_alone() {
    let node = Node::notes().await;
    let body = r#"{"nodes": ["http://localhost:5001", "https://H:1/chain", "h:1"]}"#;
    let registered = json!({
        "message": "New nodes have been added", "total_nodes": ["h:1", "localhost:5001"],
    });
    assert_eq!(node.post("/nodes/register", body).await.good(), (201, registered));
    for no_list in ["{}", r#"{"nodes": null}"#, r#"{"nodes": "h:1"}"#, r#"{"nodes": []}"#] {
        let answer = node.post("/nodes/register", no_list).await;
        assert_eq!(answer.plain(), (400, "Error: Please supply a valid list of nodes"));
    }
    for (wrong, named) in [(r#""<b>:1""#, "<b>:1"), ("7", "7"), (r#""h:99999""#, "h:99999")] {
        let answer =
            node.post("/nodes/register", format!(r#"{{"nodes": ["a:1", {wrong}]}}"#)).await;
        assert!(answer.plain().0 == 400 && answer.text.contains(named), "{answer:?}");
    }
    assert_eq!(node.handle.standing().peers.len(), 2, "a list with a wrong entry adds nobody");

    let names = |from: usize, n| {
        let names: Vec<_> = (from..from + n).map(|n| format!("n{n}:1")).collect();
        json!({ "nodes": names }).to_string()
    };
    assert_eq!(node.post("/nodes/register", names(0, 257)).await.plain().0, 400);
    let full = node.post("/nodes/register", names(0, 256)).await;
    assert!(full.plain().0 == 409 && full.text.contains("at most 256"), "{full:?}");
    assert_eq!(node.post("/nodes/register", names(0, 254)).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_is_accepted_on_all_three_routes_and_rejected_in_the_notes_words() {
    let node = Node::easy().await;
    for route in ["/new", "/nodes/new", "/block/new"] {
        let tip = node.tip();
        let send = async |block: &str| node.post(route, format!(r#"{{"block": {block}}}"#)).await;
        assert_eq!(node.post(route, "{}").await.plain(), (400, "Missing value: block"));
        let block = next(&tip, 1, "ann");
        assert_eq!(send(block.text()).await.plain(), (200, "Block Accepted"));
        assert_eq!(send(block.text()).await.plain(), (200, "Block Rejected"), "known");
        let orphan = next(&next(&block, 2, "bob"), 3, "carol");
        assert_eq!(send(orphan.text()).await.plain(), (200, "Block Rejected"), "orphan");
        assert_eq!(
            send(next(&tip, 9, "ann").text()).await.plain(),
            (200, "Block Rejected"),
            "side"
        );
        let wrong = next(&block, 1, "ann").text().replace("\"index\": ", "\"index\": 1");
        assert_eq!(send(&wrong).await.plain(), (200, "Block Rejected"), "index");
        for malformed in ["null", "[]", "1", "{}", r#"{"index": 2, "previous_hash": "x"}"#] {
            assert_eq!(send(malformed).await.plain().0, 400, "{malformed}");
        }
        let float = next(&block, 1, "ann").text().replace("\"proof\": 1", "\"proof\": 1.5");
        assert!(send(&float).await.plain().1.contains("not 1.5"));
        assert_eq!(node.tip(), block);
    }
    let notes = Node::notes().await;
    let unproven = next(&notes.tip(), 1, "ann");
    let answer = notes.post("/new", format!(r#"{{"block": {}}}"#, unproven.text())).await;
    assert_eq!(answer.plain(), (200, "Block Rejected"), "proof");
}

#[tokio::test(flavor = "multi_thread")]
async fn resolve_says_whether_the_chain_was_replaced() {
    let mut node = Node::easy().await;
    let alone = node.get("/nodes/resolve").await;
    let expected = format!(r#"{{"message": "Our chain is authoritative", "chain": [{GENESIS}]}}"#);
    assert_eq!((alone.status, &alone.text), (200, &expected));

    node.post("/nodes/register", r#"{"nodes": ["peer:1"]}"#).await;
    let (mut orders, handle) = (node.orders.take().unwrap(), node.handle.clone());
    let block = next(&node.tip(), 1, "ann");
    let longer = block.clone();
    // The question to whoever is a new peer.
    let Some(NetworkEffect::Ask { peer, closely: false }) = orders.recv().await else { panic!() };
    handle.answered(peer, None).await.unwrap();
    tokio::spawn(async move {
        while let Some(order) = orders.recv().await {
            if let NetworkEffect::Ask { peer, closely: true } = order {
                handle.submit_branch(vec![longer.clone()], peer.clone(), false).await.unwrap();
                handle.answered(peer, None).await.unwrap();
            }
        }
    });
    let replaced = node.get("/nodes/resolve").await;
    let chain = format!("{GENESIS}, {}", block.text());
    let expected = format!(r#"{{"message": "Our chain was replaced", "new_chain": [{chain}]}}"#);
    assert_eq!((replaced.status, replaced.text), (200, expected));
    let again = node.get("/nodes/resolve").await.json();
    assert_eq!(again["message"], "Our chain is authoritative");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_searches_when_asked_one_block_for_each_who_asks() {
    let node = Node::notes().await;
    let all = futures_util::future::join_all((0..4).map(|_| node.get("/mine"))).await;
    let mut proofs: Vec<_> =
        all.iter().map(|answer| (answer.json()["index"].as_u64(), answer.json())).collect();
    proofs.sort_by_key(|(index, _)| *index);
    assert_eq!(proofs[0].1["proof"], 74581);
    assert_eq!(proofs[1].1["proof"], 28441);
    assert!(proofs.iter().all(|(_, answer)| answer["message"] == "New Block Forged"));
    assert_eq!(proofs.iter().map(|(index, _)| index.unwrap()).collect::<Vec<_>>(), [2, 3, 4, 5]);
}

/// How many threads of this process search, one of each search aside.
#[cfg(target_os = "linux")]
fn searching() -> usize {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let names =
        threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim() == "miner").count()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn the_search_ends_when_the_client_goes_away() {
    if std::thread::available_parallelism().unwrap().get() == 1 {
        return;
    }
    let rules = Rules::lecture().with_zeros(64);
    let node = Node::start(Chain { rules, dialect: Dialect::Notes }).await;
    let until = async |wanted: fn(usize) -> bool| {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !wanted(searching()) {
            assert!(Instant::now() < deadline, "{} threads search", searching());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let request = node.client.get(format!("{}/mine", node.url)).send();
    tokio::select! {
        _ = request => panic!("nobody finds a proof with 64 zeros"),
        () = until(|count| count > 0) => {}
    }
    // The request is dropped here, and its connection with it.
    until(|count| count == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_course_answers_in_json_and_pays_the_id() {
    let node = Node::course().await;
    for (body, message) in [
        ("{}", "Missing Value: proof"),
        (r#"{"id": "ann"}"#, "Missing Value: proof"),
        (r#"{"proof": 1}"#, "Missing Value: id"),
    ] {
        assert_eq!(node.post("/mine", body).await.good(), (400, json!({"message": message})));
    }
    for (path, message) in [
        ("/transactions/new", "Missing values"),
        ("/nodes/register", "Error: Please supply a valid list of nodes"),
        ("/block/new", "Missing value: block"),
    ] {
        assert_eq!(node.post(path, "{}").await.good(), (400, json!({"message": message})));
    }
    let job = node.handle.work(None).await.unwrap().unwrap().job;
    let valid = (0_u64..).find(|proof| job.accepts(proof.to_string())).unwrap();
    let wrong = (0_u64..).find(|proof| !job.accepts(proof.to_string())).unwrap();
    let body = |proof| format!(r#"{{"proof": {proof}, "id": "ann"}}"#);
    let refused = node.post("/mine", body(wrong)).await.good();
    assert_eq!(refused, (200, json!({"message": "Proof is invalid or already submitted."})));
    let forged = node.post("/mine", body(valid)).await.good();
    assert_eq!(forged.1["transactions"], json!([{"sender": "0", "recipient": "ann", "amount": 1}]));
    let last = node.get("/last_block").await.json();
    assert_eq!(last["last_block"]["proof"], valid);
    // The course's call has no query, and nobody reads one.
    let block = node.get("/mine?recipient=ann&recipient=bob").await.json();
    assert_eq!((&block["index"], &block["message"]), (&json!(3), &json!("New Block Forged")));
    assert_eq!(block["transactions"][0]["recipient"], node.handle.node_id());
    assert_eq!(
        node.post("/new", format!(r#"{{"block": {GENESIS}}}"#)).await.plain().1,
        "Block Rejected"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_paths_methods_types_and_bodies_are_answered_as_flask_does() {
    for (node, kind) in [
        (Node::notes().await, "text/plain; charset=utf-8"),
        (Node::course().await, "application/json"),
    ] {
        for path in ["/chain/", "/Chain", "/nothing", "/nodes"] {
            let answer = node.get(path).await;
            assert_eq!((answer.status, &*answer.kind), (404, kind), "{path}");
        }
        for (method, path, allow) in [
            (Method::POST, "/chain", "GET, HEAD, OPTIONS"),
            (Method::GET, "/nodes/register", "POST, OPTIONS"),
            (Method::DELETE, "/mine", "GET, POST, OPTIONS"),
        ] {
            let answer = node.send(method, path).await;
            assert_eq!((answer.status, &*answer.kind), (405, kind), "{path}");
            assert_eq!(answer.allow, allow, "{path}");
        }
        // Looking must not mine.
        let looked = node.send(Method::HEAD, "/mine").await;
        assert_eq!((looked.status, &*looked.allow), (405, "GET, POST, OPTIONS"));
        assert_eq!(node.tip().index(), 1);
        for path in
            ["/mine", "/transactions/new", "/nodes/register", "/new", "/nodes/new", "/block/new"]
        {
            for wrong in ["text/plain", "application/x-www-form-urlencoded", "", "text/json"] {
                assert_eq!(node.post_as(path, wrong, "{}").await.status, 415, "{path} {wrong}");
            }
            for right in
                ["application/json; charset=utf-8", "Application/JSON", "application/vnd.api+json"]
            {
                assert_eq!(node.post_as(path, right, "{}").await.status, 400, "{path} {right}");
            }
            for body in [
                "",
                "{",
                "proof=1",
                r#"{"proof": 1,}"#,
                "{'proof': 1}",
                "null",
                "[]",
                "17",
                "\"x\"",
                r#"{"proof": NaN}"#,
                r#"{"proof": 1e400}"#,
                r#"{"proof": 01}"#,
                "{} {}",
            ] {
                let answer = node.post(path, body).await;
                assert_eq!((answer.status, &*answer.kind), (400, kind), "{path} {body}");
                assert!(answer.text.len() > 10, "{answer:?}");
            }
        }
        assert_eq!(node.get("/chain?from=7").await.json()["length"], 1);
    }
}
