//! `blocksmith chain verify --replay` as a process: of documents, and of data directories in which
//! one entry was changed by hand.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use blocksmith::chain::Chain;
use blocksmith::service::{Checked, StoreError, open_read_only};
use blocksmith_consensus::address::Address;
use blocksmith_consensus::payment::{Coinbase, Domain};
use blocksmith_consensus::{Block, ChainBlock, Hash, Rules, Sealed, Unproven, merkle};
use blocksmith_testkit::signers::Signer;
use redb::{Database, TableDefinition};
use tempfile::TempDir;

const CHAIN: &str = r#"
name = "replayed"
puzzle = "seal"
max_block_bytes = 1000000

[difficulty.asert]
spacing_s = 15
half_life_s = 450
longest_gap_s = 900
easiest = "0fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

[spending]
addresses = "forge"
first_subsidy = 1000
halving_blocks = 100

[genesis]
timestamp = 1767225600
target = "0fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
"#;

const BLOCKS: u64 = 12;

/// A chain that starts where others have not got to yet.
const FAR: &str = r#"
name = "far"
puzzle = "last_proof"
zeros = 0
coin = { sender = '"0"', amount = "1" }
genesis = { index = 1000000, proof = "1", previous_hash = "null" }
"#;

/// Exit code, standard output, standard error.
type Told = (i32, String, String);

/// A chain in which Alice pays Bob and herself, with everybody's accounts counted by hand.
struct World {
    dir: TempDir,
    rules: Rules,
    domain: Domain,
    alice: Signer,
    bob: Signer,
    tip: ChainBlock,
    texts: Vec<String>,
    /// Balance and nonce by key.
    accounts: BTreeMap<[u8; 32], (u64, u64)>,
    transactions: usize,
}

impl World {
    fn new() -> Self {
        let (alice, bob) = (Signer::alice(), Signer::bob());
        let hrp = Sealed::forge().hrp;
        let balance = |person: &Signer| {
            let address = person.address.to_text(hrp);
            format!("\n[[genesis.balances]]\naddress = \"{address}\"\namount = 1000\n")
        };
        let file = format!("{CHAIN}{}{}", balance(&alice), balance(&bob));
        let rules = Chain::parse(&file).expect("a chain file").rules;
        let dir = TempDir::new().expect("a directory");
        std::fs::write(dir.path().join("chain.toml"), file).expect("a file");
        let tip = ChainBlock::genesis(&rules, rules.genesis_block(Default::default()));
        let accounts = [&alice, &bob].map(|person| (*person.address.key(), (1000, 0)));
        let mut world = Self {
            domain: rules.domain().expect("signed"),
            texts: vec![tip.block.text().to_owned()],
            rules,
            dir,
            alice,
            bob,
            tip,
            accounts: BTreeMap::from(accounts),
            transactions: 2,
        };
        while world.texts.len() < BLOCKS as usize {
            let nonce = 2 * (world.texts.len() as u64 - 1);
            let (alice, bob) = (world.alice.address, world.bob.address);
            let paid = [world.pays(bob, 7, 2, nonce), world.pays(alice, 5, 1, nonce + 1)];
            let block = world.block(&paid, 3);
            world.texts.push(block.text().to_owned());
            world.tip = world.tip.followed_by(&world.rules, block);
            let account = |accounts: &mut BTreeMap<_, (u64, u64)>, who: Address, by: i64, made| {
                let (balance, nonce) = accounts.get_mut(who.key()).expect("both have one");
                (*balance, *nonce) =
                    (balance.checked_add_signed(by).expect("enough"), *nonce + made);
            };
            account(&mut world.accounts, alice, -(7 + 2 + 1), 2);
            account(&mut world.accounts, bob, 7 + 1000 + 3, 0);
            world.transactions += 3;
        }
        world
    }

    fn pays(&self, to: Address, amount: u64, fee: u64, nonce: u64) -> String {
        self.alice.signed(&self.alice.draft(to, amount, fee, nonce), &self.domain)
    }

