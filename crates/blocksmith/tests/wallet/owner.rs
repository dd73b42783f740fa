//! Somebody with a wallet in a folder of their own.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use blocksmith::chain::Chain;
use blocksmith_consensus::Rules;
use blocksmith_consensus::address::Address;
use blocksmith_consensus::payment::Domain;
use blocksmith_wallet::{Cost, Phrase, Wallet, WalletFile};

use crate::program::PATIENCE;

/// A password with which nothing else here begins.
pub(crate) const PASSWORD: &str = "Pa55 wörd: opensesame";

/// What a password costs in tests that are not about it: files say it themselves.
const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

/// The chain of the tests.
pub(crate) fn forge() -> Domain {
    Rules::forge().domain().expect("payments are signed")
}

/// What `blocksmith dev` makes of it.
pub(crate) fn forge_dev() -> Domain {
    let dev = Chain::load("forge-dev", None).expect("a chain");
    dev.rules.domain().expect("payments are signed")
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// What it printed, if it went well.
    #[track_caller]
    pub(crate) fn good(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout
    }

    /// What it printed as JSON, if it went well.
    #[track_caller]
    pub(crate) fn json(self) -> serde_json::Value {
        serde_json::from_str(&self.good()).expect("one JSON text")
    }

    /// What it complained about, if it ended like that.
    #[track_caller]
    pub(crate) fn bad(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:?}");
        self.stderr
    }
}

pub(crate) struct Owner {
    pub(crate) home: tempfile::TempDir,
}

impl Owner {
    /// Without a wallet.
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("password"), format!("{PASSWORD}\nnot the password\n"))
            .unwrap();
        Self { home }
    }

    /// With a wallet of the words of 16 such bytes, and so many addresses.
    pub(crate) fn with_wallet(byte: u8, addresses: usize) -> Self {
        Self::with_phrase(Phrase::from_entropy(&[byte; 16]).unwrap(), addresses)
    }

    pub(crate) fn with_phrase(phrase: Phrase, addresses: usize) -> Self {
        let owner = Self::new();
        let mut wallet = Wallet::new(phrase, "").unwrap();
        for place in 1..addresses {
            wallet.add_address(&format!("number {place}")).unwrap();
        }
        WalletFile::create(owner.wallet(), &wallet, PASSWORD, CHEAP).unwrap();
        owner
    }

    /// Where the wallet is.
    pub(crate) fn wallet(&self) -> PathBuf {
        self.home.path().join("wallet.json")
    }

    /// The wallet's addresses, read without the program.
    pub(crate) fn addresses(&self) -> Vec<Address> {
        let (_, wallet) = WalletFile::open(self.wallet(), PASSWORD).unwrap();
        wallet.addresses().map(|entry| entry.address).collect()
    }

    /// The same as texts.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.addresses().iter().map(|address| address.to_text(forge().hrp)).collect()
    }

    /// `blocksmith wallet`, which logs all there is to log.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blocksmith"));
        let home = self.home.path();
        command
            .arg("wallet")
            .args(args)
            .current_dir(home)
            .env("HOME", home)
            .env("XDG_DATA_HOME", home)
            .env("XDG_CONFIG_HOME", home)
            .env("BLOCKSMITH_WALLET", self.wallet())
            .env("BLOCKSMITH_LOG", "trace")
            .env_remove("BLOCKSMITH_CHAIN");
        command
    }

    /// Runs the command with the password from a file.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.run_with("", &[args, &["--password-file", "password"]].concat())
    }

    /// Runs it with this on its standard input, and no password.
    pub(crate) fn run_with(&self, input: &str, args: &[&str]) -> Ran {
        let file = self.home.path().join("input");
        std::fs::write(&file, input).unwrap();
        let (stdout, stderr) = (self.home.path().join("stdout"), self.home.path().join("stderr"));
        let mut child = self
            .command(args)
            .stdin(File::open(&file).unwrap())
            .stdout(Stdio::from(File::create(&stdout).unwrap()))
            .stderr(Stdio::from(File::create(&stderr).unwrap()))
            .spawn()
            .unwrap();
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if begin.elapsed() > PATIENCE {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("{args:?} does not end: {:?}", std::fs::read_to_string(&stderr));
            }
            thread::sleep(Duration::from_millis(5));
        };
        Ran {
            code: status.code().expect("no signal ends it"),
            stdout: std::fs::read_to_string(stdout).unwrap(),
            stderr: std::fs::read_to_string(stderr).unwrap(),
        }
    }
}
