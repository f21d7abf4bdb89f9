//! Permit, 224 bytes: center-signed leave for one session to do one kind of action on nodes, up to an amount.
//! It carries no secret; every node checks it offline with one signature (`docs/design/security.md` §6).

use super::{Fields, SIGNATURE_LEN, sign, verify};
use model::{NodeId, Span, Stamp};

const LABEL: &str = "pumasi v1 permit";
const MAGIC: &[u8; 4] = b"PMP1";

/// Clock difference that is tolerated between center, node and caller.
pub const CLOCK_TOLERANCE: Span = Span::mins(15);

/// What a permit is for. Append-only numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum PermitOp {
    /// Read pieces.
    Get = 1,
    /// Write pieces.
    Put = 2,
    /// Drop pieces.
    Delete = 3,
    /// Ask for slices with proofs.
    Audit = 4,
    /// Gather or push pieces of a repair.
    Repair = 5,
    /// Run a task.
    Task = 6,
    /// Drive load.
    Load = 7,
    /// Relay.
    Relay = 8,
    /// Measure bandwidth and round trips.
    Probe = 9,
}

impl PermitOp {
    const ALL: [Self; 9] = [
        Self::Get,
        Self::Put,
        Self::Delete,
        Self::Audit,
        Self::Repair,
        Self::Task,
        Self::Load,
        Self::Relay,
        Self::Probe,
    ];

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|op| *op as u8 == code)
    }
}

/// The caller and the node have the same owner: nothing is owed.
pub const FLAG_FREE: u16 = 1;
/// The target is a whole placement group.
pub const FLAG_WHOLE_PG: u16 = 2;

/// The fields, in the order of their offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    /// Offset 5.
    pub op: PermitOp,
    /// Offset 6: [`FLAG_FREE`], [`FLAG_WHOLE_PG`].
    pub flags: u16,
    /// Offset 8: issued ms u64 ‖ random 8.
    pub serial: [u8; 16],
    /// Offset 24: placement group (zero-padded) or the first 16 bytes of a hash.
    pub target: [u8; 16],
    /// Offset 40: the node; all zero means any member of the group at this generation.
    pub node: [u8; 32],
    /// Offset 72: key that signs calls and receipts; the connection proves it.
    pub session: [u8; 32],
    /// Offset 104: first 8 bytes of the cloud key.
    pub cloud: [u8; 8],
    /// Offset 112: payer's ledger account.
    pub payer: u64,
    /// Offset 120: most units, all nodes together (bytes, fuel or requests, by `op`).
    pub max_units: u64,
    /// Offset 128: most units at one node.
    pub max_units_node: u64,
    /// Offset 136: until when.
    pub not_after: Stamp,
    /// Offset 144: generation of the group.
    pub generation: u64,
    /// Offset 152: revocation epoch at issue.
    pub revocation_epoch: u32,
    /// Offset 156: epoch of the key that signed.
    pub key_epoch: u32,
}

/// What a node compares a permit with.
#[derive(Debug, Clone)]
pub struct PermitFacts<'a> {
    /// Keys that may sign, by epoch.
    pub keys: &'a [(u32, [u8; 32])],
    /// This node.
    pub node: NodeId,
    /// Cloud this node belongs to.
    pub cloud: [u8; 8],
    /// Generation of the group named, where this node is a member.
    pub generation: Option<u64>,
    /// What the caller wants to do.
    pub op: PermitOp,
    /// To what.
    pub target: [u8; 16],
    /// Now, by the node's clock corrected at its last check-in.
    pub now: Stamp,
    /// Newest revocation epoch the node knows.
    pub revocation_epoch: u32,
    /// Session keys revoked in that epoch, or none.
    pub revoked: &'a [[u8; 32]],
    /// Key the connection has proved.
    pub caller: NodeId,
    /// Units already given out under this serial by this node.
    pub spent: u64,
    /// Units asked for now.
    pub wanted: u64,
}

/// The first thing that is wrong with a permit, in the order in which a node looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PermitRefusal {
    /// Length, magic, format or reserved bytes.
    #[error("permit_malformed")]
    Malformed,
    /// Not signed by the key it names.
    #[error("permit_signature")]
    Signature,
    /// Signed by a key that is not in the list.
    #[error("permit_key")]
    Key,
    /// For another node or cloud.
    #[error("permit_node")]
    Node,
    /// For another generation of the group.
    #[error("permit_generation")]
    Generation,
    /// For another action.
    #[error("permit_op")]
    Op,
    /// For another target.
    #[error("permit_target")]
    Target,
    /// Not yet, or no longer.
    #[error("permit_clock")]
    Clock,
    /// Revoked.
    #[error("permit_revoked")]
    Revoked,
    /// Shown by somebody else.
    #[error("permit_caller")]
    Caller,
    /// Used up.
    #[error("permit_spent")]
    Spent,
}

impl Permit {
    /// Length in bytes.
    pub const LEN: usize = 224;