    /// The next block, whose coin goes to Bob.
    fn block(&self, payments: &[String], fees: u64) -> Block {
        let index = self.tip.block.index() + 1;
        let coin = Coinbase { recipient: self.bob.address, amount: 1000 + fees, nonce: index };
        let coin = coin.text(self.domain.hrp);
        let all = || payments.iter().map(String::as_str).chain([&*coin]);
        let target = self.rules.target_after(&self.tip.difficulty_state);
        let (parent, time) = (self.tip.block.hash(), self.tip.block.view().timestamp_s() + 15);
        let draft = Unproven::new(index, &parent, time, target, &merkle::root(all()), all());
        let draft = draft.expect("a draft");
        let meets = |proof: &u64| target.is_met_by(&draft.header().digest(&proof.to_string()));
        let proof = (0..).find(meets).expect("there are proofs");
        draft.with_proof(proof).expect("a block")
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().expect("a path").to_owned()
    }

    /// A document with the chain, and perhaps one block more.
    fn document(&self, name: &str, more: Option<Block>) -> String {
        let mut text: String = self.texts.iter().map(|text| format!("{text}\n")).collect();
        text.extend(more.map(|block| format!("{}\n", block.text())));
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file");
        path
    }

    fn run(&self, arguments: &[&str]) -> Told {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blocksmith"));
        command.args(arguments).args(["--chain", &self.path("chain.toml")]);
        command.stdin(Stdio::null()).env("XDG_CONFIG_HOME", "/nonexistent");
        for name in ["CHAIN", "ZEROS", "CONFIG", "DATA_DIR", "PORT"] {
            command.env_remove(format!("BLOCKSMITH_{name}"));
        }
        let Output { status, stdout, stderr } = command.output().expect("the program runs");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (status.code().unwrap_or(-1), text(stdout), text(stderr))
    }

    /// A data directory with the chain.
    fn data(&self, name: &str) -> String {
        let (document, data) = (self.document("chain.txt", None), self.path(name));
        let (code, _, error) = self.run(&["chain", "import", &document, "--data-dir", &data]);
        assert_eq!(code, 0, "{error}");
        data
    }

    fn replay(&self, data: &str) -> Told {
        self.run(&["chain", "verify", "--replay", "--data-dir", data])
    }

    /// SHA-256 over key ‖ balance ‖ nonce.
    fn state(&self) -> Hash {
        let account = |(key, (balance, nonce)): (&[u8; 32], &(u64, u64))| {
            [&key[..], &balance.to_be_bytes(), &nonce.to_be_bytes()].concat()
        };
        Hash::of(self.accounts.iter().flat_map(account).collect::<Vec<_>>())
    }
}

#[test]
fn a_data_directory_and_a_document_come_to_the_state_that_was_counted_by_hand() {
    let world = World::new();
    let data = world.data("data");
    let tip = world.tip.block.hash();
    let expected = format!(
        "valid: {BLOCKS} blocks, tip {tip} (replayed with a block every 15 s)\n\
         replayed: {} transactions, 2 accounts, state {}\n",
        world.transactions,
        world.state()
    );
    assert_eq!(world.replay(&data), (0, expected.clone(), String::new()));
    let document = world.document("document", None);
    let told = world.run(&["chain", "verify", &document, "--replay"]);
    assert_eq!(told, (0, expected, String::new()));
    let snapshot = open_read_only(Path::new(&data)).expect("a chain");
    assert_eq!(snapshot.state_hash().expect("it can be read"), world.state());
    drop(snapshot);

    let (code, out, _) = world.run(&["chain", "verify", "--replay", "--data-dir", &data, "--json"]);
    let verdict: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &verdict["valid"]), (0, &true.into()));
    assert_eq!(verdict["state"], world.state().to_string());
    assert_eq!(verdict["transactions"], world.transactions);

    let other = Hash([7; 32]).to_string();
    let told = world.run(&["chain", "verify", "--replay", "--data-dir", &data, "--tip", &other]);
    assert!(told.0 == 1 && told.2.starts_with("invalid: tip: "), "{told:?}");
}

