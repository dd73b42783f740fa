//! Payments and coins: vectors that Python made, one text for one meaning, and what other chains
//! have been through.

use blocksmith_consensus::Hash;
use blocksmith_consensus::address::BadAddress;
use blocksmith_consensus::json::{JsonErrorKind, Value, canonical, push_string};
use blocksmith_consensus::payment::{
    BadSignature, BadTransaction, Coinbase, Domain, Draft, Emission, Entry, MAX_INTEGER,
    MAX_MEMO_BYTES, MAX_WIRE_BYTES, Payment, UNITS_PER_COIN,
};
use blocksmith_testkit::signers::{Signer, forge};

const FORGE: &str = include_str!("../../../tests/vectors/forge.json");

fn string(value: Option<Value<'_>>) -> String {
    value.and_then(Value::as_str).expect("a string").into_owned()
}

/// Alice's first payment to Bob, as the vectors have it.
fn text() -> String {
    let (alice, bob) = (Signer::alice(), Signer::bob());
    alice.signed(&alice.draft(bob.address, 150_000_000, 1000, 0), &forge())
}

fn parse(text: &str) -> Result<Payment, BadTransaction> {
    Payment::parse(text.as_bytes(), &forge())
}

fn refused(text: &str) -> BadTransaction {
    parse(text).expect_err("no payment")
}

/// The text with `old` replaced, which it has.
fn with(old: &str, new: &str) -> String {
    let text = text();
    assert!(text.contains(old), "{old}");
    text.replacen(old, new, 1)
}

fn number(field: &'static str, least: u64, found: &str) -> BadTransaction {
    BadTransaction::Number { field, least, found: found.into() }
}

#[test]
fn rust_and_python_agree_on_texts_ids_and_signatures() {
    let vectors = canonical(FORGE.as_bytes()).expect("the vectors are JSON");
    let vectors = Value::of_canonical(&vectors);
    let list = |key| vectors.get(key).expect("a list").elements();
    assert_eq!(string(vectors.get("chain_id")), forge().chain_id.to_string());
    let alice = Signer::alice();
    for (signer, vector) in [alice.clone(), Signer::bob()].into_iter().zip(list("keys")) {
        assert_eq!(signer.address.to_text(forge().hrp), string(vector.get("address")));
        assert_eq!(Hash(*signer.address.key()).to_string(), string(vector.get("key")));
    }
    for vector in list("payments") {
        let name = string(vector.get("name"));
        let expected = string(vector.get("text"));
        let payment = parse(&expected).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert_eq!(payment.text(), expected, "{name}");
        assert_eq!(payment.id().to_string(), string(vector.get("id")), "{name}");
        let memo = payment.memo();
        let draft = Draft {
            sender: payment.sender(),
            recipient: payment.recipient(),
            amount: payment.amount(),
            fee: payment.fee(),
            nonce: payment.nonce(),
            memo: memo.as_deref(),
        };
        let unsigned = draft.write(&forge()).expect("a payment");
        assert_eq!(unsigned.text(), string(vector.get("unsigned")), "{name}");
        // Nonces without auxiliary randomness: the same bytes, whoever signs.
        assert_eq!(unsigned.signed(&alice.sign(unsigned.id())), expected, "{name}");
        payment.verify().unwrap_or_else(|fault| panic!("{name}: {fault}"));
    }
    for vector in list("coins") {
        let expected = string(vector.get("text"));
        let coin = Coinbase::of_canonical(Value::of_canonical(&expected), forge().hrp);
        let coin = coin.unwrap_or_else(|fault| panic!("{expected}: {fault}"));
        assert_eq!(coin.text(forge().hrp), expected);
        assert_eq!(coin.id(&forge()).to_string(), string(vector.get("id")));
    }
    assert_eq!(list("payments").count() + list("coins").count(), 7);
}

#[test]
fn a_payment_says_what_was_signed() {
    let (alice, bob) = (Signer::alice(), Signer::bob());
    let draft = Draft { memo: Some("für 🎁"), ..alice.draft(bob.address, 7, 3, 2) };
    let payment = alice.pay(&draft, &forge()).verify().expect("Alice signed");
    assert_eq!((payment.sender(), payment.recipient()), (alice.address, bob.address));
    assert_eq!((payment.amount(), payment.fee(), payment.cost()), (7, 3, 10));
    assert_eq!((payment.nonce(), payment.memo().as_deref()), (2, Some("für 🎁")));
    assert_eq!(alice.pay(&alice.draft(bob.address, 7, 3, 2), &forge()).memo(), None);
}

