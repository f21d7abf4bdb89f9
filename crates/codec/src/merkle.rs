//! A binary hash tree over few leaves: an odd node is carried up. Leaves are told apart from inner nodes, and from leaves of other
//! trees, by the key their maker hashes them with.

const INNER: &str = "pumasi v1 piece node";

/// All levels of the tree, leaves first, the root alone at the end.
pub fn levels(leaves: Vec<[u8; 32]>) -> Vec<Vec<[u8; 32]>> {
    let mut level = leaves;
    let mut all = vec![level.clone()];
    while level.len() > 1 {
        level = level.chunks(2).map(|pair| if let [a, b] = pair { inner(a, b) } else { pair[0] }).collect();
        all.push(level.clone());
    }
    all
}

/// Hashes beside the way from leaf `at` to the root, lowest first.
pub fn path_in(levels: &[Vec<[u8; 32]>], mut at: usize) -> Vec<[u8; 32]> {
    let mut path = Vec::new();
    for level in levels {
        path.extend(level.get(at ^ 1));
        at /= 2;
    }
    path
}

/// The root that a path leads to from leaf `at` of `width`; none where it is too short or too long.
pub fn climb(leaf: [u8; 32], mut at: usize, mut width: usize, path: &[[u8; 32]]) -> Option<[u8; 32]> {
    let (mut hash, mut path) = (leaf, path.iter());
    while width > 1 {
        if at ^ 1 < width {
            let beside = path.next()?;
            hash = if at.is_multiple_of(2) { inner(&hash, beside) } else { inner(beside, &hash) };
        }
        at /= 2;
        width = width.div_ceil(2);
    }
    path.next().is_none().then_some(hash)
}

fn inner(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(INNER);
    *hasher.update(left).update(right).finalize().as_bytes()
}
