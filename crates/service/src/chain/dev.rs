//! The chain that `blocksmith dev` runs: a dev chain, for trying things out.
//!
//! Where payments are signed, a user needs coins, and their keys, before trying anything. So the
//! dev accounts, whose keys are public, get some, on a chain of its own: its id differs, and a
//! payment that is signed there is not valid on the chain that it is made from.
//!
//! Its id is the same wherever it is made, so that `NAME-dev` names it on every machine. Whether a
//! chain is a dev chain follows from its rules, not from its name or from how a node was started:
//! all nodes of the chain agree on whether the dev keys are taken there.

use blocksmith_consensus::address::{Address, Hrp};
use blocksmith_consensus::json::Value;
use blocksmith_consensus::payment::{Coinbase, UNITS_PER_COIN};
use blocksmith_consensus::rules::sealed::genesis_on;
use blocksmith_consensus::{Block, Family, Hash, Rules, Sealed, Shape, Target};
use blocksmith_wallet::dev;

use super::Chain;
use blocksmith_text::escaped;

/// What follows the name of a chain, or the path of its file, to name its dev chain.
pub const SUFFIX: &str = "-dev";

/// The warning for the operator of such a chain. (Ids that differ from run to run would protect
/// nothing, since these coins are worth nothing, and would leave the chain without a name.)
pub const KEYS_WARNING: &str = "\
Ten accounts have coins here, and EVERYBODY KNOWS THEIR SECRET KEYS: on any other chain, coins that \
are paid to them are stolen at once. Never use them elsewhere. The chain's id is the same in every \
run: a payment that was signed in an earlier run is valid again in a new one.";

/// What each dev account starts with, in units.
pub const ALLOTTED: u64 = 10_000 * UNITS_PER_COIN;

/// The rules leave no room for the coins of the dev accounts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "dev gives 10,000 coins to each of ten accounts, and {} has no room for them: {reason}; try \
     a chain file that gives out or mines fewer coins", escaped(.name)
)]
pub struct NoRoom {
    /// The chain's name.
    pub name: String,
    /// The bound that they miss.
    pub reason: String,
}

impl Chain {
    /// The dev chain of these rules. For an open chain, or a dev chain, it is the chain itself.
    /// Where payments are signed, it has an id of its own: its name ends in [`SUFFIX`], its genesis
    /// block allots [`ALLOTTED`] to each of the accounts of [`dev`] besides what it allots anyway,
    /// and its first blocks are as easy to find as any. It is the same from run to run.
    ///
    /// # Errors
    /// Fails if the rules leave no room for these coins.
    pub fn for_dev(self) -> Result<Self, NoRoom> {
        if self.is_dev() {
            return Ok(self);
        }
        let Self { rules, dialect } = self;
        let Rules { name, family } = rules;
        let rules = match family {
            Family::Open(_) => Rules { name, family },
            Family::Sealed(sealed) => funded(&name, sealed)?,
        };
        Ok(Self { rules, dialect })
    }

    /// Whether this is what [`Chain::for_dev`] makes of a chain where payments are signed.
    ///
    /// The sums, their order and the target all have to fit: a chain that was made for a purpose,
    /// and gives these accounts a little by mistake, goes on refusing their keys.
    pub fn is_dev(&self) -> bool {
        match &self.rules.family {
            Family::Open(_) => false,
            Family::Sealed(Sealed { genesis, difficulty, hrp, .. }) => {
                begins_for_dev(genesis, difficulty.easiest(), *hrp)
            }
        }
    }
}

