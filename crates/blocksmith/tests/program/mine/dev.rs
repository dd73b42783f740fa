//! `blocksmith dev`: three nodes, a miner, coins and one chain.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use blocksmith_consensus::address::{Address, Hrp};
use blocksmith_wallet::dev;

use crate::mine::mined_in_all;
use crate::program::{Program, wait_until};

/// The texts of a node's blocks.
fn chain(url: &str) -> Vec<serde_json::Value> {
    call(url, "GET", "/chain", "")["chain"].as_array().unwrap().clone()
}

/// What a node answers.
fn call(url: &str, method: &str, path: &str, body: &str) -> serde_json::Value {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close");
    write!(
        stream,
        "{head}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, mut body) = answer.split_once("\r\n\r\n").unwrap();
    let mut whole = String::new();
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        while let Some((size, rest)) = body.split_once("\r\n") {
            let size = usize::from_str_radix(size, 16).unwrap();
            whole.push_str(&rest[..size]);
            if size == 0 {
                break;
            }
            body = &rest[size + 2..];
        }
    } else {
        whole.push_str(body);
    }
    serde_json::from_str(&whole).unwrap()
}

/// Reads the lines that say where the nodes are.
fn urls(dev: &mut Program, nodes: usize) -> Vec<String> {
    let url = |number: usize| {
        let start = format!("node {number}  ");
        dev.until_so(&start, |line| line.starts_with(&start))[start.len()..].to_string()
    };
    (1..=nodes).map(url).collect()
}

#[test]
fn three_nodes_and_a_miner_make_one_chain() {
    let begin = Instant::now();
    let mut dev = Program::start(&["dev", "--port", "0", "--blocks", "10"]);
    urls(&mut dev, 3);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert_eq!(dev.wait().code(), Some(0), "{}", dev.stderr());
    let lines = dev.rest();
    let blocks: Vec<_> = lines.iter().filter(|line| line.starts_with("block ")).collect();
    assert_eq!(blocks.len(), 10);
    // What the notes find first, counting up from 0.
    assert!(blocks[0].contains("proof 74581 ") && blocks[0].ends_with("mined on node 1   coins 1"));
    assert!(blocks[1].contains("proof 28441 ") && blocks[1].ends_with("mined on node 2   coins 2"));
    assert!(blocks[9].ends_with("mined on node 1   coins 10"));
    assert!(lines.iter().any(|line| line.starts_with("--- all 3 nodes are at block 10,")));
    assert!(lines.iter().any(|line| line == "10 blocks more, 10 coins mined here"));
    assert!(lines.last().unwrap().starts_with("--- all 3 nodes are at block 11,"));
    assert!(lines.iter().any(|line| line.contains("protect nothing")), "{lines:?}");
}

#[test]
fn whoever_stops_it_short_of_the_blocks_is_not_told_that_they_are_there() {
    let mut dev =
        Program::start(&["dev", "--port", "0", "--nodes", "1", "--zeros", "9", "--blocks", "1"]);
    urls(&mut dev, 1);
    dev.terminate();
    assert_eq!(dev.wait().code(), Some(130));
    assert!(dev.rest().iter().any(|line| line == "0 blocks more, 0 coins mined here"));
}

#[test]
fn a_miner_from_outside_mines_along_and_its_block_reaches_all() {
    // The miner in there takes a second from block to block; the one outside does not.
    let mut dev = Program::start(&["dev", "--port", "0", "--zeros", "5"]);
    let urls = urls(&mut dev, 3);
    let args = ["mine", &urls[1], "--id", "alice", "--coins", "3"];
    let mut miner = Program::start(&args);
    assert_eq!(miner.wait().code(), Some(0), "{}", miner.stderr());
    assert_eq!(mined_in_all(&miner.rest()), 3);
    let coins = |url: &String| {
        let coin = |block: &serde_json::Value| {
            let transactions = block["transactions"].as_array().unwrap();
            transactions.last().map(|coin| coin["recipient"].clone())
        };
        chain(url).iter().filter(|block| coin(block) == Some("alice".into())).count()
    };
    for url in &urls {
        wait_until("alice's coins everywhere", || coins(url) == 3);
    }
    dev.until_so("from another miner", |line| line.ends_with("from another miner"));
    dev.terminate();
    assert_eq!(dev.wait().code(), Some(0));
    assert!(dev.rest().last().unwrap().starts_with("--- all 3 nodes are at"));
}

