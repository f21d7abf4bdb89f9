//! A ticket: pasteable right to join, `pumasi1…`.
//!
//! Layout before base32: version u8 · kind u8 (0 join as a member, 1 join as a member's device, 2 an address only) · cloud key 32 ·
//! secret 16 · expiry u32 s · entries (tag u8, body) · checksum 4. Entry tags: 1 IPv4 address (4 + port u16), 2 IPv6 address (16 + port u16), 3 relay by IPv4,
//! 4 relay by IPv6, 5 relay by name (length u8, name), each relay followed by port u16 and discovery port u16.
//! Integers little-endian; the checksum is the first 4 bytes of the BLAKE3 hash of all before it. It needs no signature:
//! whoever sends it vouches for the key in it. Upper case, spaces and line breaks that a chat adds are forgiven.

use crate::addr::{PeerAddr, RelayHint};
use crate::limits::{TICKET_ADDRS_MAX, TICKET_TEXT_MAX};
use model::ids::base32;
use model::program::TICKET_PREFIX;
use model::{CloudKey, NodeId, Stamp};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// What a ticket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TicketKind {
    /// To join the cloud as a member of one's own.
    #[default]
    Member = 0,
    /// To become a device of the member who made it.
    Device = 1,
    /// No right at all: where the cloud is found.
    Address = 2,
}

/// A right to join one cloud.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    /// What for.
    pub kind: TicketKind,
    /// The cloud; also the key its center proves when dialed.
    pub cloud: CloudKey,
    /// One-time secret; the center knows its hash.
    pub secret: [u8; 16],
    /// Until when.
    pub expires: Stamp,
    /// Where the center may be dialed.
    pub direct: Vec<SocketAddr>,
    /// The relay it listens at.
    pub relay: Option<RelayHint>,
}

/// Why a text is not a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// It does not begin as a ticket does.
    #[error("a ticket begins with `pumasi1`")]
    NotATicket,
    /// Letters are missing or changed.
    #[error("the ticket is damaged (checksum)")]
    Damaged,
    /// A newer program made it.
    #[error("the ticket is of format {0}, this program reads format 1")]
    Version(u8),
}

const VERSION: u8 = 1;
const CHECKSUM: usize = 4;

impl Ticket {
    /// Hash of the secret as the center keeps it.
    pub fn secret_hash(secret: &[u8; 16]) -> [u8; 32] {
        blake3::derive_key("pumasi v1 ticket secret", secret)
    }

    /// Where to dial the center, as a peer address.
    pub fn center(&self) -> PeerAddr {
        PeerAddr {
            id: NodeId(self.cloud.0),
            direct: self.direct.clone(),
            relays: self.relay.clone().into_iter().collect(),
        }
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        let mut out = vec![VERSION, self.kind as u8];
        out.extend_from_slice(self.cloud.as_bytes());
        out.extend_from_slice(&self.secret);
        let seconds = u32::try_from(self.expires.as_ms() / 1000).unwrap_or(u32::MAX);
        out.extend_from_slice(&seconds.to_le_bytes());
        for addr in self.direct.iter().take(TICKET_ADDRS_MAX) {
            put_addr(&mut out, 1, addr.ip());
            out.extend_from_slice(&addr.port().to_le_bytes());
        }
        if let Some(relay) = &self.relay {
            match relay.host.parse::<IpAddr>() {
                Ok(ip) => put_addr(&mut out, 3, ip),
                Err(_) => {
                    let name = &relay.host.as_bytes()[..relay.host.len().min(253)];
                    out.push(5);
                    out.push(name.len() as u8);
                    out.extend_from_slice(name);
                }
            }
            out.extend_from_slice(&relay.port.to_le_bytes());
            out.extend_from_slice(&relay.quic_port.to_le_bytes());
        }
        out
    }
}

/// Appends tag `v4_tag` or the next one, and the address.
fn put_addr(out: &mut Vec<u8>, v4_tag: u8, ip: IpAddr) {
    match ip {
        IpAddr::V4(v4) => {
            out.push(v4_tag);
            out.extend_from_slice(&v4.octets());
        }
        IpAddr::V6(v6) => {
            out.push(v4_tag + 1);
            out.extend_from_slice(&v6.octets());
        }
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.body();
        let sum = blake3::hash(&bytes);
        bytes.extend_from_slice(&sum.as_bytes()[..CHECKSUM]);
        write!(f, "{TICKET_PREFIX}{}", base32().encode(&bytes))
    }
}

impl fmt::Debug for Ticket {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket({}, until {})", self.cloud.short(), self.expires)
    }
}

impl FromStr for Ticket {
    type Err = TicketError;

