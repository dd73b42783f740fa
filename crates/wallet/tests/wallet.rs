//! What an owner does with a wallet: addresses, payments, and what it refuses.

use std::fmt::Debug;

use blocksmith_consensus::Hash;
use blocksmith_consensus::address::{Address, Hrp};
use blocksmith_consensus::payment::{BadTransaction, Domain, Draft, MAX_INTEGER, Payment};
use blocksmith_wallet::keys::{Account, SigningKey};
use blocksmith_wallet::keystore::{Contents, MAX_ADDRESSES, MAX_CHAINS, MAX_LABEL_BYTES};
use blocksmith_wallet::wallet::{PayError, WalletError};
use blocksmith_wallet::words::MAX_PASSPHRASE_BYTES;
use blocksmith_wallet::{DevKeys, Phrase, Wallet, dev};

fn wallet_of(byte: u8) -> Wallet {
    let phrase = Phrase::from_entropy(&[byte; 16]).expect("a phrase");
    Wallet::new(phrase, "").expect("a wallet")
}

fn dev_wallet() -> Wallet {
    Wallet::new(Phrase::parse(dev::PHRASE).expect("a phrase"), "").expect("a wallet")
}

fn first(wallet: &Wallet) -> Address {
    wallet.addresses().next().expect("at least one").address
}

fn forge() -> Domain {
    Domain { chain_id: Hash([1; 32]), hrp: Hrp::new("forge").expect("letters") }
}

fn draft(sender: Address, recipient: Address) -> Draft<'static> {
    Draft { sender, recipient, amount: 5, fee: 1, nonce: 0, memo: Some("zoë") }
}

#[test]
fn a_node_takes_what_alice_signs_and_no_other_chain_does() {
    let (alice, bob) = (wallet_of(1), wallet_of(2));
    let draft = draft(first(&alice), first(&bob));
    let signed = alice.sign(&draft, &forge(), DevKeys::Refused).expect("a payment");
    let read =
        |domain: &Domain| Payment::parse(signed.text().as_bytes(), domain).expect("a payment");
    let payment = read(&forge());
    assert_eq!(payment.id(), signed.id());
    assert_eq!((payment.sender(), payment.recipient()), (draft.sender, draft.recipient));
    assert_eq!((payment.amount(), payment.fee(), payment.nonce()), (5, 1, 0));
    assert_eq!(payment.memo().as_deref(), Some("zoë"));
    assert!(payment.verify().is_ok());
    let other = Domain { chain_id: Hash([2; 32]), ..forge() };
    assert!(read(&other).verify().is_err());
}

#[test]
fn the_second_address_signs_with_its_own_key() {
    let mut alice = wallet_of(1);
    let second = alice.add_address("rent").expect("an address");
    assert_ne!(second, first(&alice));
    let signed = alice.sign(&draft(second, first(&alice)), &forge(), DevKeys::Refused);
    assert_eq!(signed.expect("a payment").sender(), second);
}

#[test]
fn the_same_randomness_signs_the_same_text() {
    let alice = wallet_of(1);
    let sign = |aux_rand| {
        alice
            .sign_with(&draft(first(&alice), first(&alice)), &forge(), DevKeys::Refused, &aux_rand)
            .expect("a payment")
    };
    assert_eq!(sign([0; 32]).text(), sign([0; 32]).text());
    assert_ne!(sign([0; 32]).text(), sign([1; 32]).text());
    assert_eq!(sign([0; 32]).id(), sign([1; 32]).id());
}

#[test]
fn alice_cannot_pay_from_bobs_address() {
    let (alice, bob) = (wallet_of(1), wallet_of(2));
    let sender = first(&bob).to_text(forge().hrp);
    let refused = alice.sign(&draft(first(&bob), first(&alice)), &forge(), DevKeys::Refused);
    assert_eq!(refused, Err(PayError::NotOurs { sender }));
}

#[test]
fn no_payment_says_what_the_rules_refuse() {
    let alice = wallet_of(1);
    let good = draft(first(&alice), first(&alice));
    for bad in [
        Draft { amount: 0, ..good },
        Draft { amount: MAX_INTEGER + 1, ..good },
        Draft { nonce: MAX_INTEGER + 1, ..good },
    ] {
        let refused = alice.sign(&bad, &forge(), DevKeys::Refused);
        assert!(matches!(refused, Err(PayError::Draft(BadTransaction::Number { .. }))));
    }
    let bad = Draft { amount: MAX_INTEGER, ..good };
    let refused = alice.sign(&bad, &forge(), DevKeys::Refused);
    assert_eq!(refused, Err(PayError::Draft(BadTransaction::Sum { amount: MAX_INTEGER, fee: 1 })));
}

#[test]
fn keys_that_everybody_has_pay_and_are_paid_on_dev_chains_only() {
    let (alice, everybody) = (wallet_of(1), dev_wallet());
    let theirs = first(&everybody);
    let address = theirs.to_text(forge().hrp);
    let to_them = draft(first(&alice), theirs);
    let from_them = draft(theirs, first(&alice));
    for (wallet, draft) in [(&alice, to_them), (&everybody, from_them)] {
        assert_eq!(
            wallet.sign(&draft, &forge(), DevKeys::Refused),
            Err(PayError::DevKey { address: address.clone() })
        );
        assert!(wallet.sign(&draft, &forge(), DevKeys::Allowed).is_ok());
    }
}

