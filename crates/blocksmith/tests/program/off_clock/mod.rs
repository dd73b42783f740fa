//! Processes on a machine whose clock is off, which a small library between them and the system plays.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::program::{Program, post, wait_until};
use blocksmith_consensus::address::{Address, Hrp};
use blocksmith_node::MAX_AHEAD_S;
use tempfile::TempDir;

/// Two hours.
const FAR_S: u64 = 7_200;

/// The library, made by the compiler that links every Rust program.
static CLOCK: LazyLock<PathBuf> = LazyLock::new(|| {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/program/off_clock/clock.c");
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clock.so");
    // Another process may make it, too.
    let made = library.with_extension(std::process::id().to_string());
    let status =
        Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&made).arg(source).status();
    assert!(status.expect("there is a cc").success());
    std::fs::rename(made, &library).unwrap();
    library
});

/// A folder with a chain file where a proof takes some hundred tries.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let easiest = format!("00{}", "f".repeat(62));
        let text = format!(
            r#"
name = "clocks"
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
"#
        );
        std::fs::write(home.path().join("clocks.toml"), text).unwrap();
        Self(home)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().into()
    }

    fn start(&self, off_s: i64, args: &[&str]) -> Program {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blocksmith"));
        let home = self.0.path();
        command
            .args(args)
            .env("HOME", home)
            .env("XDG_DATA_HOME", home)
            .env("XDG_CONFIG_HOME", home);
        command.env("LD_PRELOAD", &*CLOCK).env("CLOCK_OFF_S", off_s.to_string());
        Program::spawn(&mut command)
    }

    /// A node of that chain, or another one, whose data is in a folder of this name.
    fn node(&self, off_s: i64, data: &str, more: &[&str]) -> (Program, String) {
        let (chain, data) = (self.path("clocks.toml"), self.path(data));
        let args = ["node", "--port", "0", "--data-dir", &data];
        let chain = if more.contains(&"--chain") { vec![] } else { vec!["--chain", &*chain] };
        let mut node = self.start(off_s, &[&args[..], &chain, more].concat());
        let url = node.url();
        (node, url)
    }

    /// So many blocks more.
    fn mine(&self, url: &str, blocks: u64) {
        let blocks = blocks.to_string();
        let mut miner = self.start(0, &["mine", url, "--to", &miner(), "--coins", &blocks]);
        assert_eq!(miner.wait().code(), Some(0), "{}", miner.stderr());
    }
}

fn miner() -> String {
    Address::from_key([1; 32]).unwrap().to_text(Hrp::new("forge").unwrap())
}

fn stop(mut node: Program) {
    node.terminate();
    assert_eq!(node.wait().code(), Some(0), "{}", node.stderr());
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// What GET is answered with: status, headers, body.
fn get(url: &str, path: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_lowercase(), body.into())
}

fn json(url: &str, path: &str) -> serde_json::Value {
    serde_json::from_str(&get(url, path).2).unwrap()
}

fn index(url: &str) -> u64 {
    json(url, "/api/v1/status")["index"].as_u64().unwrap()
}

#[test]
fn after_a_clock_was_set_right_no_work_is_given_that_would_be_refused() {
    let home = Home::new();
    let (node, url) = home.node(FAR_S as i64, "data", &[]);
    home.mine(&url, 3);
    stop(node);

    let (node, url) = home.node(0, "data", &[]);
    wait_until("a word at the start", || node.stderr().contains("gives no work, until"));
    let said = node.stderr();
    assert!(
        said.contains("block 4 is the tip, and its time is 7") && said.contains(" GMT"),
        "{said}"
    );
    assert!(said.contains("`head -n 1`") && said.contains("`blocksmith chain import`"), "{said}");
    let to = miner();
    let began = Instant::now();
    for path in
        ["/api/v1/work?recipient=TO", "/api/v1/work?recipient=TO&than=x", "/mine?recipient=TO"]
    {
        let (status, head, body) = get(&url, &path.replace("TO", &to));
        assert_eq!(status, 503, "{body}");
        assert!(body.contains("it gives work from ") && body.contains(" GMT on"), "{body}");
        let wait = head.split("retry-after: ").nth(1).unwrap().split("\r\n").next().unwrap();
        let wait: u64 = wait.parse().unwrap();
        assert!((FAR_S - MAX_AHEAD_S - 120..=FAR_S - MAX_AHEAD_S).contains(&wait), "{head}");
    }
    assert_eq!(json(&url, &format!("/api/v1/work?recipient={to}"))["rule"], "early");
    assert!(began.elapsed() < Duration::from_secs(8), "nobody is kept waiting");
    let until = json(&url, "/api/v1/status")["early_until"].as_u64().unwrap();
    assert!(until.abs_diff(now_s() + FAR_S - MAX_AHEAD_S) < 120, "{until}");

    // A miner says so once and searches nothing.
    let mut miner = home.start(0, &["mine", &url, "--to", &to, "--coins", "1"]);
    wait_until("a word", || miner.stderr().contains("has no work yet"));
    std::thread::sleep(Duration::from_secs(12));
    miner.terminate();
    assert_eq!(miner.wait().code(), Some(130));
    assert_eq!(miner.rest(), [""; 0]);
    assert_eq!(miner.stderr().matches("has no work yet").count(), 1, "{}", miner.stderr());
    assert_eq!(node.stderr().matches("gives no work, until").count(), 1, "{}", node.stderr());
    stop(node);

    // The way out that is named.
    let (chain, data, all) = (home.path("clocks.toml"), home.path("data"), home.path("all"));
    let export = ["chain", "export", "--chain", &chain, "--data-dir", &data, "-o", &all];
    assert_eq!(home.start(0, &export).wait().code(), Some(0));
    let kept = std::fs::read_to_string(&all).unwrap().lines().next().unwrap().to_owned();
    std::fs::write(home.path("kept"), kept + "\n").unwrap();
    let (kept, other) = (home.path("kept"), home.path("other"));
    let mut import =
        home.start(0, &["chain", "import", &kept, "--chain", &chain, "--data-dir", &other]);
    assert_eq!(import.wait().code(), Some(0), "{}", import.stderr());
    let (node, url) = home.node(0, "other", &[]);
    home.mine(&url, 1);
    assert!(!node.stderr().contains("gives no work"), "{}", node.stderr());
    stop(node);
}

