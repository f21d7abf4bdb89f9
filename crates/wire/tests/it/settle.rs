//! Samples of batches that are settled.

use model::{AccountClass, AccountNo, NodeId, Resource};
use wire::settle::{RelayAsk, SettleBatch, SettleReceipt, SettleTotal, Settled};
use wire::{Reply, Request};

pub fn requests() -> Vec<(&'static str, Request)> {
    let payer = AccountNo::new(AccountClass::Member, 3);
    let batch = SettleBatch {
        window: 83_333,
        totals: vec![SettleTotal { payer, resource: Resource::Egress, units: 262_144 }],
        receipts: vec![SettleReceipt { permit: vec![1; 224], receipt: vec![2; 144] }],
    };
    let signed = SettleReceipt { permit: vec![3; 224], receipt: vec![4; 144] };
    vec![
        ("settle", Request::Settle(Box::new(batch))),
        ("relay_ask", Request::RelayAsk(RelayAsk { session: NodeId([5; 32]), units: 4 << 20 })),
        ("relay_signed", Request::RelaySigned(signed)),
    ]
}

pub fn replies() -> Vec<(&'static str, Reply)> {
    vec![
        ("settled", Reply::Settled(Settled { batch: 7, is_known: true })),
        ("relay_permit", Reply::RelayPermit(Some(vec![3; 224]))),
        ("relay_permit_none", Reply::RelayPermit(None)),
    ]
}
