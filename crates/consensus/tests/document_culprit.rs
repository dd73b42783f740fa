//! Whatever is changed in a chain, the verdict names the block that was changed.

use std::fmt::Write as _;

use blocksmith_consensus::document::{Document, ExportTrailer, Stretch, VerifiedChain, Verifier};
use blocksmith_consensus::{Block, Hash, Rules, Timestamp};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestCaseError;

/// A block of one reward as the canonical texts of its members.
#[derive(Debug, Clone)]
struct Draft {
    index: String,
    previous_hash: String,
    proof: String,
    timestamp: String,
    amount: Option<String>,
    extra: Option<String>,
}

impl Draft {
    fn text(&self) -> String {
        let reward = self.amount.as_ref().map_or_else(String::new, |amount| {
            format!(r#"{{"amount": {amount}, "recipient": "zo\u00eb", "sender": "0"}}"#)
        });
        let extra =
            self.extra.as_ref().map_or_else(String::new, |extra| format!(r#", "zest": {extra}"#));
        let Self { index, previous_hash, proof, timestamp, .. } = self;
        format!(
            r#"{{"index": {index}, "previous_hash": {previous_hash}, "proof": {proof}, "timestamp": {timestamp}, "transactions": [{reward}]{extra}}}"#
        )
    }

    /// The same value, written as differently as `seed` says.
    fn spelled(&self, seed: u64) -> String {
        let bit = |place: u32| seed >> place & 1 == 1;
        let gap = |place| if bit(place) { " \t\r\n " } else { "" };
        let transactions = match &self.amount {
            Some(amount) if bit(0) => format!(
                "[{{\"sender\":{}\"\\u0030\",\"recipient\":\"zo{}\" ,\"amount\":{amount}{}}}]",
                gap(1),
                if bit(2) { "\\u00EB" } else { "ë" },
                if amount.contains('.') && bit(3) { "00" } else { "" },
            ),
            Some(amount) => {
                format!(r#"[{{"amount": {amount}, "recipient": "zo\u00eb", "sender": "0"}}]"#)
            }
            None => format!("[{}]", gap(4)),
        };
        let long = if self.timestamp.contains('.') && bit(5) { "0e0" } else { "" };
        let mut members = vec![
            format!("\"{}\": {}", if bit(6) { "ind\\u0065x" } else { "index" }, self.index),
            format!("\"previous_hash\":{}{}", gap(7), self.previous_hash),
            format!("\"proof\" : {}", self.proof),
            format!("\"timestamp\":{}{long}", self.timestamp),
            format!("\"transactions\":{transactions}"),
        ];
        members.extend(self.extra.as_ref().map(|extra| format!("\"zest\":{extra}")));
        if bit(8) {
            // The last one wins.
            members.insert(0, "\"proof\": [true]".into());
        }
        let turns = (seed >> 9) as usize % members.len();
        if !bit(8) {
            members.rotate_left(turns);
        }
        format!("{{{}{}}}", members.join(&format!("{},{}", gap(20), gap(21))), gap(22))
    }
}

fn number(text: &str) -> u64 {
    text.parse().expect("an index")
}

/// A valid chain of `length` blocks.
fn valid_chain(rules: &Rules, length: usize) -> Vec<Draft> {
    let genesis = rules.genesis_block(Timestamp { micros: 1_562_782_943_373_497 });
    let member = |name| {
        let value = blocksmith_consensus::json::Value::of_canonical(genesis.text());
        value.get(name).expect("genesis has it").text().to_string()
    };
    let mut chain = vec![Draft {
        index: member("index"),
        previous_hash: member("previous_hash"),
        proof: member("proof"),
        timestamp: member("timestamp"),
        amount: None,
        extra: None,
    }];
    while chain.len() < length {
        let parent =
            Block::parse(chain.last().expect("genesis").text().as_bytes()).expect("a block");
        let job = rules.job(parent.view(), &parent.hash(), None);
        let proof = (0_u64..).find(|proof| job.accepts(proof.to_string())).expect("a proof");
        chain.push(Draft {
            index: (parent.index() + 1).to_string(),
            previous_hash: format!("\"{}\"", parent.hash()),
            proof: proof.to_string(),
            timestamp: format!("15627829{}.5", 43 + chain.len()),
            amount: Some(if chain.len() % 2 == 0 { "1.5".into() } else { "1".into() }),
            extra: (chain.len() % 3 == 0).then(|| "[]".into()),
        });
    }
    chain
}

fn tip(chain: &[Draft]) -> Hash {
    Hash::of(chain.last().expect("genesis").text())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Answer,
    FirstCourse,
    Array,
    Lines,
    Export,
}

/// A text of one of the kinds that chains come in. `sealed` is what an export says of itself.
fn write(form: Form, blocks: &[String], sealed: ExportTrailer) -> String {
    match form {
        Form::Answer => {
            format!(r#"{{"chain": [{}], "length": {}}}"#, blocks.join(", "), sealed.length)
        }
        Form::FirstCourse => format!(
            "\u{feff} {{\"length\":{},\"message\":{{\"chain\":1}},\"currentChain\":[{}]}}\n",
            sealed.length,
            blocks.join(",")
        ),
        Form::Array => format!("[{}]", blocks.join(", ")),
        Form::Lines | Form::Export => {
            let mut text = String::new();
            for block in blocks {
                writeln!(text, "{block}").expect("a string grows");
            }
            if form == Form::Export {
                writeln!(text, "{sealed}").expect("a string grows");
            }
            text
        }
    }
}

fn any_rules() -> impl Strategy<Value = Rules> {
    (select(vec![Rules::lecture(), Rules::course(), Rules::dvf()]), 0..=2_u8)
        .prop_map(|(rules, zeros)| rules.with_zeros(zeros))
}

fn any_form() -> impl Strategy<Value = Form> {
    select(vec![Form::Answer, Form::FirstCourse, Form::Array, Form::Lines, Form::Export])
}

#[derive(Debug, Clone, Copy)]
enum Change {
    Amount,
    AmountKind,
    Timestamp,
    Proof,
    ProofKind,
    PreviousHash,
    PreviousHashKind,
    Index,
    UnknownKey,
    NoBlock,
    NoJson,
    Remove,
    Swap,
    Duplicate,
}

const CHANGES: [Change; 14] = [
    Change::Amount,
    Change::AmountKind,
    Change::Timestamp,
    Change::Proof,
    Change::ProofKind,
    Change::PreviousHash,
    Change::PreviousHashKind,
    Change::Index,
    Change::UnknownKey,
    Change::NoBlock,
    Change::NoJson,
    Change::Remove,
    Change::Swap,
    Change::Duplicate,
];

/// Changes the block at `place`; the texts, and the index of the first block that is not what it
/// was.
fn change(chain: &[Draft], change: Change, place: usize, other: usize) -> (Vec<String>, u64) {
    let mut chain = chain.to_vec();
    let blamed = place as u64 + 1;
    let draft = &mut chain[place];
    match change {
        Change::Amount => draft.amount = Some("1000000".into()),
        // 1 and 1.0 are two things in Python's text.
        Change::AmountKind => {
            draft.amount =
                Some(if draft.amount.as_deref() == Some("1") { "1.0" } else { "1" }.into());
        }
        Change::Timestamp => draft.timestamp = "1562782943.373498".into(),
        Change::Proof => draft.proof = (number(&draft.proof) + 1).to_string(),
        Change::ProofKind => draft.proof = format!("\"{}\"", draft.proof),
        Change::PreviousHash => {
            draft.previous_hash = format!("\"{}\"", Hash::of(&draft.previous_hash));
        }
        Change::PreviousHashKind => draft.previous_hash = "17".into(),
        Change::Index => draft.index = (number(&draft.index) + 1 + other as u64).to_string(),
        Change::UnknownKey => {
            draft.extra = if draft.extra.is_some() { None } else { Some("null".into()) };
        }
        Change::NoBlock => {
            let mut texts: Vec<_> = chain.iter().map(Draft::text).collect();
            texts[place] = ["17", "null", r#"{"proof": 1}"#, r#""block""#][other % 4].into();
            return (texts, blamed);
        }
        Change::NoJson => {
            let mut texts: Vec<_> = chain.iter().map(Draft::text).collect();
            texts[place] = texts[place].replacen("\"proof\": ", "\"proof\": NaN", 1);
            return (texts, blamed);
        }
        Change::Remove => {
            chain.remove(place);
        }
        Change::Swap => {
            let other = if other % chain.len() == place { place + 1 } else { other % chain.len() };
            chain.swap(place, other);
            let texts = chain.iter().map(Draft::text).collect();
            return (texts, place.min(other) as u64 + 1);
        }
        Change::Duplicate => {
            let copy = draft.clone();
            chain.insert(place, copy);
            return (chain.iter().map(Draft::text).collect(), blamed + 1);
        }
    }
    (chain.iter().map(Draft::text).collect(), blamed)
}

/// Whether the stretches between the places where blocks seem to start make a valid chain, as far
/// as they tell: `None` if they don't fit together.
fn in_stretches(verifier: &Verifier<'_>, input: &[u8], parts: usize) -> Option<VerifiedChain> {
    let whole = Document::new(input);
    let mut starts = vec![whole.position()];
    starts.extend(whole.splits(parts));
    let mut joined: Option<Stretch<'_>> = None;
    let mut end = whole.clone();
    for (place, start) in starts.iter().enumerate() {
        let stop = starts.get(place + 1).copied().unwrap_or(usize::MAX);
        end = if place == 0 { whole.clone() } else { whole.at(*start) };
        let mut stretch = if place == 0 { verifier.start() } else { Stretch::default() };
        verifier.extend(&mut stretch, &mut end, stop).ok()?;
        joined = Some(match joined {
            None => stretch,
            Some(before) => verifier.join(before, stretch)?,
        });
    }
    verifier.finish(&joined?, &end).ok()
}

fn assert_blames(
    rules: &Rules,
    text: &str,
    tip: Option<Hash>,
    blamed: u64,
) -> Result<(), TestCaseError> {
    let verifier = Verifier { rules, tip };
    let fault = match verifier.verify(text.as_bytes()) {
        Ok(verdict) => return Err(TestCaseError::fail(format!("{verdict:?} for {text}"))),
        Err(fault) => fault,
    };
    prop_assert_eq!(fault.block(rules), Some(blamed), "{} in {}", fault, text);
    let message = fault.to_string();
    prop_assert!(message.starts_with(&format!("{}: ", fault.rule())), "{}", message);
    if fault.rule() != "genesis" {
        prop_assert!(message.contains(&format!("block {blamed}")), "{}", message);
    }
    for parts in 2..6 {
        prop_assert_eq!(in_stretches(&verifier, text.as_bytes(), parts), None);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn whoever_changes_a_block_below_the_tip_is_found(
        (rules, form) in (any_rules(), any_form()),
        (length, what) in (3..9_usize, select(CHANGES.to_vec())),
        (place, other) in (any::<Index>(), 0..100_usize),
        pinned in any::<bool>(),
    ) {
        let chain = valid_chain(&rules, length);
        let (texts, blamed) = change(&chain, what, place.index(length - 1), other);
        let seal = ExportTrailer { length: length as u64, tip: tip(&chain) };
        let pin = pinned.then_some(seal.tip);
        assert_blames(&rules, &write(form, &texts, seal), pin, blamed)?;
    }

    #[test]
    fn with_the_tips_hash_a_change_of_the_tip_is_found_too(
        (rules, form) in (any_rules(), any_form()),
        (length, what) in (2..9_usize, select(CHANGES.to_vec())),
        other in 0..100_usize,
    ) {
        let chain = valid_chain(&rules, length);
        let (texts, blamed) = change(&chain, what, length - 1, match what {
            // With any block below it.
            Change::Swap => other % (length - 1),
            _ => other,
        });
        let blamed = match what {
            // The chain that is left is valid, and its last block is not the tip.
            Change::Remove => blamed - 1,
            _ => blamed,
        };
        let seal = ExportTrailer { length: length as u64, tip: tip(&chain) };
        // An export says itself what its tip should be.
        let pin = (form != Form::Export).then_some(seal.tip);
        assert_blames(&rules, &write(form, &texts, seal), pin, blamed)?;
    }

    #[test]
    fn a_chain_in_another_spelling_is_the_same_chain(
        (rules, form) in (any_rules(), any_form()),
        (length, seeds) in (1..9_usize, prop::collection::vec(any::<u64>(), 9)),
        parts in 2..6_usize,
    ) {
        let chain = valid_chain(&rules, length);
        let seal = ExportTrailer { length: length as u64, tip: tip(&chain) };
        let spelled: Vec<_> =
            chain.iter().zip(seeds).map(|(draft, seed)| draft.spelled(seed)).collect();
        let text = write(form, &spelled, seal);
        let verifier = Verifier { rules: &rules, tip: Some(seal.tip) };
        let verdict = verifier.verify(text.as_bytes());
        let claimed_length = match form {
            Form::Answer | Form::FirstCourse => Some(length as u64),
            _ => None,
        };
        let (blocks, index) = (length as u64, length as u64);
        prop_assert_eq!(
            &verdict,
            &Ok(VerifiedChain { blocks, index, tip: seal.tip, claimed_length }),
            "{}", text
        );
        let in_stretches = in_stretches(&verifier, text.as_bytes(), parts);
        prop_assert!(in_stretches.is_none_or(|found| Ok(found) == verdict));
    }

    #[test]
    fn stretches_of_a_usual_chain_fit_together(
        (rules, form) in (any_rules(), any_form()),
        (length, parts) in (1..9_usize, 1..9_usize),
    ) {
        let chain = valid_chain(&rules, length);
        let seal = ExportTrailer { length: length as u64, tip: tip(&chain) };
        let texts: Vec<_> = chain.iter().map(Draft::text).collect();
        let text = write(form, &texts, seal);
        let verifier = Verifier { rules: &rules, tip: None };
        let verdict = verifier.verify(text.as_bytes()).expect("valid");
        prop_assert_eq!(in_stretches(&verifier, text.as_bytes(), parts), Some(verdict));
    }

    #[test]
    fn whatever_the_bytes_they_get_a_verdict(
        bytes in prop::collection::vec(any::<u8>(), 0..60),
        (at, parts) in (any::<Index>(), 1..4_usize),
    ) {
        let rules = Rules::lecture().with_zeros(0);
        let verifier = Verifier { rules: &rules, tip: None };
        let _ = verifier.verify(&bytes);
        let chain = valid_chain(&rules, 4);
        let texts: Vec<_> = chain.iter().map(Draft::text).collect();
        let seal = ExportTrailer { length: 4, tip: tip(&chain) };
        let mut text = write(Form::Answer, &texts, seal).into_bytes();
        let at = at.index(text.len());
        text.splice(at..(at + bytes.len() / 2).min(text.len()), bytes.iter().copied());
        let serial = verifier.verify(&text);
        if let Some(found) = in_stretches(&verifier, &text, parts) {
            prop_assert_eq!(serial, Ok(found));
        }
    }
}
