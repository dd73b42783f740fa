//! `blocksmith chain branches`.

use blocksmith_consensus::json::Value as Text;
use blocksmith_consensus::{Block, Open, Proof, Rules, Timestamp};
use serde_json::{Value, json};

use crate::program::{Program, post};

/// What `chain branches` comes to: its exit code, and what it says and complains about.
fn branches(args: &[&str]) -> (Option<i32>, String, String) {
    let mut program = Program::start(&[&["chain", "branches"], args].concat());
    let code = program.wait().code();
    (code, program.rest().join("\n"), program.stderr())
}

/// A block of the lecture's chain with one zero, on top of another.
fn next(rules: &Rules, tip: &Block, miner: &str) -> Block {
    let job = rules.job(tip.view(), &tip.hash(), None);
    let proof = (0_u64..).find(|proof| job.accepts(proof.to_string())).expect("a proof");
    let coin = Open::lecture().coin(Text::of_canonical(&format!("\"{miner}\"")));
    let time = Timestamp { micros: tip.index() * 1_000_000 };
    Block::compose(tip, &Proof::from(proof), time, [&coin]).expect("a block")
}

#[test]
fn branches_are_shown_and_what_a_restart_forgets_is_not_made_up() {
    let home = tempfile::tempdir().expect("a directory");
    let data = home.path().join("data").display().to_string();
    let start = || {
        let args = ["node", "0", "--zeros", "1", "--data-dir", &data];
        let mut node = Program::start_in(home.path(), &args);
        let url = node.url();
        (node, url)
    };
    let (mut node, url) = start();
    let genesis = "1 8b8906934492…";
    let (code, said, _) = branches(&["--node", &url]);
    let none =
        "There is no branch: all blocks that the node keeps are on the chain that ends with block";
    assert_eq!((code, said), (Some(0), format!("{none} {genesis}.")));

    let rules = Rules::lecture().with_zeros(1);
    let first = rules.genesis_block(Timestamp::default());
    let chain = [next(&rules, &first, "ann"), next(&rules, &first, "bob")];
    let high = next(&rules, &chain[0], "ann");
    let twin = next(&rules, &chain[1], "bob");
    let low = next(&rules, &first, "eve");
    for block in [&chain[0], &high, &chain[1], &twin, &low] {
        post(&url, "/api/v1/blocks", block.text());
    }
    let short = |block: &Block| format!("{} {}…", block.index(), &block.hash().to_string()[..12]);
    let table = |from: &str| {
        [
            format!("The chain ends with block {}. Beside it:", short(&high)),
            String::new(),
            "     last block  length         forks at         why it lost  first sent by".into(),
            format!("{}       2  {genesis}    same work, later  {from}", short(&twin)),
            format!("{}       1  {genesis}  16 tries less work  {from}", short(&low)),
        ]
        .join("\n")
    };
    assert_eq!(branches(&["--node", &url]).1, table("127.0.0.1"));
    let (_, said, _) = branches(&["--json", "--node", &url]);
    let told: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((&told["count"], &told["branches"][1]["miner"]), (&json!(2), &json!("eve")));

    node.terminate();
    node.wait();
    let (_node, url) = start();
    assert_eq!(branches(&["--node", &url]).1, table("(not known)"));

    let (code, _, complained) = branches(&["--node", "http://127.0.0.1:1"]);
    let again = "or name another: blocksmith chain branches --node URL";
    assert!(code == Some(3) && complained.contains(again), "{complained}");
}
