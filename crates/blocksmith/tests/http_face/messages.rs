//! What people are told whose first calls go wrong, as they type them: with curl, a browser or Python.

use reqwest::Method;
use serde_json::json;

use crate::forge::Forge;
use crate::node::{Answer, Node};

/// The text for people, in whatever format it came.
fn told(answer: &Answer) -> String {
    match &*answer.kind {
        "application/problem+json" => answer.problem().1["detail"].as_str().unwrap().into(),
        "application/json" => answer.json()["message"].as_str().unwrap().into(),
        _ => answer.plain().1.into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_method_is_told_the_right_ones() {
    for node in [Node::notes().await, Node::course().await] {
        for (method, path, says) in [
            (Method::GET, "/transactions/new", "use POST here, not GET"),
            (Method::GET, "/nodes/register", "use POST here, not GET"),
            (Method::POST, "/chain", "use GET here, not POST"),
            (Method::PUT, "/mine", "use GET or POST here, not PUT"),
            (Method::GET, "/api/v1/faucet", "use POST here, not GET"),
            (Method::DELETE, "/api/v1/work", "use GET or POST here, not DELETE"),
            (Method::GET, "/api/v1/peers/h:1", "use DELETE here, not GET"),
        ] {
            let answer = node.send(method, path).await;
            assert_eq!((answer.status, &*told(&answer)), (405, says), "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_with_a_typing_error_is_told_the_one_that_was_meant() {
    let node = Node::notes().await;
    for (path, near) in [
        ("/chain/", "/chain"),
        ("/Chain", "/chain"),
        ("/chains", "/chain"),
        ("/last-proof", "/last_proof"),
        ("/transaction/new", "/transactions/new"),
        ("/node/register", "/nodes/register"),
        ("/status", "/api/v1/status"),
        ("/api/status", "/api/v1/status"),
        ("/api/v1/block/2", "/api/v1/blocks/2"),
        ("/api/v1/peer", "/api/v1/peers"),
        ("/api/v1/account/ann/transactions", "/api/v1/accounts/ann/transactions"),
        ("/api/v1/chain", "/chain"),
    ] {
        let answer = node.get(path).await;
        let says = format!("there is no call {path}; did you mean {near}?");
        assert_eq!((answer.status, told(&answer)), (404, says));
        // The path that the message names is a call of this node.
        assert_ne!(node.send(Method::OPTIONS, near).await.status, 404, "{near}");
    }
    for path in ["/index.html", "/nothing", "/api/v1/nothing", "/api/v2", "/api/v1/blocks/2/3/4"] {
        let says = format!("there is no call {path}; /docs lists the calls of this node");
        assert_eq!(told(&node.get(path).await), says);
    }
    let long = told(&node.get(&format!("/{}", "x".repeat(5_000))).await);
    assert!(long.len() < 200, "{long}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_json_object_is_told_what_is_wrong_with_it() {
    let single_quote = "the body starts with a single quote, which is not JSON; the Windows command \
                        prompt takes double quotes, as in -d \"{\\\"proof\\\": 1}\"";
    for node in [Node::notes().await, Node::course().await] {
        for path in ["/mine", "/transactions/new", "/nodes/register", "/nodes/new", "/api/v1/work"]
        {
            for (body, says) in [
                ("", "the body is empty; send a JSON object"),
                (" \n", "the body is empty; send a JSON object"),
                ("[]", "the body must be a JSON object, not a list"),
                ("\"x\"", "the body must be a JSON object, not a string"),
                ("1.5", "the body must be a JSON object, not a number"),
                ("null", "the body must be a JSON object, not null"),
                ("true", "the body must be a JSON object, not true"),
                ("'{\"proof\": 1}'", single_quote),
                (
                    "{proof: 1}",
                    "the body can't be read as JSON: byte 1: expected a name in double quotes, found `p`",
                ),
                ("proof=1", "the body can't be read as JSON: byte 0: expected a value, found `p`"),
            ] {
                let answer = node.post(path, body).await;
                assert_eq!((answer.status, &*told(&answer)), (400, says), "{path} {body}");
            }
        }
    }
    // Python's requests with `data=`, and curl without a header.
    let node = Node::notes().await;
    for (kind, named) in [
        ("application/x-www-form-urlencoded", "not application/x-www-form-urlencoded;"),
        ("text/plain", "not text/plain;"),
    ] {
        let answer = node.post_as("/mine", kind, "{\"proof\": 1}").await;
        let said = told(&answer);
        assert!(answer.status == 415 && said.contains(named), "{said}");
        assert!(said.contains("-H 'Content-Type: application/json'") && said.contains("json="));
    }
    let answer = node.send(Method::POST, "/mine").await;
    assert!(
        told(&answer)
            .starts_with("send a JSON body and the header Content-Type: application/json; ")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_or_a_field_with_a_typing_error_is_told_the_right_one() {
    let node = Node::notes().await;
    for (call, says) in [
        ("blocks?form=2", "this call has no parameter \"form\"; did you mean \"from\"?"),
        ("blocks?Limit=2", "this call has no parameter \"Limit\"; did you mean \"limit\"?"),
        ("blocks?x=2", "this call has no parameter \"x\"; it has from, limit, format"),
        ("status?x", "this call has no parameter \"x\"; leave it out"),
        ("blocks?from=x", "\"from\" must be a whole number, not \"x\""),
        ("blocks?from=", "\"from\" must be a whole number, not \"\""),
        ("blocks?limit=-1", "\"limit\" must be a whole number, not \"-1\""),
        (
            "history?points=99999999999999999999",
            "\"points\" must be a whole number up to 18446744073709551615, not \"99999999999999999999\"",
        ),
        ("blocks?from=1&from=2", "the parameter \"from\" is given twice; send it once"),
        ("blocks?limit=0", "limit must be at least 1, not 0"),
        ("events?kinds=tips", "this call has no kind of event \"tips\"; did you mean \"tip\"?"),
        (
            "blocks/x",
            "a block must be named by its index, or by its hash of 64 lower-case hex digits, not by \"x\"",
        ),
        ("blocks/7", "there is no block 7 on this node's best chain, which ends with block 1"),
    ] {
        let answer = node.get(&format!("/api/v1/{call}")).await;
        assert_eq!(told(&answer), says, "{call}");
    }
    let body = json!({"id": "x", "prof": 1}).to_string();
    let says = "this call has no field \"prof\"; did you mean \"proof\"?";
    assert_eq!(told(&node.post("/api/v1/work", body).await), says);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_too_short_or_in_capitals_is_told_what_an_id_looks_like() {
    let forge = Forge::start().await;
    for (id, found) in [
        ("abc".to_string(), "this one has 3"),
        ("a".repeat(65), "this one has 65"),
        ("A".repeat(64), "character 1 of this one is 'A'"),
        (format!("{}g", "a".repeat(63)), "character 64 of this one is 'g'"),
    ] {
        for call in ["", "/proof"] {
            let answer = forge.node.get(&format!("/api/v1/transactions/{id}{call}")).await;
            let says = format!("a transaction's id must have 64 lower-case hex digits; {found}");
            assert_eq!((answer.status, told(&answer)), (422, says));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_a_path_is_read_as_people_write_it() {
    let forge = Forge::start().await;
    let alice = forge.text(forge.alice.address);
    for path in [alice.to_uppercase(), format!("forge:{alice}"), format!("%20{alice}%20")] {
        let (status, account) = forge.node.get(&format!("/api/v1/accounts/{path}")).await.good();
        assert_eq!((status, &account["party"]), (200, &json!(alice)), "{path}");
        let page = forge.node.get(&format!("/api/v1/accounts/{path}/transactions")).await;
        assert_eq!(page.status, 200, "{path}");
    }
    let mixed = format!("{}{}", &alice[..10], alice[10..].to_uppercase());
    for (wrong, says) in [
        (mixed, "an address has either small letters or capitals, and this one has both"),
        ("ann".into(), "an address of this chain must start with \"forge1\", not with \"ann\""),
        (alice[..20].into(), "an address of this chain must have"),
    ] {
        let answer = forge.node.get(&format!("/api/v1/accounts/{wrong}")).await;
        assert!(answer.status == 422 && told(&answer).starts_with(says), "{answer:?}");
    }
}
