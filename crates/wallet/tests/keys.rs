//! Derived keys, addresses and signatures against the BIPs and against Python.

use blocksmith_consensus::address::Address;
use blocksmith_wallet::keys::{Account, SigningKey};
use blocksmith_wallet::{Phrase, dev};
use serde_json::Value;

fn unhex<const N: usize>(hex: &str) -> [u8; N] {
    let bytes: Vec<u8> = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex digits"))
        .collect();
    bytes.try_into().expect("its length")
}

/// `make_wallet.py` derives these from the BIPs alone, with Python's integers.
#[test]
fn phrases_lead_to_the_keys_that_python_derives() {
    let file = include_str!("../../../tests/vectors/wallet.json");
    let file: Value = serde_json::from_str(file).expect("JSON");
    let mut seen = 0;
    for case in file["cases"].as_array().expect("cases") {
        let text = |name: &str| case[name].as_str().expect("a string");
        let phrase = Phrase::parse(text("phrase")).expect("a phrase");
        let seed = phrase.seed(text("passphrase"));
        assert_eq!(*seed.as_bytes(), unhex::<64>(text("seed")));
        let account = case["account"].as_u64().expect("an account") as u32;
        let account = Account::new(&seed, account).expect("an account");
        for row in case["keys"].as_array().expect("keys") {
            let index = row["index"].as_u64().expect("an index") as u32;
            let key = account.key(index).expect("a key");
            let expected = unhex(row["key"].as_str().expect("a key"));
            assert_eq!(*key.address().key(), expected, "{}", row["path"]);
            seen += 1;
        }
    }
    assert_eq!(seen, 15);
}

/// BIP-340's test vectors: the rows with a secret key and a message of 32 bytes, the only ones here.
#[test]
fn signatures_are_those_of_bip_340() {
    let mut signed = 0;
    for line in include_str!("../../../tests/vectors/bip340.csv").lines() {
        if line.starts_with(['#', 'i']) {
            continue;
        }
        let cells: Vec<&str> = line.split(',').collect();
        let [index, secret, public, aux_rand, message, signature, ..] = cells[..] else {
            panic!("a row of eight: {line}");
        };
        if secret.is_empty() || message.len() != 64 {
            continue;
        }
        let key = SigningKey::from_bytes(&unhex(secret)).expect("a key");
        assert_eq!(*key.address().key(), unhex(public), "row {index}");
        let found = key.sign_with(&unhex(message), &unhex(aux_rand)).expect("a signature");
        assert_eq!(found, unhex::<64>(signature), "row {index}");
        signed += 1;
    }
    assert_eq!(signed, 4);
}

#[test]
fn the_system_s_randomness_makes_another_signature_each_time() {
    let key = SigningKey::from_bytes(&[7; 32]).expect("a key");
    let sign = || key.sign(&[1; 32]).expect("a signature");
    assert_ne!(sign(), sign());
}

#[test]
fn the_dev_keys_are_those_of_the_phrase() {
    let seed = Phrase::parse(dev::PHRASE).expect("a phrase").seed("");
    let account = Account::new(&seed, 0).expect("an account");
    let derived: Vec<Address> =
        (0..51).map(|index| account.key(index).expect("a key").address()).collect();
    assert_eq!(dev::all_addresses().collect::<Vec<_>>(), derived);
    assert_eq!(dev::addresses().collect::<Vec<_>>(), derived[..10]);
    assert!(derived.iter().all(dev::is_dev_key));
    assert!(!dev::is_dev_key(&account.key(51).expect("a key").address()));
}
