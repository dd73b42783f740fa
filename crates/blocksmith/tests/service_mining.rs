//! A node that mines by itself while its clock is behind: what it made too early is not lost, and
//! not made again and again.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use blocksmith::chain::{Chain, Dialect};
use blocksmith::mining::next_block;
use blocksmith::service::{self, Handle, NoWork, Options};
use blocksmith_consensus::{Difficulty, Genesis, Proof, Rules, Target};
use blocksmith_node::{MAX_AHEAD_S, Refusal};
use blocksmith_wallet::dev;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// How long the chain lies further ahead than is taken.
const TOO_FAR: Duration = Duration::from_secs(3);

/// As long as the slowest machine takes for what comes after it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the miner said.
static WARNINGS: AtomicUsize = AtomicUsize::new(0);

struct Count;

impl<S: tracing::Subscriber> Layer<S> for Count {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "blocksmith::mining" {
            WARNINGS.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn recipient() -> String {
    let hrp = Rules::forge().domain().expect("signed").hrp;
    dev::addresses().next().expect("ten").to_text(hrp)
}

/// A node of a chain where proofs cost nothing and the first block lies in the future: what comes
/// after it may not be older.
fn node(ahead: Duration) -> Handle {
    let forge = Rules::forge();
    let hrp = forge.domain().expect("signed").hrp;
    let starts = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970") + ahead;
    let genesis = Genesis::sealed(starts.as_secs(), Target::EASIEST, hrp, &[]);
    let genesis = genesis.expect("a genesis block");
    let rules = Rules { genesis, difficulty: Difficulty::Fixed(Target::EASIEST), ..forge };
    let options = Options::new(Chain { rules, dialect: Dialect::Notes });
    service::start(options).expect("it starts").0
}

async fn tip(handle: &Handle) -> u64 {
    handle.look(|machine| machine.tip().block.index()).await.expect("it runs")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_that_was_made_too_early_is_kept_until_its_time() {
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Count))
        .expect("there is no other");
    let ahead = Duration::from_secs(MAX_AHEAD_S) + TOO_FAR;
    let handle = node(ahead);
    let to = recipient();
    let work = handle.work(Some(&to)).await.expect("it runs").expect("work");
    let early = handle.submit_work(&work.id, Proof::from(0)).await.expect("it runs");
    let Err(NoWork::Refused(Refusal::Early { index: 2, ahead_s })) = early else {
        panic!("its time has come: {early:?}");
    };
    assert!((MAX_AHEAD_S..=ahead.as_secs()).contains(&ahead_s), "{ahead_s} s");
    assert_eq!(tip(&handle).await, 1);
    // It comes by itself, and meanwhile the miner waits for other work: searching the same again
    // would make the same block, thousands of times a second here.
    let mined = tokio::time::timeout(PATIENCE, next_block(&handle, Some(&to), NonZeroUsize::MIN));
    let mined = mined.await.expect("its time comes").expect("a block");
    assert_eq!(mined.index(), 3, "the early block came first");
    assert_eq!(tip(&handle).await, 3);
    assert!(WARNINGS.load(Ordering::Relaxed) <= 1, "{WARNINGS:?}");
}
