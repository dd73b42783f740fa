//! The chain that `blocksmith dev` runs: a dev chain, for trying things out.
//!
//! Where payments are signed, a user needs coins, and their keys, before trying anything. So the
//! dev accounts, whose keys are public, get some, on a chain of its own: its id differs, and a
//! payment that is signed there is not valid on the chain that it is made from.
//!
//! Its id is the same wherever it is made, so that `NAME-dev` names it on every machine. Whether a
//! chain is a dev chain follows from its rules, not from its name or from how a node was started:
//! all nodes of the chain agree on whether the dev keys are taken there.

use std::fmt;

use blocksmith_consensus::address::{Address, Hrp};
use blocksmith_consensus::json::Value;
use blocksmith_consensus::payment::{Coinbase, UNITS_PER_COIN};
use blocksmith_consensus::rules::sealed::genesis_on;
use blocksmith_consensus::{Block, Family, Hash, Rules, Sealed, Shape, Target};
use blocksmith_wallet::dev;

use super::Chain;
use blocksmith_text::{counted, escaped};

/// What follows the name of a chain, or the path of its file, to name its dev chain. Behind it may stand
/// what the accounts get, if that is not [`Funding::USUAL`], as in `forge-dev-20x500`.
pub const SUFFIX: &str = "-dev";

/// The warning for the operator of such a chain. (Ids that differ from run to run would protect
/// nothing, since these coins are worth nothing, and would leave the chain without a name.)
pub const KEYS_WARNING: &str = "\
The dev accounts have coins here, and EVERYBODY KNOWS THEIR SECRET KEYS: on any other chain, coins that \
are paid to them are stolen at once. Never use them elsewhere. The chain's id is the same in every \
run: a payment that was signed in an earlier run is valid again in a new one.";

/// What each dev account usually starts with, in units.
pub const ALLOTTED: u64 = Funding::USUAL.coins * UNITS_PER_COIN;

/// The most accounts that get coins.
pub const MAX_ACCOUNTS: u16 = dev::KEYS.len() as u16 - 1;

/// The most coins that each gets: no chain has more.
pub const MAX_COINS: u64 = (1 << 53) / UNITS_PER_COIN;

/// What marks another funding than the usual: the account behind those that get coins has so many units.
/// A chain that was made for a purpose, and gives some of the accounts coins by mistake, has no such mark.
const MARK: u64 = 1;

/// Which dev accounts get coins, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Funding {
    /// How many accounts, from the first on: 1 to [`MAX_ACCOUNTS`].
    pub accounts: u16,
    /// How many coins each gets: 1 to [`MAX_COINS`].
    pub coins: u64,
}

impl Funding {
    /// Ten accounts with 10,000 coins each.
    pub const USUAL: Self = Self { accounts: dev::USUAL as u16, coins: 10_000 };

    /// The addresses that get coins.
    pub fn addresses(self) -> impl Iterator<Item = Address> {
        dev::all_addresses().take(self.accounts.into())
    }

    /// The accounts from which a faucet pays: the last four, so that the first ones stay as they are.
    pub fn givers(self) -> impl Iterator<Item = (u32, Address)> + Clone {
        let first = self.accounts.saturating_sub(4);
        let all = (0..self.accounts.into()).zip(dev::KEYS);
        all.skip(first.into())
            .map(|(index, key)| (index, Address::from_key(key).expect("each is on the curve")))
    }

    /// What the genesis block gives to whom.
    fn balances(self) -> impl Iterator<Item = (Address, u64)> {
        let units = self.coins * UNITS_PER_COIN;
        let mark = dev::all_addresses().nth(self.accounts.into()).map(|address| (address, MARK));
        let mark = mark.filter(|_| self != Self::USUAL);
        self.addresses().map(move |address| (address, units)).chain(mark)
    }

    /// What the last of these allotments say.
    fn of(allotted: &[(Address, u64)]) -> Option<Self> {
        let marked = || {
            let ((address, MARK), rest) = allotted.split_last()? else { return None };
            let accounts = dev::all_addresses().position(|one| one == *address)?;
            let (_, units) = rest.len().checked_sub(accounts).and_then(|first| rest.get(first))?;
            let accounts = u16::try_from(accounts).ok()?;
            Some(Self { accounts, coins: units / UNITS_PER_COIN })
        };
        let ends_so = |funding: &Self| {
            allotted.ends_with(&funding.balances().collect::<Vec<_>>()) && funding.coins > 0
        };
        Some(Self::USUAL).filter(ends_so).or_else(|| marked().filter(ends_so))
    }
}

