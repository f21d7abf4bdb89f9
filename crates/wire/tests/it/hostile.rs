//! (A), (B): whatever bytes come, a parser answers with a message or a named error, never with a panic, and never reads
//! past a limit. One target per parser; the samples seed it, so that mutations get deep.

use crate::samples;
use proptest::prelude::*;
use wire::signed::{Binding, Permit, PieceReceipt, Receipt};
use wire::storage::{PieceAnswer, StreamOpen};
use wire::{Envelope, Reply, WireError, limits};

#[test]
fn every_sample_reads_back() {
    for (name, sample) in samples::requests() {
        assert_eq!(Envelope::from_bytes(&sample.to_bytes()), Ok(sample), "{name}");
    }
    for (name, sample) in samples::replies() {
        assert_eq!(Reply::from_bytes(&sample.to_bytes()), Ok(sample), "{name}");
    }
}

#[test]
fn oversize_cut_and_lengthened_messages_are_refused_by_name() {
    for (name, sample) in samples::requests() {
        let bytes = sample.to_bytes();
        let padded = [bytes.clone(), vec![0; limits::SETTLE_MAX]].concat();
        assert!(matches!(Envelope::from_bytes(&padded), Err(WireError::TooLong { .. })), "{name}");
        assert_eq!(Envelope::from_bytes(&[bytes.clone(), vec![0]].concat()), Err(WireError::Malformed), "{name}");
        for cut in 0..bytes.len() {
            assert!(Envelope::from_bytes(&bytes[..cut]).is_err(), "{name} cut at {cut}");
        }
    }
}

#[test]
fn a_newer_version_is_told_from_garbage() {
    let mut newer = Envelope::new(wire::Request::Cloud);
    newer.version = 9;
    assert_eq!(Envelope::from_bytes(&newer.to_bytes()), Err(WireError::Version { have: 9, need: 1 }));
}

fn mutated(samples: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (
        0..samples.len(),
        proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        any::<prop::sample::Index>(),
        any::<bool>(),
    )
        .prop_map(move |(which, changes, cut, cuts)| {
            let mut bytes = samples[which].clone();
            for (at, value) in changes {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            if cuts {
                bytes.truncate(cut.index(bytes.len() + 1));
            }
            bytes
        })
}

fn all_bytes() -> Vec<Vec<u8>> {
    let requests = samples::requests().into_iter().map(|(_, m)| m.to_bytes());
    let replies = samples::replies().into_iter().map(|(_, m)| m.to_bytes());
    requests.chain(replies).chain(samples::streams().into_iter().map(|(_, b)| b)).collect()
}

fn read_as_everything(bytes: &[u8]) {
    // What is read is written and read again: a parser that accepts also keeps.
    if let Ok(message) = Envelope::from_bytes(bytes) {
        assert_eq!(Envelope::from_bytes(&message.to_bytes()), Ok(message));
    }
    if let Ok(message) = Reply::from_bytes(bytes) {
        assert_eq!(Reply::from_bytes(&message.to_bytes()), Ok(message));
    }
    let _ = wire::decode::<StreamOpen>(bytes, limits::REQUEST_MAX);
    let _ = wire::decode::<PieceAnswer>(bytes, limits::REQUEST_MAX);
    let _ = wire::decode::<wire::compute::ParcelAnswer>(bytes, limits::PARCELS_MAX);
    let _ = wire::decode::<wire::shuffle::BlockAnswer>(bytes, limits::BLOCK_ANSWER_MAX);
    let _ = wire::signed::LeaseBody::parse(bytes);
    let _ = (Permit::parse(bytes), Receipt::check(bytes, &[1; 32]), PieceReceipt::check(bytes), Binding::check(bytes));
    let _ = (wire::signed::BucketLog::parse(bytes), wire::storage::locator_of(bytes));
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = text.parse::<wire::Ticket>();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn mutated_messages_never_panic(bytes in mutated(all_bytes())) {
        read_as_everything(&bytes);
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        read_as_everything(&bytes);
    }
}