    fn from_str(text: &str) -> Result<Self, TicketError> {
        if text.len() > TICKET_TEXT_MAX {
            return Err(TicketError::Damaged);
        }
        let clean: String = text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_lowercase()).collect();
        let encoded = clean.strip_prefix(TICKET_PREFIX).ok_or(TicketError::NotATicket)?;
        let bytes = base32().decode(encoded.as_bytes()).map_err(|_| TicketError::Damaged)?;
        let (body, sum) = bytes.split_at_checked(bytes.len().wrapping_sub(CHECKSUM)).ok_or(TicketError::Damaged)?;
        if blake3::hash(body).as_bytes()[..CHECKSUM] != *sum {
            return Err(TicketError::Damaged);
        }
        match body.first() {
            Some(&VERSION) => parse_body(body).ok_or(TicketError::Damaged),
            Some(&other) => Err(TicketError::Version(other)),
            None => Err(TicketError::Damaged),
        }
    }
}

/// Reads the fields after the checksum was found right; nothing may be left over.
pub(crate) fn parse_body(body: &[u8]) -> Option<Ticket> {
    let kind = match body.get(1)? {
        0 => TicketKind::Member,
        1 => TicketKind::Device,
        2 => TicketKind::Address,
        _ => return None,
    };
    let mut rest = Reader(body.get(2..)?);
    let cloud = CloudKey(rest.take()?);
    let secret = rest.take()?;
    let expires = Stamp(u64::from(u32::from_le_bytes(rest.take()?)) * 1000);
    let mut direct = Vec::new();
    let mut relay = None;
    while let Some(tag) = rest.byte() {
        match tag {
            1 | 2 if direct.len() < TICKET_ADDRS_MAX => {
                let ip = rest.ip(tag == 2)?;
                direct.push(SocketAddr::new(ip, rest.u16()?));
            }
            3..=5 if relay.is_none() => {
                let host = if tag == 5 { rest.name()? } else { rest.ip(tag == 4)?.to_string() };
                let (port, quic_port) = (rest.u16()?, rest.u16()?);
                relay = Some(RelayHint { host, port, quic_port, key: NodeId(cloud.0) });
            }
            _ => return None,
        }
    }
    Some(Ticket { kind, cloud, secret, expires, direct, relay })
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk::<N>()?;
        self.0 = tail;
        Some(*head)
    }
    fn byte(&mut self) -> Option<u8> {
        self.take::<1>().map(|b| b[0])
    }
    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }
    fn ip(&mut self, v6: bool) -> Option<IpAddr> {
        if v6 {
            self.take().map(|b| Ipv6Addr::from(b).into())
        } else {
            self.take::<4>().map(|b| Ipv4Addr::from(b).into())
        }
    }
    fn name(&mut self) -> Option<String> {
        let len = usize::from(self.byte()?);
        let (name, tail) = self.0.split_at_checked(len)?;
        self.0 = tail;
        String::from_utf8(name.to_vec()).ok().filter(|n| !n.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Ticket {
        Ticket {
            kind: TicketKind::Member,
            cloud: CloudKey([3; 32]),
            secret: [9; 16],
            expires: Stamp(1_800_000_000_000),
            direct: vec!["192.168.1.5:7701".parse().unwrap(), "[2001:db8::1]:7701".parse().unwrap()],
            relay: Some(RelayHint { host: "192.168.1.5".into(), port: 7702, quic_port: 7703, key: NodeId([3; 32]) }),
        }
    }

    #[test]
    fn a_ticket_reads_back_also_in_upper_case_with_line_breaks() {
        let text = sample().to_string();
        assert_eq!(text.parse(), Ok(sample()));
        let chat = format!(" {}\n{} ", text[..40].to_uppercase(), &text[40..]);
        assert_eq!(chat.parse(), Ok(sample()));
    }

    #[test]
    fn an_ordinary_ticket_has_at_most_170_characters() {
        let mut t = sample();
        t.direct.truncate(1);
        assert!((115..=170).contains(&t.to_string().len()), "{}", t.to_string().len());
    }

    #[test]
    fn a_truncated_or_changed_ticket_is_damaged() {
        let text = sample().to_string();
        for cut in 8..text.len() {
            assert!(text[..cut].parse::<Ticket>().is_err(), "cut at {cut}");
        }
        for at in 7..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'a' { b'b' } else { b'a' };
            assert!(String::from_utf8(changed).unwrap().parse::<Ticket>().is_err(), "changed at {at}");
        }
        assert_eq!("hello".parse::<Ticket>(), Err(TicketError::NotATicket));
    }

    #[test]
    fn its_debug_form_hides_the_secret() {
        assert!(!format!("{:?}", sample()).contains("9, 9"));
    }

    proptest! {
        #[test]
        fn random_bodies_with_a_right_checksum_never_panic(mut body in proptest::collection::vec(any::<u8>(), 0..120)) {
            let sum = blake3::hash(&body);
            body.extend_from_slice(&sum.as_bytes()[..CHECKSUM]);
            let text = format!("{TICKET_PREFIX}{}", base32().encode(&body));
            if let Ok(ticket) = text.parse::<Ticket>() {
                prop_assert_eq!(ticket.to_string().parse::<Ticket>(), Ok(ticket));
            }
        }
    }
}
