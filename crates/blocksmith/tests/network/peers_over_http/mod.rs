//! The adapter for peers, against peers that the tests play on loopback.

mod clocks;
mod fakes;
mod slow;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use blocksmith_consensus::{Block, Rules};
use bytes::Bytes;
use fakes::*;

fn lecture() -> Rules {
    Rules::lecture().with_zeros(1)
}

fn dvf() -> Rules {
    Rules::dvf().with_zeros(1)
}

const ROUTES: [&str; 3] = ["/nodes/new", "/block/new", "/new"];

/// Waits until a peer has been asked, so that what the test does next is what it sees.
async fn settled(fake: &Fake, first: &str) {
    until(5, "the peer was asked", || fake.count(first) > 0).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
}

async fn resolve(node: &Node, most: Duration) -> bool {
    let started = Instant::now();
    let changed = node.handle.resolve().await.expect("a running node");
    assert!(started.elapsed() < most, "it took {:?}", started.elapsed());
    changed
}

// Telling.

#[tokio::test]
async fn a_python_node_is_told_by_the_first_route_that_it_has_and_the_route_is_remembered() {
    for route in &ROUTES {
        let node = Node::start(&lecture());
        let blocks = shared(&genesis(&lecture(), 0));
        let manners = Manners { push: std::slice::from_ref(route), ..LECTURE };
        let peer = python(manners, &blocks).await;
        node.know(&[&peer.address]).await;
        let first = node.mine().await;
        until(5, "the first block", || blocks.lock().unwrap().last() == Some(&first)).await;
        let tried = peer.count("POST ");
        let second = node.mine().await;
        until(5, "the second block", || blocks.lock().unwrap().last() == Some(&second)).await;
        assert_eq!(peer.count("POST "), tried + 1, "{route}");
        assert_eq!(pushed(&peer, &[route]), [2, 3]);
    }
}

