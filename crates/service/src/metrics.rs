//! Figures of a node, in the text format of Prometheus. Each node has its own, even if several run
//! in one process.

use std::fmt;
use std::time::Duration;

use blocksmith_node::Verdict;
use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use metrics_process::Collector;

use super::feed::Event;

const BLOCKS: &str = "blocksmith_blocks_total";
const REORGS: &str = "blocksmith_reorgs_total";
const DEPTH: &str = "blocksmith_reorg_depth_blocks";
const COMMITS: &str = "blocksmith_commit_duration_seconds";
const REQUESTS: &str = "blocksmith_http_requests_total";
const REQUEST_TIME: &str = "blocksmith_http_request_duration_seconds";
const TRIES: &str = "blocksmith_search_tries_total";
const TIP: &str = "blocksmith_tip_index";
const WORK: &str = "blocksmith_chain_work_tries";
const WAITING: &str = "blocksmith_mempool_transactions";
const WAITING_BYTES: &str = "blocksmith_mempool_bytes";
const PEERS: &str = "blocksmith_peers";
const STORE: &str = "blocksmith_store_bytes";

/// The upper bounds of the buckets of times, in seconds: from a read in memory to a long poll.
const TIMES: [f64; 10] = [0.0005, 0.001, 0.0025, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0];

/// The upper bounds of the buckets of reorg depths, in blocks.
const DEPTHS: [f64; 8] = [1.0, 2.0, 3.0, 6.0, 12.0, 50.0, 100.0, 1_000.0];

/// The label of an accepted block in the figures.
const ACCEPTED: &str = "accepted";

/// The figures of one node.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    process: Collector,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// The figures that are looked up when a client asks for them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Levels {
    /// The index of the tip.
    pub tip: u64,
    /// The work of the best chain: the expected number of hashes.
    pub work: f64,
    /// How many transactions wait.
    pub waiting: usize,
    /// Bytes of their texts.
    pub waiting_bytes: usize,
    /// How many peers have not answered yet, answer, and fail.
    pub peers: [usize; 3],
    /// Bytes of the store's file, if there is one.
    pub store_bytes: Option<u64>,
}

impl Default for Metrics {
    fn default() -> Self {
        let depth = Matcher::Full(DEPTH.into());
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &TIMES)
            .and_then(|builder| builder.set_buckets_for_metric(depth, &DEPTHS))
            .expect("there are buckets");
        let recorder = builder.build_recorder();
        let metrics = Self { handle: recorder.handle(), recorder, process: Collector::default() };
        metrics.record(describe);
        metrics.record(|| metrics.process.describe());
        metrics
    }
}

/// Describes each figure, and creates the counters that are still zero.
fn describe() {
    describe_counter!(BLOCKS, "Blocks that came or were mined here, by verdict");
    describe_counter!(REORGS, "Changes of the best chain that undid blocks");
    describe_histogram!(DEPTH, "How many blocks left the best chain in a reorg");
    describe_histogram!(COMMITS, Unit::Seconds, "How long it took to make changes durable");
    describe_counter!(REQUESTS, "Calls, by method, route and status");
    describe_histogram!(REQUEST_TIME, Unit::Seconds, "How long it took to answer calls");
    describe_counter!(TRIES, "Proofs that this node's own searches tried");
    describe_gauge!(TIP, "The index of the tip");
    describe_gauge!(WORK, "The work of the best chain: the expected number of hashes");
    describe_gauge!(WAITING, "Transactions that wait for a block");
    describe_gauge!(WAITING_BYTES, Unit::Bytes, "Bytes of the transactions that wait");
    describe_gauge!(PEERS, "Peers, by whether they answer");
    describe_gauge!(STORE, Unit::Bytes, "Bytes of the store's file");
    for verdict in [ACCEPTED, "side_branch", "known", "no_room", "orphan", "early", "invalid"] {
        counter!(BLOCKS, "verdict" => verdict).absolute(0);
    }
    counter!(REORGS).absolute(0);
    counter!(TRIES).absolute(0);
}

impl Metrics {
    fn record(&self, record: impl FnOnce()) {
        metrics::with_local_recorder(&self.recorder, record);
    }

    /// Counts an event of the chain.
    pub(super) fn happened(&self, event: &Event) {
        match event {
            Event::Tip(_) => self.record(|| counter!(BLOCKS, "verdict" => ACCEPTED).increment(1)),
            Event::Reorg(reorg) => self.record(|| {
                counter!(BLOCKS, "verdict" => ACCEPTED).increment(reorg.joined_count as u64);
                counter!(REORGS).increment(1);
                histogram!(DEPTH).record(reorg.left_count as f64);
            }),
            Event::Transaction { .. } | Event::Peer { .. } => {}
        }
    }

    /// Counts a block that did not join the best chain; [`Metrics::happened`] counts those that
    /// did.
    pub(super) fn verdict(&self, verdict: &Verdict) {
        let name = match verdict {
            Verdict::NewTip => return,
            Verdict::SideBranch => "side_branch",
            Verdict::Known => "known",
            Verdict::NoRoom => "no_room",
            Verdict::Orphan => "orphan",
            Verdict::Early | Verdict::OnEarly(_) => "early",
            Verdict::Invalid(_) => "invalid",
        };
        self.record(|| counter!(BLOCKS, "verdict" => name).increment(1));
    }

    /// Counts a commit.
    pub(super) fn committed(&self, took: Duration) {
        self.record(|| histogram!(COMMITS).record(took));
    }

    /// Counts proofs that were tried.
    pub fn tried(&self, tries: u64) {
        self.record(|| counter!(TRIES).increment(tries));
    }

    /// Counts a call that was answered. `route` is one of few: the path as the router has it.
    pub fn answered(&self, method: &'static str, route: String, status: u16, took: Duration) {
        self.record(|| {
            let labels = [("method", method.to_string()), ("route", route)];
            histogram!(REQUEST_TIME, &labels).record(took);
            counter!(REQUESTS, "method" => method, "route" => labels[1].1.clone(), "status" => status.to_string())
                .increment(1);
        });
    }

    /// All figures, in the text format of Prometheus.
    pub fn text(&self, levels: &Levels) -> String {
        self.record(|| {
            gauge!(TIP).set(levels.tip as f64);
            gauge!(WORK).set(levels.work);
            gauge!(WAITING).set(levels.waiting as f64);
            gauge!(WAITING_BYTES).set(levels.waiting_bytes as f64);
            for (state, count) in ["new", "answers", "fails"].into_iter().zip(levels.peers) {
                gauge!(PEERS, "state" => state).set(count as f64);
            }
            if let Some(bytes) = levels.store_bytes {
                gauge!(STORE).set(bytes as f64);
            }
            self.process.collect();
        });
        self.handle.run_upkeep();
        self.handle.render()
    }
}
