//! The dev accounts, for chains that begin anew each time.
//!
//! **Their secret keys are public knowledge.** The phrase is the field's usual one for development
//! (Hardhat, Foundry and Ganache print it), so coins that reach these addresses on a chain that
//! matters are stolen at once. Wallets and mempools refuse them there; consensus has no such rule.

use blocksmith_consensus::address::Address;

/// The phrase, without a passphrase.
pub const PHRASE: &str = "test test test test test test test test test test test junk";

/// The public keys at `m/86'/1'/0'/0/0` to `…/50` of [`PHRASE`]: 32 bytes each, x only (BIP-340).
pub const KEYS: [[u8; 32]; 51] = [
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
    hex("f2d59abb16f97fbe5831e981a0063f33459c623fa368fa446a32e3bd0561ef0c"),
    hex("b3fc667f3546a187853947c86484180f336a0e20fb4b4cf276c7173dac029009"),
    hex("0b907a5db9c1b16fb439c7bc17e91173e34443b879b3faa5acf976ef5c2e6d1f"),
    hex("cfee42841d12b2097a7a8befd8ca4672afbb23f08da8dede0322c790c8d5efb7"),
    hex("7e0e85e6ad1757527b5765bdd7088fc703add54f91575af7ba84cc35e4e97bb7"),
    hex("0f6fcc5891e0e39649555239962c1c06e1a61754b2820d68d106b7f26967e45a"),
    hex("4e2a52694435f7510af8811de50f65d526f37c1f6be4033bc2ad4c9abebaebcd"),
    hex("c97940855a5e647f3c6002e91a8ec189c308e2c2b327a755d66f679bbec34e52"),
    hex("bd5b59462c71d0499c5dfbd7abfec4279748eaf6360ba6172d4ef8d4453330bf"),
    hex("0a4ff88f0bb4aa2d0c68d564c85f800d6fd06117c839813998c073a115203191"),
    hex("29c9442dc7bc2f63bae0863830cdad2781a3bc471448c490756b5432580a6f5a"),
    hex("29ca07f3b176362a693976e5de1fa27e05469dfef2dc37dd1338e93a40be2f2a"),
    hex("974dea8b87a2a0678c24b011af16636fdbe54c11ec70c761821aba6e9b5ef6c0"),
    hex("d82eb1ab78e8c9d650b6a1e7c0fb8728b256f4ce027625e240f10d0e5fb141cf"),
    hex("01b2cf75e31a40820bb6dcc7c999cb93a2726c2b2fd14caba88b232c55b6b1e1"),
    hex("416ac27af2d6a0af6c253cfa8fdab7489e23fe7a8aee649c94efb1eac6ae2269"),
    hex("2551d6d424b268d59116a9cb838aa98027c59e5342d3ea5b4958fe00f9ca1b63"),
    hex("e428519689faad5e3dd201d1050e14dbcda7c45292203584cb7450d869f25857"),
    hex("34f0bfa56153d18aadc6d5fc2449723ffe2aad589fba5a504acb104ffe755556"),
    hex("8da85cdac1d7f5ac5cd40825c827e6149d26505c43f55fbcd9874bc1137adee3"),
    hex("d98be3b69f7c55893f738a3909751dec0bcca5171a0bb735f3f789ae903cae43"),
    hex("b0c7af0df9f5bf277476e83e14d7e89daad9579557e61d460a43a1647ed1725b"),
    hex("f012f1bc52e0d331a2e7589e54a781a2aeb12877ab099581df7247ca48d0ef7c"),
    hex("40870859e5086389199751c1bdfafe6334eda54373589f0ac25fd67a0d1a2bce"),
    hex("ea411936fae5ca60ab19f88a09df615eaf5020df209ac9e5ae22e8296bc9bdbd"),
    hex("6ab488959768916047a6b3e2915a1de81045ba3243a97e45f1c65844d213b6e4"),
    hex("1edda8ddfbf916b0a61f4836a5f14fea599b5af4b273ca6800e4629821ed278a"),
    hex("502a600b2f2be09cfe981bbf9e2e8c5d768235964c35659e6645075e48e1c4dc"),
    hex("612e4376691c764eb632e6975c26c22e76c6160da8643931460bd85b5274a09c"),
    hex("313b90faa05f9a79e73b5777e37f86edf9348ed0ac2f30e30eddbf2284425ebd"),
    hex("6847c52fdd6f815241fa264f66e75a70476837068c48ae46d04d3672377cd9c0"),
    hex("e2c10da02d8432f932d958ab059e7f89b9c48b4c71cff4c0795ade5ade3a98fb"),
    hex("67bf6898632560e20c66cc04464020205c185d5086738964d6445b0bcff3ace7"),
    hex("0a09d7d95f5c412327daa0cc2ec11b5d7ad5a034404a7d1fde124943945487e7"),
    hex("04e81d51f66aa928b2d48e88802947dfaa09066c983ac656a6f49cd69120b22e"),
    hex("9530192b7d5105aac14d7df8e316de5ab368d816f69aad0428e494befeba86fa"),
    hex("4cd1faf1840e43edf01d6d3fb163628f4c69561208e77807e6d3a078223fe500"),
    hex("28aea2899557202ba9782ac7a3096bb7c82640fdb08fb9651e124a8f9f1075c4"),
    hex("293da2dd0cca25d34b811ac1217e96e2ecfcf0db88a4d0543683ba68e176c2db"),
    hex("434a4346dff31d755c995616d3827a919d564bca157107e7ac3c4d772f5c5f08"),
    hex("41e52565e4f488acb754ef68b0b9a7830d007a8a0a67fd52338eb42f63a079cf"),
];

/// How many of them get coins unless a chain says more or less.
pub const USUAL: usize = 10;

/// The addresses of the usual ten, in the order of their indexes.
pub fn addresses() -> impl Iterator<Item = Address> {
    all_addresses().take(USUAL)
}

/// All addresses, in the order of their indexes.
pub fn all_addresses() -> impl Iterator<Item = Address> {
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
