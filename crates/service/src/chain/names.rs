//! Names that people take for a certain chain, since a preset has them.

use blocksmith_consensus::{Family, Rules};
use unicode_normalization::UnicodeNormalization as _;

use super::{Chain, dev};

/// The preset that a chain of this name would be taken for: the name is the preset's, or that of its
/// dev chain, or looks like one of them.
pub fn taken_for(name: &str) -> Option<&'static str> {
    // Capitals look like other letters than small ones do.
    let name: String = name.nfkd().collect();
    let looks = [skeleton(&name), skeleton(&name.to_lowercase())];
    Rules::PRESETS.into_iter().find(|preset| {
        // Behind it may stand what the accounts get.
        let dev = skeleton(&format!("{preset}{}", dev::SUFFIX));
        looks.contains(&skeleton(preset)) || looks.iter().any(|look| look.starts_with(&dev))
    })
}

/// Whether these are the preset's rules, with any number of zeros, or those of its dev chain.
pub(super) fn is(rules: &Rules, preset: &str) -> bool {
    let Ok(mut chain) = Chain::load(preset, None) else { return false };
    if let (Family::Open(known), Family::Open(open)) = (&mut chain.rules.family, &rules.family) {
        known.target = open.target;
    }
    let id = rules.chain_id();
    let told = Chain { rules: rules.clone(), dialect: chain.dialect };
    let funding = told.funding().unwrap_or(dev::Funding::USUAL);
    chain.rules.chain_id() == id
        || chain.for_dev_with(funding).is_ok_and(|dev| dev.rules.chain_id() == id)
}

/// The look of a name, by Unicode's list of confusable characters (UTS 39): letters and digits
/// without case and accents, one for all that look like it. Two names that look alike have the same
/// skeleton; so have some that don't, which does no harm here.
fn skeleton(name: &str) -> String {
    let plain = name.chars().filter(|char| char.is_alphanumeric()).collect::<String>();
    let looks = unicode_security::skeleton(&plain).flat_map(char::to_lowercase);
    looks.filter(|char| char.is_alphanumeric()).map(like).collect()
}

/// The letters that people confuse and the list does not have.
fn like(letter: char) -> char {
    match letter {
        '3' | 'ꞓ' => 'e',
        '5' => 's',
        '7' | 'ᴛ' => 't',
        '9' => 'g',
        'i' => 'l',
        'ĸ' => 'k',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use blocksmith_consensus::Sealed;

    use super::*;

    #[test]
    fn what_looks_like_a_presets_name_is_taken_for_it() {
        for (name, preset) in [
            ("forge", "forge"),
            ("Forge", "forge"),
            (" FORGE ", "forge"),
            ("forge-dev", "forge"),
            ("Forge Dev", "forge"),
            ("forge-dev-20x500", "forge"),
            ("f\u{43e}rg\u{435}", "forge"),
            ("ｆｏｒｇｅ", "forge"),
            ("f0rge", "forge"),
            ("for\u{200b}ge", "forge"),
            ("\u{202e}forge", "forge"),
            ("fórgè", "forge"),
            ("«forge»", "forge"),
            ("BITCOIN_LIKE", "bitcoin-like"),
            ("bltcoin-like", "bitcoin-like"),
            ("Lecture", "lecture"),
            ("\u{441}ourse", "course"),
            ("DVF", "dvf"),
            ("lecture-dev", "lecture"),
            ("\u{412}ITCOIN-LIKE", "bitcoin-like"),
            ("\u{392}\u{399}\u{3a4}COI\u{39d}-LIKE", "bitcoin-like"),
            ("bi\u{442}coin-li\u{43a}e", "bitcoin-like"),
            ("f\u{585}rg\u{435}", "forge"),
            ("f\u{1d0f}rge", "forge"),
            ("f\u{1d428}rge", "forge"),
            ("L\u{415}CTURE", "lecture"),
        ] {
            assert_eq!(taken_for(name), Some(preset), "{name:?}");
        }
        for name in
            ["ours", "forge-example", "forge 2", "lecture-1", "my course", "reforge", "", "курс"]
        {
            assert_eq!(taken_for(name), None, "{name:?}");
        }
    }

    #[test]
    fn a_preset_is_known_by_its_rules() {
        for name in Rules::PRESETS {
            let chain = Chain::load(name, None).unwrap();
            assert!(is(&chain.rules, name));
            let funding = dev::Funding { accounts: 2, coins: 7 };
            assert!(is(&chain.clone().for_dev_with(funding).unwrap().rules, name));
            assert!(is(&chain.for_dev().unwrap().rules, name));
        }
        assert!(is(&Rules::lecture().with_zeros(7), "lecture"));
        assert!(!is(&Rules::bitcoin_like(), "forge"));
        let shorter = Sealed { max_block_bytes: 20_000, ..Sealed::forge() };
        assert!(!is(&shorter.named("forge"), "forge"));
    }
}
