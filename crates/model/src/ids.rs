//! Ids, one type per kind. They print as a kind letter and lower-case base32 without padding; a unique prefix of at
//! least four characters is enough wherever a person types one.

use crate::ParseError;
use data_encoding::Encoding;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Lower-case RFC 4648 base32 without padding.
pub fn base32() -> &'static Encoding {
    static ENC: std::sync::OnceLock<Encoding> = std::sync::OnceLock::new();
    ENC.get_or_init(|| {
        let mut spec = data_encoding::Specification::new();
        spec.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
        spec.encoding().expect("the alphabet has 32 distinct symbols")
    })
}

macro_rules! byte_id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $letter:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;
            /// Letter that begins the printed form.
            pub const LETTER: char = $letter;

            /// The id's bytes.
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Reads an id from a slice of exactly its length.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// First ten characters of the printed form, for tables; not unique by promise.
            pub fn short(&self) -> String {
                self.to_string().chars().take(10).collect()
            }

            /// True when the printed form begins with `prefix` and the prefix has at least four characters.
            pub fn has_prefix(&self, prefix: &str) -> bool {
                prefix.len() >= 4 && self.to_string().starts_with(prefix)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $letter, base32().encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.short())
            }
        }

        impl FromStr for $name {
            type Err = ParseError;
            fn from_str(text: &str) -> Result<Self, ParseError> {
                let bad = |why| ParseError::new($what, text, why);
                let body = text.strip_prefix($letter).ok_or_else(|| bad(concat!("it begins with another letter than `", $letter, "`")))?;
                let bytes = base32().decode(body.as_bytes()).map_err(|_| bad("it is not base32"))?;
                Self::from_slice(&bytes).ok_or_else(|| bad("it has another length"))
            }
        }
    };
}

byte_id!(
    /// A node: the Ed25519 public key of a machine, which is also its transport endpoint id.
    NodeId, 32, 'n', "node id"
);
byte_id!(
    /// A member's device: the Ed25519 public key of that machine. A machine that lends and uses has one key for both.
    DeviceId, 32, 'd', "device id"
);
byte_id!(
    /// A cloud: its Ed25519 public key, pinned by everybody at join.
    CloudKey, 32, 'c', "cloud key"
);
byte_id!(
    /// A member's account: the first 16 bytes of the hash of entry 0 of its device log.
    MemberId, 16, 'm', "member id"
);
byte_id!(
    /// A member's account as its own devices know it: the beginning of the hash of its device log's first entry.
    AccountId, 16, 'a', "account id"
);
byte_id!(
    /// A bucket, random.
    BucketId, 16, 'b', "bucket id"
);
byte_id!(
    /// A segment: the commitment to all its possible pieces (see `codec`).
    SegmentId, 32, 's', "segment id"
);
byte_id!(
    /// A ticket at the center, random; the secret of the ticket is something else.
    TicketId, 8, 't', "ticket id"
);
byte_id!(
    /// A job, random.
    JobId, 16, 'j', "job id"
);

byte_id!(
    /// A transfer of the ledger: 48 bits of milliseconds and 80 random ones, or the beginning of a hash (see `ledger`).
    TransferId, 16, 'x', "transfer id"
);

impl From<NodeId> for DeviceId {
    fn from(node: NodeId) -> Self {
        Self(node.0)
    }
}

impl From<DeviceId> for NodeId {
    fn from(device: DeviceId) -> Self {
        Self(device.0)
    }
}

/// Number of a node inside its cell; what placement groups and presence keep instead of 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Alias(pub u32);

impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Number of a placement group inside its cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PgId(pub u32);

impl PgId {
    /// No group: pieces of fill tests stand under it. They are nobody's data and no group's log names them.
    pub const FILL: Self = Self(u32::MAX);
}

impl fmt::Display for PgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pg{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_from_its_printed_form() {
        let id = NodeId([7; 32]);
        assert_eq!(id.to_string().parse::<NodeId>(), Ok(id));
        assert!(id.to_string().starts_with('n'));
    }

    #[test]
    fn a_foreign_letter_length_or_alphabet_is_refused_with_its_reason() {
        assert!(MemberId([1; 16]).to_string().parse::<NodeId>().unwrap_err().why.contains("another letter"));
        assert!("nab".parse::<NodeId>().is_err());
        assert!("n!!".parse::<NodeId>().unwrap_err().why.contains("base32"));
    }

    #[test]
    fn prefixes_need_four_characters() {
        let id = NodeId([7; 32]);
        let text = id.to_string();
        assert!(id.has_prefix(&text[..4]));
        assert!(!id.has_prefix(&text[..3]));
    }
}