impl fmt::Display for Funding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.accounts, self.coins)
    }
}

/// Takes the name of a dev chain apart: the name of the chain that it is made of, and what the accounts
/// get. None if it is no such name.
pub fn split(name: &str) -> Option<(&str, Funding)> {
    if let Some(base) = name.strip_suffix(SUFFIX) {
        return Some((base, Funding::USUAL));
    }
    let (base, funding) = name.rsplit_once(SUFFIX)?;
    let (accounts, coins) = funding.strip_prefix('-')?.split_once('x')?;
    let number = |text: &str| text.parse().ok().filter(|number: &u64| number.to_string() == text);
    let accounts = u16::try_from(number(accounts)?).ok()?;
    let funding = Funding { accounts, coins: number(coins)? };
    let fits = (1..=MAX_ACCOUNTS).contains(&accounts) && (1..=MAX_COINS).contains(&funding.coins);
    (fits && funding != Funding::USUAL).then_some((base, funding))
}

/// What the name of a dev chain ends in.
pub fn suffix(funding: Funding) -> String {
    match funding {
        Funding::USUAL => SUFFIX.into(),
        funding => format!("{SUFFIX}-{funding}"),
    }
}

/// The rules leave no room for the coins of the dev accounts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "dev gives {} to each of {}, and {} has no room for them: {reason}; try a chain file that gives out or \
     mines fewer coins, or give fewer coins or accounts with --balance and --accounts",
    counted(funding.coins, "coin"), counted(funding.accounts, "account"), escaped(.name)
)]
pub struct NoRoom {
    /// The chain's name.
    pub name: String,
    /// The coins.
    pub funding: Funding,
    /// The bound that they miss.
    pub reason: String,
}

impl Chain {
    /// The dev chain of these rules, with the usual coins.
    ///
    /// # Errors
    /// As [`Chain::for_dev_with`].
    pub fn for_dev(self) -> Result<Self, NoRoom> {
        self.for_dev_with(Funding::USUAL)
    }

    /// The dev chain of these rules. For an open chain, or a dev chain, it is the chain itself.
    /// Where payments are signed, it has an id of its own: its name ends in [`suffix`], its genesis
    /// block gives coins to the accounts of [`dev`] besides what it gives anyway, and its first blocks
    /// are as easy to find as any. It is the same from run to run.
    ///
    /// # Errors
    /// Fails if the rules leave no room for these coins.
    pub fn for_dev_with(self, funding: Funding) -> Result<Self, NoRoom> {
        if self.is_dev() {
            return Ok(self);
        }
        let Self { rules, dialect } = self;
        let Rules { name, family } = rules;
        let rules = match family {
            Family::Open(_) => Rules { name, family },
            Family::Sealed(sealed) => funded(&name, sealed, funding)?,
        };
        Ok(Self { rules, dialect })
    }

    /// Whether this is what [`Chain::for_dev_with`] makes of a chain where payments are signed.
    ///
    /// The sums, their order and the target all have to fit: a chain that was made for a purpose,
    /// and gives these accounts a little by mistake, goes on refusing their keys.
    pub fn is_dev(&self) -> bool {
        self.funding().is_some()
    }

    /// What the dev accounts get, if this is a dev chain.
    pub fn funding(&self) -> Option<Funding> {
        match &self.rules.family {
            Family::Open(_) => None,
            Family::Sealed(Sealed { genesis, difficulty, hrp, .. }) => {
                funding(genesis, difficulty.easiest(), *hrp)
            }
        }
    }
}

/// Whether the chain with this id is what [`Chain::for_dev_with`] makes of one, by the rules, as
/// canonical JSON, the genesis block, and the prefix of addresses that another node told. They are
/// checked: rules and a genesis block that do not give the id are not that chain's.
pub fn is_told(id: &Hash, rules: Value<'_>, genesis: &str, hrp: Hrp) -> bool {
    let Ok(genesis) = Block::read(Shape::Sealed, genesis) else { return false };
    let policy = rules.get("difficulty").and_then(|difficulty| difficulty.members().next());
    let easiest = policy.and_then(|(_, policy)| policy.get("easiest").unwrap_or(policy).as_str());
    let easiest = easiest.and_then(|target| target.parse().ok());
    Rules::told_id(rules, &genesis) == Some(*id)
        && easiest.is_some_and(|easiest| funding(&genesis, easiest, hrp).is_some())
}

