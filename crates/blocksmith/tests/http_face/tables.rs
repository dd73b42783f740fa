//! Blocks and histories as CSV and as a JSON object in each line.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reqwest::Url;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::forge::Forge;
use crate::node::{Answer, Node, paying};
use crate::streaming::{BLOCKS, extend, extend_for};

const CSV: &str = "text/csv; charset=utf-8; header=present";
const LINES: &str = "application/x-ndjson";

type CsvRow = BTreeMap<String, String>;

/// The rows of a table, as any program reads them.
#[track_caller]
fn csv(answer: &Answer) -> Vec<CsvRow> {
    assert_eq!((answer.status, &*answer.kind), (200, CSV), "{answer:?}");
    assert!(answer.text.ends_with("\r\n"), "{answer:?}");
    let mut reader = csv::Reader::from_reader(answer.text.as_bytes());
    reader.deserialize().map(|row| row.expect("a row")).collect()
}

#[track_caller]
fn lines(answer: &Answer) -> Vec<Value> {
    assert_eq!((answer.status, &*answer.kind), (200, LINES), "{answer:?}");
    assert!(answer.text.is_empty() || answer.text.ends_with('\n'), "{answer:?}");
    answer.text.lines().map(|line| serde_json::from_str(line).expect("a line")).collect()
}

