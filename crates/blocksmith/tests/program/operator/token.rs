//! From other machines, what only whoever runs a node may do takes the token.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::operator::namespace::{FAR, is_in_its_own_network};
use crate::program::{Program, wait_until};

pub(crate) fn client() -> Client {
    blocksmith::client::builder().no_proxy().build().expect("a client")
}

/// A node on a free port, and that port.
pub(crate) fn node(home: &Path, args: &[&str]) -> (Program, String) {
    let data_dir = home.join("data");
    let data_dir = data_dir.to_str().expect("a path");
    let mut all = vec!["node", "0", "--data-dir", data_dir];
    all.extend(args);
    let mut node = Program::start_in(home, &all);
    let port = node.url().rsplit(':').next().expect("a port").to_string();
    wait_until("the token's path", || node.stderr().contains("operator's token is in"));
    (node, port)
}

async fn call(
    method: Method,
    url: &str,
    token: Option<&str>,
    body: Option<Value>,
) -> (StatusCode, Value) {
    let mut request = client().request(method, url);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let response = request.send().await.expect("an answer");
    let status = response.status();
    if status == StatusCode::UNAUTHORIZED {
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
    }
    let text = response.text().await.expect("a text");
    (status, serde_json::from_str(&text).expect("JSON"))
}

#[tokio::test(flavor = "multi_thread")]
async fn other_machines_need_the_token_to_forget_a_peer_and_nothing_else() {
    let name = "operator::token::other_machines_need_the_token_to_forget_a_peer_and_nothing_else";
    if !is_in_its_own_network(name) {
        return;
    }
    let home = tempfile::tempdir().expect("a directory");
    let (node, port) = node(home.path(), &["--bind", "0.0.0.0", "--zeros", "0"]);
    let file = home.path().join("data/operator.token");
    assert!(node.stderr().contains(&file.display().to_string()), "{}", node.stderr());
    assert_eq!(file.metadata().expect("a file").permissions().mode() & 0o777, 0o600);
    let token = std::fs::read_to_string(&file).expect("a token");
    let token = token.trim();
    let url = |host: &str, path: &str| format!("http://{host}:{port}{path}");

    // The course's calls need none, and neither do miners.
    let nodes = json!({"nodes": ["h:1", "i:1", "j:1"]});
    for path in ["/nodes/register", "/api/v1/peers"] {
        let (status, _) = call(Method::POST, &url(FAR, path), None, Some(nodes.clone())).await;
        assert_eq!(status, StatusCode::CREATED, "{path}");
    }
    let (_, work) = call(Method::GET, &url(FAR, "/api/v1/work"), None, None).await;
    let proof = json!({"id": work["id"], "proof": 1});
    let (status, _) = call(Method::POST, &url(FAR, "/api/v1/work"), None, Some(proof)).await;
    assert_eq!(status, StatusCode::OK);

    let forget = async |host: &str, peer: &str, token| {
        call(Method::DELETE, &url(host, &format!("/api/v1/peers/{peer}")), token, None).await
    };
    let (status, problem) = forget(FAR, "h:1", None).await;
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert_eq!(status, StatusCode::UNAUTHORIZED, "{problem}");
    assert!(detail.contains("Authorization: Bearer TOKEN"), "{detail}");
    let zeros = "0".repeat(64);
    for wrong in ["", "x", &token[1..], &zeros] {
        let (status, problem) = forget(FAR, "h:1", Some(wrong)).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{problem}");
        assert!(!problem.to_string().contains(token));
    }
    // Who sends a token expects it to count: without one, they would be registered.
    let more = json!({"nodes": ["k:1"]});
    let (status, _) = call(Method::POST, &url(FAR, "/api/v1/peers"), Some("x"), Some(more)).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(forget(FAR, "h:1", Some(token)).await.0, StatusCode::OK);
    assert_eq!(forget(FAR, "h:1", Some(token)).await.0, StatusCode::NOT_FOUND);
    // From the node's own machine none is needed.
    assert_eq!(forget("127.0.0.1", "i:1", None).await.0, StatusCode::OK);
    let (_, peers) = call(Method::GET, &url(FAR, "/api/v1/peers"), None, None).await;
    let known = |name: &str| peers.to_string().contains(name);
    assert!(known("j:1") && !known("h:1") && !known("k:1"), "{peers}");
    assert!(!node.stderr().contains(token), "the token itself is in no log");
}

