//! `GET /api/v1/events`: what happens, as it happens, and from where one left off.

use std::time::Duration;

use blocksmith::chain::{Chain, Dialect};
use blocksmith_consensus::{Block, Rules, Timestamp};
use reqwest::header::HeaderValue;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::forge::{Forge, block_on};
use crate::node::{Node, next, paying};
use blocksmith_testkit::random::{Random, setting};

/// How long an event may take to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// An event as it came.
#[derive(Debug, Clone, PartialEq)]
struct Event {
    id: String,
    kind: String,
    data: Value,
}

/// A client that reads events.
struct Reader {
    response: Response,
    text: String,
    /// The id that a browser would come back with.
    last: String,
}

impl Reader {
    async fn open(node: &Node, query: &str, last: Option<&str>) -> Self {
        let url = format!("{}/api/v1/events{query}", node.url);
        let mut request = node.client.get(url);
        if let Some(last) = last {
            let last = HeaderValue::from_bytes(last.as_bytes()).expect("a header");
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self { response, text: String::new(), last: last.unwrap_or_default().into() }
    }

    /// The next frame: its lines.
    async fn frame(&mut self) -> Vec<(String, String)> {
        loop {
            if let Some((frame, rest)) = self.text.split_once("\n\n") {
                let frame: Vec<_> =
                    frame.lines().filter_map(|line| line.split_once(": ")).collect();
                let frame: Vec<_> =
                    frame.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
                self.text = rest.to_string();
                return frame;
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await;
            let chunk = chunk.expect("in time").expect("no error").expect("no end");
            self.text += std::str::from_utf8(&chunk).expect("text");
        }
    }

    /// The next event that says something.
    async fn next(&mut self) -> Event {
        loop {
            let frame = self.frame().await;
            let field = |name: &str| {
                let found = frame.iter().find(|(field, _)| field == name);
                found.map(|(_, value)| value.clone())
            };
            if let Some(id) = field("id") {
                self.last = id;
            }
            if let Some(data) = field("data") {
                return Event {
                    id: self.last.clone(),
                    kind: field("event").expect("a kind"),
                    data: serde_json::from_str(&data).expect("JSON"),
                };
            }
        }
    }

    async fn many(&mut self, count: usize) -> Vec<Event> {
        let mut events = Vec::new();
        for _ in 0..count {
            events.push(self.next().await);
        }
        events
    }
}

fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| &*event.kind).collect()
}

async fn take(node: &Node, block: &Block) {
    let answer = node.post("/api/v1/blocks", block.text().to_string()).await;
    assert_eq!(answer.good().0, 200);
}