/// Waits until the index is at the tip.
async fn indexed(node: &Node) {
    let tip = json!({"index": node.tip().index(), "hash": node.tip().hash().to_string()});
    while node.get("/api/v1/leaderboard").await.json()["indexed"] != tip {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn column<'a>(rows: &'a [CsvRow], name: &str) -> Vec<&'a str> {
    rows.iter().map(|row| &*row[name]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_are_a_table_of_all_or_of_as_many_as_are_wanted() {
    let node = Node::easy().await;
    let last = extend(&node, node.tip(), 50, 7).await;
    let odd = r#"{"amount": 1, "recipient": "=1+1", "sender": "0"}"#.to_string();
    let last = paying(&last, 8, &[odd]);
    assert_eq!(node.post("/api/v1/blocks", last.text().to_string()).await.status, 200);
    let page = node.get("/api/v1/blocks").await.good().1["blocks"].as_array().unwrap().clone();
    assert_eq!(page.len(), 52);
    let get = async |path: &str| node.get(&format!("/api/v1/{path}")).await;
    assert_eq!(lines(&get("blocks?format=ndjson").await), page);
    assert_eq!(lines(&get("blocks?format=ndjson&from=40&limit=5").await), page[39..44]);
    assert_eq!(lines(&get("blocks?format=ndjson&from=53").await), [] as [Value; 0]);
    assert_eq!(lines(&get("blocks?format=ndjson&from=0&limit=99999").await), page);
    let rows = csv(&get("blocks?format=csv").await);
    let expected = |name: &str| page.iter().map(|entry| entry[name].clone()).collect::<Vec<_>>();
    let texts =
        |name: &str| column(&rows, name).into_iter().map(|text| json!(text)).collect::<Vec<_>>();
    assert_eq!(texts("hash"), expected("hash"));
    assert_eq!(column(&rows, "index"), (1..=52).map(|index| index.to_string()).collect::<Vec<_>>());
    assert_eq!(rows[0]["miner"], "");
    assert_eq!(rows[1]["miner"], "x".repeat(800));
    assert_eq!(rows[51]["miner"], "'=1+1");
    let of = |name: &str| (&*rows[0][name], &*rows[51][name]);
    assert_eq!(
        [of("proof"), of("transactions"), of("timestamp")],
        [("99", "8"), ("0", "1"), ("0", "1.5")]
    );
    assert_eq!(rows[0]["previous_hash"], "null");
    assert_eq!(json!(rows[51]["previous_hash"]), page[50]["hash"]);
    let head = "index,hash,previous_hash,timestamp,proof,transactions,miner\r\n";
    assert_eq!(get("blocks?format=csv&from=53").await.text, head);
    for format in ["csv", "ndjson", "json"] {
        assert_eq!(get(&format!("blocks?limit=0&format={format}")).await.problem().0, 400);
    }

    let points = get("history").await.good().1["points"].as_array().unwrap().clone();
    assert_eq!(lines(&get("history?format=ndjson").await), points);
    assert_eq!(csv(&get("history?format=csv").await).len(), points.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_header_says_the_format_unless_the_parameter_does() {
    let node = Node::easy().await;
    for path in
        ["blocks", "history", "accounts/ann/transactions", "accounts/transactions?party=ann"]
    {
        let url = format!("{}/api/v1/{path}", node.url);
        let ask = async |accept: &str| {
            let request = node.client.get(&url).header("accept", accept);
            let response = request.send().await.unwrap();
            let vary = response.headers().get_all("vary").iter();
            assert!(
                vary.into_iter().any(|vary| vary == "Accept") || response.status() == 406,
                "{path}"
            );
            let kind = response.headers()["content-type"].to_str().unwrap().to_string();
            (response.status().as_u16(), kind)
        };
        indexed(&node).await;
        for (accept, kind) in [
            ("*/*", "application/json"),
            ("text/csv", CSV),
            ("application/x-ndjson", LINES),
            ("text/html, application/x-ndjson;q=0.5, application/json;q=0.4", LINES),
        ] {
            assert_eq!(ask(accept).await, (200, kind.into()), "{path} {accept}");
        }
        let problem = "application/problem+json".to_string();
        assert_eq!(ask("text/html").await, (406, problem.clone()), "{path}");
        let sign = if path.contains('?') { '&' } else { '?' };
        let named = format!("/api/v1/{path}{sign}format");
        assert_eq!(node.get(&format!("{named}=csv")).await.kind, CSV, "{path}");
        let (status, wrong) = node.get(&format!("{named}=xml")).await.problem();
        assert_eq!(
            (status, &wrong["detail"]),
            (400, &json!("format must be json, csv or ndjson, not \"xml\""))
        );
    }
    assert_eq!(node.get("/api/v1/headers?format=csv").await.problem().0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_is_a_table_whose_cells_are_no_formulas() {
    let node = Node::easy().await;
    let names = [
        "=cmd|' /C calc'!A0",
        "+1",
        "-1",
        "@SUM(A1)",
        "\tx",
        "\rx",
        "\nx",
        "＝1",
        "a,b",
        "say \"no\"",
        "two\r\nlines",
        "'",
        " =1",
        "\u{202e}",
        "\u{1f600}",
        "",
    ];
    let payments: Vec<_> = names
        .iter()
        .map(|to| {
            let to = json!(to).to_string();
            let to = blocksmith_consensus::json::canonical(to.as_bytes()).unwrap().into_owned();
            format!(r#"{{"amount": -5, "recipient": {to}, "sender": "ann"}}"#)
        })
        .chain([
            r#"{"amount": "-5", "recipient": -7, "sender": "ann"}"#.into(),
            r#"{"amount": null, "recipient": ["=1"], "sender": "ann"}"#.into(),
            r#"{"amount": 1e5, "recipient": "zoe", "sender": "ann"}"#.into(),
        ])
        .collect();
    let next = paying(&node.tip(), 1, &payments);
    assert_eq!(node.post("/api/v1/blocks", next.text().to_string()).await.status, 200);
    indexed(&node).await;
    let get =
        async |query: &str| node.get(&format!("/api/v1/accounts/ann/transactions?{query}")).await;
    let page = get("limit=1000").await.good().1["transactions"].as_array().unwrap().clone();
    assert_eq!(page.len(), names.len() + 3);
    assert_eq!(lines(&get("format=ndjson").await), page);
    assert_eq!(lines(&get("format=ndjson&limit=3&before=2-9").await), page[page.len() - 9..][..3]);
    let mut rows = csv(&get("format=csv").await);
    rows.reverse();
    let expected = [
        "'=cmd|' /C calc'!A0",
        "'+1",
        "'-1",
        "'@SUM(A1)",
        "'\tx",
        "'\rx",
        "'\nx",
        "'＝1",
        "a,b",
        "say \"no\"",
        "two\r\nlines",
        "'",
        " =1",
        "\u{202e}",
        "\u{1f600}",
        "",
        "-7",
        "[\"=1\"]",
        "zoe",
    ];
    assert_eq!(column(&rows, "recipient"), expected);
    let amounts: Vec<_> = column(&rows, "amount").split_off(names.len() - 1);
    // A number stays one; a text that looks like one is a text.
    assert_eq!(amounts, ["-5", "'-5", "null", "100000.0"]);
    assert_eq!(rows[0]["roles"], "sent");
    assert_eq!(rows[16]["roles"], "sent uncounted");
    let head = "block,hash,position,confirmations,id,timestamp,roles,sender,recipient,amount,fee,nonce,memo\r\n";
    let url = Url::parse_with_params(
        &format!("{}/api/v1/accounts/transactions?format=csv", node.url),
        [("party", "nobody")],
    );
    assert_eq!(node.call(node.client.get(url.unwrap())).await.text, head);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_of_signed_payments_is_a_table_too() {
    let forge = Forge::start().await;
    for nonce in 0..7 {
        forge.pay(&forge.payment(10, 1, nonce)).await;
        if nonce % 3 == 2 {
            forge.mine(forge.bob.address).await;
        }
    }
    let path = format!("/api/v1/accounts/{}/transactions", forge.text(forge.bob.address));
    let page = forge.node.get(&path).await.good().1["transactions"].as_array().unwrap().clone();
    assert_eq!(page.len(), 9);
    assert_eq!(lines(&forge.node.get(&format!("{path}?format=ndjson")).await), page);
    let rows = csv(&forge.node.get(&format!("{path}?format=csv&limit=8")).await);
    assert_eq!(rows.len(), 8);
    let (coin, paid) = (&rows[0], &rows[1]);
    assert_eq!((&*coin["sender"], &*coin["fee"], &*coin["nonce"]), ("0", "", "3"));
    assert_eq!(
        (&paid["sender"], &paid["recipient"]),
        (&forge.text(forge.alice.address), &forge.text(forge.bob.address))
    );
    assert_eq!(
        ["amount", "fee", "nonce", "memo", "roles"].map(|name| &*paid[name]),
        ["10", "1", "5", "", ""]
    );
    assert_eq!(json!(paid["id"]), page[1]["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_of_one_chain_whatever_happens_to_it_meanwhile() {
    let node = Node::easy().await;
    // More than half is replaced, and those who had its coins have fewer then.
    let fork = extend(&node, node.tip(), BLOCKS - 12_001, 1).await;
    let tip = extend(&node, fork.clone(), 12_000, 2).await;
    indexed(&node).await;
    let hashes: Vec<_> = lines(&node.get("/api/v1/blocks?format=ndjson").await);
    let hashes: Vec<_> =
        hashes.iter().map(|block| block["hash"].as_str().unwrap().to_string()).collect();
    assert_eq!((hashes.len(), hashes.last()), (BLOCKS, Some(&tip.hash().to_string())));
    let party = "x".repeat(800);
    let mut responses = Vec::new();
    for path in [
        "blocks?format=ndjson".to_string(),
        format!("accounts/transactions?format=ndjson&party={party}"),
    ] {
        let mut response =
            node.client.get(format!("{}/api/v1/{path}", node.url)).send().await.unwrap();
        let first = response.chunk().await.unwrap().unwrap();
        responses.push((response, Vec::from(first)));
    }
    let other = extend_for(&node, fork, 12_001, 3, "eve").await;
    indexed(&node).await;
    assert_eq!(node.tip(), other, "the chain was replaced while the tables are sent");
    let mut tables = Vec::new();
    for (mut response, mut table) in responses {
        let before = table.len();
        while let Some(chunk) = response.chunk().await.unwrap() {
            table.extend_from_slice(&chunk);
        }
        assert!(before < table.len() / 2, "{before} of {} bytes came first", table.len());
        let table = String::from_utf8(table).unwrap();
        let row = |line: &str| {
            serde_json::from_str::<Value>(line).unwrap()["hash"].as_str().unwrap().to_string()
        };
        tables.push(table.lines().map(row).collect::<Vec<_>>());
    }
    let newest_first: Vec<_> = hashes[1..].iter().rev().cloned().collect();
    assert!(tables[0] == hashes, "the blocks of one chain");
    assert!(tables[1] == newest_first, "the transactions of one chain");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_do_not_read_a_table_or_go_away_keep_nobody_waiting() {
    let node = Node::easy().await;
    extend(&node, node.tip(), BLOCKS, 1).await;
    indexed(&node).await;
    let party = "x".repeat(800);
    let paths =
        ["blocks?format=csv".to_string(), format!("accounts/{party}/transactions?format=ndjson")];
    let mut lazy = Vec::new();
    for at in 0..20 {
        let mut stream = node.connect().await;
        let request = format!("GET /api/v1/{} HTTP/1.1\r\nHost: h\r\n\r\n", paths[at % 2]);
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.read_exact(&mut [0; 100]).await.unwrap();
        if at < 10 {
            lazy.push(stream);
        }
    }
    let asked = Instant::now();
    assert_eq!(node.get("/api/v1/blocks?from=2&limit=1").await.status, 200);
    assert_eq!(
        node.get(&format!("/api/v1/accounts/{party}/transactions?limit=1")).await.status,
        200
    );
    assert_eq!(node.get("/api/v1/blocks?format=csv&limit=1").await.status, 200);
    assert!(asked.elapsed() < Duration::from_secs(2));
    drop(lazy);
}