#[test]
fn restoring_brings_back_the_addresses_and_another_passphrase_brings_others() {
    let mut old = wallet_of(1);
    for _ in 0..4 {
        old.add_address("").expect("an address");
    }
    let mut restored =
        Wallet::new(Phrase::parse(&old.phrase().text()).expect("words"), "").expect("a wallet");
    for _ in 0..4 {
        restored.add_address("").expect("an address");
    }
    assert_eq!(old.addresses().collect::<Vec<_>>(), restored.addresses().collect::<Vec<_>>());
    let phrase = Phrase::parse(&old.phrase().text()).expect("words");
    assert_ne!(first(&Wallet::new(phrase, " ").expect("a wallet")), first(&old));
}

#[test]
fn labels_are_short_lines_and_addresses_are_counted() {
    let mut alice = wallet_of(1);
    let long = "é".repeat(MAX_LABEL_BYTES / 2 + 1);
    assert_eq!(alice.add_address(&long), Err(WalletError::Label(MAX_LABEL_BYTES + 2)));
    assert_eq!(alice.add_address("\u{1b}[31mred"), Err(WalletError::Control('\u{1b}')));
    assert_eq!(alice.set_label(0, "a\nb"), Err(WalletError::Control('\n')));
    alice.set_label(0, "savings").expect("a label");
    while alice.addresses().count() < MAX_ADDRESSES {
        alice.add_address("").expect("an address");
    }
    assert_eq!(alice.add_address(""), Err(WalletError::Full));
    let entry = alice.addresses().last().expect("many");
    assert_eq!((entry.index as usize, entry.label), (MAX_ADDRESSES - 1, ""));
    assert_eq!(alice.addresses().next().expect("many").label, "savings");
}

#[test]
fn a_passphrase_is_measured_in_the_form_in_which_it_is_kept() {
    let phrase = || Phrase::from_entropy(&[1; 16]).expect("a phrase");
    let longest = "é".repeat(MAX_PASSPHRASE_BYTES / 3);
    assert!(Wallet::new(phrase(), &longest).is_ok());
    let longer = format!("{longest}ab");
    assert_eq!(Wallet::new(phrase(), &longer).err(), Some(WalletError::Passphrase(1_001)));
}

/// What `{:?}` and `{:#?}` say of a secret.
fn shown(value: &dyn Debug) -> String {
    format!("{value:?}{value:#?}")
}

#[test]
fn no_secret_shows_when_it_is_printed_for_debugging() {
    let phrase = || Phrase::from_entropy(b"sixteen bytes ok").expect("a phrase");
    let seed = phrase().seed("open sesame");
    let account = Account::new(&seed, 0).expect("an account");
    let key = account.key(0).expect("a key");
    let contents = Contents {
        phrase: phrase(),
        passphrase: "open sesame".to_owned().into(),
        labels: vec!["rent".into()],
        chains: Vec::new(),
    };
    let wallet = Wallet::new(phrase(), "open sesame").expect("a wallet");
    for (value, expected) in [
        (&phrase() as &dyn Debug, "Phrase { .. }"),
        (&seed, "Seed { .. }"),
        (&account, "Account { .. }"),
        (&key, "SigningKey { .. }"),
        (&contents, "Contents { .. }"),
        (&wallet, "Wallet { .. }"),
    ] {
        assert_eq!(shown(value), expected.repeat(2));
    }
    let typed =
        "correct horse battery staple correct horse battery staple correct horse battery staple";
    let error = Phrase::parse(typed).expect_err("not in the list");
    assert!(!format!("{error}{}", shown(&error)).contains("staple"));
}

#[test]
fn secrets_are_wiped_when_dropped() {
    fn wiped<T: zeroize::ZeroizeOnDrop>() {}
    wiped::<SigningKey>();
    wiped::<Phrase>();
    wiped::<blocksmith_wallet::words::Seed>();
}

#[test]
fn chains_are_remembered_by_their_ids_and_the_oldest_goes() {
    let mut wallet = wallet_of(1);
    let id = |number: usize| Hash([number as u8; 32]);
    assert_eq!(wallet.chain_name(&id(0)), None);
    for number in 0..=MAX_CHAINS {
        wallet.remember_chain(id(number), &format!("chain {number}")).expect("a name");
    }
    assert_eq!(wallet.chains().len(), MAX_CHAINS);
    assert_eq!(wallet.chain_name(&id(0)), None);
    assert_eq!(wallet.chain_name(&id(1)), Some("chain 1"));
    wallet.remember_chain(id(1), "other").expect("a name");
    assert_eq!((wallet.chains().len(), wallet.chain_name(&id(1))), (MAX_CHAINS, Some("other")));
    assert!(wallet.remember_chain(id(2), "two\nlines").is_err());
    assert!(wallet.remember_chain(id(2), &"x".repeat(MAX_LABEL_BYTES + 1)).is_err());
    assert_eq!(wallet.chain_name(&id(2)), Some("chain 2"));
}
