//! A node that mines on all cores answers all the same.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::program::{Program, wait_until};
use crate::searches::threads::{ourselves, searching, threads};

/// How many requests are timed.
const REQUESTS: usize = 200;

/// A node with a chain that nobody can make longer, and where it listens.
fn node(args: &[&str]) -> (Program, String) {
    let (node, url) = crate::program::node(&[&["--zeros", "40"], args].concat());
    (node, url.trim_start_matches("http://").to_string())
}

/// The time that a status takes, in the middle of many.
fn median(address: &str) -> Duration {
    let mut times: Vec<_> = (0..REQUESTS)
        .map(|_| {
            let began = Instant::now();
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let request = "GET /api/v1/status HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n";
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            began.elapsed()
        })
        .collect();
    times.sort();
    times[REQUESTS / 2]
}

#[test]
fn requests_come_before_the_nodes_own_search() {
    let (_idle, idle_address) = node(&[]);
    let idle_before = median(&idle_address);
    let cores = std::thread::available_parallelism().unwrap().get();
    let (busy, busy_address) = node(&["--mine"]);
    // This is what makes sure of it. Linux lets a thread that slept go first for a short while in any
    // case, so that the times below show little of it in the middle; they show that nothing else,
    // like a search on the runtime's threads, is in the way.
    wait_until("the lowest priority", || {
        searching(&busy, cores).iter().all(|thread| thread.niceness == 19)
    });
    let ours = ourselves().niceness;
    let others = threads(busy.pid());
    for thread in others.iter().filter(|thread| !thread.searches) {
        // A thread that was started a moment ago may still have the program's priority.
        assert!(thread.niceness == ours || thread.is_in_no_hurry, "{thread:?}, and we {ours}");
    }
    // What follows the chain gives way to requests, but not to the search.
    wait_until("the index's priority", || {
        let all = threads(busy.pid());
        all.iter().any(|thread| thread.is_in_no_hurry && thread.niceness == ours.max(10))
    });
    let mining = median(&busy_address);
    drop(busy);
    // Other tests and programs may have started or ended meanwhile.
    let idle = idle_before.max(median(&idle_address));
    println!("median of {REQUESTS}: {idle:?} idle, {mining:?} while it mines");
    assert!(mining < 4 * idle + Duration::from_millis(2), "{idle:?} idle, {mining:?} mining");
}
