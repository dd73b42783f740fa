//! The index against a recount of every transaction, over random blocks and reorgs.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use blocksmith_consensus::Hash;
use blocksmith_consensus::block::BlockView;
use blocksmith_testkit::random::{Random, setting};

use super::book::{Batch, Book, Counts, Indexed, Roles};
use super::reading::{Listed, Reading};

/// A party as it stands in a transaction, and its name. A number and its text are one party; numbers
/// with other texts are others.
const PARTIES: [(&str, &str); 21] = [
    ("\"0\"", "0"),
    ("0", "0"),
    ("\"1\"", "1"),
    ("1", "1"),
    ("1.0", "1.0"),
    ("true", "true"),
    ("\"ann\"", "ann"),
    ("\"Ann\"", "Ann"),
    ("\"ann \"", "ann "),
    ("\"\"", ""),
    ("null", "null"),
    ("[]", "[]"),
    ("{\"a\": [1, 2.5]}", "{\"a\": [1, 2.5]}"),
    ("\"\\ud800\"", "\"\\ud800\""),
    ("\"\\ud83d\"", "\"\\ud83d\""),
    ("\"a/b\\n\\u0000\"", "a/b\n\0"),
    ("\"a\\u001b[2J\\u202e\"", "a\u{1b}[2J\u{202e}"),
    (LONG.0, LONG.1),
    (LONGER.0, LONGER.1),
    (LONGEST_KEY.0, LONGEST_KEY.1),
    (CUT.0, CUT.1),
];

/// Two long names with the same start.
const LONG: (&str, &str) = (
    "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx1\"",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx1",
);
const LONGER: (&str, &str) = (
    "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx2\"",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx2",
);

/// The longest name that is a key itself.
const LONGEST_KEY: (&str, &str) = (
    "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
);

/// A long name whose 64th byte is the first of a character.
const CUT: (&str, &str) = (
    "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\\u00e9\"",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\u{e9}",
);

/// An amount as it stands in a transaction, and its value if it counts.
const AMOUNTS: [(&str, Option<i128>); 11] = [
    ("1", Some(1)),
    ("-7", Some(-7)),
    ("1000000", Some(1_000_000)),
    ("170141183460469231731687303715884105727", Some(i128::MAX)),
    ("-170141183460469231731687303715884105728", Some(i128::MIN)),
    ("1606938044258990275541962092341162602522202993782792835301376", None),
    ("2.5", None),
    ("1.0", None),
    ("\"3\"", None),
    ("true", None),
    ("null", None),
];

#[derive(Clone, Copy)]
struct Payment {
    from: Option<(&'static str, &'static str)>,
    to: Option<(&'static str, &'static str)>,
    amount: (&'static str, Option<i128>),
}

impl Payment {
    fn any(random: &mut Random) -> Self {
        let mut party = || Some(*random.pick(&PARTIES)).filter(|_| !random.percent(5));
        let (from, to) = (party(), party());
        let amounts = if random.percent(70) { 3 } else { AMOUNTS.len() };
        Self { from, to, amount: AMOUNTS[random.below(amounts)] }
    }

