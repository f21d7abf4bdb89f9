//! Signatures of version 4 as a client makes them: of a request's head, of an address, of the chunks of a body and of what trails
//! it. The demo and the tests sign with it; `s3s` checks.

use crate::wall::{ALGORITHM, REGION};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use model::Stamp;
use sha2::{Digest, Sha256};

/// SHA-256 of nothing.
pub const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// The body is not part of the signature.
pub const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
/// The body comes in signed chunks.
pub const CHUNKS: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
/// The same, with signed headers behind it.
pub const CHUNKS_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
/// Chunks that are not signed, with headers behind them.
pub const UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// What is signed of a request.
pub struct SignAsk<'a> {
    /// `GET`, `PUT` …
    pub method: &'a str,
    /// The path as it is sent, percent-encoded.
    pub path: &'a str,
    /// The query, plain.
    pub query: &'a [(String, String)],
    /// Headers that are signed, in small letters, `host` among them.
    pub headers: &'a [(String, String)],
    /// SHA-256 of the body in hex, or the word for how it is signed.
    pub payload: &'a str,
}

/// Signs with one key at one moment.
pub struct Signer {
    id: String,
    date: String,
    key: [u8; 32],
}

/// SHA-256 in hex.
pub fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

fn hmac(key: &[u8], bytes: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length is one");
    mac.update(bytes);
    mac.finalize().into_bytes().into()
}

/// `20261130T094623Z`.
pub fn date(at: Stamp) -> String {
    at.to_string().replace(['-', ':'], "")
}

/// Percent-encoded as S3 does; `/` stays in a path.
pub fn encode(text: &str, is_path: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b'/' if is_path => out.push('/'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The opposite; nothing for what is no text.
pub fn decode(text: &str) -> Option<String> {
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let (hex, tail) = rest.split_first_chunk::<2>()?;
        out.push(u8::from_str_radix(std::str::from_utf8(hex).ok().filter(|h| !h.starts_with('+'))?, 16).ok()?);
        rest = tail;
    }
    String::from_utf8(out).ok()
}

/// A query as it is sent and signed: encoded, in order.
pub fn query_string(query: &[(String, String)]) -> String {
    let mut pairs: Vec<_> = query.iter().map(|(key, value)| (encode(key, false), encode(value, false))).collect();
    pairs.sort();
    pairs.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&")
}

impl Signer {
    /// With a key's id and secret.
    pub fn new(id: &str, secret: &str, at: Stamp) -> Self {
        let date = date(at);
        let steps = [&date[..8], REGION, "s3", "aws4_request"];
        let first = hmac(format!("AWS4{secret}").as_bytes(), steps[0].as_bytes());
        let key = steps[1..].iter().fold(first, |key, step| hmac(&key, step.as_bytes()));
        Self { id: id.to_owned(), date, key }
    }

    /// The moment it signs for.
    pub fn date(&self) -> &str {
        &self.date
    }

    fn scope(&self) -> String {
        format!("{}/{REGION}/s3/aws4_request", &self.date[..8])
    }

    /// The credential it signs as.
    pub fn credential(&self) -> String {
        format!("{}/{}", self.id, self.scope())
    }

    fn sign(&self, text: &str) -> String {
        HEXLOWER.encode(&hmac(&self.key, text.as_bytes()))
    }

    /// The signature of a request, and the names of what it covers.
    pub fn request(&self, ask: &SignAsk<'_>) -> (String, String) {
        let mut headers: Vec<&(String, String)> = ask.headers.iter().collect();
        headers.sort();
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        let lines: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
        let (names, query) = (names.join(";"), query_string(ask.query));
        let canonical = format!("{}\n{}\n{query}\n{lines}\n{names}\n{}", ask.method, ask.path, ask.payload);
        let text = format!("{ALGORITHM}\n{}\n{}\n{}", self.date, self.scope(), sha256(canonical.as_bytes()));
        (self.sign(&text), names)
    }

    /// The value of the header that signs a request, and the signature in it, from which chunks go on.
    pub fn authorization(&self, ask: &SignAsk<'_>) -> (String, String) {
        let (signature, names) = self.request(ask);
        let credential = self.credential();
        (format!("{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"), signature)
    }

    /// The query of an address that is good for so many seconds.
    pub fn presign(&self, ask: &SignAsk<'_>, expires_s: u64) -> Vec<(String, String)> {
        let mut names: Vec<&str> = ask.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        let pair = |key: &str, value: String| (key.to_owned(), value);
        let mut query = ask.query.to_vec();
        query.extend([
            pair("X-Amz-Algorithm", ALGORITHM.to_owned()),
            pair("X-Amz-Credential", self.credential()),
            pair("X-Amz-Date", self.date.clone()),
            pair("X-Amz-Expires", expires_s.to_string()),
            pair("X-Amz-SignedHeaders", names.join(";")),
        ]);
        let (signature, _) = self.request(&SignAsk { query: &query, payload: UNSIGNED, ..*ask });
        query.push(pair("X-Amz-Signature", signature));
        query
    }

    /// The signature of a chunk that follows the one of `before`.
    pub fn chunk(&self, before: &str, chunk: &[u8]) -> String {
        let (kind, scope) = (format!("{ALGORITHM}-PAYLOAD"), self.scope());
        self.sign(&format!("{kind}\n{}\n{scope}\n{before}\n{EMPTY}\n{}", self.date, sha256(chunk)))
    }

    /// The signature of headers behind the last chunk.
    pub fn trailer(&self, before: &str, lines: &str) -> String {
        let (kind, scope) = (format!("{ALGORITHM}-TRAILER"), self.scope());
        self.sign(&format!("{kind}\n{}\n{scope}\n{before}\n{}", self.date, sha256(lines.as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Key, moment and chain of the example in S3's own documentation.
    fn example() -> Signer {
        let at = crate::wall::time_of("20130524T000000Z").unwrap();
        Signer::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", at)
    }

    #[test]
    fn signatures_are_those_of_the_documentation() {
        let signer = example();
        let text = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let headers = text(&[
            ("host", "examplebucket.s3.amazonaws.com"),
            ("range", "bytes=0-9"),
            ("x-amz-content-sha256", EMPTY),
            ("x-amz-date", "20130524T000000Z"),
        ]);
        let ask = SignAsk { method: "GET", path: "/test.txt", query: &[], headers: &headers, payload: EMPTY };
        assert_eq!(signer.request(&ask).0, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
        let query = text(&[("max-keys", "2"), ("prefix", "J")]);
        let fewer: Vec<_> = headers.iter().filter(|(name, _)| name != "range").cloned().collect();
        let ask = SignAsk { path: "/", query: &query, headers: &fewer, ..ask };
        assert_eq!(signer.request(&ask).0, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
        let host = text(&[("host", "examplebucket.s3.amazonaws.com")]);
        let signed = signer.presign(&SignAsk { path: "/test.txt", query: &[], headers: &host, ..ask }, 86_400);
        assert_eq!(
            signed.last().map(|(_, value)| value.as_str()),
            Some("aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")
        );
        let seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
        let first = signer.chunk(seed, &[b'a'; 65_536]);
        assert_eq!(first, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648");
        assert_eq!(
            signer.chunk(&first, &[b'a'; 1_024]),
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"
        );
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_the_same(text in ".{0,40}", path in any::<bool>()) {
            prop_assert_eq!(decode(&encode(&text, path)), Some(text));
        }

        #[test]
        fn any_text_decodes_or_is_refused(text in ".{0,40}") {
            let _ = decode(&text);
        }
    }
}