/// What the dev accounts get of a chain that begins with the easiest target.
fn funding(genesis: &Block, easiest: Target, hrp: Hrp) -> Option<Funding> {
    let target = genesis.header().map(|header| header.target);
    Funding::of(&allotted(genesis, hrp)).filter(|_| target == Some(easiest))
}

fn funded(name: &str, sealed: Sealed, funding: Funding) -> Result<Rules, NoRoom> {
    let no_room = |reason: String| NoRoom { name: name.to_owned(), funding, reason };
    let Sealed { genesis: block, difficulty, hrp, .. } = &sealed;
    let mut balances = allotted(block, *hrp);
    balances.extend(funding.balances());
    let (timestamp_s, target) = (block.view().timestamp_s(), difficulty.easiest());
    let previous_hash = block.parent().expect("a sealed block names a hash");
    let genesis = genesis_on(&previous_hash, timestamp_s, target, *hrp, &balances)
        .map_err(|error| no_room(error.to_string()))?;
    let funded = Sealed { genesis, ..sealed }.named(format!("{name}{}", suffix(funding)));
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
        let given: Vec<_> = Funding::USUAL.balances().collect();
        let less: Vec<_> = given.iter().map(|&(address, units)| (address, units - 1)).collect();
        assert!(is_dev(easiest, &given));
        assert!(!is_dev(Rules::forge().genesis_target(), &given));
        assert!(!is_dev(easiest, &given[..9]));
        assert!(!is_dev(easiest, &given[1..]));
        assert!(!is_dev(easiest, &less));
        assert!(!is_dev(easiest, &[]));
        // Other accounts and sums have a mark.
        let other: Vec<_> = Funding { accounts: 3, coins: 5 }.balances().collect();
        assert!(is_dev(easiest, &other) && other.len() == 4);
        for changed in [&other[..3], &other[1..], &[other[3]], &[other[0], other[1], other[3]]] {
            assert!(!is_dev(easiest, changed), "{changed:?}");
        }
        let mut uneven = other.clone();
        uneven[1].1 += 1;
        assert!(!is_dev(easiest, &uneven));
        let mut swapped = other.clone();
        swapped.swap(0, 1);
        assert!(!is_dev(easiest, &swapped));
        let mut mark = other;
        mark[3].1 = 2;
        assert!(!is_dev(easiest, &mark));
    }

    #[test]
    fn other_accounts_and_sums_are_in_the_name() {
        for (accounts, coins) in [(1, 1), (1, 10_000), (10, 9_999), (10, 10_001), (50, 500)] {
            let funding = Funding { accounts, coins };
            let forge = Chain::load("forge", None).unwrap();
            let dev = forge.clone().for_dev_with(funding).unwrap();
            assert_eq!(dev.funding(), Some(funding));
            assert_eq!(dev.rules.name, format!("forge-dev-{accounts}x{coins}"));
            assert_eq!(Chain::load(&dev.rules.name, None).unwrap(), dev);
            assert_ne!(dev.rules.chain_id(), forge.for_dev().unwrap().rules.chain_id());
            let given = balances(&dev.rules);
            assert_eq!(given.len(), usize::from(accounts) + 1);
            let units = given.iter().filter(|(_, units)| *units == coins * 100_000_000);
            assert_eq!(units.count(), usize::from(accounts));
            assert_eq!(funding.givers().count(), usize::from(accounts.min(4)));
        }
        let usual: Vec<_> = Funding::USUAL.givers().map(|(index, _)| index).collect();
        assert_eq!(usual, [6, 7, 8, 9]);
        for name in [
            "forge-dev-0x5",
            "forge-dev-51x5",
            "forge-dev-5x0",
            "forge-dev-05x5",
            "forge-dev-5x+5",
            "forge-dev-5",
            "forge-dev-5x",
            "forge-devx",
            "forge-dev-10x10000",
            "forge-dev-1x90071993",
        ] {
            assert_eq!(split(name), None, "{name}");
            Chain::load(name, None).unwrap_err();
        }
        let error = Chain::load("forge-dev-50x90000000", None).unwrap_err().to_string();
        assert!(error.contains("dev gives 90000000 coins to each of 50 accounts"), "{error}");
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