#[test]
fn a_wallet_may_space_and_order_the_fields_as_it_likes() {
    let compact = text().replace(": ", ":").replace(", ", ",");
    assert_eq!(parse(&compact).expect("a payment").text(), text());
    let text = text();
    let mut members: Vec<&str> = text.trim_matches(['{', '}']).split(", ").collect();
    members.reverse();
    let reversed = format!("\n{{{}}}\n", members.join(" , "));
    assert_eq!(parse(&reversed).expect("a payment").text(), text);
    let escaped = with("\"amount\"", "\"\\u0061mount\"").replace("forge1", "f\\u006frge1");
    assert_eq!(parse(&escaped).expect("a payment").text(), text);
}

#[test]
fn every_field_is_needed_and_no_other_is_known() {
    let fields = ["amount", "fee", "nonce", "recipient", "sender", "signature"];
    for field in fields {
        let wire = with(&format!("\"{field}\": "), &format!("\"x{field}\": "));
        let unknown = BadTransaction::Unknown { field: format!("\"x{field}\"") };
        assert_eq!(refused(&wire), unknown);
        let members: Vec<String> = text()
            .trim_matches(['{', '}'])
            .split(", ")
            .filter(|member| !member.starts_with(&format!("\"{field}\"")))
            .map(str::to_owned)
            .collect();
        let missing = format!("{{{}}}", members.join(", "));
        assert_eq!(refused(&missing), BadTransaction::Missing { field });
    }
    // Whatever a later version may mean by a field, this one cannot pass it on as understood.
    for extra in ["data", "Amount", "amount ", "memo2", ""] {
        let wire = with("{", &format!("{{\"{extra}\": 1, "));
        assert_eq!(refused(&wire), BadTransaction::Unknown { field: format!("\"{extra}\"") });
    }
}

#[test]
fn other_values_than_objects_are_no_transactions() {
    for wire in ["[]", "1", "\"0\"", "null", "true"] {
        assert_eq!(refused(wire), BadTransaction::NotAnObject { found: wire.into() });
        let entry = Entry::of_canonical(Value::of_canonical(wire), &forge());
        assert_eq!(entry, Err(BadTransaction::NotAnObject { found: wire.into() }));
    }
    assert_eq!(refused("{}"), BadTransaction::Missing { field: "amount" });
    assert!(matches!(refused("{"), BadTransaction::Json(_)));
    let long = format!("{}{}", text(), " ".repeat(MAX_WIRE_BYTES));
    assert_eq!(refused(&long), BadTransaction::TooLong { found: long.len() });
}

#[test]
fn an_integer_has_one_decimal_form_below_2_to_the_53() {
    let two_53 = "9007199254740992";
    let huge = "1".repeat(69);
    for (field, least, text) in [("amount", 1, "150000000"), ("fee", 0, "1000"), ("nonce", 0, "0")]
    {
        let with_number =
            |new: &str| with(&format!("\"{field}\": {text}"), &format!("\"{field}\": {new}"));
        for wrong in [
            two_53,
            &huge,
            "18446744073709551616",
            "-1",
            "7.0",
            "7.5",
            "1e+16",
            "\"7\"",
            "true",
            "null",
            "[]",
            "{}",
        ] {
            assert_eq!(refused(&with_number(wrong)), number(field, least, wrong));
        }
        // Python writes 1e2 as 100.0, and reads both as the same number.
        assert_eq!(refused(&with_number("1e2")), number(field, least, "100.0"));
        // Octal in some languages, 7 in others, and no JSON.
        for wrong in ["07", "+7", "0x7", "7.", ".7", "1_000", ""] {
            let fault = refused(&with_number(wrong));
            assert!(matches!(fault, BadTransaction::Json(_)), "{wrong}: {fault}");
        }
        // Python reads -0 as 0; JavaScript tells them apart.
        assert!(matches!(
            refused(&with_number("-0")),
            BadTransaction::Number { field: found, .. } if found == field
        ));
        assert!(matches!(refused(&with_number("-0.0")), BadTransaction::Number { .. }));
    }
    assert_eq!(refused(&with("150000000", "0")), number("amount", 1, "0"));
    assert!(parse(&with("150000000", "1")).is_ok());
    assert!(parse(&with("\"fee\": 1000", "\"fee\": 0")).is_ok());
    assert!(parse(&with("\"nonce\": 0", "\"nonce\": 9007199254740991")).is_ok());
}

