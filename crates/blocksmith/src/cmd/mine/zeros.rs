//! How many zero digits a server wants, read off the proofs in its chain.

use std::collections::VecDeque;

use blocksmith_consensus::json::{JsonError, Reader};
use blocksmith_consensus::{BlockView, Hash, Rules};

/// How many blocks at the end of a chain are looked at. By chance, one proof in sixteen shows a
/// digit more than it had to; that all of so many do does not happen.
const MAX_BLOCKS: usize = 200;

/// What the proofs of a chain show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown {
    /// The fewest leading zero digits among them.
    pub(super) zeros: u8,
    /// How many proofs were looked at.
    pub(super) proofs: usize,
}

/// What the last proofs of a chain show, each recomputed on the block before it by the puzzle of
/// `rules`. `body` is the answer to `/chain`, or as much of it as was read. `None` if it holds no
/// two blocks in a row: a genesis block has no proof.
pub(super) fn shown(rules: &Rules, body: &[u8]) -> Option<Shown> {
    let mut last: VecDeque<String> = VecDeque::new();
    // A body that was cut ends in an error; the blocks before that count.
    let _ = each_block(body, |text| {
        if last.len() > MAX_BLOCKS {
            last.pop_front();
        }
        last.push_back(text.into());
    });
    let mut shown: Option<Shown> = None;
    for (parent, child) in last.iter().zip(last.iter().skip(1)) {
        let view = BlockView::of_canonical;
        let (Ok(parent), Ok(child)) = (view(parent), view(child)) else { continue };
        let zeros = zeros_of(&rules.job(parent, &parent.hash(), None).digest(&*child.proof()));
        let before = shown.unwrap_or(Shown { zeros, proofs: 0 });
        shown = Some(Shown { zeros: before.zeros.min(zeros), proofs: before.proofs + 1 });
    }
    shown
}

/// Whether `body`, the answer to `/chain`, has a block.
pub(super) fn has_blocks(body: &[u8]) -> bool {
    let mut has_one = false;
    // A body that was cut ends in an error.
    let _ = each_block(body, |text| has_one |= BlockView::of_canonical(text).is_ok());
    has_one
}

/// Calls `tell` with the canonical text of each block in `body`, the answer to `/chain`.
pub(super) fn each_block(body: &[u8], mut tell: impl FnMut(&str)) -> Result<(), JsonError> {
    let mut reader = Reader::new(body);
    let mut member = reader.open_object()?;
    while member {
        // Lecture I had another name for the list.
        if matches!(&*reader.key()?, r#""chain""# | r#""currentChain""#) {
            let mut element = reader.open_array()?;
            while element {
                tell(&reader.value()?);
                element = reader.next_element()?;
            }
        } else {
            reader.skip_value()?;
        }
        member = reader.next_member()?;
    }
    Ok(())
}

fn zeros_of(digest: &Hash) -> u8 {
    digest.hex().iter().take_while(|&&digit| digit == b'0').count() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lecture_chain(proofs: &[u64]) -> String {
        let blocks: Vec<_> = proofs
            .iter()
            .enumerate()
            .map(|(at, proof)| {
                format!(
                    r#"{{"index":{},"previous_hash":null,"proof":{proof},"timestamp":0,"transactions":[]}}"#,
                    at + 1
                )
            })
            .collect();
        format!(r#"{{"length":{},"chain":[{}]}}"#, proofs.len(), blocks.join(","))
    }

    #[test]
    fn the_proofs_of_the_notes_show_the_zeros_of_the_notes() {
        let lecture = Rules::lecture();
        let zeros = |proofs: &[u64]| shown(&lecture, lecture_chain(proofs).as_bytes());
        assert_eq!(zeros(&[99]), None);
        assert_eq!(zeros(&[99, 74581, 28441]), Some(Shown { zeros: 4, proofs: 2 }));
        assert_eq!(zeros(&[99, 241341, 526815]), Some(Shown { zeros: 5, proofs: 2 }));
        assert_eq!(zeros(&[99, 9250889]), Some(Shown { zeros: 6, proofs: 1 }));
    }

    #[test]
    fn the_key_of_lecture_one_and_a_body_cut_short_are_understood() {
        let chain = lecture_chain(&[99, 74581, 28441]).replace("\"chain\"", "\"currentChain\"");
        let cut = chain.rfind(r#"{"index""#).unwrap();
        let shown = shown(&Rules::lecture(), &chain.as_bytes()[..cut]);
        assert_eq!(shown, Some(Shown { zeros: 4, proofs: 1 }));
    }

    #[test]
    fn what_is_no_chain_shows_nothing() {
        for body in ["", "null", "[]", "{}", r#"{"chain": 3}"#, r#"{"chain": [1, 2]}"#, "<html>"] {
            assert_eq!(shown(&Rules::course(), body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn only_the_last_blocks_count() {
        // The first proof shows no zeros, the others show four.
        let mut proofs = vec![7, 99];
        proofs.extend([74581, 28441].iter().take(2));
        let four = shown(&Rules::lecture(), lecture_chain(&proofs[1..]).as_bytes());
        assert_eq!(four.map(|shown| shown.zeros), Some(4));
        let none = shown(&Rules::lecture(), lecture_chain(&proofs).as_bytes());
        assert_eq!(none.map(|shown| shown.zeros), Some(0));
        let mut long = vec![7];
        long.extend((0..=MAX_BLOCKS).map(|_| 7));
        let shown = shown(&Rules::lecture(), lecture_chain(&long).as_bytes());
        assert_eq!(shown.map(|shown| shown.proofs), Some(MAX_BLOCKS));
    }
}
