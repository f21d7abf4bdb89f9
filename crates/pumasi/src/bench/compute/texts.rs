//! Text that jobs read, made from a seed, and plain programs that do to it what the guests do.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use std::collections::HashMap;

/// Different words.
const WORDS: usize = 50_000;
/// Words of a line at most.
const LINE_MAX: u32 = 16;

/// So many bytes of lines, or a few more: a word of rank n is as frequent as 1/n, as in languages.
pub fn made(bytes: usize, seed: u64) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let words: Vec<Vec<u8>> = (0..WORDS).map(|_| word(&mut rng)).collect();
    let most = (WORDS as f64).ln();
    let mut text = Vec::with_capacity(bytes + 512);
    while text.len() < bytes {
        let count = 4 + rng.next_u32() % (LINE_MAX - 3);
        for at in 0..count {
            let share = f64::from(rng.next_u32()) / f64::from(u32::MAX);
            let rank = (most * share).exp() as usize;
            if at > 0 {
                text.push(b' ');
            }
            text.extend(&words[rank.min(WORDS) - 1]);
        }
        text.push(b'\n');
    }
    text
}

/// A word of 2 to 11 letters, one in eight with a capital.
fn word(rng: &mut ChaCha8Rng) -> Vec<u8> {
    let len = 2 + rng.next_u32() % 10;
    let mut word: Vec<u8> = (0..len).map(|_| b'a' + (rng.next_u32() % 26) as u8).collect();
    if rng.next_u32().is_multiple_of(8) {
        word[0].make_ascii_uppercase();
    }
    word
}

/// The words of a text with their counts, as `word TAB count LF`, sorted. Words are runs of ASCII letters, digits and bytes
/// from 0x80 on; A to Z become a to z.
pub fn counted(text: &[u8]) -> Vec<u8> {
    let mut counts: HashMap<Vec<u8>, u64> = HashMap::new();
    let mut lower = Vec::new();
    for word in text.split(|b| !(b.is_ascii_alphanumeric() || *b >= 0x80)).filter(|word| !word.is_empty()) {
        lower.clear();
        lower.extend(word.iter().map(u8::to_ascii_lowercase));
        match counts.get_mut(&lower) {
            Some(count) => *count += 1,
            None => drop(counts.insert(lower.clone(), 1)),
        }
    }
    let mut all: Vec<(Vec<u8>, u64)> = counts.into_iter().collect();
    all.sort_unstable();
    let mut out = Vec::new();
    for (word, count) in all {
        out.extend(word);
        out.push(b'\t');
        out.extend(count.to_string().bytes());
        out.push(b'\n');
    }
    out
}

/// The lines of a text in the order of their bytes.
pub fn sorted(text: &[u8]) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
    lines.sort_unstable_by(|a, b| without_end(a).cmp(without_end(b)));
    let mut out = Vec::with_capacity(text.len() + 1);
    for line in lines {
        out.extend(without_end(line));
        out.push(b'\n');
    }
    out
}

/// A line without its LF.
pub fn without_end(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

/// Lines that part a text into about `parts` equal shares, from a seeded sample.
pub fn cuts(text: &[u8], parts: usize, seed: u64) -> Vec<String> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed);
    let mut sample: Vec<&[u8]> = (0..parts * 200)
        .filter_map(|_| {
            let at = usize::try_from(rng.next_u64() % text.len() as u64).ok()?;
            let from = at + text[at..].iter().position(|b| *b == b'\n')? + 1;
            let end = from + text[from..].iter().position(|b| *b == b'\n')?;
            Some(&text[from..end])
        })
        .collect();
    sample.sort_unstable();
    let mut cuts: Vec<String> = (1..parts)
        .filter_map(|part| sample.get(part * sample.len() / parts))
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    cuts.dedup();
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_one_text_of_whole_lines() {
        let text = made(10_000, 3);
        assert_eq!(text, made(10_000, 3));
        assert_ne!(text, made(10_000, 4));
        assert!(text.len() >= 10_000 && text.ends_with(b"\n"));
    }

    #[test]
    fn plain_programs_count_and_sort() {
        assert_eq!(counted(b"The cat, the CAT's\n"), b"cat\t2\ns\t1\nthe\t2\n");
        assert_eq!(sorted(b"b\na\nab\n\nb"), b"\na\nab\nb\nb\n");
        let text = made(100_000, 3);
        let cuts = cuts(&text, 4, 1);
        assert!(cuts.len() == 3 && cuts.is_sorted());
    }
}