#[test]
fn cve_2010_5139_an_amount_and_a_fee_cannot_wrap_around() {
    let (alice, bob) = (Signer::alice(), Signer::bob());
    let draft = |amount, fee| alice.draft(bob.address, amount, fee, 0).write(&forge());
    assert!(draft(MAX_INTEGER - 1, 1).is_ok());
    let sum = |amount, fee| BadTransaction::Sum { amount, fee };
    assert_eq!(draft(MAX_INTEGER, 1), Err(sum(MAX_INTEGER, 1)));
    assert_eq!(draft(1, MAX_INTEGER), Err(sum(1, MAX_INTEGER)));
    let wire = with("150000000", "9007199254740991");
    assert_eq!(refused(&wire), sum(MAX_INTEGER, 1000));
    for (amount, fee) in [(u64::MAX, 1), (u64::MAX, u64::MAX), (1, u64::MAX), (0, 0)] {
        assert!(matches!(draft(amount, fee), Err(BadTransaction::Number { .. })));
    }
    let wire = with("150000000", &u64::MAX.to_string());
    assert_eq!(refused(&wire), number("amount", 1, &u64::MAX.to_string()));
}

#[test]
fn both_sides_are_addresses_of_the_chain() {
    let (alice, bob) = (Signer::alice(), Signer::bob());
    for (field, party) in [("recipient", &bob), ("sender", &alice)] {
        let address = party.address.to_text(forge().hrp);
        let fault = |new: &str| match refused(&with(&address, new)) {
            BadTransaction::Address { field: found, why } if found == field => why,
            other => panic!("{new}: {other}"),
        };
        assert!(matches!(fault(&address.to_uppercase()), BadAddress::UpperCase { .. }));
        assert!(matches!(fault(&address.replace("forge1", "dev1")), BadAddress::Prefix { .. }));
        assert!(matches!(fault(&address[..63]), BadAddress::Length { .. }));
        assert!(matches!(fault(""), BadAddress::Prefix { .. }));
        // A payment by nobody is no payment, and one to "0" burns nothing by mistake.
        assert!(matches!(fault("0"), BadAddress::Prefix { .. }));
        let hrp = bech32::Hrp::parse("forge").expect("a prefix");
        let no_point = bech32::encode::<bech32::Bech32m>(hrp, &[0xff; 32]).expect("32 bytes");
        assert!(matches!(fault(&no_point), BadAddress::NotAPoint { .. }));
        for (new, found) in [("0", "0"), ("null", "null"), (r#""\ud800""#, r#""\ud800""#)] {
            let wire = with(&format!("\"{address}\""), new);
            assert_eq!(refused(&wire), BadTransaction::NotAnAddress { field, found: found.into() });
        }
    }
}

#[test]
fn a_signature_is_128_lower_case_hex_digits() {
    let alice = Signer::alice();
    let unsigned = alice.draft(Signer::bob().address, 150_000_000, 1000, 0).write(&forge());
    let signature = alice.sign(unsigned.expect("a payment").id());
    let hex: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
    for wrong in [
        hex.to_uppercase(),
        hex[..126].into(),
        format!("{hex}00"),
        format!("{}G", &hex[..127]),
        format!("0x{}", &hex[..126]),
        format!("{} ", &hex[..127]),
        format!("{}ü", &hex[..126]),
        String::new(),
    ] {
        let fault = refused(&with(&hex, &wrong));
        assert!(matches!(fault, BadTransaction::Signature { .. }), "{wrong}: {fault}");
    }
    let fault = refused(&with(&format!("\"{hex}\""), "1"));
    assert_eq!(fault, BadTransaction::Signature { found: "1".into() });
}

#[test]
fn a_memo_is_a_string_of_at_most_256_bytes() {
    let with_memo = |memo: &str| with("{", &format!("{{\"memo\": {memo}, "));
    for memo in [r#""""#, r#""hi""#, r#""\ud83c\udf81""#, r#""\u0000""#, r#""\"\\""#] {
        let payment = parse(&with_memo(memo)).unwrap_or_else(|fault| panic!("{memo}: {fault}"));
        assert!(payment.text().contains(&format!("\"memo\": {memo}")), "{memo}");
    }
    for wrong in ["null", "1", "[]", "{}", r#""\ud83c""#, r#""\udf81\ud83c""#, r#""a\udf81""#] {
        assert_eq!(refused(&with_memo(wrong)), BadTransaction::Memo { found: wrong.into() });
    }
    let (alice, bob) = (Signer::alice(), Signer::bob());
    let draft = alice.draft(bob.address, 1, 0, 0);
    for (unit, bytes) in [("a", 1), ("\"", 2), ("ü", 6), ("🎁", 12), ("\u{7f}", 6)] {
        let most = (MAX_MEMO_BYTES - 2) / bytes;
        let memo = unit.repeat(most);
        let payment = alice.pay(&Draft { memo: Some(&memo), ..draft }, &forge());
        assert_eq!(payment.memo().as_deref(), Some(&*memo));
        let memo = unit.repeat(most + 1);
        let too_long = BadTransaction::MemoTooLong { found: 2 + bytes * (most + 1) };
        let written = Draft { memo: Some(&memo), ..draft }.write(&forge());
        assert_eq!(written, Err(too_long.clone()));
        let mut json = String::new();
        push_string(&mut json, &memo);
        assert_eq!(refused(&with_memo(&json)), too_long);
    }
}

#[test]
fn cve_2017_12635_a_field_that_is_there_twice_is_refused() {
    for twice in [
        with("{", "{\"amount\": 1, "),
        with("\"fee\": 1000", "\"fee\": 1000, \"amount\": 150000000"),
        with("{", "{\"\\u0061mount\": 1, "),
        with("}", ", \"amount\": 150000000}"),
    ] {
        let field = "\"amount\"".to_owned();
        assert_eq!(refused(&twice), BadTransaction::Twice { field });
    }
    // Nor does a text that somebody took for canonical get by.
    let twice = with("{", "{\"amount\": 1, ");
    let payment = Payment::of_canonical(Value::of_canonical(&twice), &forge());
    assert!(matches!(payment, Err(BadTransaction::NotCanonical { .. })), "{payment:?}");
}

#[test]
fn a_text_that_only_looks_canonical_is_refused() {
    let memo = with("{", r#"{"memo": "\u0041", "#);
    for wrong in [
        text().replace(": ", ":"),
        format!("{} ", text()),
        format!("{}{}", text(), text()),
        memo,
        with("150000000", "0150000000"),
        with("\"fee\": 1000, \"nonce\": 0", "\"nonce\": 0, \"fee\": 1000"),
    ] {
        let payment = Payment::of_canonical(Value::of_canonical(&wrong), &forge());
        assert!(payment.is_err(), "{wrong}");
    }
    let coin = Coinbase { recipient: Signer::bob().address, amount: 5, nonce: 2 }.text(forge().hrp);
    let wrong = coin.replace("\"amount\": 5", "\"amount\": 05");
    let read = Coinbase::of_canonical(Value::of_canonical(&wrong), forge().hrp);
    assert!(matches!(read, Err(BadTransaction::NotCanonical { .. })), "{read:?}");
}

#[test]
fn a_payment_signed_for_one_chain_cannot_be_replayed_on_another() {
    let other = Domain { chain_id: Hash::of("another chain"), ..forge() };
    let payment = Payment::parse(text().as_bytes(), &other).expect("a payment by its form");
    assert_ne!(payment.id(), parse(&text()).expect("a payment").id());
    let id = payment.id();
    assert_eq!(payment.verify(), Err(BadSignature { id }));
}

#[test]
fn whoever_changes_a_field_breaks_the_signature() {
    let bob = Signer::bob().address.to_text(forge().hrp);
    let mallory = Signer::new(0xbad).address.to_text(forge().hrp);
    let alice = Signer::alice().address.to_text(forge().hrp);
    for changed in [
        with("150000000", "150000001"),
        with("\"fee\": 1000", "\"fee\": 1"),
        with("\"nonce\": 0", "\"nonce\": 1"),
        with(&bob, &mallory),
        with(&alice, &mallory),
        with("{", "{\"memo\": \"\", "),
    ] {
        let payment = parse(&changed).expect("a payment by its form");
        assert!(payment.verify().is_err(), "{changed}");
    }
    parse(&text()).expect("a payment").verify().expect("Alice signed");
}

/// s and the curve's order minus s were both taken in ECDSA, so that anybody could give a payment
/// another id: Mt. Gox blamed its losses on it. BIP-340 takes one of them, and the id is not made
/// of the signature.
#[test]
fn malleability_neither_makes_a_second_signature_nor_a_second_id() {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xfe, 0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36,
        0x41, 0x41,
    ];
    const FIELD: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xff, 0xff,
        0xfc, 0x2f,
    ];
    let (alice, bob) = (Signer::alice(), Signer::bob());
    let unsigned = alice.draft(bob.address, 150_000_000, 1000, 0).write(&forge()).expect("a draft");
    let signature = alice.sign(unsigned.id());
    let (r, s) = signature.split_at(32);
    let mut negated = [0; 32];
    let mut borrow = 0;
    for at in (0..32).rev() {
        let difference = i16::from(ORDER[at]) - i16::from(s[at]) - borrow;
        borrow = i16::from(difference < 0);
        negated[at] = difference.rem_euclid(256) as u8;
    }
    let forged = |r: &[u8], s: &[u8]| {
        let signature: [u8; 64] = [r, s].concat().try_into().expect("64 bytes");
        parse(&unsigned.signed(&signature)).expect("a payment by its form")
    };
    assert!(forged(r, s).verify().is_ok());
    for (name, r, s) in [
        ("negated s", r, &negated[..]),
        ("s of the order", r, &ORDER),
        ("r of the field's size", &FIELD, s),
        ("r of ones", &[0xff; 32], s),
        ("s of ones", r, &[0xff; 32]),
        ("zeros", &[0; 32], &[0; 32]),
        ("swapped halves", s, r),
    ] {
        let payment = forged(r, s);
        assert_eq!(payment.id(), unsigned.id(), "{name}");
        assert_eq!(payment.verify(), Err(BadSignature { id: unsigned.id() }), "{name}");
    }
    // Another nonce makes another valid signature, of the same payment.
    let keys = secp256k1::Keypair::from_secret_bytes({
        let mut secret = [0; 32];
        secret[29..].copy_from_slice(&[0x0a, 0x11, 0xce]);
        secret
    });
    let keys = keys.expect("Alice's keys");
    let other = secp256k1::schnorr::sign_with_aux_rand(&unsigned.id().0, &keys, &[7; 32]);
    let other = parse(&unsigned.signed(&other.to_byte_array())).expect("a payment");
    let first = parse(&text()).expect("a payment");
    assert_eq!(other.id(), first.id());
    assert_ne!(other, first, "a signature that was checked says nothing about another");
    assert!(other.verify().is_ok());
}