/// Whether the chain with this id is what [`Chain::for_dev`] makes of one, by the rules, as
/// canonical JSON, the genesis block, and the prefix of addresses that another node told. They are
/// checked: rules and a genesis block that do not give the id are not that chain's.
pub fn is_told(id: &Hash, rules: Value<'_>, genesis: &str, hrp: Hrp) -> bool {
    let Ok(genesis) = Block::read(Shape::Sealed, genesis) else { return false };
    let policy = rules.get("difficulty").and_then(|difficulty| difficulty.members().next());
    let easiest = policy.and_then(|(_, policy)| policy.get("easiest").unwrap_or(policy).as_str());
    let easiest = easiest.and_then(|target| target.parse().ok());
    Rules::told_id(rules, &genesis) == Some(*id)
        && easiest.is_some_and(|easiest| begins_for_dev(&genesis, easiest, hrp))
}

/// Whether a chain begins with the easiest target, and with the coins of the dev accounts.
fn begins_for_dev(genesis: &Block, easiest: Target, hrp: Hrp) -> bool {
    let given: Vec<_> = dev_balances().collect();
    let target = genesis.header().map(|header| header.target);
    target == Some(easiest) && allotted(genesis, hrp).ends_with(&given)
}

/// The dev accounts and what each gets.
fn dev_balances() -> impl Iterator<Item = (Address, u64)> {
    dev::addresses().map(|address| (address, ALLOTTED))
}

fn funded(name: &str, sealed: Sealed) -> Result<Rules, NoRoom> {
    let no_room = |reason: String| NoRoom { name: name.to_owned(), reason };
    let Sealed { genesis: block, difficulty, hrp, .. } = &sealed;
    let mut balances = allotted(block, *hrp);
    balances.extend(dev_balances());
    let (timestamp_s, target) = (block.view().timestamp_s(), difficulty.easiest());
    let previous_hash = block.parent().expect("a sealed block names a hash");
    let genesis = genesis_on(&previous_hash, timestamp_s, target, *hrp, &balances)
        .map_err(|error| no_room(error.to_string()))?;
    let funded = Sealed { genesis, ..sealed }.named(format!("{name}{SUFFIX}"));
    funded.check().map_err(|error| no_room(error.to_string()))?;
    Ok(funded)
}

/// The coins that a genesis block allots, in order.
fn allotted(genesis: &Block, hrp: Hrp) -> Vec<(Address, u64)> {
    let coins = genesis.view().transactions();
    let coins = coins.flat_map(|value| Coinbase::of_canonical(value, hrp));
    coins.map(|coin| (coin.recipient, coin.amount)).collect()
}

#[cfg(test)]
mod tests {
    use blocksmith_consensus::Timestamp;
    use blocksmith_consensus::rules::sealed::genesis as sealed_genesis;

    use super::*;
    use crate::chain::Dialect;

    fn balances(rules: &Rules) -> Vec<(Address, u64)> {
        let changes = rules.allot(&rules.genesis_block(Timestamp::default())).unwrap();
        changes.accounts.iter().map(|change| (change.address, change.after.balance)).collect()
    }

    /// The example chain file, with some lines replaced.
    fn example(changes: &[(&str, &str)]) -> Chain {
        let mut text = include_str!("../../../../chains/forge-example.toml").to_string();
        for (before, after) in changes {
            assert!(text.contains(before), "{before}");
            text = text.replace(before, after);
        }
        Chain::parse(&text).unwrap()
    }

    #[test]
    fn forge_for_dev_is_a_chain_of_its_own_with_coins_for_everybody() {
        let forge = Chain::load("forge", None).unwrap();
        let dev = forge.clone().for_dev().unwrap();
        assert_eq!(forge, Chain::load("forge", None).unwrap());
        assert_ne!(dev.rules.chain_id(), forge.rules.chain_id());
        // From run to run and from machine to machine.
        assert_eq!(
            dev.rules.chain_id().to_string(),
            "e89a7c7651433cfe01bb0eea2aec6f31b59ef4d411bbaed2d43a530a44c29255"
        );
        assert_eq!(dev.rules.name, "forge-dev");
        dev.rules.check().unwrap();
        let mut expected: Vec<_> =
            dev::addresses().map(|address| (address, 10_000 * 100_000_000)).collect();
        expected.sort();
        assert_eq!(balances(&dev.rules), expected);
        // Nothing else differs but how easy it begins.
        assert_eq!(dev.rules.genesis_target(), forge.rules.difficulty().easiest());
        let Family::Sealed(sealed) = dev.rules.family else { panic!("payments are signed") };
        let genesis = Sealed::forge().genesis;
        assert_eq!(sealed.genesis.view().timestamp_s(), genesis.view().timestamp_s());
        assert_eq!(Sealed { genesis, ..sealed }, Sealed::forge());
    }

