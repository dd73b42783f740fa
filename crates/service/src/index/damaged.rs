//! An index that is damaged is made anew, and meanwhile serves nothing that is wrong.

use std::time::Duration;

use blocksmith_consensus::{Proof, Rules};
use redb::ReadableTable as _;

use super::book::{Book, Counts, HISTORY, PARTIES, at_place, key, of_party};
use crate::chain::{Chain, Dialect};
use crate::{Handle, Options, start};

fn node(dir: &std::path::Path) -> Handle {
    let rules = Rules::lecture().with_zeros(0);
    let chain = Chain { rules, dialect: Dialect::Notes };
    let options = Options {
        data_dir: Some(dir.into()),
        node_id: Some("ann".into()),
        keep_peers: false,
        ..Options::new(chain)
    };
    start(options).expect("a store").0
}

async fn mine(handle: &Handle) {
    let mined = handle.submit_proof(Proof::from(1), None).await.expect("it runs");
    mined.expect("each number is a proof");
}

/// How many coins ann has, as soon as the index is at the tip.
async fn coins(handle: &Handle) -> u64 {
    for _ in 0..500 {
        if let Ok(Some(Ok(found))) = handle.party("ann".into()).await
            && found.indexed.index == handle.standing().tip.block.index()
        {
            let page = handle.party_page("ann".into(), None, 1_000, usize::MAX).await;
            if let Ok(Some(Ok(page))) = page {
                assert_eq!(page.answer.entries.len() as u64, found.answer.transactions);
                return found.answer.blocks;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the index does not come to the tip");
}

/// Changes the index while no node uses it.
fn damage(dir: &std::path::Path, change: impl FnOnce(&redb::WriteTransaction)) {
    let book = Book::open(Some(dir), Counts::All("0".into())).expect("an index");
    let db = book.db();
    let transaction = db.begin_write().expect("a change");
    change(&transaction);
    transaction.commit().expect("a change");
}

/// Fails unless the file of the index soon has at most so many bytes.
async fn has_length(dir: &std::path::Path, most: u64) {
    let length = || dir.join("index.redb").metadata().expect("a file").len();
    for _ in 0..500 {
        if length() <= most {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{} bytes, and not {most}", length());
}

/// While an index catches up, what a change replaces stays in the file until the next one.
#[tokio::test]
async fn an_index_that_has_caught_up_gives_back_what_that_took() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    let handle = node(dir);
    for _ in 0..400 {
        mine(&handle).await;
    }
    assert_eq!(coins(&handle).await, 400);
    drop(handle);
    std::fs::remove_file(dir.join("index.redb")).expect("an index");
    let handle = node(dir);
    assert_eq!(coins(&handle).await, 400);
    // It has 140 KiB before.
    has_length(dir, 100 << 10).await;
    assert_eq!(coins(&handle).await, 400);
    // While somebody reads, nothing moves.
    let book = handle.index.book();
    let moment = book.moment().expect("an index");
    assert!(!book.compact().expect("an index"));
    drop(moment);
    assert!(book.compact().expect("an index"));
    assert_eq!(coins(&handle).await, 400);
}

#[tokio::test]
async fn a_damaged_index_is_made_anew_while_the_node_runs() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    let number = |transaction: &redb::WriteTransaction| {
        let parties = transaction.open_table(PARTIES).expect("a table");
        let entry = parties.get(&*key("ann")).expect("a read").expect("ann");
        super::book::Account::of(entry.value()).expect("an account").number
    };
    let mut mined = 0;
    for what in
        ["an account cut off", "a place of another", "a place beyond the chain", "a lost file"]
    {
        let handle = node(dir);
        for _ in 0..3 {
            mine(&handle).await;
            mined += 1;
        }
        assert_eq!(coins(&handle).await, mined, "before {what}");
        drop(handle);
        match what {
            "an account cut off" => damage(dir, |transaction| {
                let mut parties = transaction.open_table(PARTIES).expect("a table");
                parties.insert(&*key("ann"), &[0x80][..]).expect("a write");
            }),
            "a lost file" => std::fs::write(dir.join("index.redb"), "x").expect("a write"),
            _ => damage(dir, |transaction| {
                let party = number(transaction);
                let place = if what.ends_with("chain") { (1_000, 0) } else { (1, 0) };
                let mut history = transaction.open_table(HISTORY).expect("a table");
                let from = at_place(of_party(party, true), (2, 0));
                history.remove(from).expect("a write");
                history.insert(at_place(of_party(party, true), place), 6).expect("a write");
            }),
        }
        let handle = node(dir);
        assert_eq!(coins(&handle).await, mined, "{what}");
    }
}
