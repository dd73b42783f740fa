//! The Merkle tree against the definition of RFC 9162, written as it stands there.

use blocksmith_consensus::Hash;
use blocksmith_consensus::json::{Value, canonical};
use blocksmith_consensus::merkle::{path, root, verify};

const MERKLE: &str = include_str!("../../../tests/vectors/merkle.json");
const MOST: usize = 130;

fn leaves(count: usize) -> Vec<Vec<u8>> {
    // Of all lengths around the block of SHA-256, and no two the same.
    (0..count).map(|number| [vec![number as u8], vec![7; number]].concat()).collect()
}

fn tagged(tag: u8, parts: &[&[u8]]) -> Hash {
    Hash::of([&[tag], &parts.concat()[..]].concat())
}

/// The largest power of two smaller than `count`.
fn split(count: usize) -> usize {
    let mut k = 1;
    while 2 * k < count {
        k *= 2;
    }
    k
}

/// MTH(D), RFC 9162, section 2.1.1.
fn rfc_root(d: &[Vec<u8>]) -> Hash {
    match d {
        [] => Hash::of([]),
        [leaf] => tagged(0, &[leaf]),
        _ => {
            let (left, right) = d.split_at(split(d.len()));
            tagged(1, &[&rfc_root(left).0, &rfc_root(right).0])
        }
    }
}

/// PATH(m, D), RFC 9162, section 2.1.3.1.
fn rfc_path(m: usize, d: &[Vec<u8>]) -> Vec<Hash> {
    if d.len() == 1 {
        return Vec::new();
    }
    let k = split(d.len());
    let (left, right) = d.split_at(k);
    let (mut path, sibling) = match m < k {
        true => (rfc_path(m, left), rfc_root(right)),
        false => (rfc_path(m - k, right), rfc_root(left)),
    };
    path.push(sibling);
    path
}

/// The turns from a leaf to the root: true where the sibling is on the right.
fn turns(m: usize, count: usize) -> Vec<bool> {
    if count == 1 {
        return Vec::new();
    }
    let k = split(count);
    let (mut turns, right) = match m < k {
        true => (turns(m, k), true),
        false => (turns(m - k, count - k), false),
    };
    turns.push(right);
    turns
}

/// A leaf with all that proves it, to be tried under other claims.
struct Proved {
    leaf: Vec<u8>,
    position: usize,
    count: usize,
    path: Vec<Hash>,
    root: Hash,
}

impl Proved {
    fn of(leaves: &[Vec<u8>], position: usize) -> Self {
        Self {
            leaf: leaves[position].clone(),
            position,
            count: leaves.len(),
            path: path(leaves, position).expect("a position"),
            root: root(leaves),
        }
    }

    fn at(&self, position: usize, count: usize) -> bool {
        verify(&self.leaf, position as u64, count as u64, &self.path, &self.root)
    }

    fn by(&self, path: &[Hash]) -> bool {
        verify(&self.leaf, self.position as u64, self.count as u64, path, &self.root)
    }
}

#[test]
fn roots_and_paths_of_all_sizes_are_those_of_the_definition() {
    for count in 0..=MOST {
        let leaves = leaves(count);
        let expected = rfc_root(&leaves);
        assert_eq!(root(&leaves), expected, "{count} leaves");
        for position in 0..count {
            let proved = Proved::of(&leaves, position);
            assert_eq!(proved.path, rfc_path(position, &leaves), "{position} of {count}");
            assert!(proved.at(position, count), "{position} of {count}");
        }
        assert_eq!(path(&leaves, count), None);
        assert_eq!(path(&leaves, usize::MAX), None);
    }
}

