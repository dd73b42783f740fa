//! The dev accounts, for chains that begin anew each time.
//!
//! **Their secret keys are public knowledge.** The phrase is the field's usual one for development
//! (Hardhat, Foundry and Ganache print it), so coins that reach these addresses on a chain that
//! matters are stolen at once. Wallets and mempools refuse them there; consensus has no such rule.

use blocksmith_consensus::address::Address;

/// The phrase, without a passphrase.
pub const PHRASE: &str = "test test test test test test test test test test test junk";

/// The public keys at `m/86'/1'/0'/0/0` to `…/9` of [`PHRASE`]: 32 bytes each, x only (BIP-340).
pub const KEYS: [[u8; 32]; 10] = [
    hex("8c7fc6552af4384a13791e63bac79ff2bcfeedf143a88d6dc4b6080a8829cdc1"),
    hex("94cea1919bdcdefc478f8533a7bf8954867dc227da79754642cb2e41f7e300d8"),
    hex("67428cfe9f4cc0ee625ef2174f203b589500818913c3d6eec0562b49af02cf0d"),
    hex("6f95ab9213ce26b72d4c864e1ae02e1b84af12f08837ab7be5478e370a5487ff"),
    hex("f2401b5b34a3b6db294307287d0b763c2c0f1d62a212d3ad34e7b8e2f1a491e0"),
    hex("32be8bfcc6dab796bf3f8ba8d60f8cd5e2658836663235e1deaefa247a3a8aba"),
    hex("820d40edf14bacf17a9b2f2072bcbd6740abaf167168bd7ba87c099fe8e7402a"),
    hex("c9d07d3c4085979cf2abd577fc1e556867311e0b9061902fefa6eeedee698747"),
    hex("89c9e83f9b915fa9d4a45de38ff5439b090838c169a18c6d2a20b968971106e0"),
    hex("9de0ebb6a42aff7ca02e91627a17697c917055a3ae71263f1b074a6785d5a6fd"),
];

/// The ten addresses, in the order of their indexes.
pub fn addresses() -> impl Iterator<Item = Address> {
    KEYS.into_iter().map(|key| Address::from_key(key).expect("each is on the curve"))
}

/// Whether `address` is a dev account, whose secret key is public.
pub fn is_dev_key(address: &Address) -> bool {
    KEYS.contains(address.key())
}

/// Reads a key at compile time: a wrong digit does not build.
const fn hex(text: &str) -> [u8; 32] {
    const fn digit(byte: u8) -> u8 {
        match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => panic!("a hex digit"),
        }
    }
    let text = text.as_bytes();
    assert!(text.len() == 64);
    let mut key = [0; 32];
    let mut at = 0;
    while at < 32 {
        key[at] = digit(text[2 * at]) << 4 | digit(text[2 * at + 1]);
        at += 1;
    }
    key
}
