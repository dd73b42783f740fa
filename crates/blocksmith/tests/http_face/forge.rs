//! Signed payments, work by id and all that a wallet asks, where rules keep accounts.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use blocksmith::chain::{Chain, Dialect};
use blocksmith::service::Options;
use blocksmith_consensus::address::Address;
use blocksmith_consensus::payment::{Coinbase, Domain};
use blocksmith_consensus::{Block, Difficulty, Hash, Rules, Sealed, Target, Unproven, merkle};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::node::Node;
use blocksmith_testkit::signers::Signer;

/// What Alice and Bob have at first.
const ALLOTTED: u64 = 1_000_000;

const SUBSIDY: u64 = 2_000_000_000;

/// Forge, with something for Alice and Bob, and one zero digit to find.
fn rules() -> Rules {
    let forge = Sealed::forge();
    let hrp = forge.hrp;
    let coins = [(Signer::alice(), 0), (Signer::bob(), 1)].map(|(signer, nonce)| {
        Coinbase { recipient: signer.address, amount: ALLOTTED, nonce }.text(hrp)
    });
    let texts = || coins.iter().map(String::as_str);
    let target = Target::from_zeros(1);
    let root = merkle::root(texts());
    let genesis = Unproven::new(1, &Hash([0; 32]), 1000, target, &root, texts()).unwrap();
    Sealed { genesis: genesis.into_genesis(), difficulty: Difficulty::Fixed(target), ..forge }
        .named("forge")
}

pub(crate) struct Forge {
    pub(crate) node: Node,
    domain: Domain,
    pub(crate) alice: Signer,
    pub(crate) bob: Signer,
}

impl Forge {
    pub(crate) async fn start() -> Self {
        Self::start_with(false, None).await
    }

    async fn start_with(dev: bool, node_id: Option<String>) -> Self {
        let chain = Chain { rules: rules(), dialect: Dialect::Notes };
        Self::of(Options { node_id, dev, ..Options::new(chain) }).await
    }

    async fn of(options: Options) -> Self {
        let domain = options.chain.rules.domain().unwrap();
        let (alice, bob) = (Signer::alice(), Signer::bob());
        Self { node: Node::start_with(options).await, domain, alice, bob }
    }

    pub(crate) fn text(&self, address: Address) -> String {
        address.to_text(self.domain.hrp)
    }

    /// Alice pays Bob.
    pub(crate) fn payment(&self, amount: u64, fee: u64, nonce: u64) -> String {
        let draft = self.alice.draft(self.bob.address, amount, fee, nonce);
        self.alice.signed(&draft, &self.domain)
    }

    pub(crate) async fn pay(&self, payment: &str) -> (u16, Value) {
        self.node.post("/api/v1/transactions", payment.to_string()).await.good()
    }

    #[track_caller]
    pub(crate) fn id(answer: &(u16, Value)) -> String {
        answer.1["id"].as_str().unwrap().to_string()
    }

    async fn work(&self, recipient: Address) -> Value {
        let path = format!("/api/v1/work?recipient={}", self.text(recipient));
        let (status, work) = self.node.get(&path).await.good();
        assert_eq!(status, 200);
        work
    }

    /// The lowest proof for some work, with nobody's code but SHA-256's.
    fn proof(work: &Value) -> u64 {
        let text = |name: &str| work[name].as_str().unwrap().to_string();
        let (prefix, target) = (text("prefix"), text("target"));
        assert_eq!((work["id"].as_str(), text("suffix")), (Some(&*prefix), String::new()));
        let digest = |proof: u64| hex(&Sha256::digest(format!("{prefix}{proof}")));
        (0..).find(|proof| digest(*proof) <= target).unwrap()
    }

    /// A block for `recipient`.
    pub(crate) async fn mine(&self, recipient: Address) -> Value {
        let work = self.work(recipient).await;
        let body = json!({"id": work["id"], "proof": Self::proof(&work)}).to_string();
        let (status, block) = self.node.post("/api/v1/work", body).await.good();
        assert_eq!(status, 200);
        block
    }

    async fn account(&self, address: Address) -> Value {
        let path = format!("/api/v1/accounts/{}", self.text(address));
        let (status, mut account) = self.node.get(&path).await.good();
        assert_eq!((status, account["party"].take()), (200, json!(self.text(address))));
        // `waiting.rs` is about what waits.
        for waiting in ["outgoing", "incoming"] {
            assert!(account.as_object_mut().unwrap().remove(waiting).is_some());
        }
        account
    }

