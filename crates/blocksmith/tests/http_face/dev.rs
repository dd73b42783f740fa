//! `/api/v1/dev`: knobs of dev chains, which turn nowhere else.

use blocksmith::chain::Chain;
use blocksmith::service::Options;
use blocksmith_wallet::dev;
use serde_json::json;

use crate::node::Node;

const KNOBS: [(&str, &str); 5] = [
    ("mine", r#"{"blocks": 1}"#),
    ("reorg", r#"{"depth": 1}"#),
    ("miners", r#"{"miners": []}"#),
    ("cut", r#"{"groups": [[1], [2]]}"#),
    ("heal", "{}"),
];

async fn node(chain: &str) -> Node {
    Node::start_with(Options::new(Chain::load(chain, None).unwrap())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_knob_turns_off_dev_chains() {
    for chain in ["lecture", "course", "forge", "bitcoin-like"] {
        let node = node(chain).await;
        let before = node.tip();
        for (knob, body) in KNOBS {
            let answer = node.post(&format!("/api/v1/dev/{knob}"), body).await;
            let (status, problem) = answer.problem();
            let detail = problem["detail"].as_str().unwrap();
            let told = format!("this works on dev chains alone, and this node runs {chain}");
            assert!(status == 409 && detail.starts_with(&told), "{chain} {knob}: {answer:?}");
        }
        assert_eq!(node.get("/api/v1/dev/miners").await.problem().0, 409);
        assert_eq!(node.tip(), before, "{chain}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_its_own_mines_and_undoes_and_has_no_network_to_cut() {
    let node = node("forge-dev").await;
    let post = async |path: &str, body: serde_json::Value| {
        node.post(&format!("/api/v1/{path}"), body.to_string()).await
    };
    let hrp = node.handle.domain().unwrap().hrp;
    let to = dev::addresses().nth(3).unwrap().to_text(hrp);
    let (status, mined) = post("dev/mine", json!({"blocks": 3, "to": to})).await.good();
    assert_eq!((status, &mined["blocks"][2]), (200, &mined["tip"]));
    assert_eq!((mined["blocks"].as_array().unwrap().len(), &mined["tip"]["index"]), (3, &json!(4)));
    assert_eq!(node.tip().hash().to_string(), mined["tip"]["hash"]);
    let account = node.get(&format!("/api/v1/accounts/{to}")).await.json();
    assert_eq!(account["balance"], 1_000_000_000_000_u64 + 3 * 2_000_000_000);

    // What leaves with its block waits again, however often that happens.
    let gift = post("faucet", json!({"recipient": to})).await.json()["id"].clone();
    let gift = format!("/api/v1/transactions/{}", gift.as_str().unwrap());
    post("dev/mine", json!({"blocks": 1})).await;
    assert_eq!(node.get(&gift).await.json()["status"], "confirmed");
    for depth in [1, 2, 3, 7] {
        let tip = node.tip().index();
        let (status, undone) = post("dev/reorg", json!({"depth": depth})).await.good();
        assert_eq!((status, &undone["left_count"]), (200, &json!(depth)));
        assert_eq!(undone["joined_count"], depth + 1);
        assert_eq!(undone["fork"]["index"], tip - depth);
        assert_eq!(node.tip().hash().to_string(), undone["tip"]["hash"]);
        assert_eq!(node.get(&gift).await.json()["status"], "queued");
    }
    let tip = node.tip();
    let (status, problem) = post("dev/reorg", json!({"depth": 9})).await.problem();
    let detail = problem["detail"].as_str().unwrap();
    assert!(status == 422 && detail.contains("has only 8 blocks after its first one"), "{detail}");
    for (path, body, status) in [
        ("dev/mine", json!({"blocks": 0}), 422),
        ("dev/mine", json!({"blocks": 1_001}), 422),
        ("dev/mine", json!({"blocks": -1}), 422),
        ("dev/mine", json!({}), 422),
        ("dev/mine", json!({"blocks": 1, "to": "me"}), 422),
        ("dev/mine", json!({"block": 1}), 400),
        ("dev/mine", json!([1]), 400),
        ("dev/reorg", json!({"depth": 0}), 422),
        ("dev/reorg", json!({"depth": 1_001}), 422),
        ("dev/heal", json!({"groups": []}), 409),
    ] {
        let answer = post(path, body.clone()).await;
        assert_eq!(answer.problem().0, status, "{path} {body}: {answer:?}");
    }
    for (knob, body) in &KNOBS[2..] {
        let (status, problem) = node.post(&format!("/api/v1/dev/{knob}"), *body).await.problem();
        assert_eq!(status, 409);
        assert!(
            problem["detail"]
                .as_str()
                .unwrap()
                .contains("not one of the nodes of a blocksmith dev")
        );
    }
    assert_eq!(node.tip(), tip);
}
