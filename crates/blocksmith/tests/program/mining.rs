//! A node whose clock is behind its chain: there is no work that would come to nothing, and who mines
//! goes on by itself when the time has come.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use blocksmith::chain::{Chain, Dialect};
use blocksmith::mining::{NotMined, next_block, next_block_now};
use blocksmith::service::{self, Handle, Options};
use blocksmith_consensus::rules::sealed::genesis as sealed_genesis;
use blocksmith_consensus::{Difficulty, Sealed, Target};
use blocksmith_node::{FutureTip, MAX_AHEAD_S, NoWork, Refusal};
use blocksmith_wallet::dev;

/// How long the chain lies further ahead than is taken.
const TOO_FAR: Duration = Duration::from_secs(3);

/// As long as the slowest machine takes for what comes after it.
const PATIENCE: Duration = Duration::from_secs(60);

fn recipient() -> String {
    let hrp = Sealed::forge().hrp;
    dev::addresses().next().expect("ten").to_text(hrp)
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// A node of a chain where proofs cost nothing and the first block lies in the future: what comes
/// after it may not be older.
fn node(ahead: Duration) -> Handle {
    let forge = Sealed::forge();
    let hrp = forge.hrp;
    let genesis = sealed_genesis(now_s() + ahead.as_secs(), Target::EASIEST, hrp, &[]);
    let genesis = genesis.expect("a genesis block");
    let rules =
        Sealed { genesis, difficulty: Difficulty::Fixed(Target::EASIEST), ..forge }.named("forge");
    let options = Options::new(Chain { rules, dialect: Dialect::Notes });
    service::start(options).expect("it starts").0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_mines_too_early_waits_and_goes_on_when_the_time_has_come() {
    let handle = node(Duration::from_secs(MAX_AHEAD_S) + TOO_FAR);
    let to = recipient();
    let work = handle.work(Some(&to)).await.expect("it runs");
    let Err(NoWork::Refused(Refusal::FutureTip(early @ FutureTip { index: 1, until_s, .. }))) =
        work
    else {
        panic!("its time has come: {work:?}");
    };
    assert_eq!(handle.early_tip().map(|early| early.until_s), Some(until_s));
    assert!(early.ahead_s > MAX_AHEAD_S && until_s > now_s(), "{early:?}");
    // Nobody waits who asks for other work, or for a block now.
    let began = Instant::now();
    let other = handle.other_work(Some(&to), "other", PATIENCE).await.expect("it runs");
    assert!(matches!(other, Err(NoWork::Refused(Refusal::FutureTip(_)))), "{other:?}");
    let mined = next_block_now(&handle, Some(&to), NonZeroUsize::MIN).await;
    let early = NotMined::NoWork(NoWork::Refused(Refusal::FutureTip(early)));
    assert_eq!(
        mined.map_err(|error| error.to_string()[..20].to_owned()),
        Err(early.to_string()[..20].to_owned())
    );
    assert!(began.elapsed() < TOO_FAR, "{:?}", began.elapsed());

    let mined = tokio::time::timeout(PATIENCE, next_block(&handle, Some(&to), NonZeroUsize::MIN));
    let mined = mined.await.expect("its time comes").expect("a block");
    assert_eq!(mined.index(), 2);
    assert!(now_s() >= until_s);
    assert_eq!(handle.early_tip(), None);
}