    async fn transaction(&self, id: &str) -> Value {
        self.node.get(&format!("/api/v1/transactions/{id}")).await.good().1
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn account(balance: u64, nonce: u64, next: u64, transactions: u64) -> Value {
    json!({
        "party": null, "balance": balance, "nonce": nonce, "next_nonce": next,
        "transactions": transactions, "uncounted": 0,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_waits_is_mined_and_can_be_proved() {
    let forge = Forge::start().await;
    let carol = Signer::new(0xca501).address;
    let payment = forge.payment(300, 7, 0);
    let paid = forge.pay(&payment).await;
    let id = Forge::id(&paid);
    assert_eq!(paid, (201, json!({"id": id, "status": "queued"})));
    let early = forge.node.get(&format!("/api/v1/transactions/{id}/proof")).await.problem();
    let detail = early.1["detail"].as_str().unwrap();
    assert!(early.0 == 404 && detail.contains("ask for its proof when it is in one"), "{detail}");
    // Its sender may not have had the answer.
    assert_eq!(forge.pay(&payment).await, (200, json!({"id": id, "status": "queued"})));
    let parsed: Value = serde_json::from_str(&payment).unwrap();
    let turn = json!({"place": 1, "block": 2, "why": null, "nonce": null});
    let queued = json!({
        "id": id, "status": "queued", "places": [], "waits": turn, "transaction": parsed,
    });
    assert_eq!(forge.transaction(&id).await, queued);
    let waits = forge.node.get("/api/v1/transactions?queued").await.good().1;
    let listed =
        json!({"queued": 1, "transactions": [parsed], "ids": [id], "waits": [turn], "next": null});
    assert_eq!(waits, listed);
    assert_eq!(forge.account(forge.alice.address).await, account(ALLOTTED, 0, 1, 1));

    let block = forge.mine(carol).await;
    let coin = json!({
        "sender": "0", "recipient": forge.text(carol), "amount": SUBSIDY + 7, "nonce": 2,
    });
    assert_eq!(block["block"]["transactions"], json!([parsed, coin]));
    let place = json!({"block": 2, "hash": block["hash"], "position": 0, "confirmations": 1});
    let confirmed = json!({
        "id": id, "status": "confirmed", "places": [place], "transaction": parsed,
    });
    assert_eq!(forge.transaction(&id).await, confirmed);
    assert_eq!(forge.account(forge.alice.address).await, account(ALLOTTED - 307, 1, 1, 2));
    assert_eq!(forge.account(forge.bob.address).await, account(ALLOTTED + 300, 0, 0, 2));
    assert_eq!(forge.account(carol).await, account(SUBSIDY + 7, 0, 0, 1));
    let supply = forge.node.get("/api/v1/supply").await.good().1;
    assert_eq!(supply["circulating"], 2 * ALLOTTED + SUBSIDY);
    assert_eq!((&supply["allotted"], &supply["mined"]), (&json!(2 * ALLOTTED), &json!(SUBSIDY)));
    assert_eq!((&supply["subsidy"], &supply["next_halving"]), (&json!(SUBSIDY), &json!(2_100_002)));

    // The proof leads from the text to what the header says, hashed here step by step.
    forge.mine(carol).await;
    assert_eq!(forge.transaction(&id).await["places"][0]["confirmations"], 2);
    let proof = forge.node.get(&format!("/api/v1/transactions/{id}/proof")).await.good().1;
    assert_eq!(
        (&proof["block"], &proof["position"], &proof["leaves"]),
        (&json!(2), &json!(0), &json!(2))
    );
    assert_eq!(proof["transaction"], parsed);
    let leaf = Sha256::digest([&[0][..], payment.as_bytes()].concat());
    let [sibling] = &proof["path"].as_array().unwrap()[..] else { panic!("{proof}") };
    let root = Sha256::digest([&[1][..], &leaf, &unhex(sibling)].concat());
    let headers = forge.node.get("/api/v1/headers?from=2&limit=1").await.good().1;
    let header = &headers["headers"][0]["header"];
    assert_eq!(header["merkle_root"], hex(&root));
    // And the header to the block's id.
    let mut sealed = header.clone();
    let number = sealed.as_object_mut().unwrap().remove("proof").unwrap();
    let canonical = serde_json::to_string(&sealed).unwrap().replace(':', ": ").replace(',', ", ");
    let seal = hex(&Sha256::digest(canonical));
    let block_id = hex(&Sha256::digest(format!("{seal}{number}")));
    assert_eq!(
        (&json!(block_id), &json!(block_id)),
        (&headers["headers"][0]["hash"], &proof["hash"])
    );

    // Who did not have the answer hands it in again, and reads no failure.
    let known = forge.transaction(&id).await;
    assert_eq!(forge.pay(&payment).await, (200, known));
    let other = forge.payment(301, 7, 0);
    let listed = forge.pay(&format!("[{payment}, {other}]")).await.1["payments"].take();
    assert_eq!(listed[0], json!({"id": id, "status": "confirmed"}));
    assert!(listed[1]["refused"].as_str().unwrap().contains("nonce 0 was used"), "{listed}");
    let (status, told) = forge.node.post("/transactions/new", payment.clone()).await.good();
    assert_eq!((status, &told["message"]), (200, &json!("Transaction is in Block 2")));
    for path in ["/api/v1/transactions", "/transactions/new"] {
        assert_eq!(forge.node.post(path, other.clone()).await.status, 422);
    }

    let missing = format!("/api/v1/transactions/{}", "0".repeat(64));
    assert_eq!(forge.node.get(&missing).await.problem().0, 404);
    assert_eq!(forge.node.get(&format!("{missing}/proof")).await.problem().0, 404);
    assert_eq!(forge.node.get("/api/v1/transactions/x").await.problem().0, 422);
    assert_eq!(forge.node.get("/api/v1/transactions").await.problem().0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_moves_between_block_and_mempool_is_always_somewhere() {
    let forge = Forge::start().await;
    let payment = forge.payment(300, 0, 0);
    let id = Forge::id(&forge.pay(&payment).await);
    // Two branches, of which one has the payment, and each in turn is the longer one.
    let genesis = forge.node.tip();
    let mut ends = [Some(&*payment), None].map(|payment| block_on(&forge, &genesis, 2000, payment));
    let mut blocks = Vec::from(ends.clone());
    for turn in 1..60 {
        for _ in 0..turn.min(2) {
            let next = block_on(&forge, &ends[turn % 2], 2000, None);
            ends[turn % 2] = next.clone();
            blocks.push(next);
        }
    }
    let (over, is_over) = tokio::sync::watch::channel(false);
    let path = format!("/api/v1/transactions/{id}");
    let watch = async || {
        let mut seen = [0_u64, 0];
        while !*is_over.borrow() {
            let answer = forge.node.get(&path).await.json();
            assert_ne!(answer["status"], 404, "{answer}");
            seen[usize::from(answer["status"] == "confirmed")] += 1;
        }
        seen
    };
    let submit = async {
        for block in &blocks {
            forge.node.post("/api/v1/blocks", block.text().to_string()).await.good();
        }
        over.send_replace(true);
    };
    let watchers = futures_util::future::join_all((0..64).map(|_| watch()));
    let (seen, ()) = tokio::join!(watchers, submit);
    for state in 0..2 {
        assert!(seen.iter().map(|seen| seen[state]).sum::<u64>() > 20, "{seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_sees_all_payments_the_newest_first() {
    let forge = Forge::start().await;
    let mut ids = Vec::new();
    for nonce in 0..5 {
        ids.push(Forge::id(&forge.pay(&forge.payment(10, 1, nonce)).await));
        if nonce % 2 == 1 {
            forge.mine(forge.alice.address).await;
        }
    }
    let path = format!("/api/v1/accounts/{}/transactions", forge.text(forge.alice.address));
    let first = forge.node.get(&format!("{path}?limit=3")).await.good().1;
    assert_eq!(first["queued"].as_array().unwrap().len(), 1);
    assert_eq!(first["queued"][0]["nonce"], 4);
    // Of block 3 the coin, then the payments.
    let of = |page: &Value| -> Vec<(u64, u64)> {
        let entries = page["transactions"].as_array().unwrap().iter();
        entries
            .map(|entry| (entry["block"].as_u64().unwrap(), entry["position"].as_u64().unwrap()))
            .collect()
    };
    assert_eq!(of(&first), [(3, 2), (3, 1), (3, 0)]);
    assert_eq!(first["transactions"][1]["id"], ids[3]);
    assert_eq!(first["transactions"][1]["confirmations"], 1);
    let next = first["next"].as_str().unwrap();
    let second = forge.node.get(&format!("{path}?limit=100&before={next}")).await.good().1;
    assert_eq!(of(&second), [(2, 2), (2, 1), (2, 0), (1, 0)]);
    assert_eq!((&second["next"], &second["queued"]), (&Value::Null, &Value::Null));
    for wrong in ["before=x", "limit=0"] {
        assert_eq!(forge.node.get(&format!("{path}?{wrong}")).await.problem().0, 400, "{wrong}");
    }
    for wrong in ["queued&limit=0", "queued=false", "queued=1", "limit=1"] {
        let path = format!("/api/v1/transactions?{wrong}");
        assert_eq!(forge.node.get(&path).await.problem().0, 400, "{wrong}");
    }
    let queue = forge.node.get("/api/v1/transactions?queued=true&limit=1").await.good();
    assert_eq!((queue.0, &queue.1["queued"]), (200, &json!(1)));
    assert_eq!(forge.node.get("/api/v1/accounts/forge1xyz").await.problem().0, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_in_two_ways_or_says_too_much_is_no_payment() {
    let forge = Forge::start().await;
    let good = forge.payment(300, 7, 0);
    let (alice, upper) =
        (forge.text(forge.alice.address), forge.text(forge.alice.address).to_uppercase());
    let signature = good.split('"').rev().nth(1).unwrap().to_string();
    for (bad, rule) in [
        (good.replace(": 300", ": 0300"), None),
        (good.replace(": 300", ": 300.0"), Some("transaction")),
        (good.replace(": 300", ": 3e2"), Some("transaction")),
        (good.replace(": 300", ": \"300\""), Some("transaction")),
        (good.replace(": 300", ": -300"), Some("transaction")),
        (good.replace(": 300", ": 9007199254740992"), Some("transaction")),
        (good.replace(&alice, &upper), Some("transaction")),
        (good.replace(&signature, &signature.to_uppercase()), Some("transaction")),
        (good.replacen('{', "{\"extra\": 1, ", 1), Some("transaction")),
        (good.replacen('{', "{\"amount\": 300, ", 1), None),
        (good.replace(": 300", ": 301"), Some("signature")),
        (good.replacen("\"fee\": 7, ", "", 1), Some("transaction")),
    ] {
        assert_ne!(bad, good);
        let answer = forge.node.post("/api/v1/transactions", bad.clone()).await.problem();
        match rule {
            Some(rule) => assert_eq!((answer.0, &answer.1["rule"]), (422, &json!(rule)), "{bad}"),
            None => assert!([400, 422].contains(&answer.0), "{bad}: {answer:?}"),
        }
    }
    // Spaces and the order of fields are the same payment, and the same id.
    let spaced = good.replace(": ", " :\n ");
    let (status, answer) = forge.pay(&spaced).await;
    assert_eq!((status, &answer["status"]), (201, &json!("queued")));
    assert_eq!(forge.pay(&good).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_does_not_fit_says_what_would() {
    let forge = Forge::start().await;
    let refused = async |payment: String| {
        let (status, problem) = forge.node.post("/api/v1/transactions", payment).await.problem();
        (status, problem["rule"].as_str().unwrap().to_string(), problem["detail"].to_string())
    };
    let (status, rule, detail) = refused(forge.payment(ALLOTTED, 1, 0)).await;
    assert_eq!((status, &*rule), (422, "balance"), "{detail}");
    let (_, rule, detail) = refused(forge.payment(1, 0, 16)).await;
    assert!(rule == "nonce" && detail.contains("up to 15"), "{detail}");
    let held = forge.pay(&forge.payment(1, 0, 1)).await;
    assert_eq!((held.0, &held.1["status"], &held.1["missing"]), (201, &json!("held"), &json!(0)));
    assert_eq!(forge.transaction(&Forge::id(&held)).await["status"], "held");
    // Handed in again, it still does not wait for a block.
    let again = forge.pay(&forge.payment(1, 0, 1)).await;
    assert_eq!(again, (200, held.1.clone()));
    let text = forge.node.post("/transactions/new", forge.payment(1, 0, 1)).await.good().1;
    assert_eq!(text, json!({"message": "Transaction waits for the payment with nonce 0"}));
    forge.pay(&forge.payment(1, 10, 0)).await;
    assert_eq!(forge.transaction(&Forge::id(&held)).await["status"], "queued");
    let (_, rule, detail) = refused(forge.payment(2, 10, 0)).await;
    assert!(rule == "fee" && detail.contains("11"), "{detail}");
    // Replay on another chain: signed by the same keys for forge itself.
    let draft = forge.alice.draft(forge.bob.address, 1, 0, 2);
    let foreign = forge.alice.signed(&draft, &Rules::forge().domain().unwrap());
    assert_eq!(refused(foreign).await.1, "signature");
    forge.mine(forge.bob.address).await;
    assert_eq!(refused(forge.payment(5, 5, 0)).await.1, "nonce");
    // Who is known to everybody pays nothing here.
    let dev = blocksmith_wallet::dev::addresses().next().unwrap();
    assert_eq!(forge.account(dev).await, account(0, 0, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_read_no_further_than_its_bound() {
    let forge = Forge::start().await;
    let list = |count: usize, end: &str| format!("[{}{end}", vec!["1"; count].join(", "));
    let (status, answer) = forge.pay(&list(1_000, "]")).await;
    assert_eq!((status, answer["payments"].as_array().unwrap().len()), (200, 1_000));
    // What comes after is not even looked at: each element would take more room than its text.
    for end in ["]", ", no JSON"] {
        let answer = forge.node.post("/api/v1/transactions", list(1_001, end)).await.problem();
        let detail = answer.1["detail"].as_str().unwrap();
        assert!(answer.0 == 400 && detail.contains("at most 1000 payments"), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_known_by_its_id_and_refreshed() {
    let forge = Forge::start().await;
    let (alice, bob) = (forge.alice.address, forge.bob.address);
    let work = forge.work(alice).await;
    assert_eq!(
        (&work["index"], &work["previous_hash"]),
        (&json!(2), &json!(forge.node.tip().hash().to_string()))
    );
    assert_eq!(forge.work(alice).await, work);
    assert_ne!(forge.work(bob).await["id"], work["id"]);
    let submit = async |id: &Value, proof: &str| {
        forge.node.post("/api/v1/work", format!(r#"{{"id": {id}, "proof": {proof}}}"#)).await
    };
    let proof = Forge::proof(&work);
    let wrong = (0..).find(|wrong| {
        let digest = Sha256::digest(format!("{}{wrong}", work["prefix"].as_str().unwrap()));
        digest[0] >= 0x10
    });
    for (proof, status) in [
        ("\"5\"".to_string(), 422),
        ("-1".into(), 422),
        ("9007199254740992".into(), 422),
        ("null".into(), 422),
        (wrong.unwrap().to_string(), 409),
    ] {
        assert_eq!(submit(&work["id"], &proof).await.problem().0, status, "{proof}");
    }
    assert_eq!(submit(&json!("x"), "1").await.problem().0, 422);
    let unknown = submit(&json!("0".repeat(64)), "1").await.problem();
    assert_eq!((unknown.0, &unknown.1["rule"]), (409, &json!("stale")));

    // Who waits for other work hears of a payment within some seconds, and of a block at once.
    let path = |than: &Value| {
        format!("/api/v1/work?recipient={}&than={}", forge.text(alice), than.as_str().unwrap())
    };
    let began = Instant::now();
    let id = Forge::id(&forge.pay(&forge.payment(1, 1, 0)).await);
    let other = forge.node.get(&path(&work["id"])).await.good().1;
    assert_ne!(other["id"], work["id"]);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let waiting = path(&other["id"]);
    let (news, mined_at) = tokio::join!(
        async {
            let news = forge.node.get(&waiting).await.good().1;
            (news, Instant::now())
        },
        async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            // What was handed out before the payment came is as good: it is on the same tip.
            let block = submit(&work["id"], &proof.to_string()).await.good().1;
            assert_eq!(block["block"]["transactions"].as_array().unwrap().len(), 1);
            Instant::now()
        }
    );
    assert_eq!(news.0["index"], 3);
    let lag = news.1.saturating_duration_since(mined_at);
    assert!(lag < Duration::from_millis(100), "{lag:?}");
    let stale = submit(&other["id"], "1").await.problem();
    assert_eq!((stale.0, &stale.1["rule"]), (409, &json!("stale")));
    assert_eq!(forge.transaction(&id).await["status"], "queued");
    forge.mine(bob).await;
    assert_eq!(forge.transaction(&id).await["status"], "confirmed");

    // A coin needs somebody who gets it.
    let nobody = forge.node.get("/api/v1/work").await.problem();
    assert!(nobody.1["detail"].as_str().unwrap().contains("--to"), "{nobody:?}");
    let wrong = forge.node.get("/api/v1/work?recipient=ann").await.problem();
    assert_eq!((nobody.0, wrong.0), (422, 422));
    let (status, text) = (forge.node.get("/mine").await.status, forge.node.get("/mine").await.text);
    assert!(status == 422 && text.contains("?recipient=ADDRESS"), "{text}");
    for wrong in ["recipient=ann", "recipient=", "recipient=a&recipient=b"] {
        let status = forge.node.get(&format!("/mine?{wrong}")).await.plain().0;
        assert!([400, 422].contains(&status), "{wrong}: {status}");
    }
    let forged = forge.node.get(&format!("/mine?recipient={}", forge.text(bob))).await.json();
    assert_eq!(forged["transactions"][0]["recipient"], forge.text(bob));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_courses_calls_answer_as_far_as_they_mean_something() {
    let to = Signer::bob().address.to_text(rules().domain().unwrap().hrp);
    let forge = Forge::start_with(false, Some(to.clone())).await;
    let node = &forge.node;
    for answer in [
        node.get("/last_proof").await,
        node.post("/mine", r#"{"proof": 1}"#).await,
        node.post("/mine", format!(r#"{{"proof": 1, "id": "{to}"}}"#)).await,
    ] {
        let (status, text) = answer.plain();
        assert!(status == 409 && text.contains("/api/v1/work"), "{status}: {text}");
    }
    let message = node.post("/transactions/new", forge.payment(300, 7, 0)).await.good();
    assert_eq!(message, (201, json!({"message": "Transaction will be added to Block 2"})));
    let forged = node.get("/mine").await.json();
    assert_eq!((&forged["message"], &forged["index"]), (&json!("New Block Forged"), &json!(2)));
    assert_eq!(forged["transactions"][1]["recipient"], to);
    assert_eq!(forged["transactions"][0]["amount"], 300);
    let chain = node.get("/chain").await.json();
    assert_eq!((&chain["length"], &chain["chain"][1]["index"]), (&json!(2), &json!(2)));
    assert_eq!(node.get("/last_block").await.json()["last_block"], chain["chain"][1]);
    let unsigned = r#"{"sender": "a", "recipient": "b", "amount": 1}"#;
    assert_eq!(node.post("/transactions/new", unsigned).await.plain().0, 422);
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A block with a coin for Bob, made at this time.
fn block_at(forge: &Forge, timestamp_s: u64) -> Block {
    block_on(forge, &forge.node.tip(), timestamp_s, None)
}

/// A block with a coin for Bob, and perhaps a payment without a fee.
pub(crate) fn block_on(
    forge: &Forge,
    parent: &Block,
    timestamp_s: u64,
    payment: Option<&str>,
) -> Block {
    let index = parent.index() + 1;
    let coin = Coinbase { recipient: forge.bob.address, amount: SUBSIDY, nonce: index };
    let coin = coin.text(forge.domain.hrp);
    let texts: Vec<&str> = payment.into_iter().chain([&*coin]).collect();
    let target = Target::from_zeros(1);
    let root = merkle::root(&texts);
    let draft = Unproven::new(index, &parent.hash(), timestamp_s, target, &root, texts).unwrap();
    let proof =
        (0..).find(|proof: &u64| target.is_met_by(&draft.header().digest(&proof.to_string())));
    draft.with_proof(proof.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_ahead_of_the_clock_waits_until_its_time() {
    let forge = Forge::start().await;
    let submit = async |block: &Block| {
        forge.node.post("/api/v1/blocks", block.text().to_string()).await.good().1["verdict"]
            .clone()
    };
    let far = block_at(&forge, now_s() + 600);
    assert_eq!(submit(&far).await, "early");
    assert_eq!(forge.node.tip().index(), 1);
    let near = block_at(&forge, now_s() + 45 + 2);
    assert_eq!(submit(&near).await, "early");
    // It is not condemned: it becomes the tip when its time has come.
    let began = Instant::now();
    while forge.node.tip() != near {
        assert!(began.elapsed() < Duration::from_secs(20), "it still waits");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(began.elapsed() > Duration::from_millis(500), "{:?}", began.elapsed());
    let good = block_at(&forge, near.view().timestamp_s());
    assert_eq!(submit(&good).await, "accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_faucet_gives_on_a_chain_to_try_things_on_and_nowhere_else() {
    let body = json!({"recipient": Signer::bob().address.to_text(rules().domain().unwrap().hrp)});
    let forge = Forge::start().await;
    let (status, problem) = forge.node.post("/api/v1/faucet", body.to_string()).await.problem();
    assert_eq!(status, 404, "{problem}");
    // This chain gave the faucet's account nothing.
    let dev = Forge::start_with(true, None).await;
    let empty = dev.node.post("/api/v1/faucet", body.to_string()).await.problem();
    assert!(empty.0 == 503 && empty.1["detail"].as_str().unwrap().contains("pay one of them"));
    assert_eq!(dev.node.post("/api/v1/faucet", "{}").await.problem().0, 422);
    assert_eq!(dev.node.get("/api/v1/status").await.json()["dev"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_faucets_of_a_network_serve_a_class_before_the_next_block() {
    let chain = Chain { rules: rules(), dialect: Dialect::Notes }.for_dev().unwrap();
    let options = Options { dev: true, ..Options::new(chain) };
    let first = Forge::of(options.clone()).await;
    let faucet_node = Some(first.node.handle.clone());
    let second = Forge::of(Options { faucet_node, ..options }).await;
    let pupil = Signer::new(0x9091).address;
    let body = json!({"recipient": first.text(pupil)}).to_string();
    let ask = async |at: usize| {
        let node = [&first.node, &second.node][at % 2];
        let (status, given) = node.post("/api/v1/faucet", body.clone()).await.good();
        assert_eq!((status, &given["amount"]), (201, &json!(1_000_000_000)));
        let path = format!("/api/v1/transactions/{}", given["id"].as_str().unwrap());
        // Whoever asks where it was given finds it, also before nodes tell each other.
        assert_eq!(node.get(&path).await.good().0, 200);
        path
    };
    let mut given = futures_util::future::join_all((0..40).map(&ask)).await;
    for at in 40..64 {
        given.push(ask(at).await);
    }
    let refused = second.node.post("/api/v1/faucet", body.clone()).await.problem();
    let detail = refused.1["detail"].as_str().unwrap();
    assert!(refused.0 == 503 && detail.contains("ask again after it"), "{refused:?}");
    first.mine(first.bob.address).await;
    for path in &given {
        assert_eq!(first.node.get(path).await.json()["status"], "confirmed");
    }
    assert_eq!(first.account(pupil).await["balance"], 64 * 1_000_000_000_u64);
    ask(64).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leaderboard_ranks_who_mined_and_not_who_was_given() {
    let forge = Forge::start().await;
    forge.pay(&forge.payment(300, 7, 0)).await;
    for miner in [forge.bob.address, forge.bob.address, forge.alice.address] {
        forge.mine(miner).await;
    }
    let tip = forge.node.tip().index();
    let board = loop {
        let board = forge.node.get("/api/v1/leaderboard").await.good().1;
        if board["indexed"]["index"] == tip {
            break board;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let supply = forge.node.get("/api/v1/supply").await.good().1;
    let coin = supply["mined"].as_u64().unwrap() / 3;
    let row = |rank: u64, miner: Address, coins: u64, blocks: u64, last: u64| {
        json!({
            "rank": rank, "party": forge.text(miner), "coins": coins, "blocks": blocks,
            "share": blocks as f64 / 3.0, "last_block": last,
        })
    };
    let (bob, alice) = (forge.bob.address, forge.alice.address);
    let miners = [row(1, bob, 2 * coin + 7, 2, tip - 1), row(2, alice, coin, 1, tip)];
    assert_eq!((&board["blocks"], &board["miners"]), (&json!(3), &json!(miners)));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_signs_there_are_no_fees_and_proofs() {
    let node = Node::easy().await;
    let id = "0".repeat(64);
    for (path, so) in [
        ("supply", "no rule sets how many coins there are"),
        ("fees", "there are no fees"),
        (&*format!("transactions/{id}/proof"), "transactions have no proofs"),
    ] {
        let (status, problem) = node.get(&format!("/api/v1/{path}")).await.problem();
        let detail = problem["detail"].as_str().unwrap();
        assert!(status == 409 && detail.contains(&format!(", so {so}; ")), "{path}: {problem}");
    }
    let (status, _) = node.post("/api/v1/transactions", "{}").await.problem();
    assert_eq!(status, 409);
    let new = r#"{"sender": "a", "recipient": "b", "amount": 1}"#;
    node.post("/transactions/new", new).await.good();
    let queued = node.get("/api/v1/transactions?queued").await.good().1;
    let text = r#"{"amount": 1, "recipient": "b", "sender": "a"}"#;
    let transaction: Value = serde_json::from_str(text).unwrap();
    let expected = json!({
        "queued": 1, "transactions": [transaction], "ids": [Hash::of(text).to_string()],
        "waits": [{"place": 1, "block": 2, "why": null, "nonce": null}], "next": null,
    });
    assert_eq!(queued, expected);
    let history = node.get("/api/v1/history").await.good().1;
    assert_eq!(history["points"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn history_says_how_the_chain_grew() {
    let forge = Forge::start().await;
    let start = now_s() - 1000;
    for step in 0..20 {
        let block = block_at(&forge, start + 10 * step);
        assert_eq!(forge.node.post("/api/v1/blocks", block.text().to_string()).await.good().0, 200);
    }
    let history = forge.node.get("/api/v1/history?points=3").await.good().1;
    let points = history["points"].as_array().unwrap();
    let indexes: Vec<_> = points.iter().map(|point| point["index"].as_u64().unwrap()).collect();
    assert_eq!(indexes, [2, 11, 21]);
    assert_eq!(points[0]["hash_rate"], Value::Null);
    for point in &points[1..] {
        // A block every 10 s, each worth 16 tries.
        assert_eq!((&point["block_time_s"], &point["hash_rate"]), (&json!(10), &json!(1.6)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_what_a_payment_may_replace_replaces_nothing_else() {
    let forge = Forge::start().await;
    let post = async |query: &str, payment: &str| {
        let path = format!("/api/v1/transactions?replaces={query}");
        let answer = forge.node.post(&path, payment.to_string()).await;
        (answer.status, answer.json())
    };
    let first = forge.payment(300, 7, 0);
    let (status, answer) = post("none", &first).await;
    assert_eq!((status, &answer["status"]), (201, &json!("queued")));
    let id = answer["id"].as_str().unwrap().to_string();
    // The same one again is no other one.
    assert_eq!(post("none", &first).await.0, 200);
    // Another one, however much it pays.
    let other = forge.payment(300, 700, 0);
    let unrelated = "00".repeat(32);
    for replaces in ["none", &unrelated] {
        let (status, problem) = post(replaces, &other).await;
        assert_eq!((status, &problem["rule"]), (409, &json!("replaces")));
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.contains(&format!("payment {id} already waits with the nonce 0")),
            "{detail}"
        );
    }
    assert_eq!(forge.transaction(&id).await["status"], "queued");
    // What is held has its place too.
    let held = forge.payment(1, 0, 2);
    assert_eq!(post("none", &held).await.0, 201);
    assert_eq!(post("none", &held).await.0, 200);
    assert_eq!(post("none", &forge.payment(2, 9, 2)).await.1["rule"], "replaces");
    assert_eq!(post("none", &forge.payment(1, 0, 1)).await.0, 201);
    assert_eq!(post("none", &forge.payment(2, 9, 2)).await.1["rule"], "replaces");
    // The one that was meant; it still has to pay for it.
    let (status, problem) = post(&id, &forge.payment(299, 7, 0)).await;
    assert_eq!((status, &problem["rule"]), (422, &json!("fee")));
    assert_eq!(post(&id, &other).await.0, 201);
    assert_eq!(forge.node.get(&format!("/api/v1/transactions/{id}")).await.status, 404);
    // Once it is in a block, its nonce is used.
    forge.mine(forge.bob.address).await;
    assert_eq!(post("none", &other).await.1["status"], "confirmed");
    assert_eq!(post("none", &first).await.1["rule"], "nonce");
    // Who says nothing replaces as ever, and so do the course's call and peers.
    let (one, two) = (forge.payment(1, 1, 3), forge.payment(1, 50, 3));
    for payment in [&one, &two] {
        assert_eq!(forge.pay(payment).await.0, 201);
    }
    let three = forge.payment(1, 500, 3);
    assert_eq!(forge.node.post("/transactions/new", three).await.status, 201);
    let listed = forge.pay(&format!("[{}]", forge.payment(1, 900, 3))).await.1;
    assert_eq!(listed["payments"][0]["status"], "queued");
    // What can't be understood is not passed over.
    for (query, body) in
        [("some", &*one), ("", &one), (&id[1..], &one), ("none", &format!("[{one}]"))]
    {
        let (status, problem) = post(query, body).await;
        assert_eq!(status, 400, "{query}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains("replaces"), "{problem}");
    }
    let (status, problem) = post("none", "{}").await;
    assert_eq!((status, &problem["rule"]), (422, &json!("transaction")));
}