async fn latest(node: &Node) -> String {
    let status = node.get("/api/v1/status").await.good().1;
    status["events"].as_str().expect("an id").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorg_to_another_first_block_has_no_fork() {
    let rules = Rules::dvf().with_zeros(0);
    let foreign = rules.genesis_block(Timestamp { micros: 1_000_000 });
    let node = Node::start(Chain { rules, dialect: Dialect::Notes }).await;
    let mut reader = Reader::open(&node, "?kinds=reorg", None).await;
    let ours = node.tip();
    let second = next(&foreign, 9, "eve");
    for block in [&foreign, &second] {
        take(&node, block).await;
    }
    let reorg = reader.many(1).await.remove(0).data;
    let place = |block: &Block| json!({"index": block.index(), "hash": block.hash().to_string()});
    assert_eq!(reorg["fork"], Value::Null);
    assert_eq!(reorg["left"], json!([place(&ours)]));
    assert_eq!(reorg["joined"], json!([place(&foreign), place(&second)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_reorgs_transactions_and_peers_are_told_in_order() {
    let node = Node::easy().await;
    let since = latest(&node).await;
    assert_eq!(since, format!("{}-0", node.handle.instance()));
    let mut reader = Reader::open(&node, "", None).await;
    let genesis = node.tip();
    let mut branch = vec![next(&genesis, 1, "ann")];
    branch.push(next(&branch[0], 2, "ann"));
    branch.push(next(&branch[1], 3, "bob"));
    let other = next(&genesis, 9, "eve");
    let payment = r#"{"amount": 5, "recipient": "b\u00e9", "sender": "a"}"#;
    node.post("/transactions/new", payment).await;
    take(&node, &other).await;
    for block in &branch {
        take(&node, block).await;
    }
    node.post("/api/v1/peers", r#"{"nodes": ["h:1"]}"#).await;
    node.send(Method::DELETE, "/api/v1/peers/h:1").await;
    let events = reader.many(6).await;
    assert_eq!(kinds(&events), ["transaction", "tip", "reorg", "tip", "peer", "peer"]);
    let hash = |block: &Block| block.hash().to_string();
    let place = |block: &Block| json!({"index": block.index(), "hash": hash(block)});
    let work = |blocks: u64| format!("{blocks:064x}");
    let tip = |block: &Block, miner: &str| {
        json!({
            "index": block.index(), "hash": hash(block), "previous_hash": block.parent().map(|parent| parent.to_string()),
            "work": work(block.index() - 1), "transactions": 1, "miner": miner,
        })
    };
    let transaction: Value = serde_json::from_str(payment).expect("JSON");
    let expected = json!({"change": "entered", "id": null, "transaction": transaction});
    assert_eq!(events[0].data, expected);
    assert_eq!(events[1].data, tip(&other, "eve"));
    let expected = json!({
        "fork": place(&genesis), "left": [place(&other)], "left_count": 1, "left_work": work(1),
        "joined": [place(&branch[0]), place(&branch[1])], "joined_count": 2,
        "waiting": 0, "tip": tip(&branch[1], "ann"),
    });
    assert_eq!(events[2].data, expected);
    assert_eq!(events[3].data, tip(&branch[2], "bob"));
    assert_eq!(events[4].data, json!({"address": "h:1", "change": "added"}));
    assert_eq!(events[5].data, json!({"address": "h:1", "change": "forgotten"}));
    let ids: Vec<_> =
        (1..=6).map(|number| format!("{}-{number}", node.handle.instance())).collect();
    assert_eq!(events.iter().map(|event| event.id.clone()).collect::<Vec<_>>(), ids);
    assert_eq!(latest(&node).await, ids[5]);

    // Who reads the status and then follows misses nothing, by either way.
    for (query, last) in [(format!("?since={since}"), None), ("".into(), Some(&*since))] {
        let again = Reader::open(&node, &query, last).await.many(6).await;
        assert_eq!(again, events);
    }
    // The header of a browser that comes back goes before the address that it began with.
    let query = format!("?since={since}&kinds=peer,reorg");
    let later = Reader::open(&node, &query, Some(&ids[2])).await.many(2).await;
    assert_eq!(later, events[4..], "and of the kinds that are wanted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorg_lists_what_left_and_counts_what_waits_again() {
    let node = Node::easy().await;
    let mut reader = Reader::open(&node, "", None).await;
    let genesis = node.tip();
    let payment =
        |number: u64| format!(r#"{{"amount": {number}, "recipient": "b", "sender": "a"}}"#);
    for number in [1, 2, 3] {
        node.post("/transactions/new", payment(number)).await;
    }
    // Both blocks have one that waits, and one that never did, which the other branch has, too, of the
    // first block.
    let first = paying(&genesis, 1, &[payment(1), payment(4)]);
    let second = paying(&first, 2, &[payment(2), payment(5)]);
    let third = paying(&genesis, 3, &[]);
    let fourth = paying(&third, 4, &[payment(4)]);
    let fifth = paying(&fourth, 5, &[]);
    for block in [&first, &second, &third, &fourth, &fifth] {
        take(&node, block).await;
    }
    let events = reader.many(8).await;
    let of_transactions: Vec<_> = events
        .iter()
        .filter(|event| event.kind == "transaction")
        .map(|event| (event.data["change"].clone(), event.data["transaction"]["amount"].clone()))
        .collect();
    let expected = ["entered", "entered", "entered", "confirmed", "confirmed"];
    let expected = expected.into_iter().zip([1, 2, 3, 1, 2]);
    let expected: Vec<_> =
        expected.map(|(change, number)| (json!(change), json!(number))).collect();
    assert_eq!(of_transactions[..5], expected);
    let reorg = events.iter().find(|event| event.kind == "reorg").expect("one");
    let place = |block: &Block| json!({"index": block.index(), "hash": block.hash().to_string()});
    assert_eq!(reorg.data["fork"], place(&genesis));
    assert_eq!(reorg.data["left"], json!([place(&second), place(&first)]), "the former tip first");
    assert_eq!(reorg.data["joined"], json!([&third, &fourth, &fifth].map(place)));
    assert_eq!((&reorg.data["left_count"], &reorg.data["joined_count"]), (&json!(2), &json!(3)));
    // What the other branch has does not wait again.
    assert_eq!(reorg.data["waiting"], 3, "{:?}", kinds(&events));
    let waiting = node.get("/api/v1/transactions?queued").await.good().1;
    assert_eq!(waiting["queued"], 4, "{waiting}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_answers_and_one_that_fails_are_told_once_each() {
    let node = Node::easy().await;
    let mut reader = Reader::open(&node, "?kinds=peer", None).await;
    node.post("/api/v1/peers", r#"{"nodes": ["h:1"]}"#).await;
    let peer = || "h:1".parse().expect("an address");
    let tip = node.tip();
    for _ in 0..2 {
        node.handle.answered(peer(), Some((tip.index(), tip.hash()))).await.expect("it runs");
    }
    for why in ["gone", "still gone"] {
        node.handle.failed(peer(), why.into()).await.expect("it runs");
    }
    node.send(Method::DELETE, "/api/v1/peers/h:1").await;
    let data: Vec<_> = reader.many(4).await.into_iter().map(|event| event.data).collect();
    let expected = [
        json!({"address": "h:1", "change": "added"}),
        json!({"address": "h:1", "change": "answers", "index": 1}),
        json!({"address": "h:1", "change": "fails", "reason": "gone"}),
        json!({"address": "h:1", "change": "forgotten"}),
    ];
    assert_eq!(data, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_missed_something_that_is_gone_is_told_to_read_the_status() {
    let node = Node::easy().await;
    let instance = node.handle.instance().to_string();
    let reset = async |last: &str| {
        let event = Reader::open(&node, "?kinds=tip", Some(last)).await.next().await;
        (event.kind, event.data)
    };
    let now = json!({"events": format!("{instance}-0")});
    let other = instance.replace(|c: char| c.is_ascii_digit(), "0");
    let never = [&*format!("{other}-0"), &format!("{instance}-1"), "x", "", "-", &instance, "Zoë"];
    for last in never {
        assert_eq!(reset(last).await, ("reset".to_string(), now.clone()), "{last:?}");
    }
    // More events than are kept.
    let mut tip = node.tip();
    node.post("/transactions/new", r#"{"sender": "a", "recipient": "b", "amount": 1}"#).await;
    for round in 0..21 {
        let blocks: Vec<_> = (0..1_000)
            .map(|_| {
                tip = next(&tip, 1, &format!("miner {round}"));
                tip.clone()
            })
            .collect();
        for block in blocks {
            let taken = node.handle.submit_block(block, None).await.expect("it runs");
            assert!(matches!(taken, blocksmith_node::Verdict::NewTip));
        }
    }
    let latest = latest(&node).await;
    assert_eq!(reset(&format!("{instance}-1")).await.1, json!({"events": latest}));
    let number: u64 = latest.rsplit_once('-').expect("a number").1.parse().expect("a number");
    let mut reader =
        Reader::open(&node, "?kinds=tip", Some(&format!("{instance}-{}", number - 2))).await;
    assert_eq!(reader.next().await.data["index"], tip.index() - 1);

    for wrong in ["?kinds=", "?kinds=tips", "?kinds=tip,,peer", "?kind=tip", "?kinds=reset"] {
        let answer = node.get(&format!("/api/v1/events{wrong}")).await;
        assert_eq!(answer.problem().0, 400, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_became_of_a_payment_is_told() {
    let forge = Forge::start().await;
    let mut reader = Reader::open(&forge.node, "?kinds=transaction,reorg", None).await;
    let (first, dearer) = (forge.payment(300, 0, 0), forge.payment(301, 20, 0));
    let ids = [Forge::id(&forge.pay(&first).await), Forge::id(&forge.pay(&dearer).await)];
    let genesis = forge.node.tip();
    // It is mined after all, in the place of the other one; and its block leaves the chain.
    let block = block_on(&forge, &genesis, 2000, Some(&first));
    take(&forge.node, &block).await;
    let other = block_on(&forge, &genesis, 2001, None);
    take(&forge.node, &other).await;
    take(&forge.node, &block_on(&forge, &other, 2100, Some(&first))).await;
    let told = reader.many(5).await;
    let brief = |event: &Event| {
        let by = event.data["by"].as_str().map(str::to_string);
        (event.data["change"].clone(), event.data["id"].clone(), by)
    };
    let expected = [
        (json!("entered"), json!(ids[0]), None),
        (json!("replaced"), json!(ids[0]), Some(ids[1].clone())),
        (json!("entered"), json!(ids[1]), None),
        (json!("dropped"), json!(ids[1]), None),
    ];
    assert_eq!(told[..4].iter().map(brief).collect::<Vec<_>>(), expected);
    let (kind, data) = (&told[4].kind, &told[4].data);
    assert_eq!((&**kind, &data["waiting"]), ("reorg", &json!(0)), "it was made again: {data}");
    let text = told[0].data["transaction"].clone();
    assert_eq!(text, serde_json::from_str::<Value>(&first).expect("JSON"));
}

/// How often the client is told on a stream of `kinds` that it is alive while `meanwhile` goes on: the
/// id that it is told then.
async fn heartbeat(node: &Node, kinds: &str, meanwhile: impl Future<Output = ()>) -> String {
    let mut reader = Reader::open(node, &format!("?kinds={kinds}"), None).await;
    let mut position = async || {
        let frame = reader.frame().await;
        assert!(frame.iter().all(|(name, _)| name != "data"), "{frame:?}");
        frame.into_iter().find(|(name, _)| name == "id").expect("an id").1
    };
    assert_eq!(position().await, latest(node).await);
    tokio::select! {
        id = position() => id,
        () = meanwhile => unreachable!("it goes on"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_on_which_nothing_is_sent_is_alive_and_knows_where_it_is() {
    let nodes = [Node::easy().await, Node::easy().await];
    let quiet = heartbeat(&nodes[0], "tip,reorg,transaction,peer", std::future::pending());
    // Of kinds that it did not ask for, however often: with the heartbeat it knows that it missed
    // nothing.
    let busy = heartbeat(&nodes[1], "reorg,peer", async {
        let mut tip = nodes[1].tip();
        loop {
            tip = next(&tip, 1, "ann");
            take(&nodes[1], &tip).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let (quiet, busy) = tokio::join!(quiet, busy);
    assert_eq!(quiet, format!("{}-0", nodes[0].handle.instance()));
    let number: u64 = busy.rsplit_once('-').expect("a number").1.parse().expect("a number");
    assert!(number > 10 && number <= nodes[1].handle.feed().latest(), "{busy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_or_waits_for_news_holds_up_no_stop() {
    let mut node = Node::easy().await;
    let mut followers =
        [Reader::open(&node, "", None).await, Reader::open(&node, "?kinds=peer", None).await];
    for follower in &mut followers {
        follower.frame().await;
    }
    let work = node.get("/api/v1/work?recipient=ann").await.good().1;
    let id = work["id"].as_str().expect("an id");
    let news = format!("{}/api/v1/work?recipient=ann&than={id}", node.url);
    let news = tokio::spawn(node.client.get(news).send());
    tokio::time::sleep(Duration::from_millis(100)).await;
    let began = std::time::Instant::now();
    node.stop.take().expect("it serves").send(()).expect("it listens");
    for follower in &mut followers {
        let rest = follower.response.chunk().await.expect("the stream is told to its end");
        assert_eq!(rest, None);
    }
    let answer = news.await.expect("no panic").expect("an answer");
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["connection"]),
        (200, &"close".parse().expect("a header"))
    );
    let answer = answer.text().await.expect("work");
    assert_eq!(serde_json::from_str::<Value>(&answer).expect("JSON"), work, "as it is");
    (&mut node.serving).await.expect("no panic").expect("no error");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

/// Makes things happen until it is told to end.
async fn load(node: &Node, mut end: watch::Receiver<usize>) {
    let mut number = 0;
    let mut tip = node.tip();
    let work = async {
        loop {
            number += 1;
            let body = json!({"sender": "a", "recipient": format!("r{number}"), "amount": number});
            node.post("/transactions/new", body.to_string()).await;
            if number % 3 == 0 {
                // Now and then a block that another one overtakes.
                let parent = tip.clone();
                tip = next(&parent, number, "ann");
                take(node, &tip).await;
                if number % 9 == 0 {
                    let side = next(&parent, number + 1, "eve");
                    let over = next(&side, number + 2, "eve");
                    take(node, &side).await;
                    take(node, &over).await;
                    tip = over;
                }
            }
        }
    };
    tokio::select! {
        () = work => {}
        _ = end.wait_for(|end| *end > 0) => {}
    }
}

/// `BLOCKSMITH_DISCONNECTS` sets how often.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_cut_off_again_and_again_misses_nothing_and_hears_nothing_twice() {
    let disconnects = setting("BLOCKSMITH_DISCONNECTS", 1_000) as usize;
    let node = Node::easy().await;
    // How many events were heard, once that is known.
    let (end, ends) = watch::channel(0);
    let mut steady = Reader::open(&node, "", None).await;
    // Reads all the time: the node does not keep them all.
    let follow_steadily = async {
        let mut all = Vec::new();
        let mut ends = ends.clone();
        let count = tokio::select! {
            count = ends.wait_for(|end| *end > 0) => *count.expect("somebody hears them"),
            () = async { loop { all.push(steady.next().await) } } => unreachable!(),
        };
        while all.len() < count {
            all.push(steady.next().await);
        }
        all.truncate(count);
        all
    };
    let follow = async {
        let mut random = Random::new(20_261_126);
        let mut heard = Vec::new();
        let mut last = format!("{}-0", node.handle.instance());
        for _ in 0..disconnects {
            let mut reader = Reader::open(&node, "", Some(&last)).await;
            for _ in 0..random.below(5) {
                heard.push(reader.next().await);
            }
            // What a browser kept; what was on its way is lost with the connection.
            last = reader.last;
        }
        end.send_replace(heard.len());
        heard
    };
    let ((), heard, all) = tokio::join!(load(&node, ends.clone()), follow, follow_steadily);
    assert!(heard.len() > disconnects / 2 && all.len() == heard.len(), "{}", heard.len());
    assert!(all.iter().all(|event| event.kind != "reset"));
    for (at, (one, other)) in all.iter().zip(&heard).enumerate() {
        assert_eq!(one, other, "event {at}");
    }
    for kind in ["tip", "reorg", "transaction"] {
        assert!(all.iter().any(|event| event.kind == kind), "{kind}");
    }
}
