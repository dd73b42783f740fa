//! Makes many payments of many signers, on all cores.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::{Range, RangeInclusive};
use std::thread;

use blocksmith_consensus::address::Address;
use blocksmith_consensus::ledger::{Account, Accounts};
use blocksmith_consensus::payment::{Draft, Verified};

use crate::random::Random;
use crate::signers::{Signer, forge};

/// The accounts of all signers, in memory.
#[derive(Default, Clone, PartialEq, Eq, Debug)]
pub struct Bank(pub BTreeMap<Address, Account>);

impl Accounts for Bank {
    type Error = Infallible;

    fn account(&self, address: &Address) -> Result<Account, Infallible> {
        Ok(self.0.get(address).copied().unwrap_or_default())
    }
}

/// The payments of `people`, who are numbered: `each` of every person from nonce 0 on, some with a
/// memo; person by person, in the order of the nonces. The bank has enough coins for all of them.
pub fn payments(people: Range<u64>, each: u64, fees: RangeInclusive<u64>) -> (Bank, Vec<Verified>) {
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let count = people.end - people.start;
    let (people, fees) = (&people, &fees);
    let part = |core: u64| {
        move || {
            let of_person = |person: u64| {
                let mut random = Random::new(person);
                let signer = Signer::new(1_000_000 + person);
                let recipient = Signer::alice().address;
                let draft = move |nonce| {
                    let memo = random.percent(20).then_some("with many thanks for yesterday");
                    let fee = fees.start() + random.number() % (fees.end() - fees.start() + 1);
                    let sender = signer.address;
                    let payment = signer.pay(
                        &Draft { sender, recipient, amount: 1_000, fee, nonce, memo },
                        &forge(),
                    );
                    payment.verify().expect("signed")
                };
                (0..each).map(draft).collect::<Vec<_>>()
            };
            let start = |core| people.start + core * count / cores;
            (start(core)..start(core + 1)).flat_map(of_person).collect()
        }
    };
    let all: Vec<Verified> = thread::scope(|scope| {
        let parts: Vec<_> = (0..cores).map(|core| scope.spawn(part(core))).collect();
        let join = |part: thread::ScopedJoinHandle<'_, Vec<_>>| part.join().expect("no panic");
        parts.into_iter().flat_map(join).collect()
    });
    let account = Account { balance: 1_000_000_000, nonce: 0 };
    (Bank(all.iter().map(|payment| (payment.sender(), account)).collect()), all)
}