#[test]
fn a_coin_has_four_fields_and_no_signature() {
    let bob = Signer::bob().address;
    let coin = Coinbase { recipient: bob, amount: 2_000_000_000, nonce: 2 };
    let text = coin.text(forge().hrp);
    let entry = |text: &str| {
        let text = canonical(text.as_bytes()).expect("JSON");
        Entry::of_canonical(Value::of_canonical(&text), &forge())
    };
    assert_eq!(entry(&text), Ok(Entry::Coinbase(coin)));
    for extra in ["fee", "memo", "signature"] {
        let wire = text.replacen('{', &format!("{{\"{extra}\": \"\", "), 1);
        assert_eq!(entry(&wire), Err(BadTransaction::Unknown { field: format!("\"{extra}\"") }));
    }
    for field in ["amount", "nonce", "recipient"] {
        let start = text.find(&format!("\"{field}\"")).expect("the field");
        let end = start + text[start..].find(", ").expect("a field after it") + 2;
        let wire = format!("{}{}", &text[..start], &text[end..]);
        assert_eq!(entry(&wire), Err(BadTransaction::Missing { field }));
    }
    assert_eq!(
        entry(&text.replace("2000000000", "9007199254740992")),
        Err(number("amount", 0, "9007199254740992"))
    );
    assert_eq!(
        entry(&text.replace("\"nonce\": 2", "\"nonce\": -1")),
        Err(number("nonce", 0, "-1"))
    );
    // The number 0 is the coin's sender in Lecture I, and a payment's in no chain.
    let zero = text.replace("\"0\"", "0");
    assert!(entry(&zero).is_err());
    assert_eq!(
        Coinbase::of_canonical(Value::of_canonical(&zero), forge().hrp),
        Err(BadTransaction::CoinbaseSender { found: "0".into() })
    );
    // CVE-2012-1909: two coins with one id, the later of which hid the earlier.
    let next = Coinbase { nonce: 3, ..coin };
    assert_ne!(coin.id(&forge()), next.id(&forge()));
}

