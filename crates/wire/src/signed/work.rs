//! A node's word for results: one signature over the hash of all reports of a call (`docs/design/compute.md` §8, item receipts).

use super::{SIGNATURE_LEN, sign, verify};
use crate::compute::WorkReport;
use model::NodeId;

const LABEL: &str = "pumasi v1 work";

/// What is signed: the hash of the reports' bytes as they are sent.
pub fn digest(reports: &[WorkReport]) -> [u8; 32] {
    *blake3::hash(&crate::encode(&reports)).as_bytes()
}

/// Signs reports with a machine's key.
pub fn sign_reports(secret: &[u8; 32], reports: &[WorkReport]) -> [u8; SIGNATURE_LEN] {
    sign(secret, LABEL, &digest(reports))
}

/// True when `node` signed these reports.
pub fn is_signed(node: &NodeId, reports: &[WorkReport], signature: &[u8]) -> bool {
    verify(node.as_bytes(), LABEL, &digest(reports), signature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::ItemResult;
    use crate::signed::public_of;

    #[test]
    fn a_word_covers_every_field_of_every_report() {
        let result = ItemResult { item: 1, hash: [2; 32], fuel: 3, bytes: 4, of: [5; 32] };
        let reports = vec![WorkReport::Done(9, vec![result])];
        let (secret, node) = ([7; 32], NodeId(public_of(&[7; 32])));
        let signature = sign_reports(&secret, &reports);
        assert!(is_signed(&node, &reports, &signature));
        let others = [
            vec![WorkReport::Done(8, vec![result])],
            vec![WorkReport::Computed(9, vec![result])],
            vec![WorkReport::Done(9, vec![ItemResult { fuel: 4, ..result }])],
            vec![WorkReport::Done(9, vec![ItemResult { of: [6; 32], ..result }])],
            vec![],
        ];
        assert!(others.iter().all(|reports| !is_signed(&node, reports, &signature)));
        assert!(!is_signed(&NodeId([1; 32]), &reports, &signature));
    }
}
