//! `/metrics`, `/healthz` and `/readyz`.

use std::collections::BTreeMap;

use crate::forge::{Forge, block_on};
use crate::node::{Node, next};

/// All figures that a node tells, by name and labels.
async fn scrape(node: &Node) -> BTreeMap<String, f64> {
    let answer = node.get("/metrics").await;
    assert_eq!((answer.status, &*answer.kind), (200, "text/plain; version=0.0.4; charset=utf-8"));
    let figures = answer.text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    figures
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            (name.to_string(), value.parse().expect("a number"))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_figures_move_with_a_block_a_reorg_and_a_refused_block() {
    let node = Node::easy().await;
    let before = scrape(&node).await;
    let genesis = node.tip();
    let (one, other) = (next(&genesis, 1, "ann"), next(&genesis, 2, "eve"));
    let third = next(&other, 3, "eve");
    let refused = third.text().replace("\"index\": 3", "\"index\": 4");
    for (text, status) in [
        (one.text(), 200),
        (one.text(), 200),
        (other.text(), 200),
        (third.text(), 200),
        (&*refused, 422),
    ] {
        assert_eq!(node.post("/api/v1/blocks", text.to_string()).await.status, status);
    }
    node.post("/transactions/new", r#"{"sender": "a", "recipient": "b", "amount": 1}"#).await;
    node.post("/nodes/register", r#"{"nodes": ["h:1"]}"#).await;
    let after = scrape(&node).await;
    let moved = |name: &str| {
        let value = |all: &BTreeMap<String, f64>| all.get(name).copied().unwrap_or_default();
        value(&after) - value(&before)
    };
    for (name, by) in [
        ("blocksmith_blocks_total{verdict=\"accepted\"}", 3.0),
        ("blocksmith_blocks_total{verdict=\"side_branch\"}", 1.0),
        ("blocksmith_blocks_total{verdict=\"known\"}", 1.0),
        ("blocksmith_blocks_total{verdict=\"invalid\"}", 1.0),
        ("blocksmith_reorgs_total", 1.0),
        ("blocksmith_reorg_depth_blocks_sum", 1.0),
        ("blocksmith_reorg_depth_blocks_bucket{le=\"1\"}", 1.0),
        ("blocksmith_tip_index", 2.0),
        ("blocksmith_chain_work_tries", 2.0),
        ("blocksmith_mempool_transactions", 1.0),
        ("blocksmith_peers{state=\"new\"}", 1.0),
        (
            "blocksmith_http_requests_total{method=\"POST\",route=\"/api/v1/blocks\",status=\"200\"}",
            4.0,
        ),
        (
            "blocksmith_http_requests_total{method=\"POST\",route=\"/api/v1/blocks\",status=\"422\"}",
            1.0,
        ),
        (
            "blocksmith_http_request_duration_seconds_count{method=\"POST\",route=\"/api/v1/blocks\"}",
            5.0,
        ),
    ] {
        assert_eq!(moved(name), by, "{name}");
    }
    assert!(moved("blocksmith_mempool_bytes") > 20.0);
    assert!(moved("blocksmith_commit_duration_seconds_count") >= 4.0);
    assert!(after["process_resident_memory_bytes"] > 1e6);
    // However many paths somebody tries, they are one.
    for path in ["/x", "/y", "/api/v1/blocks/1", "/api/v1/blocks/2"] {
        node.get(path).await;
    }
    let routes = scrape(&node).await;
    let counted = |part: &str| routes.keys().filter(|name| name.contains(part)).count();
    assert_eq!(counted("route=\"/x\""), 0);
    assert_eq!(
        routes["blocksmith_http_requests_total{method=\"GET\",route=\"other\",status=\"404\"}"],
        2.0
    );
    let block = "blocksmith_http_requests_total{method=\"GET\",route=\"/api/v1/blocks/{id}\",status=\"200\"}";
    assert_eq!(routes[block], 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_one_process_have_figures_of_their_own() {
    let (one, other) = (Node::easy().await, Forge::start().await);
    one.post("/api/v1/blocks", next(&one.tip(), 1, "ann").text().to_string()).await;
    let accepted = "blocksmith_blocks_total{verdict=\"accepted\"}";
    assert_eq!(scrape(&one).await[accepted], 1.0);
    assert_eq!(scrape(&other.node).await[accepted], 0.0);
    let block = block_on(&other, &other.node.tip(), 2000, None);
    other.node.post("/api/v1/blocks", block.text().to_string()).await;
    assert_eq!(scrape(&other.node).await[accepted], 1.0);
    assert_eq!(scrape(&one).await[accepted], 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_ready_unless_it_is_catching_up() {
    let node = Node::easy().await;
    assert_eq!(node.get("/healthz").await.plain(), (200, "ok"));
    assert_eq!(node.get("/readyz").await.plain(), (200, "ready"));
    let peer: blocksmith_node::PeerAddress = "h:1".parse().expect("an address");
    node.handle.choose(vec![peer.clone()], true).await.expect("it runs");
    let block = next(&node.tip(), 1, "ann");
    let further = next(&block, 2, "ann");
    node.handle.submit_branch(vec![block], peer.clone(), true).await.expect("it runs");
    let said = node.get("/readyz").await;
    assert_eq!(said.plain(), (503, "catching up with a peer, now at block 2"));
    assert_eq!(node.get("/healthz").await.plain(), (200, "ok"));
    node.handle.submit_branch(vec![further], peer, false).await.expect("it runs");
    assert_eq!(node.get("/readyz").await.plain(), (200, "ready"));
}
