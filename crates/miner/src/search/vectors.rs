//! One message in each lane of wide registers: the search that [`avx2`](super::avx2) and
//! [`avx512`](super::avx512) run, over what such registers can do.
//!
//! A group of lanes takes as many tens, one each, and goes through the ten last digits. So the
//! word with the last digit is the only one that changes from try to try, and
//!
//! - the rounds before it, and all but two additions of its own, are done once for ten tries;
//! - of the words 16 to 31 of the schedule the parts that don't depend on it are added up once for
//!   ten tries, so that a σ0 and an addition less are left for nearly each of them;
//! - the first word of the state is added with the last round's constant, and the digest's other
//!   seven words are never made.
//!
//! The rounds 32 to 63 are a loop that is passed twice, and those before 16 one of a single round:
//! written out, the whole is larger than a processor's cache of decoded instructions.

use std::ops::Range;

use super::lanes::{Candidates, DIGITS, Decade, MAX_LANES};
use super::rounds::{K, Schedule};

/// The last digits that a group goes through.
const UNITS: usize = 10;

/// The operations of a processor on 32-bit words in all lanes of a register; a value proves that
/// the processor has them. The functions σ, Σ, Ch and Maj are those of FIPS 180-4, 4.1.2.
pub(super) trait Vectors: Copy {
    /// A register.
    type Vector: Copy;

    /// The words in a register: at most [`MAX_LANES`], over all streams.
    const LANES: usize;

    /// `word` in all lanes.
    fn splat(self, word: u32) -> Self::Vector;
    /// The first words, of which there are at least [`Self::LANES`].
    fn load(self, words: &[u32]) -> Self::Vector;
    fn add(self, x: Self::Vector, y: Self::Vector) -> Self::Vector;
    /// Shifts by up to 32 bits, which leave zero.
    fn shift_left(self, x: Self::Vector, bits: u32) -> Self::Vector;
    /// Shifts by up to 32 bits.
    fn shift_right(self, x: Self::Vector, bits: u32) -> Self::Vector;
    fn small_sigma_0(self, x: Self::Vector) -> Self::Vector;
    fn small_sigma_1(self, x: Self::Vector) -> Self::Vector;
    fn big_sigma_0(self, x: Self::Vector) -> Self::Vector;
    fn big_sigma_1(self, x: Self::Vector) -> Self::Vector;
    fn choice(self, x: Self::Vector, y: Self::Vector, z: Self::Vector) -> Self::Vector;
    fn majority(self, x: Self::Vector, y: Self::Vector, z: Self::Vector) -> Self::Vector;
    /// A bit for each lane, the lowest for the first: whether its `x` is at most its `y`.
    fn at_most(self, x: Self::Vector, y: Self::Vector) -> u32;
}

/// `S` registers side by side: what one waits for, the others do meanwhile.
type Wide<V, const S: usize> = [<V as Vectors>::Vector; S];

/// One round; the eight working variables turn by one. `$added` is the word of the schedule with
/// its constant.
macro_rules! round {
    ($v:ident, $a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident, $added:expr) => {{
        let added = $added;
        for s in 0..S {
            let t1 = $v.add($h[s], added[s]);
            let t1 = $v.add(t1, $v.choice($e[s], $f[s], $g[s]));
            let t1 = $v.add(t1, $v.big_sigma_1($e[s]));
            let t2 = $v.add($v.majority($a[s], $b[s], $c[s]), $v.big_sigma_0($a[s]));
            $d[s] = $v.add($d[s], t1);
            $h[s] = $v.add(t1, t2);
        }
    }};
}

/// Eight rounds, after which the variables are where they were; `$added` is a macro.
macro_rules! eight_rounds {
    ($v:ident, $state:ident, $at:expr, $added:ident) => {{
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = $state;
        round!($v, a b c d e f g h, $added!($at));
        round!($v, h a b c d e f g, $added!($at + 1));
        round!($v, g h a b c d e f, $added!($at + 2));
        round!($v, f g h a b c d e, $added!($at + 3));
        round!($v, e f g h a b c d, $added!($at + 4));
        round!($v, d e f g h a b c, $added!($at + 5));
        round!($v, c d e f g h a b, $added!($at + 6));
        round!($v, b c d e f g h a, $added!($at + 7));
        $state = [a, b, c, d, e, f, g, h];
    }};
}

