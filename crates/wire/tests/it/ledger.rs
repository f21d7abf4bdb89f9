//! Samples of the ledger's messages.

use model::*;
use wire::ledger::*;
use wire::{Reply, Request};

const NOW: Stamp = Stamp(1_800_000_000_000);

fn member(n: u64) -> AccountNo {
    AccountNo::new(AccountClass::Member, n)
}

fn id() -> TransferId {
    TransferId::made(NOW, [7; 10])
}

pub fn requests() -> Vec<(&'static str, Request)> {
    let ask = StatementAsk {
        account: Some(member(3)),
        from: Stamp(1),
        until: NOW,
        after: 9,
        opening: Some(Credits(-5)),
        limit: 100,
    };
    vec![
        ("spend", Request::Spend(vec![5; 176])),
        ("wallet", Request::Wallet(Some(member(3)))),
        ("wallet_own", Request::Wallet(None)),
        ("limit", Request::Limit(Some(member(3)))),
        ("limit_own", Request::Limit(None)),
        ("account_thaw", Request::AccountThaw(member(3))),
        ("payee", Request::Payee("Li".into())),
        ("statement", Request::Statement(ask)),
        ("ledger_rows", Request::LedgerRows(7)),
        ("ledger_state", Request::LedgerState),
        ("job_raise", Request::JobRaise(JobId([1; 16]), Ucredit(5))),
        ("prices", Request::Prices),
        ("ledger_days", Request::LedgerDays(Some(20_832))),
        ("root_signed", Request::RootSigned(vec![8; 172])),
        ("ledger_line", Request::LedgerLine(None, 8)),
        ("ledger_parts", Request::LedgerParts(PartsAsk { account: None, from: Stamp(1), until: NOW })),
        ("statement_seal", Request::StatementSeal(SealAsk { account: Some(member(3)), from: Stamp(1), until: NOW })),
    ]
}

pub fn replies() -> Vec<(&'static str, Reply)> {
    let hold = HoldLine {
        id: id(),
        code: Code::Allowance,
        amount: Ucredit::whole(2),
        remaining: Ucredit(1_500_000),
        expires: NOW,
    };
    let wallet = Wallet {
        account: member(3),
        name: "Li".into(),
        state: MemberState::Active,
        is_frozen: false,
        credits: Ucredit::whole(9),
        debits: Ucredit::whole(4),
        held: Ucredit(1_500_000),
        limit: Ucredit::whole(60),
        limit_why: "private".into(),
        holds: vec![hold],
        holds_count: 1,
        opened: NOW,
        head: (12, NOW),
    };
    let change = LimitLine { at: NOW, old: Ucredit::whole(5), new: Ucredit::whole(15), why: "served".into() };
    let limit = LimitPage {
        account: member(3),
        name: "Li".into(),
        state: MemberState::Grace,
        since: NOW,
        limit: Ucredit::whole(15),
        why: "served".into(),
        balance: Credits(-3),
        available: Credits(14_999_997),
        is_private: false,
        mean: Ucredit(412_000),
        daily_use: Ucredit(9),
        audits_bps: 9_800,
        served: Span::hours(30),
        proven: Span::hours(24),
        written_off: Ucredit(1),
        notices: (2, Some(NOW)),
        changes: vec![change],
        worked_out: Some(NOW),
    };
    let line = StatementLine {
        seq: 8,
        at: NOW,
        id: id(),
        kind: TransferKind::Move,
        code: Code::Gift,
        other: member(4),
        other_name: "Maria".into(),
        balance: Credits(-2_000_000),
        held: Credits(0),
        hold: Some(id()),
        reference: Some([3; 16]),
        row: vec![4; 104],
    };
    let part =
        PartLine { resource: Resource::Egress, is_served: true, of: PartOf::Account(member(5)), units: 9_000_000 };
    let reading = Reading {
        variant: "standard".into(),
        version: 1,
        units: 720_000,
        quality_bps: 9_990,
        price: Ucredit(485_556),
        per: 720_000,
        amount: Ucredit(485_070),
    };
    let settled = SettledOf {
        period: NOW,
        resource: Resource::Storage,
        is_served: true,
        readings: vec![reading],
        parts: vec![part],
        factor: Some((Ucredit(97), Ucredit(100))),
    };
    let detail =
        LineDetail { line: line.clone(), block: (3, [8; 32]), signer: Some(DeviceId([6; 32])), settled: Some(settled) };
    let page = StatementPage {
        account: member(3),
        opening: Credits(5),
        lines: vec![line],
        closing: Credits(-1_999_995),
        next: Some(8),
        at: NOW,
    };
    let block = BlockLine { no: 1, first: 1, last: 1, root: [1; 32], prev: [0; 32], hash: [2; 32] };
    let day = DayLine {
        day: 20_833,
        rows_root: [1; 32],
        accounts_root: [2; 32],
        debits: 7_000_000,
        credits: 7_000_000,
        rows: 12,
        root: [3; 32],
        cosigned: vec![vec![8; 172]],
    };
    let state = LedgerState {
        rows: 1,
        blocks: (1, [2; 32]),
        sums: [5, 5, 1, 1],
        classes: vec![(10, 2, Credits(-3))],
        state: [4; 32],
        at: NOW,
        fault: Some("sum".into()),
    };
    let line = PriceLine {
        resource: Resource::Storage,
        variant: "standard".into(),
        consumer: Ucredit(485_556),
        provider: Ucredit(100_000),
        per: 720_000,
    };
    let prices = Prices { version: 1, valid_from: NOW, is_circle: true, lines: vec![line] };
    vec![
        ("spent", Reply::Spent(Spent { seq: 7, is_again: true, at: NOW })),
        ("wallet", Reply::Wallet(Box::new(wallet))),
        ("limit", Reply::Limit(Box::new(limit))),
        ("payee", Reply::Payee(Payee { account: member(4), member: MemberId([2; 16]), name: "Maria".into() })),
        ("statement", Reply::Statement(Box::new(page))),
        ("ledger_rows", Reply::LedgerRows(LedgerPage { rows: vec![1; 104], blocks: vec![block], head: 1 })),
        ("ledger_state", Reply::LedgerState(Box::new(state))),
        ("prices", Reply::Prices(Box::new(prices))),
        ("ledger_days", Reply::LedgerDays(vec![day])),
        ("ledger_line", Reply::LedgerLine(Box::new(detail))),
        ("ledger_parts", Reply::LedgerParts(vec![part])),
        ("statement_seal", Reply::StatementSeal(vec![6; 232])),
    ]
}
