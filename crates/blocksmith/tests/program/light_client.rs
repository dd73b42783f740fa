//! The light client in `examples/` as a process, against a node, and against one that lies.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use blocksmith::chain::Chain;
use blocksmith::http;
use blocksmith::service::{self, Handle, Options};
use blocksmith_consensus::payment::Domain;
use blocksmith_consensus::{Hash, Proof, Sealed};
use blocksmith_testkit::signers::Signer;
use tokio::net::TcpListener;

/// Carol's and a little of Alice's: work costs some hundred tries at first.
fn chain_file() -> String {
    let hrp = Sealed::forge().hrp;
    let easiest = format!("00{}", "f".repeat(62));
    format!(
        r#"
name = "light"
puzzle = "seal"
max_block_bytes = 100_000

[difficulty.asert]
spacing_s = 1
half_life_s = 30
longest_gap_s = 60
easiest = "{easiest}"

[spending]
addresses = "forge"
first_subsidy = 1_000
halving_blocks = 100

[genesis]
timestamp = 1_700_000_000
target = "{easiest}"

[[genesis.balances]]
address = "{}"
amount = 1_000_000
"#,
        Signer::alice().address.to_text(hrp)
    )
}

struct Node {
    handle: Handle,
    url: String,
    domain: Domain,
}

impl Node {
    async fn start(chain: &Path) -> Self {
        let chain = Chain::load(chain.to_str().expect("text"), None).expect("a chain");
        let domain = chain.rules.domain().expect("signed");
        let (handle, _orders) = service::start(Options::new(chain)).expect("it starts");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(http::serve(
            listener,
            handle.clone(),
            Default::default(),
            None,
            std::future::pending(),
        ));
        Self { handle, url, domain }
    }

    async fn mine(&self, blocks: usize) {
        let to = Signer::bob().address.to_text(self.domain.hrp);
        for _ in 0..blocks {
            let work = self.handle.work(Some(&to)).await.expect("it runs").expect("work");
            let proof = (0_u64..).find(|proof| work.job.accepts(proof.to_string()));
            let proof = Proof::from(proof.expect("a proof"));
            self.handle.submit_work(&work.id, proof).await.expect("it runs").expect("a block");
        }
    }

    async fn pay(&self, nonce: u64) -> Hash {
        let (alice, bob) = (Signer::alice(), Signer::bob());
        let text = alice.signed(&alice.draft(bob.address, 300, 7, nonce), &self.domain);
        let mut paid = self.handle.pay(vec![text.into()], None).await.expect("it runs");
        paid.pop().expect("one answer").expect("it fits").0
    }
}

/// What a node answers, with one text in the place of another.
async fn lying(url: String, truth: String, lie: String) -> String {
    let client = blocksmith::client::builder().build().expect("a client");
    let router = Router::new()
        .fallback(
            async |State(state): State<(reqwest::Client, String, String, String)>,
                   request: Request| {
                let (client, url, truth, lie) = state;
                let path = request.uri().path_and_query().expect("a path").to_string();
                let answer = client.get(format!("{url}{path}")).send().await.expect("an answer");
                answer.text().await.expect("a text").replace(&truth, &lie)
            },
        )
        .with_state((client, url, truth, lie));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

async fn light_client(args: &[&str]) -> Output {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_blocksmith"));
    let example = program.with_file_name("examples").join("light_client");
    assert!(example.exists(), "cargo test builds the examples; --test alone does not");
    let run = tokio::process::Command::new(example).args(args).kill_on_drop(true).output();
    let output = tokio::time::timeout(Duration::from_secs(60), run).await;
    output.expect("it ends in time").expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_follows_headers_and_checks_a_payment() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("light.toml");
    std::fs::write(&file, chain_file()).expect("written");
    let node = Node::start(&file).await;
    let file = file.to_str().expect("text");
    node.mine(40).await;
    let ids = [node.pay(0).await, node.pay(1).await, node.pay(2).await];
    node.mine(5).await;
    let tip = node.handle.standing().tip.block.clone();
    for id in ids.map(|id| id.to_string()) {
        let output = light_client(&[&node.url, file, &id]).await;
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{err}");
        assert!(out.starts_with(&format!("block 46 {} with ", tip.hash())), "{out}");
        assert!(out.contains("confirmed by 5 blocks: 300 units"), "{out}");
    }

    // Whatever a node says otherwise is noticed.
    let id = ids[1].to_string();
    let call = async |path: String| {
        let client = blocksmith::client::builder().build().expect("a client");
        let answer = client.get(format!("{}{path}", node.url)).send().await.expect("an answer");
        let text = answer.text().await.expect("a text");
        serde_json::from_str::<serde_json::Value>(&text).expect("JSON")
    };
    let proof = call(format!("/api/v1/transactions/{id}/proof")).await;
    let headers = call("/api/v1/headers?from=20&limit=1".into()).await;
    let header = &headers["headers"][0]["header"];
    let sibling = proof["path"][0].to_string();
    let mut other = sibling.clone().into_bytes();
    other[1] = if other[1] == b'0' { b'1' } else { b'0' };
    let other = String::from_utf8(other).expect("text");
    let field = |name: &str, value: &serde_json::Value| format!("\"{name}\": {value}");
    for (truth, lie, says) in [
        (sibling, other, "does not lead to the header"),
        (field("position", &proof["position"]), "\"position\": 0".into(), "does not lead"),
        ("\"amount\": 300".into(), "\"amount\": 301".into(), "another payment"),
        (field("block", &proof["block"]), "\"block\": 99".into(), "no header of"),
        (
            field("target", &header["target"]),
            format!("\"target\": \"{}\"", "f".repeat(64)),
            "target",
        ),
        (
            field("merkle_root", &header["merkle_root"]),
            format!("\"merkle_root\": \"{}\"", "0".repeat(64)),
            "proof",
        ),
        (field("proof", &header["proof"]), "\"proof\": 1".into(), "proof"),
        (
            field("previous_hash", &header["previous_hash"]),
            format!("\"previous_hash\": \"{}\"", "0".repeat(64)),
            "previous_hash",
        ),
        (node.domain.chain_id.to_string(), "0".repeat(64), "with the chain id \"000000"),
    ] {
        assert_ne!(truth, lie);
        let liar = lying(node.url.clone(), truth, lie.clone()).await;
        let output = light_client(&[&liar, file, &id]).await;
        let err = text(&output.stderr);
        assert!(!output.status.success() && err.contains(says), "{lie}: {err}");
    }
    // Who names another chain is told both.
    let output = light_client(&[&node.url, "forge-dev", &id]).await;
    let (err, dev) = (text(&output.stderr), Chain::load("forge-dev", None).expect("a chain"));
    let (theirs, ours) = (node.domain.chain_id, dev.rules.chain_id());
    let says =
        format!("runs \"light\" with the chain id \"{theirs}\", not \"forge-dev\" with \"{ours}\"");
    assert!(!output.status.success() && err.contains(&says), "{err}");
    let output = light_client(&[&node.url, "lecture", &id]).await;
    assert!(text(&output.stderr).contains("payments are not signed"), "{}", text(&output.stderr));

    // What points elsewhere is not followed.
    let there = node.url.clone();
    let router = Router::new().fallback(async move |request: Request| {
        axum::response::Redirect::permanent(&format!("{there}{}", request.uri()))
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let output = light_client(&[&url, file]).await;
    let says =
        format!("a redirect to {}/api/v1/status, which this program does not follow", node.url);
    let err = text(&output.stderr);
    assert!(!output.status.success() && err.contains(&says), "{err}");
}