#[test]
fn wire_that_is_no_json_is_refused_without_a_panic() {
    let text = text();
    for end in 0..text.len() {
        assert!(parse(&text[..end]).is_err());
    }
    let nan = refused(&with("1000", "NaN"));
    assert!(matches!(nan, BadTransaction::Json(fault) if fault.kind == JsonErrorKind::NotFinite));
    assert!(Payment::parse(b"\xff", &forge()).is_err());
}

#[test]
fn no_byte_of_a_payment_can_be_changed() {
    let (alice, bob) = (Signer::alice(), Signer::bob());
    let draft = Draft { memo: Some("für\\ \"🎁"), ..alice.draft(bob.address, 25, 3, 0) };
    let text = alice.signed(&draft, &forge());
    let mut read = 0;
    for at in 0..text.len() {
        for byte in (0..=u8::MAX).filter(|byte| *byte != text.as_bytes()[at]) {
            let mut changed = text.clone().into_bytes();
            changed[at] = byte;
            let Ok(payment) = Payment::parse(&changed, &forge()) else { continue };
            // Other whitespace is the same payment, and anything else one that nobody signed.
            let canonical = canonical(&changed).expect("JSON");
            assert_eq!(payment.text(), canonical);
            let valid = payment.verify().is_ok();
            assert_eq!(valid, canonical == text, "{canonical}");
            read += 1;
        }
    }
    assert!(read > 128 * 15, "each digit of the signature by any other: {read}");
}