/// [`Lanes::scan`](super::lanes::Lanes::scan) in `S` streams. Inlined into a function whose
/// target features are those of `v`.
#[inline(always)]
pub(super) fn scan<V: Vectors, const S: usize>(
    v: V,
    decade: &Decade,
    rest: &[Schedule],
    numbers: Range<usize>,
) -> Option<Candidates> {
    const { assert!(V::LANES * S <= MAX_LANES) };
    let &Decade { first, last, shift, head, .. } = decade;
    let first_rounds = decade.first_rounds();
    let same = decade.same_of_16_to_31();
    let start = decade.before(first);
    let most = v.splat(decade.most);
    let mut late_k = [[0; 16]; 2];
    late_k.as_flattened_mut().copy_from_slice(&K[32..]);
    if rest.is_empty() {
        late_k[1][15] = K[63].wrapping_add(head[0]);
    }

    let tens = numbers.start / UNITS..numbers.end.div_ceil(UNITS);
    for ten in tens.step_by(V::LANES * S) {
        // The words that ten tries share. The words that differ, with a last digit of zero:
        let mut added = [[v.splat(0); S]; 16];
        let mut same_early = same.map(|word| [v.splat(word); S]);
        let mut word = [v.splat(0); S];
        for t in first..=last {
            for s in 0..S {
                let digits = v.load(&DIGITS[ten + s * V::LANES..][..V::LANES]);
                let digits = match t == last {
                    true => v.shift_left(digits, 8 + shift),
                    false => v.shift_right(digits, 24 - shift),
                };
                word[s] = v.add(v.splat(decade.words[t]), digits);
                added[t][s] = v.add(v.splat(first_rounds[t]), digits);
                same_early[t][s] = v.add(same_early[t][s], digits);
                if t >= 9 {
                    same_early[t - 9][s] = v.add(same_early[t - 9][s], digits);
                }
                // The last word's come with its last digit.
                if t >= 1 && t < last {
                    same_early[t - 1][s] = v.add(same_early[t - 1][s], v.small_sigma_0(word[s]));
                }
                if t >= 14 && t < last {
                    same_early[t - 14][s] = v.add(same_early[t - 14][s], v.small_sigma_1(word[s]));
                }
            }
        }
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] =
            start.map(|word| [v.splat(word); S]);
        for added in &added[first..=last] {
            round!(v, a b c d e f g h, *added);
            (a, b, c, d, e, f, g, h) = (h, a, b, c, d, e, f, g);
        }
        let shared = [a, b, c, d, e, f, g, h];
        let mut early = same_early;

        let mut found = [[0; S]; UNITS];
        let mut any = 0;
        for (unit, found) in (0..).zip(&mut found) {
            let digit = v.splat(unit << shift);
            let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = shared;
            for s in 0..S {
                // The rest of the last word's round.
                a[s] = v.add(a[s], digit);
                e[s] = v.add(e[s], digit);
                let word = v.add(word[s], digit);
                early[last][s] = v.add(same_early[last][s], digit);
                if last >= 1 {
                    early[last - 1][s] = v.add(same_early[last - 1][s], v.small_sigma_0(word));
                }
                if last >= 9 {
                    early[last - 9][s] = v.add(same_early[last - 9][s], digit);
                }
                if last >= 14 {
                    early[last - 14][s] = v.add(same_early[last - 14][s], v.small_sigma_1(word));
                }
            }
            for &added in &first_rounds[last + 1..] {
                round!(v, a b c d e f g h, [v.splat(added); S]);
                (a, b, c, d, e, f, g, h) = (h, a, b, c, d, e, f, g);
            }
            let mut state = [a, b, c, d, e, f, g, h];
            let mut w: [Wide<V, S>; 16] = [[v.splat(0); S]; 16];
            macro_rules! expand_early {
                ($i:expr) => {{
                    const I: usize = $i;
                    let mut word = early[I];
                    let mut added = word;
                    for s in 0..S {
                        if I >= 7 {
                            word[s] = v.add(word[s], w[(I + 9) % 16][s]);
                        }
                        if I == 15 {
                            word[s] = v.add(word[s], v.small_sigma_0(w[0][s]));
                        }
                        if I >= 2 {
                            word[s] = v.add(word[s], v.small_sigma_1(w[(I + 14) % 16][s]));
                        }
                        added[s] = v.add(word[s], v.splat(K[16 + I]));
                    }
                    w[I] = word;
                    added
                }};
            }
            eight_rounds!(v, state, 0, expand_early);
            eight_rounds!(v, state, 8, expand_early);
            for k in &late_k {
                macro_rules! expand {
                    ($i:expr) => {{
                        const I: usize = $i;
                        let mut added = w[I];
                        for s in 0..S {
                            let word = v.add(w[I][s], w[(I + 9) % 16][s]);
                            let word = v.add(word, v.small_sigma_0(w[(I + 1) % 16][s]));
                            let word = v.add(word, v.small_sigma_1(w[(I + 14) % 16][s]));
                            w[I][s] = word;
                            added[s] = v.add(word, v.splat(k[I]));
                        }
                        added
                    }};
                }
                eight_rounds!(v, state, 0, expand);
                eight_rounds!(v, state, 8, expand);
            }
            let mut words = state[0];
            if !rest.is_empty() {
                words = after_rest(v, state, head.map(|word| [v.splat(word); S]), rest);
            }
            for s in 0..S {
                found[s] = v.at_most(words[s], most);
                any |= found[s];
            }
        }
        if any != 0 {
            let lanes = V::LANES * S;
            let mut numbers = Vec::new();
            for (lane, unit) in (0..lanes).flat_map(|lane| (0..UNITS).map(move |unit| (lane, unit)))
            {
                if found[unit][lane / V::LANES] >> (lane % V::LANES) & 1 == 1 {
                    numbers.push((ten + lane) * UNITS + unit);
                }
            }
            return Some(Candidates { numbers, next: (ten + lanes) * UNITS });
        }
    }
    None
}

/// The first word after the blocks behind the digits, from the working variables before them.
#[inline(always)]
fn after_rest<V: Vectors, const S: usize>(
    v: V,
    working: [Wide<V, S>; 8],
    head: [Wide<V, S>; 8],
    rest: &[Schedule],
) -> Wide<V, S> {
    let mut working = working;
    let mut state = head;
    for schedule in rest {
        add_to(v, &mut state, &working);
        working = state;
        let (eights, _) = schedule.as_chunks::<8>();
        for eight in eights {
            macro_rules! added {
                ($i:expr) => {
                    [v.splat(eight[$i]); S]
                };
            }
            eight_rounds!(v, working, 0, added);
        }
    }
    add_to(v, &mut state, &working);
    state[0]
}

#[inline(always)]
fn add_to<V: Vectors, const S: usize>(
    v: V,
    state: &mut [Wide<V, S>; 8],
    working: &[Wide<V, S>; 8],
) {
    for (state, working) in state.iter_mut().zip(working) {
        for s in 0..S {
            state[s] = v.add(state[s], working[s]);
        }
    }
}