#[test]
fn transactions_that_were_changed_under_their_header_are_found_without_a_replay() {
    let mut world = World::new();
    world.texts[4] = world.texts[4].replace("\"amount\": 7,", "\"amount\": 8,");
    let document = world.document("changed", None);
    let data = world.path("data");
    for arguments in
        [&["chain", "verify", &document][..], &["chain", "import", &document, "--data-dir", &data]]
    {
        let told = world.run(arguments);
        let (code, out, error) = &told;
        let expected = "invalid: merkle_root: block 5 has ";
        assert!(*code == 1 && out.is_empty() && error.starts_with(expected), "{told:?}");
    }
}

#[test]
fn what_only_shows_in_signatures_and_balances_is_found_in_a_document() {
    let world = World::new();
    let nonce = 2 * (BLOCKS - 1);
    let (balance, _) = world.accounts[world.alice.address.key()];
    let good = world.pays(world.bob.address, 1, 0, nonce);
    let spent = world.pays(world.bob.address, balance + 1, 0, nonce);
    let again = world.pays(world.bob.address, 1, 0, nonce - 1);
    let signature = good.len() - 130..good.len() - 2;
    let forged =
        format!("{}{}\"}}", &good[..signature.start], &spent[spent.len() - 130..spent.len() - 2]);
    for (name, payments, fees, rule) in [
        ("overspent", vec![spent], 0, "transactions"),
        ("paid twice", vec![again], 0, "transactions"),
        ("a coin too large", vec![good], 1, "transactions"),
        ("forged", vec![forged], 0, "signature"),
    ] {
        let document = world.document(name, Some(world.block(&payments, fees)));
        let (code, ..) = world.run(&["chain", "verify", &document]);
        assert_eq!(code, 0, "{name}: the headers are good");
        let (code, out, error) = world.run(&["chain", "verify", &document, "--replay"]);
        let expected = format!("invalid: {rule}: block {}", BLOCKS + 1);
        assert!(code == 1 && out.is_empty() && error.starts_with(&expected), "{name}: {error}");
        let data = world.path(&format!("data of {name}"));
        let (code, _, error) = world.run(&["chain", "import", &document, "--data-dir", &data]);
        let expected = format!("the chain of the file breaks a rule: {rule}: block {}", BLOCKS + 1);
        assert!(code == 1 && error.contains(&expected), "{name}: {error}");
    }
}

const ACCOUNTS: TableDefinition<'_, [u8; 32], [u8; 16]> = TableDefinition::new("accounts");
const UNDO: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("undo");
const INDEX: TableDefinition<'_, [u8; 32], u64> = TableDefinition::new("index");
const PLACES: TableDefinition<'_, [u8; 44], ()> = TableDefinition::new("places");
const HISTORY: TableDefinition<'_, [u8; 44], ()> = TableDefinition::new("history");
const ACTIVITY: TableDefinition<'_, [u8; 32], u64> = TableDefinition::new("activity");
const BLOCK: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("blocks");