    fn text(&self) -> String {
        let mut fields = vec![format!("\"amount\": {}", self.amount.0)];
        fields.extend(self.to.map(|(text, _)| format!("\"recipient\": {text}")));
        fields.extend(self.from.map(|(text, _)| format!("\"sender\": {text}")));
        format!("{{{}}}", fields.join(", "))
    }
}

/// The transactions of each party, the oldest first.
type Histories = BTreeMap<&'static str, Vec<((u64, u32), Roles)>>;

type Recount = BTreeMap<&'static str, (i128, i128, i128, i128, u64, u64, u64, Option<u64>)>;

fn recount(blocks: &[Vec<Payment>]) -> (Recount, Histories) {
    let (mut all, mut histories) = (Recount::new(), Histories::new());
    for (index, block) in (1..).zip(blocks) {
        for (at, Payment { from, to, amount }) in block.iter().enumerate() {
            let (from, to) = (from.map(|from| from.1), to.map(|to| to.1));
            let mined = at + 1 == block.len() && from == Some("0") && to.is_some();
            let mut tried = all.clone();
            let sums = (|| {
                let (from, to, amount) = (from?, to?, amount.1?);
                let payer = tried.entry(from).or_default();
                payer.1 = payer.1.checked_add(amount)?;
                if from != to {
                    payer.0 = payer.0.checked_sub(amount)?;
                }
                let payee = tried.entry(to).or_default();
                payee.2 = payee.2.checked_add(amount)?;
                if from != to {
                    payee.0 = payee.0.checked_add(amount)?;
                }
                if mined {
                    payee.3 = payee.3.checked_add(amount)?;
                }
                Some(())
            })();
            if sums.is_some() {
                all = tried;
            }
            for name in from.into_iter().chain(to.filter(|to| Some(*to) != from)) {
                let roles = Roles {
                    sent: from == Some(name),
                    received: to == Some(name),
                    mined: mined && to == Some(name),
                    uncounted: sums.is_none(),
                };
                histories.entry(name).or_default().push(((index, at as u32), roles));
                let party = all.entry(name).or_default();
                party.4 += u64::from(sums.is_none());
                party.5 += 1;
            }
            if let Some(miner) = to.filter(|_| mined) {
                let party = all.entry(miner).or_default();
                (party.6, party.7) = (party.6 + 1, Some(index));
            }
        }
    }
    (all, histories)
}

/// All transactions of a party, a page at a time.
fn pages(index: &Reading, name: &str, limit: usize) -> Vec<((u64, u32), Roles)> {
    let (mut found, mut before) = (Vec::new(), None);
    loop {
        let page = index.history(name, before, limit).expect("a page");
        before = page.last().map(|(place, _)| *place);
        let over = page.len() < limit;
        found.extend(page);
        if over {
            found.reverse();
            return found;
        }
    }
}

/// The index has the places of each text of the blocks, and no other.
fn compare_places(index: &Reading, blocks: &[Vec<Payment>]) {
    let mut expected: BTreeMap<Hash, Vec<(u64, u32)>> = BTreeMap::new();
    for (block, payments) in (1..).zip(blocks) {
        for (position, payment) in (0..).zip(payments) {
            expected.entry(Hash::of(payment.text())).or_default().push((block, position));
        }
    }
    for (id, places) in &expected {
        assert_eq!(index.places(id, usize::MAX).expect("places"), *places);
    }
    let all = index.one_of_each(Hash([0; 32])..=Hash([0xff; 32]), usize::MAX).expect("places");
    assert_eq!(all, expected.values().map(|places| places[0]).collect::<Vec<_>>());
    // From one id to another, either included.
    let ids: Vec<_> = expected.iter().collect();
    for (from, to) in [(0, ids.len() / 2), (ids.len() / 3, ids.len()), (1, 2)] {
        let Some(within) = ids.get(from..to).filter(|within| !within.is_empty()) else { continue };
        let (first, last) = (*within[0].0, *within[within.len() - 1].0);
        let found = index.one_of_each(first..=last, usize::MAX).expect("places");
        assert_eq!(found, within.iter().map(|(_, places)| places[0]).collect::<Vec<_>>());
    }
}

/// The index ranks the miners as a sort of all parties does.
fn compare_ranks(index: &Reading, expected: &Recount, histories: &Histories) {
    // A transaction names its sender first.
    let first_named = |name: &str| {
        let (place, roles) = histories[name][0];
        (place, !roles.sent)
    };
    let mut miners: Vec<_> = expected.iter().filter(|(_, party)| party.6 > 0).collect();
    // Of those with as many coins and blocks, the chain named the first one first.
    miners.sort_by_key(|(name, party)| (Reverse((party.3, party.6)), first_named(name)));
    for limit in [usize::MAX, 3, 0] {
        let ranked = index.miners(limit).expect("miners");
        assert_eq!(ranked.len(), miners.len().min(limit));
        for ((listed, it), (name, party)) in ranked.iter().zip(&miners) {
            assert!(listed.is(name), "{listed:?} is ranked for {name}");
            let own = (it.coins, it.blocks, Some(it.last_block));
            assert_eq!(own, (party.3, party.6, party.7), "{name}");
        }
    }
    assert_eq!(index.mined, miners.iter().map(|(_, party)| party.6).sum::<u64>());
}

/// The index lists each party that blocks name, and no other.
fn compare_names(index: &Reading, histories: &Histories) {
    for start in ["", "a", "x", LONG.1, CUT.1, "nobody"] {
        let listed = index.parties(start, usize::MAX).expect("parties");
        // Long names are told by their first 64 bytes.
        let short = &start.as_bytes()[..start.len().min(64)];
        let names = histories.keys().filter(|name| name.as_bytes().starts_with(short));
        let names: Vec<_> = names.collect();
        assert_eq!(listed.len(), names.len(), "{start}");
        for name in names {
            assert!(listed.iter().any(|listed| listed.is(name)), "{start}: {name}");
        }
        for listed in listed {
            let Listed::Key(_, place) = &listed else { continue };
            let holds = |name: &&str| histories[name].iter().any(|(at, _)| at == place);
            assert!([LONG.1, LONGER.1, CUT.1].iter().any(|name| listed.is(name) && holds(name)));
        }
    }
}

fn text(index: usize, block: &[Payment]) -> String {
    let transactions: Vec<_> = block.iter().map(Payment::text).collect();
    format!(
        "{{\"index\": {index}, \"previous_hash\": \"1\", \"proof\": 1, \"timestamp\": 1, \
         \"transactions\": [{}]}}",
        transactions.join(", ")
    )
}

#[test]
fn sums_are_those_of_a_recount_after_any_reorg() {
    let seed = setting("BLOCKSMITH_INDEX_SEED", 14);
    println!("BLOCKSMITH_INDEX_SEED={seed}");
    let mut random = Random::new(seed);
    let book = Book::open(None, Counts::All("0".into())).expect("an index");
    let mut blocks: Vec<Vec<Payment>> = Vec::new();
    for step in 0..setting("BLOCKSMITH_INDEX_STEPS", 1_000) {
        let undone = if random.percent(35) { random.below(blocks.len().min(5) + 1) } else { 0 };
        let added = random.below(4);
        let at =
            |blocks: &[Vec<Payment>]| Indexed { index: blocks.len() as u64, hash: Hash([1; 32]) };
        let undo = |batch: &mut Batch<'_>, blocks: &mut Vec<Vec<Payment>>, count| {
            for _ in 0..count {
                let block = text(blocks.len(), &blocks.pop().expect("a block"));
                batch.undo(&BlockView::of_canonical(&block).expect("a block"))?;
            }
            batch.stand_at(at(blocks));
            Ok(())
        };
        // Like the follower: one change undoes, and another adds.
        book.change(step % 7 == 0, |batch| undo(batch, &mut blocks, undone)).expect("a change");
        book.change(step % 5 == 0, |batch| {
            for _ in 0..added {
                if blocks.len() < 60 {
                    let payments = random.below(5);
                    blocks.push((0..payments).map(|_| Payment::any(&mut random)).collect());
                    let block = text(blocks.len(), &blocks[blocks.len() - 1]);
                    batch.add(&BlockView::of_canonical(&block).expect("a block"))?;
                }
            }
            batch.stand_at(at(&blocks));
            // A change may take back what it added itself.
            let taken_back =
                if random.percent(20) { random.below(blocks.len().min(3) + 1) } else { 0 };
            undo(batch, &mut blocks, taken_back)
        })
        .expect("a change");
        let (expected, histories) = recount(&blocks);
        let limit = 1 + random.below(9);
        let compare = |index: &Reading| {
            for (_, name) in PARTIES {
                let wanted = histories.get(name).cloned().unwrap_or_default();
                assert_eq!(pages(index, name, limit), wanted, "{step}: {name}");
                // A client may ask for what is before any place.
                for before in [(u64::MAX, u32::MAX), (1 << 40, 0), (59, u32::MAX)] {
                    let found = index.history(name, Some(before), usize::MAX).expect("a page");
                    let wanted = wanted.iter().rev().filter(|(place, _)| *place < before);
                    assert_eq!(found, wanted.copied().collect::<Vec<_>>(), "{before:?}");
                }
            }
            compare_places(index, &blocks);
            compare_names(index, &histories);
            compare_ranks(index, &expected, &histories);
            Ok(())
        };
        book.read(compare).expect("an index");
        for (_, name) in PARTIES {
            let it = book.read(|index| index.party(name)).expect("a party");
            let sums = (it.balance, it.sent, it.received, it.mined);
            let found = (sums.0, sums.1, sums.2, sums.3, it.uncounted, it.transactions, it.blocks);
            let wanted = expected.get(name).copied().unwrap_or_default();
            let (a, b, c, d, e, f, g, last) = wanted;
            assert_eq!((found, it.last_block), ((a, b, c, d, e, f, g), last), "{step}: {name}");
        }
    }
}
