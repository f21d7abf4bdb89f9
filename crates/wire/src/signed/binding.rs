//! Binding: an owner's signed statement that a machine is theirs, under a name (`docs/design/fleet.md` §1).
//! The newest `at` wins; a later one with the member all zero revokes.
//!
//! Layout: magic `PMB0` 4 · format 1 · name length u8 · reserved 2 · node 32 · device 32 · at ms u64 · name ·
//! signature 64 by the device.

use super::{Fields, SIGNATURE_LEN, sign, verify};
use crate::limits::NAME_MAX;
use model::{DeviceId, NodeId, Stamp};

const LABEL: &str = "pumasi v1 binding";
const MAGIC: &[u8; 4] = b"PMB0";
const FIXED: usize = 80;

/// The fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The machine.
    pub node: NodeId,
    /// The owner's device that says so.
    pub device: DeviceId,
    /// When said.
    pub at: Stamp,
    /// What the owner calls the machine, at most 64 bytes.
    pub name: String,
}

impl Binding {
    /// Signed bytes, with the device's key; nothing when the name is too long.
    pub fn sign(&self, secret: &[u8; 32]) -> Option<Vec<u8>> {
        let len = u8::try_from(self.name.len()).ok().filter(|len| usize::from(*len) <= NAME_MAX)?;
        let mut out = Vec::with_capacity(FIXED + self.name.len() + SIGNATURE_LEN);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&[1, len, 0, 0]);
        out.extend_from_slice(self.node.as_bytes());
        out.extend_from_slice(self.device.as_bytes());
        out.extend_from_slice(&self.at.as_ms().to_le_bytes());
        out.extend_from_slice(self.name.as_bytes());
        let signature = sign(secret, LABEL, &out);
        out.extend_from_slice(&signature);
        Some(out)
    }

    /// The binding in `bytes`, when the device it names signed it.
    pub fn check(bytes: &[u8]) -> Option<Self> {
        let mut f = Fields::new(bytes);
        f.magic(MAGIC)?;
        let name_len = usize::from(f.take::<1>()?[0]);
        f.zero::<2>()?;
        let (node, device, at) = (NodeId(f.take()?), DeviceId(f.take()?), Stamp(f.u64()?));
        if name_len > NAME_MAX || bytes.len() != FIXED + name_len + SIGNATURE_LEN {
            return None;
        }
        let (fields, signature) = bytes.split_at(FIXED + name_len);
        let name = std::str::from_utf8(&fields[FIXED..]).ok()?.to_owned();
        verify(&device.0, LABEL, fields, signature).then_some(Self { node, device, at, name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signed::public_of;

    #[test]
    fn a_binding_reads_back_and_every_bit_counts() {
        let secret = [3; 32];
        let b = Binding {
            node: NodeId([1; 32]),
            device: DeviceId(public_of(&secret)),
            at: Stamp(5),
            name: "李的电脑".into(),
        };
        let good = b.sign(&secret).unwrap();
        assert_eq!(Binding::check(&good), Some(b.clone()));
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Binding::check(&bad), None, "bit {bit}");
        }
        assert_eq!(Binding { name: "x".repeat(65), ..b }.sign(&secret), None);
    }
}