#[test]
fn a_token_outlives_restarts_and_may_lie_elsewhere() {
    let home = tempfile::tempdir().expect("a directory");
    let read = |path: &Path| std::fs::read_to_string(path).expect("a token");
    let file = home.path().join("data/operator.token");
    let first = {
        let (_node, _) = node(home.path(), &[]);
        read(&file)
    };
    let (mut again, _) = node(home.path(), &[]);
    assert_eq!(read(&file), first);
    again.terminate();
    assert!(again.wait().success());

    let other = home.path().join("mine");
    let (node, _) = node(home.path(), &["--token-file", other.to_str().expect("a path")]);
    assert!(node.stderr().contains(&other.display().to_string()), "{}", node.stderr());
    assert_ne!(read(&other), first);
}

#[test]
fn a_file_that_holds_no_token_is_named_and_left_alone() {
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join("diary");
    std::fs::write(&file, "Dear diary,\n").expect("written");
    let [data, path] =
        [home.path().join("data"), file.clone()].map(|path| path.display().to_string());
    let args = ["node", "0", "--data-dir", &data, "--token-file", &path];
    let mut node = Program::start_in(home.path(), &args);
    assert_eq!(node.wait().code(), Some(1), "{}", node.stderr());
    assert!(node.stderr().contains(&format!("{path} has no token in it")), "{}", node.stderr());
    assert_eq!(std::fs::read_to_string(&file).expect("it is there"), "Dear diary,\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_machines_need_the_token_for_the_knobs_of_a_dev_network() {
    let name = "operator::token::other_machines_need_the_token_for_the_knobs_of_a_dev_network";
    if !is_in_its_own_network(name) {
        return;
    }
    let home = tempfile::tempdir().expect("a directory");
    let args = ["dev", "--chain", "forge", "--nodes", "2", "--port", "0", "--bind", "0.0.0.0"];
    let file = home.path().join("token");
    let file = file.to_str().expect("a path");
    let more = ["--no-mining", "--json", "--token-file", file];
    let mut dev = Program::start_in(home.path(), &[&args[..], &more].concat());
    let line = dev.until_so("an object", |line| line.starts_with('{'));
    let said: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!((&said["mining"], &said["token_file"]), (&json!(false), &json!(file)));
    assert_eq!(said["accounts"].as_array().map(Vec::len), Some(10));
    let near = said["nodes"][1]["url"].as_str().expect("a URL").to_owned();
    let port = near.rsplit(':').next().expect("a port");
    let token = std::fs::read_to_string(file).expect("a token");
    let post = async |host: &str, knob: &str, token, body| {
        let url = format!("http://{host}:{port}/api/v1/dev/{knob}");
        call(Method::POST, &url, token, Some(body)).await
    };
    for (knob, body) in [
        ("mine", json!({"blocks": 2})),
        ("reorg", json!({"depth": 1})),
        ("miners", json!({"miners": []})),
        ("cut", json!({"groups": [[1], [2]]})),
        ("heal", json!({})),
    ] {
        let (status, _) = post(FAR, knob, None, body.clone()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{knob}");
        let (status, told) = post(FAR, knob, Some(token.trim()), body.clone()).await;
        assert_eq!(status, StatusCode::OK, "{knob}: {told}");
        let (status, told) = post("127.0.0.1", knob, None, body).await;
        assert_eq!(status, StatusCode::OK, "{knob}: {told}");
    }
    let url = format!("http://{FAR}:{port}/api/v1/dev/miners");
    assert_eq!(call(Method::GET, &url, None, None).await.0, StatusCode::OK);
    dev.terminate();
    assert_eq!(dev.wait().code(), Some(0), "{}", dev.stderr());
    assert!(dev.rest().is_empty(), "a program reads one object and nothing more");
}
