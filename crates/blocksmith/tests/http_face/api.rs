//! `/api/v1`.

use blocksmith::chain::{Chain, Dialect};
use blocksmith::service::Options;
use blocksmith_consensus::hash::tagged_hash;
use blocksmith_consensus::json::canonical;
use blocksmith_consensus::{Block, Family, Hash, Open, Proof, Rules, Target};
use blocksmith_node::NetworkEffect;
use reqwest::Method;
use serde_json::{Value, json};

use blocksmith_testkit::random::{Random, setting};

use crate::node::{GENESIS, GENESIS_HASH, Node, next, paying};

#[tokio::test(flavor = "multi_thread")]
async fn status_says_where_the_node_stands() {
    let node = Node::notes().await;
    node.post("/mine", r#"{"proof": 74581}"#).await;
    node.post("/transactions/new", r#"{"sender": 1, "recipient": 2, "amount": 3}"#).await;
    node.post("/nodes/register", r#"{"nodes": ["h:1"]}"#).await;
    let (code, mut status) = node.get("/api/v1/status").await.good();
    assert!(status["uptime_s"].take().as_u64().is_some_and(|uptime_s| uptime_s < 100));
    let now = std::time::UNIX_EPOCH.elapsed().expect("a clock").as_secs_f64();
    assert!(status["time"].take().as_f64().is_some_and(|time| (now - 100.0..=now).contains(&time)));
    let expected = json!({
        "name": "lecture",
        "rules": {
            "puzzle": "last_proof", "genesis": GENESIS_HASH,
            "difficulty": {"fixed": format!("0000{}", "f".repeat(60))},
            "max_block_bytes": 16_000_000, "spending": "unsigned",
            "coin": {"sender": "0", "amount": 1},
        },
        "chain_id": Rules::lecture().chain_id().to_string(),
        "index": 2,
        "tip": node.tip().hash().to_string(),
        "work": format!("{:064x}", 65536),
        "target": format!("0000{}", "f".repeat(60)),
        "zeros": 4,
        "queued": 1,
        "peers": 1,
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": null,
        "time": null,
        "clock_offset_s": null,
        "early_until": null,
        "node": "00341426854640f596f4ba49a64f7c5a",
        "dev": false,
        "instance": node.handle.instance(),
        "signed": false,
        "addresses": null,
        "events": format!("{}-3", node.handle.instance()),
    });
    assert_eq!((code, status), (200, expected));
    let (_, mut peers) = node.get("/api/v1/peers").await.good();
    assert!(peers["peers"][0]["for_s"].take().as_f64().is_some_and(|for_s| for_s < 100.0));
    let peer = json!({
        "address": "h:1", "chosen": false, "state": "new", "for_s": null, "failures": 0,
        "reason": null, "asked_in_s": null,
    });
    assert_eq!(peers, json!({"peers": [peer]}));
    let added = node.post("/api/v1/peers", r#"{"nodes": ["i:2"]}"#).await.good();
    assert_eq!((added.0, &added.1["total_nodes"]), (201, &json!(["h:1", "i:2"])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_can_be_forgotten_and_comes_back_if_it_registers() {
    let node = Node::notes().await;
    let forget =
        async |peer: &str| node.send(Method::DELETE, &format!("/api/v1/peers/{peer}")).await;
    let nodes = r#"{"nodes": ["h:1", "http://[2001:DB8::1]:5000"]}"#;
    node.post("/nodes/register", nodes).await;
    assert_eq!(forget("H:1").await.good(), (200, json!({"forgotten": "h:1"})));
    let (code, problem) = forget("h:1").await.problem();
    assert!(code == 404 && problem["detail"].as_str().unwrap().contains("h:1 is not a peer"));
    assert_eq!(forget("[2001:db8::1]:5000").await.good().0, 200);
    assert_eq!(node.get("/api/v1/peers").await.good().1, json!({"peers": []}));
    for wrong in ["%20", "a%20b", "h:99999", "%FF"] {
        assert_eq!(forget(wrong).await.problem().0, 400, "{wrong}");
    }
    let added = node.post("/nodes/register", r#"{"nodes": ["h:1"]}"#).await.good();
    assert_eq!((added.0, &added.1["total_nodes"]), (201, &json!(["h:1"])));
    assert_eq!(node.send(Method::GET, "/api/v1/peers/h:1").await.allow, "DELETE, OPTIONS");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_named_is_a_peer_or_is_refused_with_the_reason() {
    let own_addresses = vec!["localhost:5000".parse().unwrap()];
    let chain = Chain { rules: Rules::lecture(), dialect: Dialect::Notes };
    let node = Node::start_with(Options { own_addresses, ..Options::new(chain) }).await;
    let name = async |path: &str, nodes: serde_json::Value| {
        node.post(path, json!({"nodes": nodes}).to_string()).await
    };
    let (course, ours) = ("/nodes/register", "/api/v1/peers");
    // The course's nodes keep host and port, whatever stands around them.
    let added = name(course, json!(["localhost:7001/chain", "https://h:1", "h"])).await.good();
    let all = json!(["h:1", "h", "localhost:7001"]);
    let message = "New nodes have been added";
    assert_eq!(added, (201, json!({"message": message, "total_nodes": all})));
    // Under another name it is one already.
    let added = name(course, json!(["127.0.0.1:7001", "H.:80"])).await.good();
    assert_eq!((added.0, &added.1["total_nodes"]), (201, &all));

    // Who calls /api/v1 hears of what is too much.
    for (typed, says) in [
        ("localhost:7001/chain", "write localhost:7001"),
        ("https://h:1", "https is not supported yet"),
        ("localhost", "localhost:5000"),
        ("127.1:5000", "four numbers"),
        ("0.0.0.0:5000", "localhost:5000"),
        ("", "host and a port"),
    ] {
        let (code, problem) = name(ours, json!(["i:1", typed])).await.problem();
        assert_eq!(code, 400, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(says), "{typed}: {problem}");
    }
    // Oneself is named: alone as an error, among others beside what was done.
    for itself in ["localhost:5000", "127.0.0.1:5000", "[::1]:5000"] {
        let (code, problem) = name(ours, json!([itself])).await.problem();
        let detail = problem["detail"].as_str().unwrap();
        assert!(code == 400 && detail.starts_with(&format!("{itself} is this node itself")));
        let (code, text) = (name(course, json!([itself])).await, "is this node itself");
        assert!(code.plain().0 == 400 && code.text.contains(text), "{code:?}");
        let added = name(course, json!(["h:1", itself])).await.good();
        assert_eq!((added.0, &added.1["this_node"]), (201, &json!([itself])));
        assert_eq!(added.1["total_nodes"], all);
    }
    let added = name(ours, json!(["i:1", "h:1", "http://I:1/"])).await.good();
    let all = json!(["h:1", "h", "i:1", "localhost:7001"]);
    let expected = json!({"message": message, "total_nodes": all, "new": ["i:1"]});
    assert_eq!(added, (201, expected));
    let (_, peers) = node.get(ours).await.good();
    let chosen = peers["peers"].as_array().unwrap().iter().filter(|peer| peer["chosen"] == true);
    let chosen: Vec<_> = chosen.map(|peer| &peer["address"]).collect();
    assert_eq!(chosen, ["h:1", "i:1"], "the operator named them");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_call_does_not_know_is_refused_by_its_name() {
    let node = Node::easy().await;
    let refused = |answer: crate::node::Answer, says: &[&str]| {
        let (code, problem) = answer.problem();
        let detail = problem["detail"].as_str().unwrap();
        assert!(code == 400 && says.iter().all(|says| detail.contains(says)), "{says:?}: {detail}");
    };
    for (call, takes) in [
        ("status", "none"),
        ("work?recipient=ann", "recipient, than"),
        ("headers?from=1&limit=1", "from, limit"),
        ("blocks?from=1", "from, limit, format"),
        ("blocks/1", "none"),
        ("branches", "none"),
        ("transactions?queued", "queued, from, limit"),
        ("transactions/x", "none"),
        ("transactions/x/proof", "none"),
        ("accounts?party=x", "party"),
        ("accounts/transactions?party=x", "party, limit, before, format"),
        ("leaderboard?limit=1", "limit"),
        ("accounts/x", "none"),
        ("accounts/x/transactions?limit=1", "limit, before, format"),
        ("supply", "none"),
        ("fees?bytes=1", "bytes"),
        ("history?points=2", "points, format"),
        ("peers", "none"),
    ] {
        let between = if call.contains('?') { '&' } else { '?' };
        for typed in ["form=1", "form", "Limit=1", "%66orm=1"] {
            let (name, near) = match typed.starts_with('L') {
                true => ("\"Limit\"", "limit"),
                false if !takes.contains("from") && takes.contains("format") => {
                    ("\"form\"", "format")
                }
                false => ("\"form\"", "from"),
            };
            let says = match takes {
                "none" => "leave it out".to_string(),
                takes if takes.split(", ").any(|it| it == near) => {
                    format!("did you mean {near:?}?")
                }
                takes => format!("it has {takes}"),
            };
            let answer = node.get(&format!("/api/v1/{call}{between}{typed}")).await;
            refused(answer, &[name, &says]);
        }
        // What is known is heeded.
        let answer = node.get(&format!("/api/v1/{call}")).await;
        assert!(!answer.text.contains("this call has no"), "{answer:?}");
    }
    // Nothing is done that was asked for with something else besides.
    let work = node.get("/api/v1/work").await.json()["id"].clone();
    let (id, tip) = (work.as_str().unwrap(), node.tip());
    let block = next(&tip, 1, "ann");
    for (call, body) in [
        ("work?than=x", json!({"id": id, "proof": 1}).to_string()),
        ("peers?chosen=true", json!({"nodes": ["h:1"]}).to_string()),
        ("blocks?from=1", block.text().to_string()),
        ("faucet?recipient=ann", "{}".to_string()),
    ] {
        refused(node.post(&format!("/api/v1/{call}"), body).await, &["parameter", "leave it out"]);
    }
    let pay = node.post("/api/v1/transactions?queued", "{}").await;
    refused(pay, &["parameter \"queued\"", "it has replaces"]);
    let forget = node.send(Method::DELETE, "/api/v1/peers/h:1?force").await;
    refused(forget, &["\"force\""]);
    let meant = |name: &str| format!("did you mean \"{name}\"?");
    for (call, body, name, says) in [
        (
            "work",
            json!({"id": id, "proof": 1, "recipient": "ann"}),
            "recipient",
            "it has id, proof".into(),
        ),
        ("work", json!({"id": id, "prof": 1}), "prof", meant("proof")),
        ("peers", json!({"nodes": ["h:1"], "node": "i:1"}), "node", meant("nodes")),
        ("peers", json!({"nodes\u{202e}": ["h:1"]}), "nodes\\u{202e}", meant("nodes")),
        ("faucet", json!({"recipient": "ann", "amount": 5}), "amount", "it has recipient".into()),
    ] {
        let answer = node.post(&format!("/api/v1/{call}"), body.to_string()).await;
        refused(answer, &[&format!("no field \"{name}\""), &says]);
    }
    assert_eq!((node.tip(), node.handle.standing().peers.len()), (tip, 0));

    // As in Flask, nobody reads what the course's calls don't know.
    for call in ["/chain?from=1", "/last_proof?x", "/last_block?x=1", "/mine?x=1"] {
        assert_eq!(node.get(call).await.status, 200, "{call}");
    }
    for (call, body, code) in [
        ("/nodes/register?x=1", r#"{"nodes": ["h:1"], "x": 1}"#, 201),
        ("/mine?x=1", r#"{"proof": 1, "x": 1}"#, 200),
        ("/transactions/new?x=1", r#"{"sender": 1, "recipient": 2, "amount": 3, "x": 1}"#, 201),
    ] {
        assert_eq!(node.post(call, body).await.status, code, "{call}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_body_says_twice_is_refused_by_its_name() {
    let node = Node::easy().await;
    let work = node.get("/api/v1/work").await.json()["id"].clone();
    let tip = node.tip();
    let block = next(&tip, 1, "ann");
    let in_block = |from: &str, to: &str| {
        let doubled = block.text().replace(from, to);
        assert_ne!(doubled, block.text());
        doubled
    };
    for (call, body, name) in [
        ("work", format!(r#"{{"id": {work}, "proof": 1, "proof": 2}}"#), "proof"),
        ("work", format!(r#"{{"proof": 1, "id": "x", "id": {work}}}"#), "id"),
        ("peers", r#"{"nodes": ["h:1"], "nodes": ["i:1"]}"#.into(), "nodes"),
        ("peers", r#"{"nodes":["h:1"],"\u006eodes":["h:1"]}"#.into(), "nodes"),
        ("faucet", r#"{"recipient": "a", "recipient": "a"}"#.into(), "recipient"),
        ("transactions", r#"{"amount": 1, "amount": 2}"#.into(), "amount"),
        ("transactions", r#"[{"amount": 1, "amount": 2}]"#.into(), "amount"),
        ("transactions", r#" {"memo": {"\u202e": 1, "\u202e": 1}}"#.into(), "\\u202e"),
        ("blocks", in_block("\"proof\": 1", "\"proof\": 7, \"proof\": 1"), "proof"),
        // However deep it lies.
        ("blocks", in_block("\"amount\": 1", "\"amount\": 9, \"amount\": 1"), "amount"),
    ] {
        let (code, problem) = node.post(&format!("/api/v1/{call}"), body).await.problem();
        let detail = problem["detail"].as_str().unwrap();
        let says = format!("the body has \"{name}\" twice in one object; send it once");
        assert_eq!((code, detail), (400, &*says), "{call}");
    }
    assert_eq!((node.tip(), node.handle.standing().peers.len()), (tip, 0));
    // Objects beside each other may say the same.
    assert_eq!(node.post("/api/v1/blocks", block.text().to_string()).await.status, 200);

    // As in Flask, the course's calls take the last one.
    for (call, body, code) in [
        ("/nodes/register", r#"{"nodes": "x", "nodes": ["h:1"]}"#, 201),
        ("/mine", r#"{"proof": "x y", "proof": 1}"#, 200),
        ("/transactions/new", r#"{"sender": 1, "recipient": 2, "amount": 3, "amount": 4}"#, 201),
    ] {
        assert_eq!(node.post(call, body).await.status, code, "{call}");
    }
    let queued = node.get("/api/v1/transactions?queued").await.json();
    assert_eq!(queued["transactions"][0]["amount"], 4, "{queued}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_between_two_numbers_of_zeros_is_a_fraction() {
    for (hex, zeros) in [
        (format!("000{}", "7".repeat(61)), "3.274884"),
        (format!("0003{}", "f".repeat(60)), "3.5"),
        (format!("{}1", "0".repeat(63)), "63.75"),
        ("0".repeat(64), "64"),
        ("f".repeat(64), "0"),
        (format!("{}e", "f".repeat(63)), "0"),
    ] {
        let target: Target = hex.parse().unwrap();
        let rules = Open { target, ..Open::dvf() }.named("dvf");
        let node = Node::start(Chain { rules, dialect: Dialect::Notes }).await;
        let (_, status) = node.get("/api/v1/status").await.good();
        assert_eq!((status["zeros"].to_string(), &status["target"]), (zeros.into(), &json!(hex)));
        let shape = json!({"index": 1, "proof": 100, "previous_hash": "1"});
        assert_eq!(status["rules"]["genesis"], json!({"any": shape}));
    }
}

/// All that the chain's id covers is there: from it and the genesis block, anybody computes the id.
#[tokio::test(flavor = "multi_thread")]
async fn the_id_follows_from_the_rules_that_the_status_states() {
    for name in ["forge", "bitcoin-like", "dvf"] {
        let chain = Chain::load(name, None).unwrap();
        let genesis = match &chain.rules.family {
            Family::Sealed(sealed) => serde_json::from_str(sealed.genesis.text()).unwrap(),
            Family::Open(_) => json!({"any": {"index": 1, "previous_hash": "1", "proof": 100}}),
        };
        let node = Node::start(chain).await;
        let (_, mut status) = node.get("/api/v1/status").await.good();
        let rules = status["rules"].as_object_mut().unwrap();
        rules["genesis"] = genesis;
        rules.remove("coin");
        // Not covered where they say what was always so.
        if rules["spending"] == "unsigned" {
            rules.remove("spending");
            rules.remove("max_block_bytes");
        }
        let text = serde_json::to_string(&rules).unwrap();
        let text = canonical(text.as_bytes()).unwrap();
        let id = tagged_hash("blocksmith/chain", text.as_bytes()).to_string();
        assert_eq!(status["chain_id"], id, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_handed_out_and_taken_back_once() {
    let node = Node::notes().await;
    let work = node.get("/api/v1/work?recipient=Zo%C3%AB/x").await.good();
    let expected = json!({
        "id": format!("{GENESIS_HASH}/Zoë/x"), "index": 2, "prefix": "99", "suffix": "",
        "target": format!("0000{}", "f".repeat(60)), "previous_hash": GENESIS_HASH,
    });
    assert_eq!(work, (200, expected));
    let submit = async |id: &serde_json::Value, proof: &str| {
        node.post("/api/v1/work", format!(r#"{{"id": {id}, "proof": {proof}}}"#)).await
    };
    let (code, wrong) = submit(&work.1["id"], "1").await.problem();
    assert_eq!((code, &wrong["rule"]), (409, &json!("proof")));
    let (code, block) = submit(&work.1["id"], "74581").await.good();
    assert_eq!(
        (code, &block["index"], &block["hash"]),
        (200, &json!(2), &json!(node.tip().hash().to_string()))
    );
    assert_eq!(block["block"]["transactions"][0]["recipient"], "Zoë/x");
    let (code, stale) = submit(&work.1["id"], "74581").await.problem();
    assert_eq!((code, &stale["rule"]), (409, &json!("stale")));
    assert!(stale["detail"].as_str().unwrap().contains("block 2 is the tip now"), "{stale}");

    let bare = node.get("/api/v1/work?recipient=").await.json();
    assert_eq!(bare["id"], json!(node.tip().hash().to_string()));
    for proof in ["1.5", "null", "[]"] {
        assert_eq!(submit(&bare["id"], proof).await.problem().0, 422);
    }
    for id in [
        json!(null),
        json!(1),
        json!(""),
        json!("x"),
        json!("0".repeat(63)),
        json!(format!("{}/{}", node.tip().hash(), "x".repeat(255))),
    ] {
        assert_eq!(submit(&id, "1").await.problem().0, 422, "{id}");
    }
    for (body, missing) in [(r#"{"id": "x"}"#, "proof"), (r#"{"proof": 1}"#, "id")] {
        let problem = node.post("/api/v1/work", body).await.problem();
        let detail = format!("the body has no \"{missing}\"; it needs \"id\" and \"proof\"");
        assert_eq!((problem.0, &problem.1["detail"]), (422, &json!(detail)));
    }
    let long = node.get(&format!("/api/v1/work?recipient={}", "x".repeat(255))).await;
    assert_eq!(long.problem().0, 422);
    assert_eq!(submit(&bare["id"], "28441").await.json()["index"], 3);
    let coin = &node.get("/last_block").await.json()["last_block"]["transactions"][0];
    assert_eq!(coin["recipient"], node.handle.node_id());

    let course = Node::course().await;
    let work = course.get("/api/v1/work").await.json();
    assert_eq!(work["prefix"], GENESIS);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_to_the_tip() {
    let node = Node::easy().await;
    let mut blocks = vec![node.tip()];
    for n in 0..24 {
        blocks.push(next(&blocks[n], n as u64, "ann"));
    }
    node.handle.submit_branch(blocks[1..].to_vec(), "p:1".parse().unwrap(), false).await.unwrap();
    for (call, name) in [("blocks", "blocks"), ("headers", "headers")] {
        let (mut from, mut seen, mut pages) = (json!(1), Vec::new(), 0);
        while !from.is_null() {
            let page = node.get(&format!("/api/v1/{call}?from={from}&limit=10")).await.good().1;
            seen.extend(page[name].as_array().unwrap().clone());
            from = page["next"].clone();
            pages += 1;
            assert!(pages <= 3, "{page}");
        }
        assert_eq!((seen.len(), pages), (25, 3));
        for (entry, block) in seen.iter().zip(&blocks) {
            assert_eq!(entry["hash"], json!(block.hash().to_string()));
            assert_eq!(entry["index"], json!(block.index()));
            let previous = if call == "blocks" {
                &entry["block"]["previous_hash"]
            } else {
                &entry["previous_hash"]
            };
            assert_eq!(*previous, json!(block.parent().map(|hash| hash.to_string())));
        }
    }
    let all = node.get("/api/v1/blocks").await;
    assert!(all.text.contains(blocks[7].text()), "blocks are served as their canonical texts");
    assert_eq!(all.json()["blocks"].as_array().unwrap().len(), 25);
    let beyond = node.get("/api/v1/blocks?from=26").await.good();
    assert_eq!(beyond, (200, json!({"blocks": [], "next": null})));
    assert_eq!(
        node.get("/api/v1/headers?from=18446744073709551615").await.json()["next"],
        json!(null)
    );
    for wrong in ["from=x", "from=-1", "limit=0", "limit=1e3", "from=1&from=2"] {
        assert_eq!(node.get(&format!("/api/v1/blocks?{wrong}")).await.problem().0, 400, "{wrong}");
    }
    let wrong = node.get("/api/v1/headers?limit=x").await.problem().1["detail"].take();
    let detail = "\"limit\" must be a whole number, not \"x\"";
    assert_eq!(wrong, detail);
    for name in ["8".to_string(), blocks[7].hash().to_string()] {
        let one = node.get(&format!("/api/v1/blocks/{name}")).await.good().1;
        assert_eq!(
            (&one["index"], &one["hash"]),
            (&json!(8), &json!(blocks[7].hash().to_string()))
        );
        assert_eq!(one["block"]["index"], 8);
    }
    for missing in ["0", "26", &"0".repeat(64)] {
        assert_eq!(node.get(&format!("/api/v1/blocks/{missing}")).await.problem().0, 404);
    }
    for wrong in ["x", "-1", &"A".repeat(64), "%ff"] {
        assert_eq!(node.get(&format!("/api/v1/blocks/{wrong}")).await.problem().0, 400, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_long_blocks_ends_early() {
    let node = Node::easy().await;
    let mut blocks = vec![node.tip()];
    for n in 0..6 {
        blocks.push(next(&blocks[n], 0, &"x".repeat(1_500_000)));
    }
    node.handle.submit_branch(blocks[1..].to_vec(), "p:1".parse().unwrap(), false).await.unwrap();
    let page = node.get("/api/v1/blocks").await.json();
    assert_eq!((page["blocks"].as_array().unwrap().len(), &page["next"]), (4, &json!(5)));
    let headers = node.get("/api/v1/headers").await.json();
    assert_eq!((headers["headers"].as_array().unwrap().len(), &headers["next"]), (7, &json!(null)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_from_a_peer_gets_its_verdict() {
    let node = Node::easy().await;
    let genesis = node.tip();
    let block = next(&genesis, 1, "ann");
    let side = next(&genesis, 2, "ann");
    let orphan = next(&next(&block, 3, "bob"), 4, "bob");
    for (block, verdict) in
        [(&block, "accepted"), (&block, "known"), (&side, "side_branch"), (&orphan, "orphan")]
    {
        let answer = node.post("/api/v1/blocks", block.text().to_string()).await.good();
        let hash = block.hash().to_string();
        assert_eq!(answer, (200, json!({"verdict": verdict, "hash": hash})));
    }
    for (wrong, rule) in [
        (next(&block, 1, "ann").text().replace("\"index\": 3", "\"index\": 4"), "index"),
        (GENESIS.replace("99", "98"), "genesis"),
    ] {
        let (code, problem) = node.post("/api/v1/blocks", wrong).await.problem();
        assert_eq!((code, &problem["rule"]), (422, &json!(rule)));
    }
    let notes = Node::notes().await;
    let (code, problem) = notes.post("/api/v1/blocks", block.text().to_string()).await.problem();
    assert_eq!((code, &problem["rule"]), (422, &json!("proof")));
    for (body, code) in
        [("{}", 422), ("[1]", 422), ("null", 422), ("{", 400), (r#"{"index": NaN}"#, 400)]
    {
        assert_eq!(node.post("/api/v1/blocks", body).await.problem().0, code, "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_says_where_it_listens_is_not_told_of_its_own_block() {
    let mut node = Node::easy().await;
    node.post("/nodes/register", r#"{"nodes": ["me:1", "other:1"]}"#).await;
    let block: Block = next(&node.tip(), 1, "ann");
    let request = node.client.post(format!("{}/api/v1/blocks", node.url));
    let request = request.header("content-type", "application/json");
    node.call(request.header("blocksmith-listen", "me:1").body(block.text().to_string())).await;
    let hash: Hash = block.hash();
    let orders = node.orders.as_mut().unwrap();
    let told = loop {
        match orders.recv().await.unwrap() {
            NetworkEffect::Announce { block, to } if block.hash() == hash => {
                break to;
            }
            _ => {}
        }
    };
    assert_eq!(told, ["other:1".parse().unwrap()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_problems_in_both_dialects() {
    for node in [Node::notes().await, Node::course().await] {
        assert_eq!(node.get("/api/v1/nothing").await.problem().0, 404);
        assert_eq!(node.get("/api/v2").await.problem().0, 404);
        let wrong_method = node.post("/api/v1/status", "{}").await;
        assert_eq!((wrong_method.problem().0, &*wrong_method.allow), (405, "GET, HEAD, OPTIONS"));
        assert_eq!(node.post_as("/api/v1/work", "text/plain", "{}").await.problem().0, 415);
        assert_eq!(node.post("/api/v1/work", "{").await.problem().0, 400);
        assert_eq!(node.post("/api/v1/work", "[]").await.problem().0, 400);
        assert_eq!(node.post("/api/v1/peers", "{}").await.problem().0, 400);
        assert_eq!(node.post("/api/v1/blocks", vec![b' '; 17_100_000]).await.problem().0, 413);
    }
}

#[tokio::test]
async fn history_is_json_however_far_apart_two_times_are() {
    let node = Node::easy().await;
    for time in ["-1.7e308", "1.7e308", "0.0", "5e-324"] {
        let block = next(&node.tip(), 1, "x");
        let block = block.text().replace("\"timestamp\": 1.5", &format!("\"timestamp\": {time}"));
        assert_eq!(node.post("/api/v1/blocks", block).await.good().1["verdict"], "accepted");
    }
    let points = node.get("/api/v1/history").await.good().1["points"].clone();
    let of = |point: usize, name: &str| points[point][name].clone();
    assert!(of(1, "block_time_s").is_null() && of(3, "hash_rate").is_null(), "{points}");
    assert_eq!(of(3, "block_time_s"), 5e-324);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_party_of_any_name_has_an_account_where_nobody_signs() {
    let node = Node::notes().await;
    let odd = r#"{"sender": "a/b\n\u202e", "recipient": 0, "amount": 5}"#;
    node.post("/transactions/new", odd).await;
    node.post("/transactions/new", r#"{"sender": "0", "recipient": "ann", "amount": 2.5}"#).await;
    node.post("/mine", r#"{"proof": 74581}"#).await;
    let tip = node.tip();
    let account = async |path: &str| loop {
        let (code, account) = node.get(&format!("/api/v1/accounts/{path}")).await.good();
        assert_eq!(code, 200);
        if account["indexed"]["index"] == tip.index() {
            return account;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let indexed = json!({"index": tip.index(), "hash": tip.hash().to_string()});
    let payer = json!({
        "party": "a/b\n\u{202e}", "balance": -5, "sent": 5, "received": 0, "mined": 0, "uncounted": 0,
        "transactions": 1, "blocks": 0, "last_block": null, "outgoing": [], "incoming": [],
        "indexed": indexed,
    });
    assert_eq!(account("a%2Fb%0A%E2%80%AE").await, payer);
    let mint = account("0").await;
    assert_eq!((&mint["balance"], &mint["uncounted"]), (&json!(4), &json!(1)), "{mint}");
    assert_eq!(account("ann").await["uncounted"], 1);
    assert_eq!(account("nobody").await["transactions"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_party_of_any_name_has_a_history_where_nobody_signs() {
    let node = Node::notes().await;
    let pay = async |transaction: &str| {
        node.post("/transactions/new", transaction.to_string()).await;
    };
    // The same text twice, and a party with no name.
    let (same, odd) = (
        r#"{"amount": 5, "recipient": "", "sender": "ann"}"#,
        r#"{"amount": "x", "recipient": "..", "sender": "ann"}"#,
    );
    for transaction in [same, same, odd, r#"{"amount": 2, "recipient": "ann", "sender": "ann"}"#] {
        pay(transaction).await;
    }
    let id = Hash::of(same).to_string();
    let ann = node.get("/api/v1/accounts/ann").await.good().1;
    let ids = |list: &Value| {
        let id = |waiting: &Value| waiting["id"].as_str().map(String::from);
        list.as_array().unwrap().iter().map(id).collect::<Vec<_>>()
    };
    let own = r#"{"amount": 2, "recipient": "ann", "sender": "ann"}"#;
    let waits = [same, same, odd, own].map(|text| Some(Hash::of(text).to_string()));
    assert_eq!((ids(&ann["outgoing"]), &ann["incoming"]), (waits.to_vec(), &json!([])));
    let nobody = node.get("/api/v1/accounts?party=").await.good().1;
    assert_eq!((ids(&nobody["incoming"]), &nobody["outgoing"]), (waits[..2].to_vec(), &json!([])));
    assert_eq!(
        nobody["incoming"][0]["transaction"],
        json!({"amount": 5, "recipient": "", "sender": "ann"})
    );
    let waiting = node.get(&format!("/api/v1/transactions/{id}")).await.good().1;
    assert_eq!((&waiting["status"], &waiting["places"]), (&json!("queued"), &json!([])));
    node.post("/mine", r#"{"proof": 74581}"#).await;
    let tip = node.tip();
    let page = async |query: &str| loop {
        let (code, page) = node.get(&format!("/api/v1/accounts{query}")).await.good();
        assert_eq!(code, 200);
        if page["indexed"]["index"] == tip.index() {
            return page;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let rows = |page: &Value| {
        let row = |row: &Value| (row["position"].as_u64().unwrap(), row["roles"].to_string());
        page["transactions"].as_array().unwrap().iter().map(row).collect::<Vec<_>>()
    };
    let row = |position, roles: &str| (position, roles.to_string());
    let ann = page("/ann/transactions?limit=2").await;
    assert_eq!(rows(&ann), [row(3, r#"["sent","received"]"#), row(2, r#"["sent","uncounted"]"#)]);
    let rest = format!("/transactions?party=ann&limit=9&before={}", ann["next"].as_str().unwrap());
    let rest = page(&rest).await;
    assert_eq!(rows(&rest), [row(1, r#"["sent"]"#), row(0, r#"["sent"]"#)]);
    assert!(rest["next"].is_null() && ann.get("queued").is_none(), "{ann}");
    let first = &rest["transactions"][1];
    assert_eq!((&first["hash"], &first["id"]), (&json!(tip.hash().to_string()), &json!(id)));
    assert_eq!(first["transaction"], json!({"amount": 5, "recipient": "", "sender": "ann"}));
    assert_eq!(first["confirmations"], 1);
    let written = serde_json::from_str::<Value>(tip.text()).expect("a block");
    assert_eq!(first["timestamp"].as_f64(), written["timestamp"].as_f64());
    // A path can't name these two.
    let both = [row(1, r#"["received"]"#), row(0, r#"["received"]"#)];
    assert_eq!(rows(&page("/transactions?party=").await), both);
    let nobody = page("?party=").await;
    assert_eq!((&nobody["balance"], &nobody["incoming"]), (&json!(10), &json!([])));
    assert_eq!(rows(&page("/transactions?party=..").await).len(), 1);
    let coin = rows(&page("/0/transactions").await);
    assert_eq!(coin, [row(4, r#"["sent"]"#)]);
    let miner = page(&format!("/{}/transactions", node.handle.node_id())).await;
    assert_eq!(rows(&miner), [row(4, r#"["received","mined"]"#)]);

    let known = node.get(&format!("/api/v1/transactions/{id}")).await.good().1;
    let places = known["places"].as_array().unwrap();
    let places: Vec<_> = places.iter().map(|place| place["position"].as_u64()).collect();
    assert_eq!((places, &known["status"]), (vec![Some(0), Some(1)], &json!("confirmed")));
    let nowhere = format!("/api/v1/transactions/{}", "0".repeat(64));
    assert_eq!(node.get(&nowhere).await.problem().0, 404);
    for path in ["accounts", "accounts/transactions"] {
        let (code, problem) = node.get(&format!("/api/v1/{path}")).await.problem();
        assert!(
            code == 400 && problem["detail"].as_str().unwrap().contains("?party="),
            "{problem}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leaderboard_ranks_who_mined_where_nobody_signs() {
    let node = Node::easy().await;
    // Names that a terminal and a page must not take for their own.
    let long = format!("<b>\u{202e}{}", "x".repeat(100));
    let mine = async |miner: &str| {
        let miner = json!(miner).to_string();
        let miner = canonical(miner.as_bytes()).expect("a text");
        let mined = node.handle.submit_proof(Proof::from(1), Some(miner.into())).await;
        mined.expect("it runs").expect("each number is a proof");
    };
    for miner in ["ann", &long, "ann", "bob"] {
        mine(miner).await;
    }
    // Nobody mines a payment that is queued with the sender of coins.
    node.post("/transactions/new", r#"{"sender": "0", "recipient": "eve", "amount": 9}"#).await;
    mine("ann").await;
    let tip = node.tip();
    let board = async |query: &str| loop {
        let (code, board) = node.get(&format!("/api/v1/leaderboard{query}")).await.good();
        assert_eq!(code, 200);
        if board["indexed"]["index"] == tip.index() {
            return board;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let row = |rank: u64, party: &str, blocks: u64, last: u64| {
        json!({
            "rank": rank, "party": party, "coins": blocks, "blocks": blocks,
            "share": blocks as f64 / 5.0, "last_block": last,
        })
    };
    let expected = json!({
        "blocks": 5,
        "miners": [row(1, "ann", 3, 6), row(2, &long, 1, 3), row(3, "bob", 1, 5)],
        "indexed": {"index": 6, "hash": tip.hash().to_string()},
    });
    assert_eq!(board("").await, expected);
    let first = board("?limit=1").await;
    assert_eq!(first["miners"].as_array().map(Vec::len), Some(1));
    assert_eq!(node.get("/api/v1/leaderboard?limit=0").await.problem().0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_and_ranks_are_those_of_a_recount_after_reorgs() {
    let mut random = Random::new(setting("BLOCKSMITH_INDEX_SEED", 15));
    let node = Node::easy().await;
    let mut blocks = vec![node.tip()];
    let names = ["0", "ann", "bob", "eve"];
    for step in 0..setting("BLOCKSMITH_INDEX_REORGS", 40) {
        // A branch that is longer than what it replaces.
        let depth = random.below(blocks.len().min(6));
        let mut branch = blocks[..blocks.len() - depth].to_vec();
        for at in 0..=depth {
            let payment = |random: &mut Random| {
                let [from, to] = [(); 2].map(|()| *random.pick(&names));
                format!(
                    r#"{{"amount": {}, "recipient": "{to}", "sender": "{from}"}}"#,
                    random.below(9)
                )
            };
            let mut payments: Vec<_> = (0..random.below(3)).map(|_| payment(&mut random)).collect();
            let miner = random.pick(&names);
            payments.push(format!(r#"{{"amount": 1, "recipient": "{miner}", "sender": "0"}}"#));
            let proof = step * 10 + at as u64;
            branch.push(paying(branch.last().expect("a block"), proof, &payments));
        }
        let from = blocks.len() - depth;
        for block in &branch[from..] {
            assert_eq!(node.post("/api/v1/blocks", block.text().to_string()).await.status, 200);
        }
        blocks = branch;
        assert_eq!(node.tip().hash(), blocks[blocks.len() - 1].hash());
        if random.percent(50) {
            continue;
        }
        let mut balances = [0_i64; 4];
        let (mut counts, mut mined) = ([0_usize; 4], [0_u64; 4]);
        for block in &blocks {
            let block: Value = serde_json::from_str(block.text()).expect("a block");
            let transactions = block["transactions"].as_array().expect("a list");
            for (at, transaction) in transactions.iter().enumerate() {
                let [from, to] = ["sender", "recipient"].map(|role| {
                    names.iter().position(|name| transaction[role] == *name).expect("a name")
                });
                let amount = transaction["amount"].as_i64().expect("an amount");
                balances[from] -= amount;
                balances[to] += amount;
                counts[from] += 1;
                counts[to] += usize::from(from != to);
                if at + 1 == transactions.len() {
                    mined[to] += u64::from(transaction["sender"] == "0");
                }
            }
        }
        let tip =
            json!({"index": blocks.len(), "hash": blocks[blocks.len() - 1].hash().to_string()});
        let get = async |path: &str| loop {
            let answer = node.get(&format!("/api/v1/{path}")).await;
            if answer.status == 200 && answer.json()["indexed"] == tip {
                return answer.json();
            }
            assert!([200, 503].contains(&answer.status), "{answer:?}");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        };
        for (at, name) in names.iter().enumerate() {
            let account = get(&format!("accounts/{name}")).await;
            let found = ["balance", "transactions", "blocks"].map(|what| account[what].clone());
            assert_eq!(
                found,
                [json!(balances[at]), json!(counts[at]), json!(mined[at])],
                "{step} {name}"
            );
            let page = get(&format!("accounts/{name}/transactions?limit=1000")).await;
            assert_eq!(page["transactions"].as_array().map(Vec::len), Some(counts[at]));
        }
        let board = get("leaderboard").await;
        let ranked = board["miners"].as_array().expect("a list").iter();
        let ranked: Vec<_> =
            ranked.map(|miner| miner["blocks"].as_u64().expect("blocks")).collect();
        let mut wanted: Vec<_> = mined.into_iter().filter(|mined| *mined > 0).collect();
        wanted.sort_unstable_by(|one, other| other.cmp(one));
        assert_eq!(ranked, wanted, "{step}");
    }
}
