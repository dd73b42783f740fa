//! Every answer of `/api/v1`, byte for byte, in files beside this one: what clients rely on changes
//! on purpose or not at all. `cargo insta review` shows what changed.

use blocksmith::chain::{Chain, Dialect};
use blocksmith::service::Options;
use blocksmith_consensus::Rules;
use reqwest::Method;
use serde_json::json;

use crate::forge::{Forge, block_on};
use crate::node::{Node, next};
use blocksmith_testkit::signers::Signer;

/// Calls and their answers, as they are compared.
struct Transcript<'a> {
    node: &'a Node,
    text: String,
}

impl<'a> Transcript<'a> {
    fn of(node: &'a Node) -> Self {
        Self { node, text: String::new() }
    }

    async fn get(&mut self, path: &str) -> String {
        self.call(Method::GET, path, "").await
    }

    async fn post(&mut self, path: &str, body: &str) -> String {
        self.call(Method::POST, path, body).await
    }

    async fn call(&mut self, method: Method, path: &str, body: &str) -> String {
        let url = format!("{}{path}", self.node.url);
        let mut request = self.node.client.request(method.clone(), url);
        if method == Method::POST {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = self.node.call(request).await;
        let body = if body.is_empty() { String::new() } else { format!("\n{body}") };
        self.text += &format!(
            "{method} {path}{body}\n{} {}\n{}\n\n",
            answer.status, answer.kind, answer.text
        );
        answer.text
    }

    /// What is the same in each run: hashes by the order in which they appear, and no times.
    fn settled(self) -> String {
        let (mut text, mut names) = (String::new(), Vec::new());
        for word in self.text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
            let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            let hex = bare.bytes().all(|byte| byte.is_ascii_hexdigit());
            let is_target = bare.starts_with('0') && bare.ends_with("fff");
            let is_work = bare.starts_with("00000000");
            if bare.len() != 64 || !hex || is_target || is_work {
                text += word;
                continue;
            }
            let at = names.iter().position(|name| name == bare).unwrap_or_else(|| {
                names.push(bare.to_string());
                names.len() - 1
            });
            text += &format!("hash-{}{}", at + 1, &word[bare.len()..]);
        }
        for (key, shown) in [
            ("uptime_s", "0"),
            ("time", "TIME"),
            ("version", "\"VERSION\""),
            ("instance", "\"INSTANCE\""),
            ("node", "\"NODE\""),
            ("events", "\"EVENTS\""),
            ("for_s", "SECONDS"),
            ("asked_in_s", "SECONDS"),
        ] {
            text = without(&text, key, shown);
        }
        text
    }
}