#[test]
fn a_random_start_leads_to_proofs_that_signed_chains_take() {
    let mut dev = Program::start(&["dev", "--chain", "forge", "--port", "0", "--nodes", "1"]);
    let url = urls(&mut dev, 1).remove(0);
    let address = Address::from_key([1; 32]).unwrap().to_text(Hrp::new("forge").unwrap());
    let args = ["mine", &url, "--to", &address, "--start", "random", "--coins", "2"];
    let mut miner = Program::start(&args);
    assert_eq!(miner.wait().code(), Some(0), "{}", miner.stderr());
}

#[test]
fn with_a_data_directory_the_chain_goes_on_and_is_locked() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().to_str().unwrap();
    let args = ["dev", "--port", "0", "--nodes", "2", "--blocks", "2", "--data-dir", dir];
    for first in [2, 4] {
        let mut dev = Program::start(&args);
        assert_eq!(dev.wait().code(), Some(0), "{}", dev.stderr());
        let lines = dev.rest();
        let block = lines.iter().find(|line| line.starts_with("block ")).unwrap();
        assert!(block.starts_with(&format!("block {first} ")), "{block}");
        // Where the nodes of the first run were, nobody is asked any more.
        assert!(!dev.stderr().contains("can't be reached"), "{}", dev.stderr());
    }
    let mut dev = Program::start(&args[..5].iter().chain(&args[7..]).copied().collect::<Vec<_>>());
    urls(&mut dev, 2);
    let mut other = Program::start(&args);
    assert_eq!(other.wait().code(), Some(5));
    assert!(other.stderr().contains("node-1"), "{}", other.stderr());
}

/// What `dev` says of the accounts that everybody has: address and coins of each.
fn accounts(lines: &[String]) -> Vec<(String, String)> {
    let account = |line: &String| {
        let mut words = line.strip_prefix("  ")?.split_whitespace();
        words.next()?.parse::<u32>().ok()?;
        Some((words.next()?.to_string(), words.next()?.to_string()))
    };
    lines.iter().filter_map(account).collect()
}

#[test]
fn where_payments_are_signed_it_is_said_whose_coins_are_everybodys() {
    let args = ["dev", "--chain", "forge", "--nodes", "2", "--blocks", "5", "--port", "0"];
    let mut dev = Program::start(&args);
    assert_eq!(dev.wait().code(), Some(0), "{}", dev.stderr());
    let lines = dev.rest();
    let says = |what: &str| {
        assert!(lines.iter().any(|line| line.contains(what)), "{what} is not in {lines:?}");
    };
    says("The rules are forge-dev with a block every 15 s.");
    says("EVERYBODY KNOWS THEIR SECRET KEYS");
    says("run: a payment that was signed in an earlier run is valid again in a new one.");
    says("test test test test test test test test test test test junk");
    says("/api/v1/faucet");
    says("blocksmith mine http://127.0.0.1:");
    says("blocksmith wallet restore --wallet dev.json");
    says("blocksmith wallet send");
    says(" --chain forge-dev");
    let accounts = accounts(&lines);
    assert_eq!(accounts.len(), 10);
    let hrp = Hrp::new("forge").unwrap();
    let known = dev::addresses().map(|address| (address.to_text(hrp), "10000".to_string()));
    assert!(known.eq(accounts));
    let blocks: Vec<_> = lines.iter().filter(|line| line.starts_with("block ")).collect();
    assert_eq!(blocks.len(), 5);
    for (count, block) in (1..).zip(blocks) {
        let (node, coins) = (2 - count % 2, 20 * count);
        assert!(block.ends_with(&format!("mined on node {node}   coins {coins}")), "{block}");
    }
    says("5 blocks more, 100 coins mined here");
    assert!(lines.last().unwrap().starts_with("--- all 2 nodes are at block 6,"));
}