    /// When it was issued, as its serial says.
    pub fn issued(&self) -> Stamp {
        Self::issued_of(&self.serial)
    }

    /// When the permit of a serial was issued. Serials are not in the order of their times: the time's lowest byte stands first.
    pub fn issued_of(serial: &[u8; 16]) -> Stamp {
        let (ms, _) = serial.split_first_chunk::<8>().expect("a serial has 16 bytes");
        Stamp(u64::from_le_bytes(*ms))
    }

    /// Target of a placement group: its number, zero-padded.
    pub fn pg_target(pg: model::PgId) -> [u8; 16] {
        let mut target = [0; 16];
        target[..4].copy_from_slice(&pg.0.to_le_bytes());
        target
    }

    /// Serial of a permit issued at `now`.
    pub fn serial_of(now: Stamp, random: [u8; 8]) -> [u8; 16] {
        let mut serial = [0; 16];
        serial[..8].copy_from_slice(&now.as_ms().to_le_bytes());
        serial[8..].copy_from_slice(&random);
        serial
    }

    /// Signed bytes, with the center's permit key.
    pub fn sign(&self, secret: &[u8; 32]) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[0..4].copy_from_slice(MAGIC);
        out[4] = 1;
        out[5] = self.op as u8;
        out[6..8].copy_from_slice(&self.flags.to_le_bytes());
        out[8..24].copy_from_slice(&self.serial);
        out[24..40].copy_from_slice(&self.target);
        out[40..72].copy_from_slice(&self.node);
        out[72..104].copy_from_slice(&self.session);
        out[104..112].copy_from_slice(&self.cloud);
        out[112..120].copy_from_slice(&self.payer.to_le_bytes());
        out[120..128].copy_from_slice(&self.max_units.to_le_bytes());
        out[128..136].copy_from_slice(&self.max_units_node.to_le_bytes());
        out[136..144].copy_from_slice(&self.not_after.as_ms().to_le_bytes());
        out[144..152].copy_from_slice(&self.generation.to_le_bytes());
        out[152..156].copy_from_slice(&self.revocation_epoch.to_le_bytes());
        out[156..160].copy_from_slice(&self.key_epoch.to_le_bytes());
        let signature = sign(secret, LABEL, &out[..160]);
        out[160..].copy_from_slice(&signature);
        out
    }

    /// Reads the fields without judging them.
    pub fn parse(bytes: &[u8]) -> Result<Self, PermitRefusal> {
        if bytes.len() != Self::LEN {
            return Err(PermitRefusal::Malformed);
        }
        Self::fields(bytes).ok_or(PermitRefusal::Malformed)
    }

    fn fields(bytes: &[u8]) -> Option<Self> {
        let mut f = Fields::new(bytes);
        f.magic(MAGIC)?;
        let op = PermitOp::from_code(f.take::<1>()?[0])?;
        let flags = f.u16()?;
        if flags & !(FLAG_FREE | FLAG_WHOLE_PG) != 0 {
            return None;
        }
        Some(Self {
            op,
            flags,
            serial: f.take()?,
            target: f.take()?,
            node: f.take()?,
            session: f.take()?,
            cloud: f.take()?,
            payer: f.u64()?,
            max_units: f.u64()?,
            max_units_node: f.u64()?,
            not_after: Stamp(f.u64()?),
            generation: f.u64()?,
            revocation_epoch: f.u32()?,
            key_epoch: f.u32()?,
        })
    }

    /// The permit in `bytes`, where one of these keys signed it: whether it holds anywhere now is not judged.
    pub fn signed(bytes: &[u8], keys: &[(u32, [u8; 32])]) -> Result<Self, PermitRefusal> {
        Self::known(bytes, keys, false)
    }

    fn known(bytes: &[u8], keys: &[(u32, [u8; 32])], is_seen: bool) -> Result<Self, PermitRefusal> {
        use PermitRefusal as No;
        let permit = Self::parse(bytes)?;
        let key = keys.iter().find(|(epoch, _)| *epoch == permit.key_epoch).map(|(_, key)| key).ok_or(No::Key)?;
        let is_signed = is_seen || verify(key, LABEL, &bytes[..160], &bytes[160..160 + SIGNATURE_LEN]);
        if is_signed { Ok(permit) } else { Err(No::Signature) }
    }

    /// Judges `bytes` against `facts` in the order of `docs/design/security.md` §6 and names the first failure;
    /// a key epoch that is not in the list is told before the signature, which nobody could check.
    pub fn check(bytes: &[u8], facts: &PermitFacts<'_>) -> Result<Self, PermitRefusal> {
        Self::check_seen(bytes, facts, false)
    }

    /// The same; `is_seen` says that the very same bytes were found to be signed before, so that only the rest is judged.
    pub fn check_seen(bytes: &[u8], facts: &PermitFacts<'_>, is_seen: bool) -> Result<Self, PermitRefusal> {
        use PermitRefusal as No;
        let permit = Self::known(bytes, facts.keys, is_seen)?;
        let any_member = permit.node == [0; 32];
        let checks = [
            (permit.cloud == facts.cloud && (any_member || permit.node == facts.node.0), No::Node),
            (
                facts.generation.is_none_or(|held| permit.generation == held)
                    && !(any_member && facts.generation.is_none()),
                No::Generation,
            ),
            (permit.op == facts.op, No::Op),
            (permit.target == facts.target, No::Target),
            (
                permit.issued() <= facts.now + CLOCK_TOLERANCE && facts.now <= permit.not_after + CLOCK_TOLERANCE,
                No::Clock,
            ),
            (
                permit.revocation_epoch >= facts.revocation_epoch || !facts.revoked.contains(&permit.session),
                No::Revoked,
            ),
            (permit.session == facts.caller.0, No::Caller),
            (facts.spent.saturating_add(facts.wanted) <= permit.max_units_node.min(permit.max_units), No::Spent),
        ];
        match checks.into_iter().find(|(holds, _)| !holds) {
            Some((_, refusal)) => Err(refusal),
            None => Ok(permit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signed::public_of;

    const SECRET: [u8; 32] = [5; 32];
    const NODE: NodeId = NodeId([1; 32]);
    const CALLER: NodeId = NodeId([2; 32]);
    const NOW: Stamp = Stamp(1_800_000_000_000);

    fn permit() -> Permit {
        Permit {
            op: PermitOp::Put,
            flags: 0,
            serial: Permit::serial_of(NOW, [7; 8]),
            target: Permit::pg_target(model::PgId(9)),
            node: NODE.0,
            session: CALLER.0,
            cloud: [4; 8],
            payer: 77,
            max_units: 1000,
            max_units_node: 100,
            not_after: NOW + Span::hours(1),
            generation: 3,
            revocation_epoch: 1,
            key_epoch: 0,
        }
    }

    fn facts(keys: &[(u32, [u8; 32])]) -> PermitFacts<'_> {
        PermitFacts {
            keys,
            node: NODE,
            cloud: [4; 8],
            generation: Some(3),
            op: PermitOp::Put,
            target: Permit::pg_target(model::PgId(9)),
            now: NOW,
            revocation_epoch: 1,
            revoked: &[],
            caller: CALLER,
            spent: 0,
            wanted: 100,
        }
    }

    fn refusal(change: impl Fn(&mut Permit, &mut PermitFacts<'_>)) -> PermitRefusal {
        let keys = [(0, public_of(&SECRET))];
        let (mut p, mut f) = (permit(), facts(&keys));
        change(&mut p, &mut f);
        Permit::check(&p.sign(&SECRET), &f).unwrap_err()
    }

    #[test]
    fn a_right_permit_passes_and_reads_back() {
        let keys = [(0, public_of(&SECRET))];
        assert_eq!(Permit::check(&permit().sign(&SECRET), &facts(&keys)), Ok(permit()));
    }

    #[test]
    fn every_kind_of_bad_permit_is_refused_by_its_name() {
        use PermitRefusal as No;
        assert_eq!(refusal(|p, _| p.node = [8; 32]), No::Node);
        assert_eq!(refusal(|p, _| p.cloud = [8; 8]), No::Node);
        assert_eq!(refusal(|p, _| p.generation = 2), No::Generation);
        assert_eq!(
            refusal(|p, f| {
                p.node = [0; 32];
                f.generation = None
            }),
            No::Generation
        );
        assert_eq!(refusal(|p, _| p.op = PermitOp::Get), No::Op);
        assert_eq!(refusal(|p, _| p.target = [1; 16]), No::Target);
        assert_eq!(refusal(|_, f| f.now = NOW + Span::hours(2)), No::Clock);
        assert_eq!(refusal(|_, f| f.now = NOW - Span::mins(16)), No::Clock);
        assert_eq!(
            refusal(|_, f| {
                f.revocation_epoch = 2;
                f.revoked = &[[2; 32]]
            }),
            No::Revoked
        );
        assert_eq!(refusal(|_, f| f.caller = NodeId([3; 32])), No::Caller);
        assert_eq!(refusal(|_, f| f.spent = 1), No::Spent);
        assert_eq!(refusal(|p, _| p.key_epoch = 9), No::Key);
        let keys = [(0, public_of(&[6; 32]))];
        assert_eq!(Permit::check(&permit().sign(&SECRET), &facts(&keys)), Err(No::Signature));
        assert_eq!(Permit::check(&[0; 224], &facts(&keys)), Err(No::Malformed));
        assert_eq!(Permit::check(&[0; 10], &facts(&keys)), Err(No::Malformed));
    }

    #[test]
    fn every_single_bit_is_covered() {
        let keys = [(0, public_of(&SECRET))];
        let good = permit().sign(&SECRET);
        for bit in 0..good.len() * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Permit::check(&bad, &facts(&keys)).is_err(), "bit {bit}");
        }
    }
}
