//! The differences between the rules of two chains, for messages that say why their nodes don't
//! mix.

use std::fmt;

use blocksmith_consensus::json::{Kind, Value};
use blocksmith_consensus::{Rules, Target};

/// The most differences that are named; the others are counted.
const MAX_NAMED: usize = 4;

/// How much of a value is shown, in characters: a hash and its quotes fit.
const MAX_VALUE_CHARS: usize = 70;

/// The members of this node's rules that differ in another chain's, each with both values. Members
/// that only the other has, and that our ids don't cover, are not differences.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Differences {
    named: Vec<Difference>,
    more: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Difference {
    /// The keys on the way, with points between them.
    path: String,
    here: Option<String>,
    there: Option<String>,
}

impl Differences {
    /// Compares this node's rules with those that another node states: canonical JSON as of
    /// [`Rules::json`].
    pub fn between(ours: &Rules, theirs: Value<'_>) -> Self {
        let text = ours.json();
        let mut all = Self::default();
        for (key, here) in Value::of_canonical(&text).members() {
            all.compare(&name(key), Some(here), member(theirs, key));
        }
        all
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    fn compare(&mut self, path: &str, here: Option<Value<'_>>, there: Option<Value<'_>>) {
        let (here_text, there_text) = (here.map(Value::text), there.map(Value::text));
        if here_text == there_text {
            return;
        }
        if let (Some(here), Some(there)) = (here, there)
            && have_common_key(here, there)
        {
            return self.compare_members(path, here, there);
        }
        if self.named.len() == MAX_NAMED {
            self.more += 1;
            return;
        }
        let path = path.into();
        self.named.push(Difference { path, here: here.map(shown), there: there.map(shown) });
    }

    fn compare_members(&mut self, path: &str, here: Value<'_>, there: Value<'_>) {
        for (key, value) in here.members() {
            self.compare(&format!("{path}.{}", name(key)), Some(value), member(there, key));
        }
        for (key, value) in there.members().filter(|(key, _)| member(here, *key).is_none()) {
            self.compare(&format!("{path}.{}", name(key)), None, Some(value));
        }
    }
}

/// `difficulty.asert.spacing_s is 15 here and 20 there; … and 3 more`, on one line.
impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing = "missing";
        for (at, Difference { path, here, there }) in self.named.iter().enumerate() {
            let (here, there) =
                (here.as_deref().unwrap_or(missing), there.as_deref().unwrap_or(missing));
            let start = if at > 0 { "; " } else { "" };
            write!(f, "{start}{path} is {here} here and {there} there")?;
        }
        match (&self.named[..], self.more) {
            ([Difference { path, .. }], 0) if path == "genesis" => write!(
                f,
                ": all else is the same; nodes of one chain run the same preset, or copies of one \
                 chain file"
            ),
            (_, 0) => Ok(()),
            (_, more) => write!(f, "; and {more} more"),
        }
    }
}

fn member<'a>(value: Value<'a>, key: Value<'_>) -> Option<Value<'a>> {
    if value.kind() != Kind::Object {
        return None;
    }
    value.members().find(|(other, _)| other.text() == key.text()).map(|(_, value)| value)
}

/// Two objects without a common key are of two kinds, and are better shown whole.
fn have_common_key(here: Value<'_>, there: Value<'_>) -> bool {
    here.kind() == Kind::Object && here.members().any(|(key, _)| member(there, key).is_some())
}

/// A key as a part of a path. Canonical text is ASCII without control characters.
fn name(key: Value<'_>) -> String {
    cut(key.text().trim_matches('"'))
}

