//! `GET /api/v1/branches`: what is beside the best chain.

use blocksmith::chain::{Chain, Dialect};
use blocksmith_consensus::{Block, Proof, Rules, Timestamp};
use serde_json::{Value, json};

use crate::node::{Node, next};

fn place(block: &Block) -> Value {
    json!({"index": block.index(), "hash": block.hash().to_string()})
}

fn work(blocks: u64) -> String {
    format!("{blocks:064x}")
}

async fn branches(node: &Node) -> Value {
    let (status, branches) = node.get("/api/v1/branches").await.good();
    assert_eq!(status, 200);
    branches
}

/// So many blocks on top of one.
fn grown(on: &Block, count: u64, miner: &str) -> Vec<Block> {
    let mut blocks = vec![on.clone()];
    for proof in 0..count {
        let block = next(blocks.last().expect("one"), proof, miner);
        blocks.push(block);
    }
    blocks.split_off(1)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_branch_says_where_it_forks_why_it_lost_and_who_sent_it() {
    let node = Node::easy().await;
    let genesis = node.tip();
    let none = json!({"tip": place(&genesis), "work": work(0), "count": 0, "branches": []});
    assert_eq!(branches(&node).await, none);

    // Mined here, then left for what a peer was asked for.
    let ours = node.handle.submit_proof(Proof::from(1), None).await.unwrap().unwrap();
    let chain = grown(&genesis, 5, "eve");
    let peer = || "peer.example:5000".parse().unwrap();
    node.handle.submit_branch(chain.clone(), peer(), false).await.unwrap();
    // Sent by a caller that says where it listens: as much work, and then one more of the same parent.
    let later = grown(&chain[2], 2, "zo\u{eb}\u{202e}");
    let twin = next(&later[0], 77, "mallory");
    for block in later.iter().chain([&twin]) {
        let request = node.client.post(format!("{}/api/v1/blocks", node.url));
        let request = request.header("blocksmith-listen", "far.example:5001");
        let answer = node
            .call(request.body(block.text().to_string()).header("content-type", "application/json"))
            .await;
        assert_eq!(answer.good().1["verdict"], "side_branch");
    }
    let sent = json!({"how": "sent", "peer": "far.example:5001", "address": "127.0.0.1"});
    let here = json!({"how": "mined", "peer": null, "address": null});
    let branch = |fork: &Block, tip: &Block, from: &Value, miner: &str| {
        let (length, less) = (tip.index() - fork.index(), 6 - tip.index());
        json!({
            "fork": place(fork), "tip": place(tip), "length": length, "work": work(tip.index() - 1),
            "less_work": work(less), "lost": if less > 0 { "less_work" } else { "came_later" },
            "from": from, "miner": miner,
        })
    };
    let tell = |branches: Vec<Value>| json!({"tip": place(&chain[4]), "work": work(5), "count": branches.len(), "branches": branches});
    let expected = tell(vec![
        branch(&chain[2], &twin, &sent, "mallory"),
        branch(&chain[2], &later[1], &sent, "zo\u{eb}\u{202e}"),
        branch(&genesis, &ours, &here, node.handle.node_id()),
    ]);
    assert_eq!(branches(&node).await, expected);
    // A block is found by its hash on whichever branch it is, and by its index on the chain alone.
    for (block, best) in [(&twin, false), (&ours, false), (&chain[4], true), (&genesis, true)] {
        let (_, found) = node.get(&format!("/api/v1/blocks/{}", block.hash())).await.good();
        let body: Value = serde_json::from_str(block.text()).unwrap();
        let (index, hash) = (block.index(), block.hash().to_string());
        assert_eq!(found, json!({"index": index, "hash": hash, "best": best, "block": body}));
    }
    let (_, found) = node.get("/api/v1/blocks/5").await.good();
    assert_eq!((&found["hash"], &found["best"]), (&place(&chain[3])["hash"], &json!(true)));

    // Another's block that is sent again keeps its first sender.
    node.handle.submit_branch(vec![ours.clone()], peer(), false).await.unwrap();
    assert_eq!(branches(&node).await, expected);

    // A branch that wins is the chain, and what it left is a branch that the peer sent.
    let last = next(&later[1], 3, "zo\u{eb}");
    node.post("/api/v1/blocks", last.text().to_string()).await;
    let found = branches(&node).await;
    assert_eq!((&found["tip"], &found["count"]), (&place(&last), &json!(3)));
    let left = &found["branches"][0];
    let asked = json!({"how": "asked", "peer": "peer.example:5000", "address": null});
    assert_eq!((&left["tip"], &left["fork"]), (&place(&chain[4]), &place(&chain[2])));
    assert_eq!((&left["from"], &left["length"]), (&asked, &json!(2)));
    assert_eq!(
        (&found["branches"][1]["tip"], &found["branches"][1]["fork"]),
        (&place(&twin), &place(&later[0]))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_block_of_its_own_has_no_fork() {
    let rules = Rules::dvf().with_zeros(0);
    let foreign = rules.genesis_block(Timestamp { micros: 1_000_000 });
    let node = Node::start(Chain { rules, dialect: Dialect::Notes }).await;
    node.handle.submit_proof(Proof::from(1), None).await.unwrap().unwrap();
    node.post("/api/v1/blocks", foreign.text().to_string()).await;
    let told = branches(&node).await;
    let [branch] = told["branches"].as_array().unwrap().as_slice() else { panic!("{told}") };
    assert_eq!((&branch["fork"], &branch["length"]), (&Value::Null, &json!(1)));
    assert_eq!((&branch["from"]["how"], &branch["miner"]), (&json!("sent"), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_branches_those_with_the_most_work_are_listed() {
    let node = Node::easy().await;
    let genesis = node.tip();
    let chain = grown(&genesis, 3, "ann");
    for block in &chain {
        node.handle.submit_block(block.clone(), None).await.unwrap();
    }
    let mut best = Vec::new();
    for number in 0..130 {
        let low = next(&genesis, 1_000 + number, "bob");
        node.handle.submit_block(low.clone(), None).await.unwrap();
        if number < 60 {
            let high = next(&low, 1, "bob");
            node.handle.submit_block(high.clone(), None).await.unwrap();
            best.push(high.hash().to_string());
        }
    }
    let told = branches(&node).await;
    let listed = told["branches"].as_array().unwrap();
    assert_eq!((&told["count"], listed.len()), (&json!(130), 100));
    let of = |length: u64| listed.iter().filter(|branch| branch["length"] == length).count();
    assert_eq!((of(2), of(1)), (60, 40));
    assert!(
        listed[..60].iter().all(|branch| best.iter().any(|hash| branch["tip"]["hash"] == **hash))
    );
    // The blocks have no sender's name and no address, since the test handed them in within the process.
    let within = json!({"how": "sent", "peer": null, "address": null});
    assert!(listed.iter().all(|branch| branch["from"] == within));
}
