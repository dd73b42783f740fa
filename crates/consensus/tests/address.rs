//! Addresses: BIP-350's vectors, and that slips are noticed.

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32, Bech32m};
use blocksmith_consensus::address::{Address, BadAddress, Hrp};
use blocksmith_consensus::json::{Value, canonical};
use blocksmith_testkit::random::{Random, setting};

const BIP350: &str = include_str!("../../../tests/vectors/bip350.json");
const SEED: u64 = 2021_0105;

/// How many addresses with two, three and four slips are tried.
const SLIPS: u64 = 200_000;

const ALPHABET: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// The generator's x coordinate, the public key of the secret key 1.
const GENERATOR: [u8; 32] = [
    0x79, 0xbe, 0x66, 0x7e, 0xf9, 0xdc, 0xbb, 0xac, 0x55, 0xa0, 0x62, 0x95, 0xce, 0x87, 0x0b, 0x07,
    0x02, 0x9b, 0xfc, 0xdb, 0x2d, 0xce, 0x28, 0xd9, 0x59, 0xf2, 0x81, 0x5b, 0x16, 0xf8, 0x17, 0x98,
];

fn forge() -> Hrp {
    Hrp::new("forge").expect("lower-case letters")
}

fn alice() -> Address {
    Address::from_key(GENERATOR).expect("a point")
}

#[test]
fn bip_350s_vectors_are_taken_and_refused_by_the_crate_that_writes_addresses() {
    let text = canonical(BIP350.as_bytes()).expect("the vectors are JSON");
    let vectors = Value::of_canonical(&text);
    let list = |key| vectors.get(key).expect("a list").elements();
    for valid in list("valid") {
        let valid = valid.as_str().expect("a string");
        let read = CheckedHrpstring::new::<Bech32m>(&valid).map(|read| read.hrp());
        assert!(read.is_ok(), "{valid}: {read:?}");
        // None is an address of 32 bytes in lower case.
        assert!(Address::parse(&valid, forge()).is_err(), "{valid}");
    }
    for invalid in list("invalid") {
        let field = |key| invalid.get(key).expect("a field").as_str();
        let mut text = field("text").expect("a string").into_owned();
        if let Some(prefix) = field("prefix_byte") {
            let byte = u8::from_str_radix(prefix.trim_start_matches("0x"), 16).expect("a byte");
            text.insert(0, byte.into());
        }
        let read = CheckedHrpstring::new::<Bech32m>(&text);
        // The crate reads up to 1023 characters; BIP-173's 90 are kept by the length of ours.
        let long = text.len() > 90;
        assert!(read.is_err() || long, "{text}: {:?}", field("reason"));
        assert!(Address::parse(&text, forge()).is_err(), "{text}");
    }
}

#[test]
fn an_address_is_read_as_it_was_written() {
    let text = alice().to_text(forge());
    assert_eq!(text, "forge10xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq49wxpx");
    assert_eq!(Address::parse(&text, forge()), Ok(alice()));
    assert_eq!(alice().key(), &GENERATOR);
    let longest = Hrp::new(&"z".repeat(31)).expect("31 letters");
    let text = alice().to_text(longest);
    assert_eq!(text.len(), 90);
    assert_eq!(Address::parse(&text, longest), Ok(alice()));
    // The last 1 separates, so that a prefix may have one.
    let ones = Hrp::new("1a1").expect("letters and digits");
    assert_eq!(Address::parse(&alice().to_text(ones), ones), Ok(alice()));
}

#[test]
fn an_address_of_another_chain_names_both_prefixes() {
    let dev = Hrp::new("dev").expect("lower-case letters");
    let error = Address::parse(&alice().to_text(dev), forge()).unwrap_err();
    assert_eq!(error, BadAddress::Prefix { expected: "forge".into(), found: "dev".into() });
    assert_eq!(
        error.to_string(),
        r#"an address of this chain must start with "forge1", not with "dev""#
    );
    // A prefix that starts alike is another one too.
    let forged = Hrp::new("forge1").expect("letters and digits");
    assert!(Address::parse(&alice().to_text(forged), forge()).is_err());
    let forg = Hrp::new("forg").expect("letters");
    assert!(Address::parse(&alice().to_text(forg), forge()).is_err());
}

#[test]
fn prefixes_that_addresses_cannot_have_are_refused() {
    for text in ["", "Forge", "for ge", "f\"", "f\\", "für", "a_b", &"a".repeat(32)] {
        assert!(Hrp::new(text).is_err(), "{text}");
    }
}