#[test]
fn the_faucet_pays_and_accounts_go_on_where_a_directory_keeps_them() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().to_str().unwrap();
    let args = ["dev", "--chain", "forge", "--port", "0", "--nodes", "2", "--data-dir", dir];
    let mut dev = Program::start(&[&args[..], &["--blocks", "2"]].concat());
    assert_eq!(dev.wait().code(), Some(0), "{}", dev.stderr());

    let mut dev = Program::start(&args);
    let urls = urls(&mut dev, 2);
    // Two blocks of 20 coins.
    let miner = dev.until_so("the miner's account", |line| line.starts_with("  0  "));
    assert!(miner.contains("  10040 coins"), "{miner}");
    let shop = Address::from_key([1; 32]).unwrap().to_text(Hrp::new("forge").unwrap());
    assert_eq!(call(&urls[1], "GET", "/api/v1/status", "")["dev"], true);
    let ask = |url: &String| {
        for _ in 0..5 {
            let body = format!(r#"{{"recipient": "{shop}"}}"#);
            let given = call(url, "POST", "/api/v1/faucet", &body);
            assert_eq!(given["amount"], 1_000_000_000, "{given}");
        }
    };
    // At both at once: what each of them promises is paid.
    std::thread::scope(|scope| {
        for url in &urls {
            scope.spawn(|| ask(url));
        }
    });
    for url in &urls {
        wait_until("all gifts everywhere", || {
            call(url, "GET", &format!("/api/v1/accounts/{shop}"), "")["balance"]
                == 10_000_000_000_u64
        });
    }
    dev.terminate();
    assert_eq!(dev.wait().code(), Some(0));
    assert!(dev.rest().last().unwrap().starts_with("--- all 2 nodes are at"));

    // The same directory does not serve the chain that it is made from.
    let node = ["node", "--chain", "forge", "--port", "0", "--data-dir", &format!("{dir}/node-1")];
    let mut node = Program::start(&node);
    assert_eq!(node.wait().code(), Some(1));
    let said = node.stderr();
    assert!(said.contains("holds the chain \"forge-dev with"), "{said}");
}