#[test]
fn who_waits_goes_on_when_the_time_has_come() {
    for own_miner in [false, true] {
        let home = Home::new();
        let (node, url) = home.node((MAX_AHEAD_S + 20) as i64, "data", &[]);
        home.mine(&url, 2);
        stop(node);
        let to = miner();
        let more = if own_miner { &["--mine", "--to", &to][..] } else { &[] };
        let (node, url) = home.node(0, "data", more);
        wait_until("a word at the start", || node.stderr().contains("gives no work, until"));
        assert_eq!(index(&url), 3);
        if own_miner {
            wait_until("a block", || index(&url) > 3);
        } else {
            let mut miner = home.start(0, &["mine", &url, "--to", &to, "--coins", "1"]);
            assert_eq!(miner.wait().code(), Some(0), "{}", miner.stderr());
            assert!(miner.rest()[0].ends_with(" · Blocks mined: 1"));
            assert_eq!(miner.stderr().matches("has no work yet").count(), 1, "{}", miner.stderr());
            assert_eq!(index(&url), 4);
        }
        wait_until("a word", || node.stderr().contains("there is work again"));
        assert_eq!(json(&url, "/api/v1/status")["early_until"], serde_json::Value::Null);
        stop(node);
    }
}

#[test]
fn a_miner_stops_its_search_when_the_clock_is_set_and_so_does_dev() {
    // A node that turns early while a miner searches: it is started again at the same address.
    let home = Home::new();
    let (node, url) = home.node(FAR_S as i64, "data", &[]);
    home.mine(&url, 1);
    let port = url.rsplit(':').next().unwrap().to_owned();
    let mut miner = home.start(0, &["mine", &url, "--to", &miner(), "--threads", "1"]);
    miner.until_so("a block", |line| line.ends_with(" · Blocks mined: 1"));
    stop(node);
    let data = home.path("data");
    let chain = home.path("clocks.toml");
    let mut node =
        home.start(0, &["node", "--port", &port, "--chain", &chain, "--data-dir", &data]);
    node.url();
    wait_until("a word", || miner.stderr().contains("has no work yet"));
    stop(node);
    miner.terminate();
    miner.wait();

    let dir = home.path("dev");
    let args = ["dev", "--chain", &chain, "--nodes", "2", "--port", "0", "--data-dir", &dir];
    let mut dev = home.start((MAX_AHEAD_S + 20) as i64, &[&args[..], &["--blocks", "2"]].concat());
    assert_eq!(dev.wait().code(), Some(0), "{}", dev.stderr());
    let mut dev = home.start(0, &[&args[..], &["--blocks", "1"]].concat());
    assert_eq!(dev.wait().code(), Some(0), "{}", dev.stderr());
    assert_eq!(dev.stderr().matches("gives no work, until").count(), 1, "{}", dev.stderr());
}

#[test]
fn where_no_rule_is_about_times_there_is_always_work() {
    for chain in ["lecture", "course", "dvf"] {
        let home = Home::new();
        let more = ["--chain", chain, "--zeros", "2"];
        let (node, url) = home.node(FAR_S as i64, "data", &more);
        home.mine(&url, 1);
        stop(node);
        let (node, url) = home.node(0, "data", &more);
        assert_eq!(json(&url, "/api/v1/status")["early_until"], serde_json::Value::Null);
        home.mine(&url, 1);
        assert!(!node.stderr().contains("gives no work"), "{}", node.stderr());
        stop(node);
    }
}