#[test]
fn each_error_says_what_is_wrong() {
    let text = alice().to_text(forge());
    let refused = |text: &str| Address::parse(text, forge()).unwrap_err();
    let prefix = |found: &str| BadAddress::Prefix { expected: "forge".into(), found: found.into() };
    assert_eq!(refused(""), prefix(""));
    assert_eq!(refused("alice"), prefix("alice"));
    assert_eq!(refused(&format!(" {text}")), prefix(" forge"));
    assert_eq!(refused(&text.to_uppercase()), BadAddress::UpperCase { found: 'F', at: 1 });
    // A prefix of digits alone is in both cases at once.
    let digits = Hrp::new("99").expect("digits");
    let capitals = Address::parse(&alice().to_text(digits).to_uppercase(), digits);
    assert!(matches!(capitals, Err(BadAddress::UpperCase { .. })), "{capitals:?}");
    let mixed = format!("forge1X{}", &text[7..]);
    assert_eq!(refused(&mixed), BadAddress::UpperCase { found: 'X', at: 7 });
    let odd = format!("forge1b{}", &text[7..]);
    assert_eq!(refused(&odd), BadAddress::Character { found: 'b', at: 7 });
    assert_eq!(refused(&format!("{text} ")), BadAddress::Character { found: ' ', at: 65 });
    assert_eq!(refused(&format!("{text}ü")), BadAddress::Character { found: 'ü', at: 65 });
    assert_eq!(refused("forge1"), BadAddress::Length { expected: 64, found: 6 });
    assert_eq!(refused(&text[..63]), BadAddress::Length { expected: 64, found: 63 });
    assert_eq!(refused(&format!("{text}q")), BadAddress::Length { expected: 64, found: 65 });
    let hrp = bech32::Hrp::parse("forge").expect("a prefix");
    // A key has no second text: neither with bytes behind it nor with zeros left out.
    for bytes in [&[&GENERATOR[..], &[0]].concat()[..], &GENERATOR[..31], &[]] {
        let other = bech32::encode::<Bech32m>(hrp, bytes).expect("few bytes");
        assert_eq!(refused(&other), BadAddress::Length { expected: 64, found: other.len() });
    }
    let old = bech32::encode::<Bech32>(hrp, &GENERATOR).expect("32 bytes");
    assert_eq!(refused(&old), BadAddress::Checksum);
    assert_eq!(refused(&text.replace("0xlx", "0xlz")), BadAddress::Checksum);
}

#[test]
fn a_key_that_is_no_point_of_the_curve_is_no_address() {
    let hrp = bech32::Hrp::parse("forge").expect("a prefix");
    // BIP-340's rows 5 and 14, and zero, which is no x coordinate either.
    let row_5 = "eefdea4cdb677750a420fee807eacf21eb9898ae79b9768766e4faa04a2d4a34";
    let row_14 = "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc30";
    for hex in [row_5, row_14, &"0".repeat(64), &"f".repeat(64)] {
        let key: blocksmith_consensus::Hash = hex.parse().expect("a key");
        let error = BadAddress::NotAPoint { key };
        assert_eq!(Address::from_key(key.0), Err(error.clone()));
        let text = bech32::encode::<Bech32m>(hrp, &key.0).expect("32 bytes");
        assert_eq!(Address::parse(&text, forge()), Err(error));
    }
}

/// What an address should be read as, by the crate.
fn read_by_the_crate(text: &str, hrp: Hrp) -> Option<Result<Address, BadAddress>> {
    let read = CheckedHrpstring::new::<Bech32m>(text).ok()?;
    let is_ours = read.hrp().as_str() == hrp.as_str() && text.len() == hrp.as_str().len() + 59;
    if !is_ours || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    if read.fe32_iter().last().is_none_or(|last| last.to_u8() & 15 != 0) {
        return Some(Err(BadAddress::Padding));
    }
    let key: Vec<u8> = read.byte_iter().collect();
    Some(Address::from_key(key.try_into().expect("32 bytes")))
}

