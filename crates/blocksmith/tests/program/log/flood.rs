//! Strangers in a hot loop write no more of the log than its reader can follow, and are counted.

use std::time::Duration;

use blocksmith_consensus::Block;

use crate::log::events::{easy, lines, most_in_a_second, register};
use crate::program::{Program, node, post, wait_until};

/// How often each is sent.
const TIMES: usize = 150;

/// How many of these the summaries count.
fn counted(node: &Program, what: &str) -> usize {
    let times = |line: &String| -> usize {
        let parts = line.split_once(": ").map_or("", |(_, parts)| parts).split(", ");
        let mut of_it = parts.filter(|part| part.ends_with(what));
        of_it.next().map_or(0, |part| part.split(' ').next().unwrap().parse().unwrap())
    };
    lines(node, "… and more").iter().map(times).sum()
}

#[track_caller]
fn assert_counted(node: &Program, line: &str, summary: &str, times: usize) {
    wait_until(summary, || lines(node, line).len() + counted(node, summary) == times);
    assert!(counted(node, summary) > 0, "{}", node.stderr());
    let most = most_in_a_second(node, |_| true);
    assert!(most <= 10, "{most} lines in a second: {}", node.stderr());
}

#[test]
fn blocks_that_are_refused_or_no_blocks_are_ten_lines_a_second_and_a_count() {
    let chain = easy(2);
    let other = |index: u64| {
        // Its parent is known, and its index is another one.
        let text = chain[1].text().replace("\"index\": 2", &format!("\"index\": {index}"));
        Block::of_canonical(&text).expect("a block")
    };
    let (node, url) = node(&["--zeros", "0"]);
    for time in 0..TIMES {
        let refused = other(5 + time as u64).text().to_string();
        for (path, body) in [
            ("/nodes/new", format!(r#"{{"block": {refused}}}"#)),
            ("/api/v1/blocks", refused.clone()),
            ("/block/new", r#"{"block": {"index": "x"}}"#.into()),
            ("/api/v1/blocks", r#"{"index": 2}"#.into()),
        ] {
            assert!(!post(&url, path, &body).contains("ccepted"));
        }
    }
    let said = |what: &str| lines(&node, what).len();
    wait_until("all are counted", || {
        let each = said(" is refused: ") + counted(&node, "refused");
        each + counted(&node, "that can't be read") == 4 * TIMES
    });
    let most = most_in_a_second(&node, |_| true);
    assert!(most <= 10, "{most} lines in a second: {}", node.stderr());
    assert!(node.stderr().contains("Z  WARN … and more like these: "), "{}", node.stderr());
    // What comes when it is over is told again.
    std::thread::sleep(Duration::from_millis(2_100));
    let before = said("from 127.0.0.1:");
    post(&url, "/nodes/new", r#"{"block": {"index": "x"}}"#);
    wait_until("one more line", || said("from 127.0.0.1:") == before + 1);
}

#[test]
fn blocks_of_chains_that_nobody_knows_are_ten_lines_a_second_and_a_count() {
    let (node, url) = node(&["--zeros", "0"]);
    let chain = easy(9);
    for port in 1..=TIMES {
        let listens = format!("10.1.2.3:{port}");
        crate::log::senders::send(&url, chain[7].text(), &listens);
    }
    assert_counted(&node, "which is not a peer", "on top of an unknown block", TIMES);
}

#[test]
fn peers_that_somebody_makes_up_are_ten_lines_a_second_and_a_count() {
    let (node, url) = node(&["--zeros", "0"]);
    // Nobody listens there.
    let names: Vec<_> = (1..=TIMES).map(|port| format!("127.0.0.1:{port}")).collect();
    register(&url, &names.join(r#"", ""#));
    assert_counted(&node, " is added", "added", TIMES);
    assert_counted(&node, "it can't be reached", "to peers without an answer", TIMES);
}