/// A value as people read it: targets that are nothing but zeros as their number.
fn shown(value: Value<'_>) -> String {
    let text = value.text();
    let hex = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    match hex.and_then(|hex| hex.parse::<Target>().ok()).and_then(|target| target.zeros()) {
        Some(1) => "1 zero".into(),
        Some(zeros) => format!("{zeros} zeros"),
        None => cut(text),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_VALUE_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use blocksmith_consensus::json::canonical;
    use blocksmith_consensus::payment::Emission;
    use blocksmith_consensus::rules::sealed::genesis_on;
    use blocksmith_consensus::{Difficulty, Sealed};

    use super::*;

    fn between(ours: &Rules, theirs: &str) -> String {
        let theirs = canonical(theirs.as_bytes()).expect("JSON");
        Differences::between(ours, Value::of_canonical(&theirs)).to_string()
    }

    #[test]
    fn one_number_is_named_with_its_place_and_both_values() {
        let forge = Rules::forge();
        let json = forge.json();
        assert!(Differences::between(&forge, Value::of_canonical(&json)).is_empty());
        for (from, to, expected) in [
            (
                "\"spacing_s\": 15",
                "\"spacing_s\": 20",
                "difficulty.asert.spacing_s is 15 here and 20 there",
            ),
            (
                "\"max_block_bytes\": 1000000",
                "\"max_block_bytes\": 7",
                "max_block_bytes is 1000000 here and 7 there",
            ),
            (", \"spacing_s\": 15", "", "difficulty.asert.spacing_s is 15 here and missing there"),
            (
                "\"spacing_s\": 15",
                "\"spacing_s\": 15, \"speed\": 3",
                "difficulty.asert.speed is missing here and 3 there",
            ),
            (
                "\"first_subsidy\": 2000000000",
                "\"first_subsidy\": null",
                "spending.signed.first_subsidy is 2000000000 here and null there",
            ),
        ] {
            let other = json.replace(from, to);
            assert_ne!(other, json);
            assert_eq!(between(&forge, &other), expected);
        }
    }

    #[test]
    fn zeros_are_counted_and_kinds_are_shown_whole() {
        let lecture = Rules::lecture();
        let fixed = lecture.difficulty().json();
        let five = lecture.clone().with_zeros(5).json();
        assert_eq!(between(&lecture, &five), "difficulty.fixed is 4 zeros here and 5 zeros there");
        let found =
            between(&lecture, &lecture.json().replace(&fixed, &Rules::forge().difficulty().json()));
        assert!(found.starts_with("difficulty is {\"fixed\": \"0000ffff"), "{found}");
        assert!(found.contains("… here and {\"asert\": {\"easiest\": "), "{found}");
        let found = between(&lecture, &Rules::course().json());
        assert_eq!(
            found,
            "difficulty.fixed is 4 zeros here and 6 zeros there; \
             puzzle is \"last_proof\" here and \"last_block\" there"
        );
    }

    #[test]
    fn what_a_stranger_says_stays_short() {
        let lecture = Rules::lecture();
        for theirs in ["7", "null", "[]", "\"x\"", "{}"] {
            let found = between(&lecture, theirs);
            assert!(found.contains("puzzle is \"last_proof\" here and missing there"), "{found}");
            assert!(found.ends_with("; and 1 more"), "{found}");
        }
        let long = "\\u0007".repeat(5_000);
        let deep = format!("{}7{}", "{\"fixed\": ".repeat(900), "}".repeat(900));
        let many: Vec<_> = (0..5_000).map(|at| format!("\"{long:.90}{at}\": {at}")).collect();
        for theirs in [
            format!(r#"{{"difficulty": "{long}", "puzzle": "{long}"}}"#),
            format!(r#"{{"difficulty": {deep}}}"#),
            format!(r#"{{"difficulty": {{"fixed": 1, {}}}}}"#, many.join(", ")),
        ] {
            let found = between(&lecture, &theirs);
            assert!(found.len() < 4 * 300, "{found}");
            assert!(!found.contains(char::is_control), "{found}");
        }
    }

    #[test]
    fn where_the_first_blocks_alone_differ_it_is_said_what_to_do() {
        let with = |byte, max_block_bytes| {
            let (forge, random) = (Sealed::forge(), blocksmith_consensus::Hash([byte; 32]));
            let genesis = genesis_on(&random, 1, forge.genesis_target(), forge.hrp, &[]);
            Sealed { genesis: genesis.expect("a block"), max_block_bytes, ..forge }.named("forge")
        };
        let [one, other] = [1, 2].map(|byte| with(byte, 1_000_000));
        let found = between(&one, &other.json());
        assert!(
            found.starts_with("genesis is \"") && found.contains(" there: all else"),
            "{found}"
        );
        assert!(found.ends_with("or copies of one chain file"), "{found}");
        let longer = with(2, 20_000);
        assert!(!between(&one, &longer.json()).contains("all else"), "not so");
    }

    #[test]
    fn every_rule_that_an_id_covers_is_compared() {
        let forge = Sealed::forge();
        let emission = Emission { first: 1, ..Emission::FORGE };
        for other in [
            Sealed::bitcoin_like(),
            Sealed { difficulty: Difficulty::Fixed(Target::EASIEST), ..forge.clone() },
            Sealed { emission, ..forge.clone() },
            Sealed { max_block_bytes: 20_000, ..forge.clone() },
            Sealed { genesis: Sealed::bitcoin_like().genesis, ..forge.clone() },
        ] {
            let other = other.named("other");
            assert!(!between(&Rules::forge(), &other.json()).is_empty(), "{other:?}");
        }
    }
}