/// `text` with another value for each member `key`.
fn without(text: &str, key: &str, shown: &str) -> String {
    let member = format!("\"{key}\": ");
    let mut parts = text.split(&member);
    let first = parts.next().unwrap_or_default().to_string();
    parts.fold(first, |text, part| {
        let end = part.find([',', '}']).expect("a value ends");
        let shown = if &part[..end] == "null" { "null" } else { shown };
        text + &member + shown + &part[end..]
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_an_open_chain() {
    let node = Node::easy().await;
    let mut calls = Transcript::of(&node);
    calls.get("/api/v1/status").await;
    calls.get("/api/v1/work").await;
    calls.get("/api/v1/work?recipient=J%C3%BCrgen").await;
    calls.get("/api/v1/work?recipient=").await;
    calls.get("/api/v1/work?than=x&for=1").await;
    calls.get("/api/v1/headers").await;
    calls.get("/api/v1/blocks").await;
    let genesis = node.tip();
    let second = next(&genesis, 7, "J\\u00fcrgen");
    let third = next(&second, 8, "you");
    let side = next(&genesis, 9, "they");
    for block in [&third, &second, &second, &side] {
        calls.post("/api/v1/blocks", block.text()).await;
    }
    let late = third.text().replace("\"index\": 3", "\"index\": 4");
    calls.post("/api/v1/blocks", &late).await;
    for body in ["", "{", "[]", "{\"index\": 1.5}", "{\"a\": 1e999}"] {
        calls.post("/api/v1/blocks", body).await;
    }
    calls.get("/api/v1/status").await;
    calls.get("/api/v1/blocks?from=2&limit=1").await;
    calls.get("/api/v1/headers?from=2").await;
    calls.get("/api/v1/headers?from=9").await;
    for path in ["blocks?limit=0", "blocks?from=x", "headers?limit=10001", "blocks?form=2"] {
        calls.get(&format!("/api/v1/{path}")).await;
    }
    calls.get("/api/v1/blocks/2").await;
    calls.get(&format!("/api/v1/blocks/{}", third.hash())).await;
    for path in ["4", "x", "%FF"] {
        calls.get(&format!("/api/v1/blocks/{path}")).await;
    }
    calls.post("/api/v1/work", r#"{"id": "x", "proof": 1}"#).await;
    calls.post("/api/v1/work", r#"{"id": 1, "proof": 1}"#).await;
    calls.post("/api/v1/work", r#"{"proof": 1}"#).await;
    calls.post("/api/v1/work", r#"{"id": "x"}"#).await;
    calls.post("/api/v1/work", r#"{"id": "x", "proof": 1, "more": 2}"#).await;
    calls
        .post(
            "/api/v1/work",
            &json!({"id": format!("{}-me", second.hash()), "proof": 1}).to_string(),
        )
        .await;
    let body = r#"{"sender": "a", "recipient": "\u00e9\u0001", "amount": 5}"#;
    calls.post("/transactions/new", body).await;
    calls.post("/transactions/new", r#"{"sender": "b", "recipient": 4, "amount": 1.50}"#).await;
    calls.get("/api/v1/transactions?queued").await;
    calls.get("/api/v1/transactions?queued&limit=1").await;
    calls.get("/api/v1/transactions?queued=true&from=1").await;
    for path in ["transactions", "transactions?queued=2", "transactions?queued&limit=0"] {
        calls.get(&format!("/api/v1/{path}")).await;
    }
    calls.post("/api/v1/transactions", "{}").await;
    calls.post("/api/v1/transactions", "[]").await;
    let id = "0".repeat(63) + "1";
    for path in [
        format!("transactions/{id}"),
        format!("transactions/{id}/proof"),
        "accounts/a".into(),
        "accounts/a/transactions".into(),
        "supply".into(),
        "fees".into(),
        "nothing".into(),
    ] {
        calls.get(&format!("/api/v1/{path}")).await;
    }
    calls.post("/api/v1/faucet", r#"{"recipient": "a"}"#).await;
    calls.post("/api/v1/faucet", r"{}").await;
    calls.get("/api/v1/history").await;
    calls.get("/api/v1/history?points=2").await;
    calls.get("/api/v1/history?points=1").await;
    calls.get("/api/v1/peers").await;
    calls.post("/api/v1/peers", r#"{"nodes": ["h:1", "H:1", "i:2"]}"#).await;
    calls.post("/api/v1/peers", r#"{"nodes": ["h:1"]}"#).await;
    calls.post("/api/v1/peers", r#"{"nodes": ["h"]}"#).await;
    calls.post("/api/v1/peers", r#"{"nodes": []}"#).await;
    calls.post("/api/v1/peers", r"{}").await;
    calls.get("/api/v1/peers").await;
    calls.call(Method::DELETE, "/api/v1/peers/h:1", "").await;
    calls.call(Method::DELETE, "/api/v1/peers/h:1", "").await;
    calls.call(Method::PUT, "/api/v1/peers", "").await;
    calls.call(Method::OPTIONS, "/api/v1/peers", "").await;
    calls.get("/healthz").await;
    insta::assert_snapshot!("open_chain", calls.settled());
}

#[tokio::test(flavor = "multi_thread")]
async fn work_of_an_open_chain() {
    let node = Node::easy().await;
    let mut calls = Transcript::of(&node);
    let work: serde_json::Value =
        serde_json::from_str(&calls.get("/api/v1/work?recipient=me").await).expect("JSON");
    let body = json!({"id": work["id"], "proof": 5}).to_string();
    let block = calls.post("/api/v1/work", &body).await;
    calls.post("/api/v1/work", &body).await;
    let timestamp =
        serde_json::from_str::<serde_json::Value>(&block).expect("JSON")["block"]["timestamp"]
            .to_string();
    let text = calls.settled().replace(&timestamp, "TIMESTAMP");
    insta::assert_snapshot!("open_chain_work", text);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_a_chain_of_2019() {
    let node = Node::course().await;
    let mut calls = Transcript::of(&node);
    calls.get("/api/v1/status").await;
    calls.get("/api/v1/work?recipient=a").await;
    calls.get("/api/v1/headers").await;
    calls.get("/api/v1/nothing").await;
    calls.post("/api/v1/work", "").await;
    insta::assert_snapshot!("course", calls.settled());
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_a_sealed_chain() {
    let forge = Forge::start().await;
    let (alice, bob) = (forge.text(forge.alice.address), forge.text(forge.bob.address));
    let mut calls = Transcript::of(&forge.node);
    calls.get("/api/v1/status").await;
    calls.get("/api/v1/supply").await;
    calls.get("/api/v1/fees").await;
    calls.get("/api/v1/fees?bytes=400").await;
    calls.get("/api/v1/fees?bytes=x").await;
    calls.get("/api/v1/work").await;
    calls.get("/api/v1/work?recipient=me").await;
    let first = forge.payment(300, 7, 0);
    for body in [
        first.clone(),
        first.clone(),
        forge.payment(300, 7, 2),
        forge.payment(301, 8, 0),
        forge.payment(302, 7, 0),
        forge.payment(300, 7, 40),
        forge.payment(30_000_000, 7, 1),
        forge.payment(1, 0, 1),
        first.replace("300", "299"),
        first.replace("\"fee\": 7, ", ""),
        "{}".into(),
        "[]".into(),
        format!("[{first}, {}, {{}}]", forge.payment(5, 6, 1)),
    ] {
        calls.post("/api/v1/transactions", &body).await;
    }
    calls.post("/api/v1/transactions?replaces=none", &forge.payment(303, 20, 0)).await;
    calls.post("/api/v1/transactions?replaces=x", &forge.payment(303, 20, 0)).await;
    calls.get("/api/v1/transactions?queued").await;
    calls.get("/api/v1/transactions?queued&limit=1").await;
    calls.get(&format!("/api/v1/accounts/{alice}")).await;
    calls.get(&format!("/api/v1/accounts/{bob}")).await;
    calls.get(&format!("/api/v1/accounts/{alice}/transactions?limit=2")).await;
    calls.get("/api/v1/accounts/x").await;
    calls.get(&format!("/api/v1/accounts/{alice}/transactions?before=x")).await;
    let genesis = forge.node.tip();
    let payment = forge.payment(304, 0, 0);
    let block = block_on(&forge, &genesis, 2000, Some(&payment));
    let broken = block.text().replace("\"timestamp\": 2000", "\"timestamp\": 2001");
    calls.post("/api/v1/blocks", &broken).await;
    calls.post("/api/v1/blocks", block.text()).await;
    let far = block_on(&forge, &block, 40_000_000_000, None);
    calls.post("/api/v1/blocks", far.text()).await;
    let id = id_of(&forge, &payment).await;
    calls.get(&format!("/api/v1/transactions/{id}")).await;
    calls.get(&format!("/api/v1/transactions/{id}/proof")).await;
    let waits = id_of(&forge, &forge.payment(5, 6, 1)).await;
    calls.get(&format!("/api/v1/transactions/{waits}")).await;
    calls.get(&format!("/api/v1/transactions/{waits}/proof")).await;
    calls.get("/api/v1/transactions/x").await;
    calls.post("/api/v1/transactions", &payment).await;
    calls.get(&format!("/api/v1/accounts/{alice}")).await;
    let page = format!("/api/v1/accounts/{alice}/transactions?limit=1");
    calls.get(&page).await;
    calls.get(&format!("{page}&before=2-0")).await;
    calls.get("/api/v1/headers").await;
    calls.get("/api/v1/blocks").await;
    calls.get("/api/v1/blocks/2").await;
    calls.get("/api/v1/history").await;
    calls.get("/api/v1/supply").await;
    calls.get("/api/v1/status").await;
    calls.post("/api/v1/work", r#"{"id": "x", "proof": 1}"#).await;
    calls.post("/api/v1/work", &json!({"id": "0".repeat(64), "proof": 1}).to_string()).await;
    calls.post("/api/v1/work", &json!({"id": "0".repeat(64), "proof": "1"}).to_string()).await;
    calls.post("/api/v1/faucet", &json!({"recipient": bob}).to_string()).await;
    insta::assert_snapshot!("sealed_chain", calls.settled());
}

async fn id_of(forge: &Forge, payment: &str) -> String {
    Forge::id(&forge.pay(payment).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_faucet_of_a_dev_chain() {
    let chain = Chain { rules: Rules::forge(), dialect: Dialect::Notes };
    let node =
        Node::start_with(Options::new(chain.for_dev().expect("room for dev accounts"))).await;
    let mut calls = Transcript::of(&node);
    calls.post("/api/v1/faucet", r#"{"recipient": "x"}"#).await;
    calls.post("/api/v1/faucet", r"{}").await;
    let bob = Signer::bob().address.to_text(node.handle.domain().expect("signed").hrp);
    calls.post("/api/v1/faucet", &json!({"recipient": bob}).to_string()).await;
    calls.post("/api/v1/faucet", &json!({"recipient": bob, "more": 1}).to_string()).await;
    insta::assert_snapshot!("faucet", calls.settled());
}