#[test]
fn what_it_runs_is_named_to_nodes_and_verified() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("our own.toml").to_str().unwrap().to_string();
    std::fs::write(&file, include_str!("../../../../../chains/forge-example.toml")).unwrap();
    for (name, called) in [("forge", "forge-dev"), (&file, "forge-example-dev")] {
        let derived = format!("{name}-dev");
        let mut dev = Program::start(&["dev", "--chain", name, "--port", "0", "--nodes", "1"]);
        let url = urls(&mut dev, 1).remove(0);
        let check = dev.until_so("Check", |line| line.starts_with("Check "));
        let typed = if name == "forge" { derived.clone() } else { format!("'{derived}'") };
        assert!(check.ends_with(&format!("chain verify {url} --chain {typed}")), "{check}");
        dev.until_so("block 3", |line| line.starts_with("block 3 "));

        let mut verify = Program::start(&["chain", "verify", &url, "--chain", &derived]);
        assert_eq!(verify.wait().code(), Some(0), "{}", verify.stderr());
        let said = verify.rest().join("\n");
        assert!(said.contains(&format!("({called} with a block every ")), "{said}");
        // By the name of the chain that it is made from, nobody has it.
        let mut verify = Program::start(&["chain", "verify", &url, "--chain", name]);
        assert_eq!(verify.wait().code(), Some(1));
        let said = verify.stderr();
        assert!(said.contains("a chain of `blocksmith dev` has -dev after its name"), "{said}");
        assert!(!said.contains("--zeros"), "{said}");

        let mut node = Program::start(&["node", "0", "--chain", &derived, "--peer", &url]);
        let joined = node.url();
        let block = |url: &str| chain(url).get(2).cloned();
        wait_until("the chain of the dev network", || block(&joined) == block(&url));
        let said = node.stderr();
        assert!(said.contains("EVERYBODY KNOWS THEIR SECRET KEYS"), "{said}");
        assert!(said.contains("signed in an earlier run is valid again"), "{said}");
        assert_eq!(call(&joined, "GET", "/api/v1/status", "")["dev"], true);
        // What the keys that everybody has pay there is passed on to the network.
        let hrp = if name == "forge" { "forge" } else { "class" };
        let shop = Address::from_key([1; 32]).unwrap().to_text(Hrp::new(hrp).unwrap());
        call(&joined, "POST", "/api/v1/faucet", &format!(r#"{{"recipient": "{shop}"}}"#));
        wait_until("a gift on the network", || {
            call(&url, "GET", &format!("/api/v1/accounts/{shop}"), "")["balance"] == 1_000_000_000
        });
    }
}

#[test]
fn the_name_of_the_chain_that_it_runs_is_one_to_it_too() {
    let args = ["dev", "--chain", "forge-dev", "--port", "0", "--nodes", "1", "--blocks", "1"];
    let mut dev = Program::start(&args);
    assert_eq!(dev.wait().code(), Some(0), "{}", dev.stderr());
    let lines = dev.rest();
    assert!(lines.iter().any(|line| line.ends_with(" --chain forge-dev")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("rules are forge-dev with")), "{lines:?}");
    let mut dev = Program::start(&["dev", "--chain", "lecture-dev", "--port", "0"]);
    assert_eq!(dev.wait().code(), Some(2));
    assert!(dev.stderr().contains("leave -dev out"), "{}", dev.stderr());
}

#[test]
fn a_chain_file_without_room_for_dev_coins_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("full.toml");
    let example = include_str!("../../../../../chains/forge-example.toml");
    let full = example.replace("amount = 10_000_000_000", "amount = 600_000_000_000_000");
    std::fs::write(&file, full).unwrap();
    let mut dev = Program::start(&["dev", "--port", "0", "--chain", file.to_str().unwrap()]);
    assert_eq!(dev.wait().code(), Some(1));
    let said = dev.stderr();
    assert!(
        said.contains("gives 10000 coins to each of 10 accounts") && said.contains("forge-example"),
        "{said}"
    );
}

#[test]
fn a_port_in_use_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let mut dev = Program::start(&["dev", "--nodes", "1", "--port", &port]);
    assert_eq!(dev.wait().code(), Some(1));
    assert!(dev.stderr().contains(&port) && dev.stderr().contains("--port"), "{}", dev.stderr());
}