#[test]
fn any_text_is_read_as_the_crate_reads_it() {
    use bech32::{Fe32, Fe32IterExt};
    let seed = setting("BLOCKSMITH_MODEL_SEED", SEED);
    let mut random = Random::new(seed);
    let (mut addresses, mut refused) = (0, 0);
    for _ in 0..SLIPS / 10 {
        let length = 1 + random.below(31);
        let letters = |_| char::from(*random.pick(b"abcdefghijklmnopqrstuvwxyz0123456789"));
        let hrp: String = (0..length).map(letters).collect();
        let data: Vec<Fe32> = (0..52)
            .map(|at| Fe32::try_from((random.below(32) & if at == 51 { 0x11 } else { 31 }) as u8))
            .collect::<Result<_, _>>()
            .expect("five bits");
        let prefix = bech32::Hrp::parse(&hrp).expect("letters and digits");
        let text: String = data.into_iter().with_checksum::<Bech32m>(&prefix).chars().collect();
        let hrp = Hrp::new(&hrp).expect("letters and digits");
        let read = Address::parse(&text, hrp);
        assert_eq!(Some(read.clone()), read_by_the_crate(&text, hrp), "seed {seed}: {text}");
        addresses += u32::from(read.is_ok());
        let mut slipped = text.into_bytes();
        for _ in 0..1 + random.below(8) {
            let at = random.below(slipped.len());
            slipped[at] = 32 + random.below(96) as u8;
        }
        let slipped = String::from_utf8(slipped).expect("ASCII");
        let read = Address::parse(&slipped, hrp);
        match read_by_the_crate(&slipped, hrp) {
            Some(expected) => assert_eq!(read, expected, "seed {seed}: {slipped}"),
            None => {
                refused += 1;
                let why = read.expect_err("the crate refuses it");
                let is_key = matches!(why, BadAddress::Padding | BadAddress::NotAPoint { .. });
                assert!(!is_key, "seed {seed}: {slipped}: {why}");
            }
        }
    }
    assert!(addresses > 1_000 && refused > 10_000, "{addresses} addresses, {refused} refused");
}

#[test]
fn the_four_bits_of_padding_give_an_address_no_second_text() {
    use bech32::{Fe32, Fe32IterExt};
    let hrp = bech32::Hrp::parse("forge").expect("a prefix");
    let data: Vec<Fe32> = bech32::ByteIterExt::bytes_to_fes(GENERATOR.into_iter()).collect();
    let (last, first) = data.split_last().expect("52 characters");
    for padding in 0..16 {
        let last = Fe32::try_from(last.to_u8() | padding).expect("five bits");
        let data = first.iter().copied().chain([last]);
        let text: String = data.with_checksum::<Bech32m>(&hrp).chars().collect();
        let expected = if padding == 0 { Ok(alice()) } else { Err(BadAddress::Padding) };
        assert_eq!(Address::parse(&text, forge()), expected, "{text}");
    }
}

#[test]
fn every_single_slip_is_noticed() {
    let text = alice().to_text(forge());
    for at in 0..text.len() {
        for byte in 0..128 {
            let mut slipped = text.clone().into_bytes();
            if slipped[at] == byte {
                continue;
            }
            slipped[at] = byte;
            let slipped = String::from_utf8(slipped).expect("ASCII");
            assert!(Address::parse(&slipped, forge()).is_err(), "{slipped}");
        }
        let mut dropped = text.clone();
        dropped.remove(at);
        assert!(Address::parse(&dropped, forge()).is_err(), "{dropped}");
        for &char in ALPHABET {
            let mut doubled = text.clone();
            doubled.insert(at, char.into());
            assert!(Address::parse(&doubled, forge()).is_err(), "{doubled}");
        }
        if at + 1 < text.len() && text.as_bytes()[at] != text.as_bytes()[at + 1] {
            let mut swapped = text.clone().into_bytes();
            swapped.swap(at, at + 1);
            let swapped = String::from_utf8(swapped).expect("ASCII");
            assert!(Address::parse(&swapped, forge()).is_err(), "{swapped}");
        }
    }
}

#[test]
fn two_to_four_slips_are_noticed_by_the_checksum() {
    let seed = setting("BLOCKSMITH_MODEL_SEED", SEED);
    let mut random = Random::new(seed);
    let text = alice().to_text(forge());
    let first = forge().as_str().len() + 1;
    for _ in 0..SLIPS {
        let mut slipped = text.clone().into_bytes();
        for _ in 0..2 + random.below(3) {
            let at = first + random.below(text.len() - first);
            slipped[at] = *random.pick(ALPHABET);
        }
        let slipped = String::from_utf8(slipped).expect("ASCII");
        let expected = if slipped == text { Ok(alice()) } else { Err(BadAddress::Checksum) };
        assert_eq!(Address::parse(&slipped, forge()), expected, "seed {seed}: {slipped}");
    }
}