#[test]
fn every_entry_that_was_changed_by_hand_is_found() {
    use redb::ReadableTable as _;
    let world = World::new();
    let good = world.data("good");
    let alice = *world.alice.address.key();
    let name = world.alice.address.to_text(world.domain.hrp);
    type Damage<'a> = &'a dyn Fn(&redb::WriteTransaction) -> Result<(), redb::Error>;
    let damages: [(&str, Damage<'_>, String); 9] = [
        (
            "another balance",
            &|write| {
                let mut accounts = write.open_table(ACCOUNTS)?;
                let mut account = accounts.get(alice)?.expect("hers").value();
                account[7] ^= 1;
                accounts.insert(alice, account)?;
                Ok(())
            },
            format!("accounts: {name} is kept with "),
        ),
        (
            "an account that nobody has",
            &|write| {
                let nobody = *Signer::new(7).address.key();
                write.open_table(ACCOUNTS)?.insert(nobody, [1; 16])?;
                Ok(())
            },
            format!("accounts: {} is kept", Signer::new(7).address.to_text(world.domain.hrp)),
        ),
        (
            "another undo",
            &|write| {
                let mut undo = write.open_table(UNDO)?;
                let mut bytes = undo.get(5)?.expect("block 5").value().to_vec();
                *bytes.last_mut().expect("a byte") ^= 1;
                undo.insert(5, &*bytes)?;
                Ok(())
            },
            "undo: what is kept to undo block 5 ".into(),
        ),
        (
            "no undo",
            &|write| write.open_table(UNDO)?.remove(6).map(drop).map_err(Into::into),
            "undo: what is kept to undo block 6 ".into(),
        ),
        (
            "a block without its id",
            &|write| {
                write.open_table(INDEX)?.remove(world.tip.block.hash().0)?;
                Ok(())
            },
            format!("index: block {BLOCKS} is not found "),
        ),
        (
            "a transaction without its id",
            &|write| {
                let mut places = write.open_table(PLACES)?;
                let mut all: Vec<_> = places
                    .iter()?
                    .map(|key| Ok(key?.0.value()))
                    .collect::<Result<_, redb::Error>>()?;
                all.retain(|key| {
                    key[32..] == [&4_u64.to_be_bytes()[..], &1_u32.to_be_bytes()].concat()
                });
                assert!(places.remove(all[0])?.is_some());
                Ok(())
            },
            "places: transaction 1 of block 4 is not listed".into(),
        ),
        (
            "a transaction that is none",
            &|write| write.open_table(HISTORY)?.insert([7; 44], ()).map(drop).map_err(Into::into),
            "history: there are ".into(),
        ),
        (
            "a wrong count",
            &|write| write.open_table(ACTIVITY)?.insert(alice, 1).map(drop).map_err(Into::into),
            format!("activity: 1 transactions are counted of {name}"),
        ),
        (
            "another work",
            &|write| {
                let mut blocks = write.open_table(BLOCK)?;
                let mut record = blocks.get(3)?.expect("the fourth").value().to_vec();
                record[31] ^= 1;
                blocks.insert(3, &*record)?;
                Ok(())
            },
            "chain: block 4 is kept with another work".into(),
        ),
    ];
    for (what, damage, expected) in damages {
        let data = world.path(&what.replace(' ', "-"));
        std::fs::create_dir(&data).expect("a directory");
        let file = Path::new(&data).join("chain.redb");
        std::fs::copy(Path::new(&good).join("chain.redb"), &file).expect("a copy");
        let checked = Checked::open(&file).expect("a file with checksums");
        let database = Database::builder().create_with_backend(checked).expect("a store");
        let write = database.begin_write().expect("it can be written");
        damage(&write).expect("it is damaged");
        write.commit().expect("a commit");
        drop(database);
        let (code, out, error) = world.replay(&data);
        let expected = format!("damaged: {expected}");
        assert!(code == 1 && out.is_empty() && error.starts_with(&expected), "{what}: {error}");
    }
    assert_eq!(world.replay(&good).0, 0, "the copy was damaged, not this one");
}

#[test]
fn no_chain_and_another_chain_are_said_so() {
    let world = World::new();
    let nothing = world.path("nothing");
    let (code, _, error) = world.replay(&nothing);
    let expected = StoreError::Nothing { dir: nothing.into() }.to_string();
    assert!(code == 1 && error.contains(&expected), "{error}");
    // What a node leaves that is killed as it makes its store.
    let dir = world.path("without tables");
    std::fs::create_dir(&dir).expect("a directory");
    drop(Database::create(Path::new(&dir).join("chain.redb")).expect("a store"));
    let (code, _, error) = world.replay(&dir);
    let expected = StoreError::Nothing { dir: dir.into() }.to_string();
    assert!(code == 1 && error.contains(&expected), "{error}");
    let data = world.data("data");
    let far = world.path("far.toml");
    std::fs::write(&far, FAR).expect("a file");
    for chain in ["forge", &far] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blocksmith"));
        command.args(["chain", "verify", "--replay", "--chain", chain, "--data-dir", &data]);
        let output = command.env("XDG_CONFIG_HOME", "/nonexistent").output().expect("it runs");
        let error = String::from_utf8(output.stderr).expect("text");
        assert!(error.starts_with("invalid: genesis: "), "{chain}: {error}");
    }
}
