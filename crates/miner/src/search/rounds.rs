//! SHA-256 word by word (FIPS 180-4), for the parts that are computed once for many messages.

/// A SHA-256 state, and a digest as eight big-endian words: those compare like the numbers.
pub(super) type State = [u32; 8];

/// FIPS 180-4, 4.2.2.
pub(super) const K: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];

/// The words that a block's 64 rounds add: the message schedule, each word with its constant of
/// [`K`].
pub(super) type Schedule = [u32; 64];

/// σ0 of FIPS 180-4, 4.1.2.
pub(super) fn small_sigma_0(x: u32) -> u32 {
    x.rotate_right(7) ^ x.rotate_right(18) ^ x >> 3
}

/// σ1 of FIPS 180-4, 4.1.2.
pub(super) fn small_sigma_1(x: u32) -> u32 {
    x.rotate_right(17) ^ x.rotate_right(19) ^ x >> 10
}

/// A block as the words that the rounds take.
pub(super) fn words(block: &[u8; 64]) -> [u32; 16] {
    let (words, _) = block.as_chunks::<4>();
    std::array::from_fn(|i| u32::from_be_bytes(words[i]))
}

/// The words that the rounds of a block add.
pub(super) fn schedule(block: &[u8; 64]) -> Schedule {
    let mut w = [0_u32; 64];
    w[..16].copy_from_slice(&words(block));
    for t in 16..64 {
        w[t] = small_sigma_1(w[t - 2])
            .wrapping_add(w[t - 7])
            .wrapping_add(small_sigma_0(w[t - 15]))
            .wrapping_add(w[t - 16]);
    }
    std::array::from_fn(|t| w[t].wrapping_add(K[t]))
}

/// The state after the first rounds, one for each of `words`, of which there are at most 16.
pub(super) fn after(state: State, words: &[u32]) -> State {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = state;
    for (&w, k) in words.iter().zip(K) {
        let sum_1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let sum_0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let choice = (e & f) ^ (!e & g);
        let majority = (a & b) ^ (a & c) ^ (b & c);
        let t1 = h.wrapping_add(sum_1).wrapping_add(choice).wrapping_add(k).wrapping_add(w);
        let t2 = sum_0.wrapping_add(majority);
        (h, g, f, e) = (g, f, e, d.wrapping_add(t1));
        (d, c, b, a) = (c, b, a, t1.wrapping_add(t2));
    }
    [a, b, c, d, e, f, g, h]
}
