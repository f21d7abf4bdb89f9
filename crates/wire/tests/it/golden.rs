//! (C) The bytes of every message are locked: a change shows as a changed line in `tests/golden/messages.txt`.
//! `PUMASI_GOLDEN=write cargo test -p wire` writes the file anew; the change of bytes is then said in the change log.

use crate::samples;
use model::{CloudKey, NodeId, PgId, SegmentId, Span, Stamp};
use std::fmt::Write;
use std::path::PathBuf;
use wire::signed::{Binding, Permit, PermitOp, PieceReceipt, Receipt};
use wire::{RelayHint, Ticket};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, b| {
        write!(out, "{b:02x}").expect("a string takes all that is written");
        out
    })
}

fn signed() -> Vec<(&'static str, Vec<u8>)> {
    let secret = [5; 32];
    let at = Stamp(1_800_000_000_000);
    let permit = Permit {
        op: PermitOp::Put,
        flags: 2,
        serial: Permit::serial_of(at, [7; 8]),
        target: Permit::pg_target(PgId(9)),
        node: [1; 32],
        session: [2; 32],
        cloud: [4; 8],
        payer: 77,
        max_units: 1_000,
        max_units_node: 100,
        not_after: at + Span::hours(1),
        generation: 3,
        revocation_epoch: 1,
        key_epoch: 6,
    };
    let receipt = Receipt { kind: 2, serial: [1; 16], node: NodeId([2; 32]), units: 500, window: 7, at };
    let node = NodeId(wire::signed::public_of(&secret));
    let piece =
        PieceReceipt { segment: SegmentId([1; 32]), pg: PgId(3), index: 4, len: 65_536, node, serial: [5; 16], at };
    let binding = Binding { node, device: node.into(), at, name: "li-desktop".into() };
    vec![
        ("signed_permit", permit.sign(&secret).to_vec()),
        ("signed_receipt", receipt.sign(&secret).to_vec()),
        ("signed_piece_receipt", piece.sign(&secret).to_vec()),
        ("signed_binding", binding.sign(&secret).expect("a short name")),
    ]
}

fn ticket() -> String {
    Ticket {
        kind: wire::TicketKind::Member,
        cloud: CloudKey([3; 32]),
        secret: [9; 16],
        expires: Stamp(1_800_000_000_000),
        direct: vec!["192.168.1.5:7701".parse().unwrap(), "[2001:db8::1]:7701".parse().unwrap()],
        relay: Some(RelayHint { host: "relay.example".into(), port: 7702, quic_port: 7703, key: NodeId([3; 32]) }),
    }
    .to_string()
}

#[test]
fn every_message_keeps_its_bytes() {
    let mut now = String::from("# name and bytes of every message, signed layout and ticket; see tests/it/golden.rs\n");
    let mut add =
        |name: &str, bytes: &[u8]| writeln!(now, "{name} {}", hex(bytes)).expect("a string takes all that is written");
    samples::requests().iter().for_each(|(name, m)| add(&format!("request_{name}"), &m.to_bytes()));
    samples::replies().iter().for_each(|(name, m)| add(&format!("reply_{name}"), &m.to_bytes()));
    samples::streams().iter().for_each(|(name, bytes)| add(&format!("stream_{name}"), bytes));
    signed().iter().for_each(|(name, bytes)| add(name, bytes));
    writeln!(now, "ticket {}", ticket()).expect("a string takes all that is written");
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/messages.txt");
    if std::env::var("PUMASI_GOLDEN").as_deref() == Ok("write") {
        std::fs::write(&path, &now).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    for (kept, now) in kept.lines().zip(now.lines()) {
        assert_eq!(kept, now, "bytes on the wire changed");
    }
    assert_eq!(kept.lines().count(), now.lines().count(), "messages were added: write the golden file anew");
}