#[test]
fn the_reference_roots_of_certificate_transparency() {
    let text = canonical(MERKLE.as_bytes()).expect("JSON");
    let vectors = Value::of_canonical(&text);
    let list = |key| vectors.get(key).expect("a list").elements();
    let string = |value: Value<'_>| value.as_str().expect("a string").into_owned();
    let leaves: Vec<Vec<u8>> = list("leaves")
        .map(|leaf| {
            let digits = string(leaf);
            let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex");
            (0..digits.len()).step_by(2).map(byte).collect()
        })
        .collect();
    let roots: Vec<String> = list("roots").map(string).collect();
    assert_eq!((leaves.len(), roots.len()), (8, 9));
    for (count, expected) in roots.iter().enumerate() {
        assert_eq!(root(&leaves[..count]).to_string(), *expected, "{count} leaves");
    }
    let mut paths = 0;
    for case in list("paths") {
        let number = |key| case.get(key).and_then(Value::as_u64).expect("a number");
        let (position, count) = (number("position"), number("leaves"));
        let expected: Vec<Hash> = case
            .get("path")
            .expect("a path")
            .elements()
            .map(|hash| string(hash).parse().expect("a hash"))
            .collect();
        let (of, root) =
            (&leaves[..count as usize], roots[count as usize].parse().expect("a hash"));
        assert_eq!(path(of, position as usize), Some(expected.clone()));
        assert!(verify(&leaves[position as usize], position, count, &expected, &root));
        paths += 1;
    }
    assert_eq!(paths, 36);
}

#[test]
fn another_position_or_number_of_leaves_is_refused_unless_it_means_the_same_turns() {
    for count in 1..=20 {
        let leaves = leaves(count);
        for position in 0..count {
            let proved = Proved::of(&leaves, position);
            let right = turns(position, count);
            for other_count in 0..=40 {
                for other in 0..=40 {
                    let same = other < other_count && turns(other, other_count) == right;
                    assert_eq!(
                        proved.at(other, other_count),
                        same,
                        "{position} of {count} as {other} of {other_count}"
                    );
                    assert!(!same || other_count != count || other == position);
                }
            }
            for other in [count as u64, u64::MAX] {
                assert!(!verify(&proved.leaf, other, count as u64, &proved.path, &proved.root));
            }
        }
    }
    let (leaf, hash) = (&leaves(1)[0], root(leaves(1)));
    assert!(!verify(leaf, u64::MAX - 1, u64::MAX, &[], &hash));
    assert!(!verify(leaf, 0, 0, &[], &root(leaves(0))));
}

#[test]
fn paths_that_are_changed_swapped_cut_or_extended_are_refused() {
    for count in 1..=MOST {
        let leaves = leaves(count);
        for position in 0..count {
            let proved = Proved::of(&leaves, position);
            let path = &proved.path;
            for at in 0..path.len() {
                let mut changed = path.clone();
                changed[at].0[31] ^= 1;
                assert!(!proved.by(&changed));
                let mut without = path.clone();
                without.remove(at);
                assert!(!proved.by(&without));
                let mut twice = path.clone();
                twice.insert(at, path[at]);
                assert!(!proved.by(&twice));
                for other in 0..at {
                    let mut swapped = path.clone();
                    swapped.swap(at, other);
                    assert!(!proved.by(&swapped));
                }
            }
            assert!(!proved.by(&[&path[..], &[proved.root]].concat()));
            let other = Proved { leaf: b"another".to_vec(), ..proved };
            assert!(!other.at(position, count));
            let other = Proved { root: Hash::of([]), leaf: leaves[position].clone(), ..other };
            assert!(!other.at(position, count));
        }
    }
}

#[test]
fn a_node_is_no_leaf() {
    for count in 2..=MOST {
        let leaves = leaves(count);
        let (left, right) = leaves.split_at(split(count));
        let halves = [rfc_root(left).0, rfc_root(right).0];
        // The two halves as one leaf, with and without the tag of a node; as two leaves.
        let node = halves.concat();
        let tagged = [&[1], &node[..]].concat();
        let all = root(&leaves);
        assert_ne!(root([&node]), all);
        assert_ne!(root([&tagged]), all);
        assert_ne!(root(halves), all);
        assert!(!verify(&node, 0, 1, &[], &all));
        assert!(!verify(&tagged, 0, 1, &[], &all));
        assert!(!verify(&halves[0], 0, 2, &[Hash(halves[1])], &all));
    }
}

#[test]
fn cve_2012_2459_a_list_with_its_last_leaves_repeated_has_another_root() {
    for count in 1..=MOST {
        let leaves = leaves(count);
        let expected = root(&leaves);
        for last in 1..=count {
            let repeated = [&leaves[..], &leaves[count - last..]].concat();
            assert_ne!(root(&repeated), expected, "the last {last} of {count} repeated");
        }
    }
}