    #[test]
    fn where_nobody_signs_the_chain_is_the_chain() {
        for name in ["lecture", "course", "dvf"] {
            let chain = Chain::load(name, None).unwrap();
            assert_eq!(chain.clone().for_dev(), Ok(chain));
        }
    }

    #[test]
    fn what_a_chain_allots_itself_stays() {
        let chain = example(&[]);
        let own = balances(&chain.rules);
        assert_eq!(own.len(), 1);
        let dev = chain.for_dev().unwrap();
        let mut expected = own;
        expected.extend(dev::addresses().map(|address| (address, ALLOTTED)));
        expected.sort();
        assert_eq!(balances(&dev.rules), expected);
        assert_eq!(dev.rules.name, "forge-example-dev");
        // A chain that is a dev chain already stays as it was.
        assert_eq!(dev.clone().for_dev(), Ok(dev));
    }

    #[test]
    fn a_dev_chain_is_known_by_its_rules_alone() {
        for base in ["forge", "bitcoin-like"] {
            let base = Chain::load(base, None).unwrap();
            assert!(!base.is_dev());
            let dev = base.clone().for_dev().unwrap();
            assert_ne!(dev.rules.chain_id(), base.rules.chain_id());
            assert!(dev.is_dev());
            let rules = Rules { name: "ours".into(), ..dev.rules };
            assert!(Chain { rules, ..base }.is_dev());
        }
        // A chain that gives these accounts coins in another way is not a dev chain.
        let hrp = Sealed::forge().hrp;
        let easiest = Rules::forge().difficulty().easiest();
        let is_dev = |target, balances: &[(Address, u64)]| {
            let genesis = sealed_genesis(1_767_225_600, target, hrp, balances).unwrap();
            let rules = Sealed { genesis, ..Sealed::forge() }.named("forge");
            Chain { rules, dialect: Dialect::Notes }.is_dev()
        };
        let given: Vec<_> = dev_balances().collect();
        let less: Vec<_> = given.iter().map(|&(address, units)| (address, units - 1)).collect();
        assert!(is_dev(easiest, &given));
        assert!(!is_dev(Rules::forge().genesis_target(), &given));
        assert!(!is_dev(easiest, &given[..9]));
        assert!(!is_dev(easiest, &given[1..]));
        assert!(!is_dev(easiest, &less));
        assert!(!is_dev(easiest, &[]));
    }

    #[test]
    fn what_somebody_tells_of_a_chain_has_to_give_its_id() {
        let tells_with = |id: &Rules, rules: &Rules, genesis: &Rules, hrp: Hrp| {
            let (json, genesis) = (rules.json(), genesis.genesis_block(Timestamp::default()));
            is_told(&id.chain_id(), Value::of_canonical(&json), genesis.text(), hrp)
        };
        let tells = |id: &Rules, rules: &Rules, genesis: &Rules| {
            tells_with(id, rules, genesis, rules.domain().unwrap().hrp)
        };
        let load = |name: &str| Chain::load(name, None).unwrap().rules;
        let ours = example(&[]).for_dev().unwrap().rules;
        let longer = example(&[("max_block_bytes = 1_000_000", "max_block_bytes = 16_000_000")]);
        let longer = longer.for_dev().unwrap().rules;
        let (forge, dev) = (load("forge"), load("forge-dev"));
        for chain in [&dev, &load("bitcoin-like-dev"), &ours, &longer] {
            assert!(tells(chain, chain, chain), "{}", chain.name);
            assert!(!tells_with(chain, chain, chain, Hrp::new("other").unwrap()));
            // Another chain's rules or first block do not give this id.
            assert!(!tells(&forge, chain, chain) && !tells(chain, &forge, chain));
            assert!(!tells(chain, chain, &forge) && !tells(chain, &forge, &forge));
        }
        assert!(!tells(&forge, &forge, &forge), "it is none");
        let hrp = dev.domain().unwrap().hrp;
        assert!(!is_told(&dev.chain_id(), Value::of_canonical("7"), "{}", hrp));
    }