#[test]
fn a_clock_that_is_off_is_told_as_long_as_peers_answer() {
    let home = Home::new();
    let (right, url) = home.node(0, "right", &[]);
    home.mine(&url, 3);
    let (behind, behind_url) = home.node(-600, "behind", &["--peer", &url]);
    let (ahead, ahead_url) = home.node(600, "ahead", &["--peer", &url]);
    let offset = |url: &str| json(url, "/api/v1/status")["clock_offset_s"].as_f64();
    let near = |offset: Option<f64>, expected: f64| {
        offset.is_some_and(|offset| (offset - expected).abs() <= 1.0)
    };
    wait_until("the clock behind", || near(offset(&behind_url), 600.0));
    wait_until("the clock ahead", || near(offset(&ahead_url), -600.0));
    wait_until("a word", || behind.stderr().contains("s ahead of this machine's clock"));
    // More than one round of questions, and blocks meanwhile.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(15) {
        home.mine(&url, 1);
        let offsets = (offset(&behind_url), offset(&ahead_url));
        assert!(near(offsets.0, 600.0) && near(offsets.1, -600.0), "{offsets:?}");
        // Its blocks are early, and it answers all the same.
        let peers = json(&behind_url, "/api/v1/peers");
        assert_eq!(peers["peers"][0]["state"], "answers", "{peers}");
        std::thread::sleep(Duration::from_millis(500));
    }
    let said = behind.stderr();
    assert_eq!(
        said.matches("the node takes the block when its time has come").count(),
        1,
        "{said}"
    );
    assert_eq!(index(&behind_url), 1);
    assert!(index(&ahead_url) > 4);

    // Nobody tells the time any more.
    stop(right);
    wait_until("silence", || offset(&behind_url).is_none() && offset(&ahead_url).is_none());
    stop(behind);
    stop(ahead);
}

#[test]
fn of_a_block_that_waited_for_its_time_it_is_not_said_that_it_was_mined_here() {
    let home = Home::new();
    let (right, right_url) = home.node(0, "right", &[]);
    let (ahead, ahead_url) = home.node(50, "ahead", &["--peer", &right_url]);
    home.mine(&ahead_url, 1);
    wait_until("the block", || index(&right_url) == 2);
    wait_until("its line", || right.stderr().contains("block 2 "));
    let said = right.stderr();
    assert!(said.contains("which came before and waited for its time"), "{said}");
    assert!(!said.contains("mined here"), "{said}");
    stop(right);
    stop(ahead);
}

#[test]
fn a_block_on_an_early_one_is_not_said_to_lack_its_parent() {
    let home = Home::new();
    let (ahead, ahead_url) = home.node(FAR_S as i64, "ahead", &[]);
    home.mine(&ahead_url, 4);
    let block =
        |index: u64| json(&ahead_url, &format!("/api/v1/blocks/{index}"))["block"].to_string();
    let (right, url) = home.node(0, "right", &[]);
    // The first one, one on top of it, and one on top of that.
    for index in 2..5 {
        let answer = post(&url, "/api/v1/blocks", &canonical(&block(index)));
        assert!(answer.contains(r#""verdict": "early""#), "{index}: {answer}");
    }
    let said = || right.stderr();
    wait_until("three lines", || said().matches(" waits: ").count() == 3);
    let lines: Vec<_> = {
        let said = said();
        said.lines().filter(|line| line.contains(" waits: ")).map(String::from).collect()
    };
    for (line, why) in lines.iter().zip([
        " waits: its time is 7",
        " waits: block 2 below it waits too, and its time is 7",
        " waits: block 2 below it waits too, and its time is 7",
    ]) {
        assert!(line.contains(why) && line.contains(" s ahead of this machine's clock"), "{line}");
        let way_out =
            ". If this clock is behind, set it; if it is right, wait: the node tries the block at ";
        assert!(line.contains(way_out) && line.ends_with(" GMT"), "{line}");
    }
    assert!(!said().contains("does not know") && !said().contains("peers add"), "{}", said());
    // One whose parent nobody sent still lacks it.
    home.mine(&ahead_url, 2);
    let answer = post(&url, "/api/v1/blocks", &canonical(&block(7)));
    assert!(answer.contains(r#""verdict": "orphan""#), "{answer}");
    wait_until("its line", || said().contains("this node does not know the block before it"));
    stop(right);
    stop(ahead);
}

fn canonical(block: &str) -> String {
    blocksmith_consensus::json::canonical(block.as_bytes()).unwrap().into_owned()
}