#[test]
fn blocks_that_leave_are_named_and_their_coins_no_longer_counted() {
    let args = ["dev", "--chain", "forge", "--port", "0", "--nodes", "1", "--no-mining"];
    let mut dev = Program::start(&args);
    let url = urls(&mut dev, 1).remove(0);
    dev.until_so("miners are off", |line| line.contains("The miners are off until"));
    call(&url, "POST", "/api/v1/dev/mine", r#"{"blocks": 3}"#);
    dev.until_so("coins", |line| line.starts_with("block 4 ") && line.ends_with("coins 60"));
    call(&url, "POST", "/api/v1/dev/reorg", r#"{"depth": 2}"#);
    let left = "--- 2 blocks left the chain of node 1, which goes on from block 2";
    dev.until_so(left, |line| line == left);
    dev.until_so("block 5", |line| line.starts_with("block 5 "));
    dev.terminate();
    assert_eq!(dev.wait().code(), Some(0), "{}", dev.stderr());
    assert!(dev.rest().iter().any(|line| line == "4 blocks more, 20 coins mined here"));
}

#[test]
fn accounts_and_balances_are_those_that_were_asked_for_and_the_chain_has_a_name() {
    let args = ["dev", "--chain", "forge", "--port", "0", "--nodes", "1", "--json"];
    let mut dev = Program::start(&[&args[..], &["--accounts", "2", "--balance", "25"]].concat());
    let said: serde_json::Value = serde_json::from_str(&dev.until_so("JSON", |_| true)).unwrap();
    assert_eq!(said["chain"], "forge-dev-2x25");
    let accounts = said["accounts"].as_array().unwrap();
    assert_eq!(accounts.len(), 2);
    assert!(accounts.iter().all(|account| account["balance"] == 2_500_000_000_u64), "{said}");
    let url = said["nodes"][0]["url"].as_str().unwrap();
    // Their keys sign here, and the faucet pays from them.
    let shop = Address::from_key([1; 32]).unwrap().to_text(Hrp::new("forge").unwrap());
    let gift = call(url, "POST", "/api/v1/faucet", &format!(r#"{{"recipient": "{shop}"}}"#));
    assert_eq!(gift["amount"], 1_000_000_000, "{gift}");
    let mut verified = Program::start(&["chain", "verify", url, "--chain", "forge-dev-2x25"]);
    assert_eq!(verified.wait().code(), Some(0), "{}", verified.stderr());
    dev.terminate();
    dev.wait();

    for (args, says) in [
        (&["--chain", "lecture", "--accounts", "2"][..], "its payments are not signed"),
        (&["--chain", "forge-dev", "--balance", "2"], "leave -dev out"),
        (&["--chain", "forge", "--accounts", "51"], "a whole number from 1 to 50"),
        (&["--chain", "forge", "--accounts", "50", "--balance", "90000000"], "no room"),
    ] {
        let mut refused = Program::start(&[&["dev"][..], args].concat());
        assert_ne!(refused.wait().code(), Some(0), "{args:?}");
        assert!(refused.stderr().contains(says), "{args:?}: {}", refused.stderr());
    }
}

#[cfg(unix)]
#[test]
fn the_page_is_named_first_and_opened_only_when_asked() {
    use std::os::unix::fs::PermissionsExt as _;

    let home = tempfile::tempdir().unwrap();
    let (opened, browser) = (home.path().join("opened"), home.path().join("browser"));
    let script = format!("#!/bin/sh\necho \"$@\" >> '{}'\n", opened.display());
    std::fs::write(&browser, script).unwrap();
    std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o755)).unwrap();
    let start = |browser: &str, path: &str, more: &[&str]| {
        let args = [&["dev", "--port", "0", "--nodes", "1", "--no-mining"], more].concat();
        let set = [("BROWSER", browser), ("PATH", path)];
        let mut dev = Program::start_with(home.path(), &set, &args);
        let first = dev.until_so("a line", |_| true);
        let page = first.strip_prefix("page    ").expect("the page comes first").to_string();
        assert_eq!(urls(&mut dev, 1), [&*page], "node 1 has the page");
        (dev, page)
    };
    let path = std::env::var("PATH").unwrap();
    let browser = browser.to_str().unwrap();
    let (_silent, _) = start(browser, &path, &[]);
    let (_dev, page) = start(browser, &path, &["--open"]);
    wait_until("the browser is started", || {
        std::fs::read_to_string(&opened).is_ok_and(|text| text.ends_with('\n'))
    });
    let text = std::fs::read_to_string(&opened).unwrap();
    assert_eq!(text.trim().trim_end_matches('/'), page, "once, and only when it was asked for");

    let (dev, page) = start("/nothing/here", "/nothing", &["--open"]);
    let says = format!("open {page} yourself");
    wait_until("it says that there is no browser", || dev.stderr().contains(&says));
    assert!(dev.stderr().contains("no browser could be opened: "), "{}", dev.stderr());
}

#[test]
fn a_node_names_its_page_by_an_address_of_this_machine() {
    let mut node = Program::start(&["node", "0", "--bind", "0.0.0.0"]);
    let first = node.until_so("a line", |_| true);
    let address = first.strip_prefix("Running on http://0.0.0.0:").expect("its address");
    let port = address.split(' ').next().unwrap();
    let second = node.until_so("a line", |_| true);
    assert_eq!(second, format!("Its page is http://127.0.0.1:{port}"));
}
