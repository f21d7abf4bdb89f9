//! A link: a grant as text, with the keys that open what it grants and where the cloud is found, `pmg1…`.
//!
//! Layout before base32: version u8 · reserved u8 · ticket (an address) u16 + bytes · grant u16 + bytes · secret of its holder 32 ·
//! keys u16 + bytes (`seal` reads them) · checksum 4, the first bytes of the BLAKE3 hash of all before it. Whoever has the text
//! has all of it.

use crate::limits::LINK_TEXT_MAX;
use crate::ticket::{Ticket, TicketError, TicketKind, parse_body};
use model::ids::base32;
use std::fmt;
use std::str::FromStr;

const VERSION: u8 = 1;
const CHECKSUM: usize = 4;

/// A grant, its keys and an address.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    /// Where the cloud is found.
    pub address: Ticket,
    /// The grant.
    pub grant: Vec<u8>,
    /// Secret that proves one holds it.
    pub secret: [u8; 32],
    /// Keys, as bytes.
    pub keys: Vec<u8>,
}

impl Link {
    /// Every link begins so.
    pub const PREFIX: &'static str = "pmg1";
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = vec![VERSION, 0];
        let put = |bytes: &[u8], out: &mut Vec<u8>| {
            out.extend_from_slice(&u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_le_bytes());
            out.extend_from_slice(bytes);
        };
        put(&self.address.body(), &mut out);
        put(&self.grant, &mut out);
        out.extend_from_slice(&self.secret);
        put(&self.keys, &mut out);
        let sum = blake3::hash(&out);
        out.extend_from_slice(&sum.as_bytes()[..CHECKSUM]);
        write!(f, "{}{}", Self::PREFIX, base32().encode(&out))
    }
}

impl fmt::Debug for Link {
    /// Without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({:?})", self.address)
    }
}

impl FromStr for Link {
    type Err = TicketError;

    fn from_str(text: &str) -> Result<Self, TicketError> {
        if text.len() > LINK_TEXT_MAX {
            return Err(TicketError::Damaged);
        }
        let clean: String = text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_lowercase()).collect();
        let encoded = clean.strip_prefix(Self::PREFIX).ok_or(TicketError::NotATicket)?;
        let bytes = base32().decode(encoded.as_bytes()).map_err(|_| TicketError::Damaged)?;
        let (body, sum) = bytes.split_at_checked(bytes.len().wrapping_sub(CHECKSUM)).ok_or(TicketError::Damaged)?;
        if blake3::hash(body).as_bytes()[..CHECKSUM] != *sum {
            return Err(TicketError::Damaged);
        }
        match body.split_at_checked(2) {
            Some(([VERSION, 0], rest)) => parse(rest).ok_or(TicketError::Damaged),
            Some(([version, _], _)) => Err(TicketError::Version(*version)),
            _ => Err(TicketError::Damaged),
        }
    }
}

fn parse(mut rest: &[u8]) -> Option<Link> {
    fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
        let (len, tail) = rest.split_first_chunk::<2>()?;
        let (bytes, tail) = tail.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
        *rest = tail;
        Some(bytes)
    }
    let address = parse_body(take(&mut rest)?).filter(|ticket| ticket.kind == TicketKind::Address)?;
    let grant = take(&mut rest)?.to_vec();
    let (secret, tail) = rest.split_first_chunk::<32>()?;
    rest = tail;
    let keys = take(&mut rest)?.to_vec();
    rest.is_empty().then_some(Link { address, grant, secret: *secret, keys })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{CloudKey, Stamp};
    use proptest::prelude::*;

    #[test]
    fn a_link_reads_back_and_a_cut_or_changed_one_is_damaged() {
        let direct = vec!["192.168.1.5:7701".parse().unwrap()];
        let (cloud, secret, expires) = (CloudKey([3; 32]), [0; 16], Stamp(0));
        let address = Ticket { kind: TicketKind::Address, cloud, secret, expires, direct, relay: None };
        let link = Link { address, grant: vec![1; 300], secret: [9; 32], keys: vec![2; 200] };
        let text = link.to_string();
        assert_eq!(text.parse(), Ok(link.clone()));
        assert_eq!(format!(" {}\n{}", &text[..50].to_uppercase(), &text[50..]).parse(), Ok(link.clone()));
        assert!((4..text.len()).step_by(7).all(|cut| text[..cut].parse::<Link>().is_err()));
        assert!(!format!("{link:?}").contains("9, 9"));
        assert_eq!("pumasi1abc".parse::<Link>(), Err(TicketError::NotATicket));
    }

    proptest! {
        #[test]
        fn random_bodies_never_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&body);
        }
    }
}