    #[test]
    fn a_suffix_names_the_dev_chain_of_a_chain_and_of_a_file() {
        let load = |name: &str| Chain::load(name, None);
        let dev_of = |name: &str| load(name).unwrap().for_dev().unwrap();
        for name in ["forge", "bitcoin-like"] {
            assert_eq!(load(&format!("{name}-dev")).unwrap(), dev_of(name));
        }
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
        let example = include_str!("../../../../chains/forge-example.toml");
        std::fs::write(path("ours.toml"), example).unwrap();
        assert_eq!(load(&path("ours.toml-dev")).unwrap(), dev_of(&path("ours.toml")));
        // A file of exactly that name comes first.
        std::fs::write(path("mine-dev"), example).unwrap();
        assert_eq!(load(&path("mine-dev")).unwrap().rules.name, "forge-example");
        assert_eq!(load(&path("mine-dev-dev")).unwrap().rules.name, "forge-example-dev");

        let says = |name: &str, zeros| Chain::load(name, zeros).unwrap_err().to_string();
        assert!(says("lecture-dev", None).contains("dev` runs lecture itself; leave -dev out"));
        assert!(says("forge-dev", Some(4)).contains("a number of zeros can't be set"));
        assert!(says("forge-dev-dev", None).contains("there is no chain \"forge-dev\""));
        assert!(says("nowhere-dev", None).contains("there is no chain \"nowhere\""));
        assert!(says(&path("nowhere.toml-dev"), None).contains("nowhere.toml can't be read"));
    }

    #[test]
    fn a_chain_without_room_for_more_coins_is_told_so() {
        // All that is ever mined, what is allotted, and not a unit less than dev gives are left.
        let mined = 2_000_000_000_u128 * 2 - 2_000_000_000_u64.count_ones() as u128;
        let room = (1 << 53) - 1 - mined * 2_100_000 - 10 * u128::from(ALLOTTED);
        let chain =
            |units: u128| example(&[("amount = 10_000_000_000", &format!("amount = {units}"))]);
        assert!(chain(room).for_dev().is_ok());
        let error = chain(room + 1).for_dev().unwrap_err().to_string();
        assert!(error.contains("forge-example has no room for them"), "{error}");
        assert!(error.contains("together they must be at most 9007199254740991"), "{error}");
        // The ten coins have some 1,300 bytes.
        let long = |coins: usize| {
            let address = "class12zffkaxp5py4fdutfdsrt6t6tcrc5ks09rkfd428hlhf4n5q8tqqnxk0ht";
            let more = format!("\n[[genesis.balances]]\naddress = \"{address}\"\namount = 1\n");
            let mut text = include_str!("../../../../chains/forge-example.toml").to_string();
            text = text.replace("max_block_bytes = 1_000_000", "max_block_bytes = 12_000");
            text.push_str(&more.repeat(coins));
            Chain::parse(&text).unwrap().for_dev()
        };
        assert!(long(10).is_ok());
        let error = long(85).unwrap_err().to_string();
        assert!(error.contains("max_block_bytes allows 12000"), "{error}");
    }

    #[test]
    fn manners_stay() {
        let chain = Chain { rules: Rules::course(), dialect: Dialect::Course };
        assert_eq!(chain.for_dev().unwrap().dialect, Dialect::Course);
    }
}