#[test]
fn the_subsidy_halves_every_2_100_000_blocks() {
    let forge = Emission::FORGE;
    for (index, units) in [
        (0, 0),
        (1, 0),
        (2, 20 * UNITS_PER_COIN),
        (2_100_001, 20 * UNITS_PER_COIN),
        (2_100_002, 10 * UNITS_PER_COIN),
        (4_200_001, 10 * UNITS_PER_COIN),
        (4_200_002, 5 * UNITS_PER_COIN),
        (2 + 30 * 2_100_000, 1),
        (1 + 31 * 2_100_000, 1),
        (2 + 31 * 2_100_000, 0),
        // Shifts wrap around in C, and Bitcoin's subsidy would have come back (BIP-42).
        (2 + 64 * 2_100_000, 0),
        (2 + 65 * 2_100_000, 0),
        (u64::MAX, 0),
    ] {
        assert_eq!(forge.subsidy(index), units, "block {index}");
    }
}

#[test]
fn all_subsidies_together_are_84_million_coins_less_27_million_units_of_rounding() {
    let forge = Emission::FORGE;
    // Block by block, over every block that has a subsidy.
    let last = 1 + 31 * 2_100_000;
    let total: u128 = (0..=last).map(|index| u128::from(forge.subsidy(index))).sum();
    assert_eq!(total, forge.total());
    let bits = u128::from((20 * UNITS_PER_COIN).count_ones());
    assert_eq!(total, 84_000_000 * u128::from(UNITS_PER_COIN) - 2_100_000 * bits);
    assert_eq!(total, 8_399_999_972_700_000);
    assert!(total <= u128::from(MAX_INTEGER));
    // The identity holds for every other chain too.
    for first in (0..1000).chain([u64::MAX, 1 << 63, MAX_INTEGER]) {
        let emission = Emission { first, halving: 3.try_into().expect("not zero") };
        let total: u128 = (2..2 + 65 * 3).map(|index| u128::from(emission.subsidy(index))).sum();
        assert_eq!(total, emission.total(), "{first}");
    }
}