#[tokio::test]
async fn a_living_peer_hears_within_a_second_while_others_are_dead_or_silent() {
    let node = Node::start(&lecture());
    let blocks = shared(&genesis(&lecture(), 0));
    let living = python(LECTURE, &blocks).await;
    let mut peers = vec![living.address.clone()];
    let mut silent = Vec::new();
    for _ in 0..5 {
        let (address, connections) = tarpit().await;
        silent.push(connections);
        peers.extend([address, dead().await]);
    }
    node.know(&peers.iter().collect::<Vec<_>>()).await;
    for _ in 0..10 {
        let started = Instant::now();
        let block = node.mine().await;
        until(1, "the living peer has the block", || blocks.lock().unwrap().last() == Some(&block))
            .await;
        assert!(started.elapsed() < Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for connections in silent {
        let open = connections.lock().unwrap().len();
        assert!(open <= 2, "one to tell and one to ask, not {open}");
    }
}

#[tokio::test]
async fn only_the_latest_tip_waits_for_a_slow_peer() {
    let (rules, blocks) = (lecture(), shared(&genesis(&lecture(), 0)));
    let slow = Fake::serve(move |call| match &*call.line {
        "POST /api/v1/blocks" => Reply::Late(Duration::from_millis(700), "{}".into()),
        _ => own_reply(call, &rules, "somebody", &blocks),
    })
    .await;
    let node = Node::start(&lecture());
    node.know(&[&slow.address]).await;
    settled(&slow, "GET /api/v1/status").await;
    for _ in 0..20 {
        node.mine().await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(pushed(&slow, &["/api/v1/blocks"]), [2, 21]);
}

#[tokio::test]
async fn our_own_kind_gets_the_canonical_text_and_our_address() {
    let node = Node::start(&lecture());
    let peer = own_kind(&lecture(), &shared(&genesis(&lecture(), 0))).await;
    node.know(&[&peer.address]).await;
    let block = node.mine().await;
    until(5, "the block", || peer.count("POST ") > 0).await;
    let call = &peer.calls("POST ")[0];
    assert_eq!(call.line, "POST /api/v1/blocks");
    assert_eq!(call.body, block.text());
    assert_eq!(call.listen.as_deref(), Some("127.0.0.1:7"));
}

#[tokio::test]
async fn a_python_node_that_has_the_block_is_not_told() {
    for manners in [LECTURE, Manners { look: Some("proof"), ..LECTURE }, COURSE] {
        let node = Node::start(&lecture());
        let blocks = shared(&genesis(&lecture(), 0));
        let peer = python(manners, &blocks).await;
        node.know(&[&peer.address]).await;
        settled(&peer, "GET /last").await;
        let theirs = next(&lecture(), &node.tip(), "bob");
        blocks.lock().unwrap().push(theirs.clone());
        node.has(&[theirs]).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(peer.count("POST "), 0);
        node.mine().await;
        until(5, "the next one", || blocks.lock().unwrap().len() == 3).await;
    }
}

#[tokio::test]
async fn a_python_node_a_few_blocks_behind_gets_them_one_by_one_and_refuses_none() {
    for manners in [LECTURE, COURSE] {
        let route = manners.push[0];
        let node = Node::start(&lecture());
        let chain = grown(&lecture(), &genesis(&lecture(), 0), 12, "alice");
        node.has(&chain[1..]).await;
        let blocks = shared(&chain[..6]);
        let peer = python(manners, &blocks).await;
        node.know(&[&peer.address]).await;
        until(5, "all blocks", || blocks.lock().unwrap().len() == 12).await;
        assert_eq!(pushed(&peer, &[route]), [7, 8, 9, 10, 11, 12]);
    }
}

#[tokio::test]
async fn a_python_node_that_refuses_a_tip_is_not_told_of_it_again_and_again() {
    let node = Node::start(&lecture());
    let chain = grown(&lecture(), &genesis(&lecture(), 0), 40, "alice");
    node.has(&chain[1..]).await;
    let blocks = shared(&chain[..2]);
    let peer = python(LECTURE, &blocks).await;
    node.know(&[&peer.address]).await;
    until(5, "it was told", || peer.count("POST ") > 0).await;
    for _ in 0..5 {
        resolve(&node, Duration::from_secs(5)).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(pushed(&peer, &ROUTES), [40]);
}

#[tokio::test]
async fn a_peer_that_only_pulls_is_left_in_peace() {
    let node = Node::start(&dvf());
    let blocks = shared(&genesis(&dvf(), 0));
    let peer = python(DVF, &blocks).await;
    node.know(&[&peer.address]).await;
    node.mine().await;
    until(5, "three routes were tried", || peer.count("POST ") == 3).await;
    node.mine().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(peer.count("POST "), 3);
    // It did not fail: there is no back-off, and its longer chain is taken.
    let longer = grown(&dvf(), &blocks.lock().unwrap().clone(), 6, "bob");
    *blocks.lock().unwrap() = longer.clone();
    assert!(resolve(&node, Duration::from_secs(5)).await);
    assert_eq!(node.tip(), longer[5]);
}

#[tokio::test]
async fn a_single_threaded_node_that_is_busy_for_a_while_hears_of_the_block() {
    let node = Node::start(&lecture());
    let blocks = shared(&genesis(&lecture(), 0));
    let busy = Arc::new(AtomicBool::new(false));
    let (chain, away) = (blocks.clone(), busy.clone());
    let peer = Fake::serve(move |call| match away.load(Ordering::SeqCst) {
        true => Reply::Never,
        false => python_reply(call, &LECTURE, &chain),
    })
    .await;
    node.know(&[&peer.address]).await;
    settled(&peer, "GET /chain").await;
    busy.store(true, Ordering::SeqCst);
    let block = node.mine().await;
    until(5, "it is being asked", || peer.count("GET /last_proof") > 1).await;
    busy.store(false, Ordering::SeqCst);
    until(15, "the block", || blocks.lock().unwrap().last() == Some(&block)).await;
    assert_eq!(pushed(&peer, &["/nodes/new"]), [2]);
    let questions = peer.count("GET /chain") + peer.count("GET /api/v1/status");
    assert_eq!(questions, 2, "the second try asks for nothing but the last proof");
}

#[tokio::test]
async fn chains_do_not_mix_and_a_node_is_no_peer_of_itself() {
    let node = Node::start(&lecture());
    let rules = Rules::lecture().with_zeros(2);
    let other = own_kind(&rules, &shared(&genesis(&rules, 0))).await;
    let (id, blocks) = (node.handle.instance().to_string(), shared(&genesis(&lecture(), 0)));
    let mirror = Fake::serve(move |call| own_reply(call, &lecture(), &id, &blocks)).await;
    node.know(&[&other.address, &mirror.address]).await;
    until(5, "it is no peer", || node.handle.standing().peers == [other.address.clone()]).await;
    settled(&other, "GET /api/v1/status").await;
    node.mine().await;
    node.mine().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(other.count("POST ") + mirror.count("POST "), 0);
    assert_eq!(other.count("GET /chain") + other.count("GET /last"), 0);
}

#[tokio::test]
async fn calls_to_a_peer_that_is_forgotten_end() {
    let node = Node::start(&lecture());
    let (address, connections) = tarpit().await;
    node.know(&[&address]).await;
    until(5, "it is asked", || !connections.lock().unwrap().is_empty()).await;
    assert_eq!(node.handle.forget(address.clone()).await, Ok(Some(address)));
    let hung_up = || {
        connections.lock().unwrap().iter().all(|connection| {
            let mut heard = [0; 4096];
            loop {
                match connection.try_read(&mut heard) {
                    Ok(0) => return true,
                    Ok(_) => {}
                    Err(_) => return false,
                }
            }
        })
    };
    // It would be waited for longer than that.
    until(2, "nobody waits for it any more", hung_up).await;
    node.mine().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(connections.lock().unwrap().len(), 1, "and nobody calls it");
}

#[tokio::test]
async fn one_node_under_two_names_is_one_peer_and_no_liar_takes_its_place() {
    let node = Node::start(&lecture());
    let id = "0123456789abcdef0123456789abcdef";
    let start = || {
        let blocks = shared(&genesis(&lecture(), 0));
        Fake::serve(move |call| own_reply(call, &lecture(), id, &blocks))
    };
    let (first, second) = (start().await, start().await);
    node.know(&[&first.address]).await;
    settled(&first, "GET /api/v1/status").await;
    node.know(&[&second.address]).await;
    let only_first = || node.handle.standing().peers == [first.address.clone()];
    until(5, "the second is none", || second.count("GET ") > 0 && only_first()).await;
    node.mine().await;
    until(5, "the block", || first.count("POST ") > 0).await;
    assert_eq!(second.count("POST "), 0);
    // Whoever runs the node knows better.
    node.handle.choose(vec![second.address.clone()], true).await.expect("it runs");
    let only_second = || node.handle.standing().peers == [second.address.clone()];
    until(5, "the first is none", only_second).await;
}

// Asking.

#[tokio::test]
async fn five_thousand_blocks_come_from_a_python_node_and_others_hear_of_the_last_alone() {
    let chain = grown(&lecture(), &genesis(&lecture(), 0), 5_000, "alice");
    let node = Node::start(&lecture());
    let listener = own_kind(&lecture(), &shared(&chain[..1])).await;
    node.know(&[&listener.address]).await;
    settled(&listener, "GET /api/v1/status").await;
    let peer = python(LECTURE, &shared(&chain)).await;
    let started = Instant::now();
    node.know(&[&peer.address]).await;
    node.reaches(&chain[4_999], 30).await;
    println!("5,000 blocks from a Python node: {:?}", started.elapsed());
    until(5, "the tip is told", || listener.count("POST ") > 0).await;
    assert_eq!(pushed(&listener, &["/api/v1/blocks"]), [5_000]);
    assert_eq!(peer.count("GET /chain"), 1);
    assert_eq!(peer.count("POST "), 0);
}

#[tokio::test]
async fn five_thousand_blocks_come_in_pages_from_our_own_kind() {
    let chain = grown(&lecture(), &genesis(&lecture(), 0), 5_000, "alice");
    let node = Node::start(&lecture());
    let peer = own_kind(&lecture(), &shared(&chain)).await;
    let started = Instant::now();
    node.know(&[&peer.address]).await;
    node.reaches(&chain[4_999], 30).await;
    println!("5,000 blocks from our own kind: {:?}", started.elapsed());
    assert_eq!(peer.count("GET /api/v1/blocks"), 10);
    assert_eq!(peer.count("GET /chain") + peer.count("POST "), 0);
}

#[tokio::test]
async fn a_fork_of_our_own_kind_is_found_in_a_few_steps() {
    let trunk = grown(&lecture(), &genesis(&lecture(), 0), 600, "alice");
    let ours = grown(&lecture(), &trunk, 700, "alice");
    let theirs = grown(&lecture(), &trunk, 710, "bob");
    let node = Node::start(&lecture());
    node.has(&ours[1..]).await;
    let peer = own_kind(&lecture(), &shared(&theirs)).await;
    node.know(&[&peer.address]).await;
    node.reaches(&theirs[709], 10).await;
    assert_eq!(peer.count("GET /api/v1/headers"), 8, "700, 699, 697 … 573");
    assert_eq!(peer.count("GET /api/v1/blocks"), 1);
}

#[tokio::test]
async fn a_longer_python_branch_wins_and_a_branch_as_long_as_ours_changes_nothing() {
    for (length, wins) in [(30, true), (20, false), (12, false)] {
        for manners in [LECTURE, COURSE, Manners { list: "currentChain", ..DVF }] {
            let trunk = grown(&lecture(), &genesis(&lecture(), 0), 10, "alice");
            let ours = grown(&lecture(), &trunk, 20, "alice");
            let theirs = grown(&lecture(), &trunk, length, "bob");
            let node = Node::start(&lecture());
            node.has(&ours[1..]).await;
            let peer = python(manners, &shared(&theirs)).await;
            node.know(&[&peer.address]).await;
            until(5, "it was asked", || peer.count("GET /") > 1).await;
            resolve(&node, Duration::from_secs(5)).await;
            let tip = if wins { theirs.last() } else { ours.last() };
            assert_eq!(Some(&node.tip()), tip);
        }
    }
}

#[tokio::test]
async fn the_longest_chain_wins_across_geneses() {
    for own in [false, true] {
        let node = Node::start(&dvf());
        for _ in 0..4 {
            node.mine().await;
        }
        let before = node.tip();
        let theirs = grown(&dvf(), &genesis(&dvf(), 7), 1_200, "bob");
        let blocks = shared(&theirs[..5]);
        let peer = match own {
            true => own_kind(&dvf(), &blocks).await,
            false => python(DVF, &blocks).await,
        };
        node.know(&[&peer.address]).await;
        assert!(!resolve(&node, Duration::from_secs(5)).await);
        assert_eq!(node.tip(), before, "as long as ours");
        *blocks.lock().unwrap() = theirs.clone();
        assert!(resolve(&node, Duration::from_secs(10)).await);
        assert_eq!(node.tip(), theirs[1_199]);
        let first = node.handle.snapshot().unwrap().texts(0).unwrap().next().unwrap().unwrap();
        assert_eq!(first, theirs[0].text());
    }
}

#[tokio::test]
async fn a_second_question_joins_the_first() {
    let blocks = shared(&grown(&lecture(), &genesis(&lecture(), 0), 5, "alice"));
    let text = document("chain", &blocks.lock().unwrap(), 5);
    let peer = Fake::serve(move |call| match &*call.line {
        "GET /chain" => Reply::Late(Duration::from_secs(1), text.clone()),
        _ => not_found(),
    })
    .await;
    let node = Node::start(&lecture());
    node.know(&[&peer.address]).await;
    let started = Instant::now();
    let handle = &node.handle;
    let all = futures_util::future::join_all((0..20).map(|_| handle.resolve())).await;
    assert!(all.into_iter().all(|changed| changed == Ok(true)));
    assert!(started.elapsed() < Duration::from_secs(3));
    assert_eq!(peer.count("GET /chain"), 1);
}

#[tokio::test]
async fn who_resolves_waits_for_all_peers_of_which_four_are_called_at_a_time() {
    let late = Duration::from_millis(400);
    let text = document("chain", &genesis(&lecture(), 0), 1);
    let called = Arc::new(Mutex::new(Vec::new()));
    let mut peers = Vec::new();
    for _ in 0..10 {
        let (text, called) = (text.clone(), called.clone());
        let answer = move |call: &Call| match &*call.line {
            "GET /chain" => {
                called.lock().unwrap().push(Instant::now());
                Reply::Late(late, text.clone())
            }
            _ => not_found(),
        };
        peers.push(Fake::serve(answer).await);
    }
    let node = Node::start(&lecture());
    node.know(&peers.iter().map(|peer| &peer.address).collect::<Vec<_>>()).await;
    // They are new, and asked for once.
    until(9, "all were asked", || called.lock().unwrap().len() == 10).await;
    tokio::time::sleep(2 * late).await;
    called.lock().unwrap().clear();
    assert!(!resolve(&node, Duration::from_secs(9)).await, "they have what we have");
    let called = called.lock().unwrap();
    assert_eq!(called.len(), 10);
    // The fifth is called when one of four has answered.
    let waits: Vec<_> =
        called.iter().zip(&called[4..]).map(|(first, fifth)| *fifth - *first).collect();
    assert!(waits.iter().all(|wait| *wait >= late / 2), "{waits:?}");
    assert!(waits.iter().any(|wait| *wait < 2 * late), "four are called at a time: {waits:?}");
}

#[tokio::test]
async fn a_tip_that_a_python_node_took_or_showed_is_not_fetched_again() {
    for manners in [LECTURE, COURSE] {
        let node = Node::start(&lecture());
        let blocks = shared(&genesis(&lecture(), 0));
        let peer = python(manners, &blocks).await;
        node.know(&[&peer.address]).await;
        resolve(&node, Duration::from_secs(5)).await;
        let fetched = peer.count("GET /chain");
        assert!(fetched <= 1);
        for length in 2..5 {
            node.mine().await;
            until(5, "the block", || blocks.lock().unwrap().len() == length).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            resolve(&node, Duration::from_secs(5)).await;
        }
        assert_eq!(peer.count("GET /chain"), fetched);
    }
}

#[tokio::test]
async fn a_proof_that_comes_round_again_hides_no_chain_from_who_asks() {
    // Proofs depend on the last proof alone, so they enter a cycle.
    let chain = grown(&lecture(), &genesis(&lecture(), 0), 400, "alice");
    let proof = |block: &Block| block.view().proof_json().to_string();
    let (ours, theirs) = (1..400)
        .flat_map(|low| (low + 1..400).map(move |high| (low, high)))
        .find(|&(low, high)| proof(&chain[low]) == proof(&chain[high]))
        .expect("a cycle");
    let node = Node::start(&lecture());
    node.has(&chain[1..=ours]).await;
    let peer = python(LECTURE, &shared(&chain[..=theirs])).await;
    node.know(&[&peer.address]).await;
    resolve(&node, Duration::from_secs(5)).await;
    assert_eq!(node.tip(), chain[theirs]);
}

// What peers should not do.

/// The node keeps its chain of three blocks, and the question is over in time.
async fn is_refused(
    what: &str,
    seconds: u64,
    answer: impl Fn(&Call) -> Reply + Send + Sync + 'static,
) {
    let node = Node::start(&lecture());
    for _ in 0..2 {
        node.mine().await;
    }
    let before = node.tip();
    let peer = Fake::serve(answer).await;
    node.know(&[&peer.address]).await;
    resolve(&node, Duration::from_secs(seconds)).await;
    assert_eq!(node.tip(), before, "{what}");
    assert!(peer.count("GET /") > 0);
}

/// A Python node whose chain is this document.
fn shows(text: String) -> impl Fn(&Call) -> Reply {
    move |call| match &*call.line {
        "GET /chain" => Reply::Text(200, text.clone()),
        _ => not_found(),
    }
}

#[tokio::test]
async fn what_is_no_chain_is_refused() {
    let chain = grown(&lecture(), &genesis(&lecture(), 0), 9, "bob");
    let foreign = grown(&dvf(), &genesis(&dvf(), 0), 9, "bob");
    let good = document("chain", &chain, 9);
    let texts = [
        ("a length that lies", document("chain", &chain[..2], 1_000_000)),
        ("another genesis", document("chain", &foreign, 9)),
        ("no JSON", "<html>Internal Server Error</html>".into()),
        ("nothing", String::new()),
        ("null", r#"{"chain": null}"#.into()),
        ("a list", "[1, 2, 3]".into()),
        ("no blocks", r#"{"chain": [], "length": 99}"#.into()),
        ("numbers for blocks", r#"{"chain": [1, 2, 3, 4, 5], "length": 5}"#.into()),
        ("half a chain", good[..good.len() / 5].into()),
        ("bytes", "\u{1}\u{2}\0".into()),
        ("depth", format!("{{\"chain\": [{}", "[".repeat(100_000))),
    ];
    for (what, text) in texts {
        is_refused(what, 3, shows(text)).await;
    }
    for status in [201, 204, 400, 404, 429, 500, 503] {
        is_refused("a status", 3, move |_| Reply::Text(status, "{}".into())).await;
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let chain = shared(&grown(&lecture(), &genesis(&lecture(), 0), 9, "bob"));
    let target = python(LECTURE, &chain).await;
    let to = target.address.to_string();
    is_refused("a redirect", 3, move |call| {
        let path = call.line.split(' ').nth(1).unwrap_or_default();
        Reply::Redirect(format!("http://{to}{path}"))
    })
    .await;
    assert_eq!(target.count(""), 0);
}

#[tokio::test]
async fn a_peer_that_never_answers_is_given_up() {
    is_refused("silence", 8, |_| Reply::Never).await;
    is_refused("silence after a while", 16, |call| match &*call.line {
        "GET /chain" => Reply::Never,
        _ => not_found(),
    })
    .await;
}

#[tokio::test]
async fn a_body_without_end_is_given_up() {
    is_refused("a block without end", 10, |call| match &*call.line {
        "GET /chain" => {
            let piece = Bytes::from(vec![b'x'; 1 << 16]);
            Reply::Endless(r#"{"chain": [{"a": ""#.into(), piece, Duration::ZERO)
        }
        _ => not_found(),
    })
    .await;
    is_refused("a status without end", 8, |_| {
        Reply::Endless("{".into(), Bytes::from(vec![b' '; 1 << 16]), Duration::ZERO)
    })
    .await;
}

#[tokio::test]
async fn a_body_that_drips_is_given_up() {
    is_refused("drops", 25, |call| match &*call.line {
        "GET /chain" => {
            let wait = Duration::from_millis(300);
            Reply::Endless(r#"{"chain": ["#.into(), Bytes::from_static(b" "), wait)
        }
        _ => not_found(),
    })
    .await;
}

#[tokio::test]
async fn what_is_valid_before_an_invalid_block_stays() {
    let mut chain = grown(&lecture(), &genesis(&lecture(), 0), 1_500, "bob");
    let edited = chain[1_200].text().replace("bob", "eve");
    chain[1_200] = Block::of_canonical(&edited).expect("a block");
    for own in [true, false] {
        let blocks = shared(&chain);
        let peer = match own {
            true => own_kind(&lecture(), &blocks).await,
            false => python(DVF, &blocks).await,
        };
        let node = Node::start(&lecture());
        node.know(&[&peer.address]).await;
        resolve(&node, Duration::from_secs(10)).await;
        assert_eq!(node.tip(), chain[1_200], "the edit shows in the block after it");
    }
}

#[tokio::test]
async fn a_peer_of_our_kind_that_claims_more_than_it_has_is_refused() {
    let claims = |index: u64, pages: &'static str| {
        move |call: &Call| {
            let chain_id = lecture().chain_id();
            let tip = "0".repeat(64);
            Reply::Text(
                200,
                match call.line.split('?').next().unwrap_or_default() {
                    "GET /api/v1/status" => format!(
                        r#"{{"chain_id": "{chain_id}", "instance": "x", "index": {index}, "tip": "{tip}", "work": "ffffffff"}}"#
                    ),
                    "GET /api/v1/headers" => format!(r#"{{"headers": [{{"hash": "{tip}"}}]}}"#),
                    "GET /api/v1/blocks" => pages.into(),
                    _ => return not_found(),
                },
            )
        }
    };
    for index in [0, 1, 9, u64::MAX] {
        is_refused("no blocks", 3, claims(index, r#"{"blocks": [], "next": null}"#)).await;
        is_refused("no list", 3, claims(index, r#"{"next": 7}"#)).await;
        is_refused("no block", 3, claims(index, r#"{"blocks": [{"hash": 7}]}"#)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_wanted_again_as_its_answer_comes_is_asked_again() {
    let (rules, blocks) = (lecture(), shared(&genesis(&lecture(), 0)));
    let slow = Fake::serve(move |call| match own_reply(call, &rules, "somebody", &blocks) {
        Reply::Text(200, text) if call.line == "GET /api/v1/status" => {
            Reply::Late(Duration::from_millis(600), text)
        }
        reply => reply,
    })
    .await;
    let node = Node::start(&lecture());
    node.know(&[&slow.address]).await;
    let strangers = grown(&lecture(), &genesis(&lecture(), 0), 100, "somebody");
    // Blocks that don't fit keep the node wanting to ask, also at the moment when it is answered.
    for stranger in &strangers[50..] {
        node.handle.submit_block(stranger.clone(), None).await.expect("a running node");
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    let asked = slow.count("GET /api/v1/status");
    assert!(asked >= 9, "it was asked {asked} times in 7.5 s, each of which takes it 0.6 s");
}
