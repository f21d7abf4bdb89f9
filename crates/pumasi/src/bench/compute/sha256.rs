//! The hash tree of `guests/src/sha256tree.c` as a native program: SHA-256 in plain code, without the processor's instructions for
//! it, which a guest does not have either.

/// Bytes of a leaf.
const LEAF: usize = 65_536;
const BEGIN: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
const ROUNDS: [u32; 64] = [
    0x428a_2f98,
    0x7137_4491,
    0xb5c0_fbcf,
    0xe9b5_dba5,
    0x3956_c25b,
    0x59f1_11f1,
    0x923f_82a4,
    0xab1c_5ed5,
    0xd807_aa98,
    0x1283_5b01,
    0x2431_85be,
    0x550c_7dc3,
    0x72be_5d74,
    0x80de_b1fe,
    0x9bdc_06a7,
    0xc19b_f174,
    0xe49b_69c1,
    0xefbe_4786,
    0x0fc1_9dc6,
    0x240c_a1cc,
    0x2de9_2c6f,
    0x4a74_84aa,
    0x5cb0_a9dc,
    0x76f9_88da,
    0x983e_5152,
    0xa831_c66d,
    0xb003_27c8,
    0xbf59_7fc7,
    0xc6e0_0bf3,
    0xd5a7_9147,
    0x06ca_6351,
    0x1429_2967,
    0x27b7_0a85,
    0x2e1b_2138,
    0x4d2c_6dfc,
    0x5338_0d13,
    0x650a_7354,
    0x766a_0abb,
    0x81c2_c92e,
    0x9272_2c85,
    0xa2bf_e8a1,
    0xa81a_664b,
    0xc24b_8b70,
    0xc76c_51a3,
    0xd192_e819,
    0xd699_0624,
    0xf40e_3585,
    0x106a_a070,
    0x19a4_c116,
    0x1e37_6c08,
    0x2748_774c,
    0x34b0_bcb5,
    0x391c_0cb3,
    0x4ed8_aa4a,
    0x5b9c_ca4f,
    0x682e_6ff3,
    0x748f_82ee,
    0x78a5_636f,
    0x84c8_7814,
    0x8cc7_0208,
    0x90be_fffa,
    0xa450_6ceb,
    0xbef9_a3f7,
    0xc671_78f2,
];

/// The root over `text`, as `hex TAB bytes LF`.
pub fn tree(text: &[u8]) -> Vec<u8> {
    let leaves = text.chunks(LEAF).chain(text.is_empty().then_some(text));
    let mut trees: Vec<([u8; 32], u32)> = Vec::new();
    let mut buffer = Vec::with_capacity(LEAF + 128);
    for leaf in leaves {
        buffer.clear();
        buffer.push(0);
        buffer.extend_from_slice(leaf);
        trees.push((hash(&mut buffer), 0));
        while let [.., (_, a), (_, b)] = trees[..]
            && a == b
        {
            join(&mut trees, &mut buffer);
        }
    }
    while trees.len() > 1 {
        join(&mut trees, &mut buffer);
    }
    let hex: String = trees[0].0.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex}\t{}\n", text.len()).into_bytes()
}

/// Makes one of the last two trees.
fn join(trees: &mut Vec<([u8; 32], u32)>, buffer: &mut Vec<u8>) {
    let Some((right, _)) = trees.pop() else { return };
    let Some((left, height)) = trees.pop() else { return };
    buffer.clear();
    buffer.push(1);
    buffer.extend_from_slice(&left);
    buffer.extend_from_slice(&right);
    trees.push((hash(buffer), height + 1));
}

/// SHA-256 of the buffer, which is padded in place.
fn hash(buffer: &mut Vec<u8>) -> [u8; 32] {
    let bits = buffer.len() as u64 * 8;
    buffer.push(0x80);
    buffer.resize((buffer.len() + 8).next_multiple_of(64) - 8, 0);
    buffer.extend_from_slice(&bits.to_be_bytes());
    let mut state = BEGIN;
    buffer.as_chunks::<64>().0.iter().for_each(|block| mix(&mut state, block));
    let mut out = [0; 32];
    out.as_chunks_mut::<4>().0.iter_mut().zip(state).for_each(|(bytes, word)| *bytes = word.to_be_bytes());
    out
}

#[expect(clippy::many_single_char_names, reason = "they are named so in FIPS 180-4")]
fn mix(state: &mut [u32; 8], block: &[u8; 64]) {
    let mut w = [0u32; 64];
    w.iter_mut().zip(block.as_chunks::<4>().0).for_each(|(word, bytes)| *word = u32::from_be_bytes(*bytes));
    for i in 16..64 {
        let s0 = w[i - 15].rotate_right(7) ^ w[i - 15].rotate_right(18) ^ (w[i - 15] >> 3);
        let s1 = w[i - 2].rotate_right(17) ^ w[i - 2].rotate_right(19) ^ (w[i - 2] >> 10);
        w[i] = w[i - 16].wrapping_add(s0).wrapping_add(w[i - 7]).wrapping_add(s1);
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for (word, round) in w.iter().zip(ROUNDS) {
        let s1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let one = h.wrapping_add(s1).wrapping_add((e & f) ^ (!e & g)).wrapping_add(round).wrapping_add(*word);
        let s0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let two = s0.wrapping_add((a & b) ^ (a & c) ^ (b & c));
        (h, g, f, e, d, c, b, a) = (g, f, e, d.wrapping_add(one), c, b, a, one.wrapping_add(two));
    }
    let after = [a, b, c, d, e, f, g, h];
    state.iter_mut().zip(after).for_each(|(word, more)| *word = word.wrapping_add(more));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_fips_180_4() {
        let hex =
            |bytes: &[u8]| -> String { hash(&mut bytes.to_vec()).iter().map(|byte| format!("{byte:02x}")).collect() };
        assert_eq!(hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let two_blocks = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        assert_eq!(hex(two_blocks), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    }
}
