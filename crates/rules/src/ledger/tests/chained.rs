//! Rows as bytes, replay, blocks, roots: what an independent reader of an export goes through.

use super::super::chain::{self, Block, Day, judge_root};
use super::super::replay::{Replay, account_bytes};
use super::super::{Facts, Row};
use super::*;
use model::TransferKind;
use proptest::prelude::*;

fn some_rows() -> Book {
    let mut book = book(5);
    for n in 0..40 {
        book.must(&by_system([gift(n * 3, n % 5, (n + 1) % 5, n + 1)]));
        book.must(&by_system([hold(n * 3 + 1, n % 5, 9), post(n * 3 + 2, n * 3 + 1, (n + 2) % 5, 4)]));
    }
    book
}

fn replayed(rows: &[Row]) -> Result<Replay, u64> {
    let mut replay = Replay::default();
    rows.iter().try_for_each(|row| replay.row(row).map_err(|bad| bad.seq))?;
    Ok(replay)
}

#[test]
fn bytes_of_a_row_are_locked() {
    let row = Row {
        seq: 1,
        id: TransferId([2; 16]),
        kind: TransferKind::Post,
        debit: member(3),
        credit: member(4),
        amount: Ucredit(5),
        code: Code::Work,
        hold: Some(TransferId([6; 16])),
        reference: Some([7; 16]),
        expires: None,
        day: 20_833,
        at: NOW,
    };
    let hex: String = row.bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = "0100000000000000020202020202020202020202020202020303c900030000000000000a040000000000000a0500000000000000\
                    060606060606060606060606060606060707070707070707070707070707070700000000000000006151000000505c18a3010000";
    assert_eq!(hex, expected);
    assert_eq!(Row::parse(&row.bytes()), Some(row));
    let account = Account { debits: Ucredit(2), ..Account::open(member(1), MemberState::Active, Ucredit(9)) };
    let bytes = account_bytes(&account);
    assert_eq!((&bytes[..8], bytes[8], bytes[16]), (&member(1).0.to_le_bytes()[..], 2, 0));
}

#[test]
fn replay_of_the_rows_gives_the_same_state() {
    let book = some_rows();
    let replay = replayed(book.rows()).unwrap();
    assert_eq!((replay.rows(), replay.state_hash()), (120, book.state_hash()), "(J)");
    assert_eq!(replay.check().unwrap(), book.check().unwrap());
    let hold = book.hold(id(1)).unwrap();
    assert_eq!(replay.holds().find(|one| one.id == id(1)), Some(&hold));
}

#[test]
fn replay_finds_rows_that_cannot_stand_there() {
    let book = some_rows();
    let rows = book.rows();
    let change = |at: usize, change: &dyn Fn(&mut Row)| {
        let mut rows = rows.to_vec();
        change(&mut rows[at]);
        replayed(&rows).err()
    };
    let other = rows[3].id;
    assert_eq!(change(5, &|row| row.seq = 9), Some(9), "(D)");
    assert_eq!(change(5, &|row| row.id = other), Some(6), "(C)");
    assert_eq!(change(5, &|row| row.at = NOW - Span::ms(1)), Some(6));
    assert_eq!(change(5, &|row| row.day += 1), Some(6));
    assert_eq!(change(5, &|row| row.amount = Ucredit(10)), Some(6), "(E) more than its hold has");
    assert_eq!(change(5, &|row| row.amount = Ucredit::ZERO), Some(6));
    assert_eq!(change(5, &|row| row.debit = member(4)), Some(6));
    assert_eq!(change(5, &|row| row.hold = None), Some(6));
    assert_eq!(change(4, &|row| row.expires = None), Some(5));
    assert_eq!(change(4, &|row| row.credit = row.debit), Some(5));
    let mut gone = rows.to_vec();
    gone.remove(7);
    assert_eq!(replayed(&gone).err(), Some(9), "(D)");
    // An end by time before its time, and one that leaves something.
    for (at, amount) in [(NOW, 5), (NOW + Span::days(1), 4)] {
        let (id, hold) = (id(999), Some(id(1)));
        let day = super::super::row::day_of(at);
        let (kind, amount, credit) = (TransferKind::Expire, Ucredit(amount), ESCROW);
        let row = Row { seq: 121, id, kind, hold, at, day, amount, credit, debit: member(0), ..rows[0] };
        assert!(replayed(rows).unwrap().row(&row).is_err(), "(E)");
    }
}

#[test]
fn replay_holds_who_has_a_known_limit_to_it() {
    let book = some_rows();
    let mut replay = Replay::default();
    replay.limit(member(0), Ucredit(5));
    let bad = book.rows().iter().find_map(|row| replay.row(row).err()).unwrap();
    assert_eq!(bad.why, "it goes beyond its account's limit", "(B)");
    let mut replay = Replay::default();
    (0..5).for_each(|n| replay.limit(member(n), Ucredit::whole(30)));
    book.rows().iter().for_each(|row| replay.row(row).unwrap());
}

fn blocks(rows: &[Row]) -> Vec<(Block, &[Row])> {
    let mut blocks: Vec<(Block, &[Row])> = Vec::new();
    for rows in rows.chunks(7) {
        let block = Block::after(blocks.last().map(|(block, _)| block), rows).unwrap();
        blocks.push((block, rows));
    }
    blocks
}

/// First block that does not verify.
fn first_bad(blocks: &[(Block, Vec<Row>)]) -> Option<u64> {
    let mut prev = None;
    for (block, rows) in blocks {
        if block.verify(prev, rows).is_err() {
            return Some(block.no);
        }
        prev = Some(block);
    }
    None
}

#[test]
fn one_changed_bit_is_found_in_its_block() {
    let book = some_rows();
    let good: Vec<(Block, Vec<Row>)> =
        blocks(book.rows()).iter().map(|(block, rows)| (*block, rows.to_vec())).collect();
    assert_eq!(first_bad(&good), None);
    for at in 0..book.rows().len() {
        for bit in [0, 70, 200, 330, 400, 500, 640] {
            let mut bytes = good[at / 7].1[at % 7].bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            // Bytes that are no row at all are found by reading them.
            let Some(row) = Row::parse(&bytes) else { continue };
            let mut bad = good.clone();
            bad[at / 7].1[at % 7] = row;
            assert_eq!(first_bad(&bad), Some(at as u64 / 7 + 1), "(N) row {at} bit {bit}");
        }
    }
    let mut dropped = good.clone();
    dropped.remove(3);
    assert_eq!(first_bad(&dropped), Some(5), "(N)");
    let mut shorter = good.clone();
    shorter[2].1.pop();
    assert_eq!(first_bad(&shorter), Some(3));
    let mut rewritten = good;
    rewritten[2].1[1].amount = Ucredit(77);
    let (prev, rows) = (rewritten[1].0, rewritten[2].1.clone());
    rewritten[2].0 = Block::after(Some(&prev), &rows).unwrap();
    assert_eq!(first_bad(&rewritten), Some(4), "(N) a rewritten block breaks the next");
}

#[test]
fn hashes_are_locked() {
    let book = some_rows();
    let blocks = blocks(&book.rows()[..14]);
    let day = Day::new(20_833, book.rows(), book.accounts(), &book.check().unwrap(), 120);
    let hex = |hash: &[u8; 32]| hash[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let hashes = [blocks[0].0.hash, blocks[1].0.hash, day.root(&[0; 32]), day.root(&[1; 32]), book.state_hash()];
    assert_eq!(
        hashes.each_ref().map(hex),
        ["17a8ff7d177018f0", "906ade8e18065498", "a471201635f2b4c4", "041790f31c0f5c80", "36052a27514057a8"],
        "(N) what is kept elsewhere is compared with it"
    );
    let alone = Block::after(None, blocks[1].1).unwrap();
    assert_ne!(alone.hash, blocks[1].0.hash, "(N) the same rows behind another block");
}

#[test]
fn a_days_root_changes_with_everything_it_says() {
    let book = some_rows();
    let sums = book.check().unwrap();
    let day = Day::new(20_833, book.rows(), book.accounts(), &sums, 120);
    let root = day.root(&[0; 32]);
    assert_eq!(root, Day::new(20_833, book.rows(), book.accounts(), &sums, 120).root(&[0; 32]));
    // The replayed book, whose accounts are only those that moved, gives the same root.
    let replay = replayed(book.rows()).unwrap();
    let again = Day::new(20_833, book.rows(), replay.accounts(), &replay.check().unwrap(), replay.rows());
    assert_eq!(again.root(&[0; 32]), root, "(J)");
    let others = [
        day.root(&[1; 32]),
        Day { day: 1, ..day }.root(&[0; 32]),
        Day { rows_root: [0; 32], ..day }.root(&[0; 32]),
        Day { accounts_root: [0; 32], ..day }.root(&[0; 32]),
        Day { debits: 1, ..day }.root(&[0; 32]),
        Day { credits: 1, ..day }.root(&[0; 32]),
        Day { rows: 1, ..day }.root(&[0; 32]),
    ];
    assert!(others.iter().all(|other| *other != root));
    let quiet = Day::new(20_834, &[], book.accounts(), &sums, 120);
    assert_ne!(quiet.root(&root), root, "a day without rows has a root of its own");
}

#[test]
fn who_saw_yesterdays_root_refuses_another_history() {
    let seen = [(7, [7; 32]), (8, [8; 32])];
    assert!(judge_root(&seen, (9, [9; 32])).is_ok() && judge_root(&seen, (7, [7; 32])).is_ok());
    assert_eq!(judge_root(&seen, (8, [9; 32])).unwrap_err().id, model::errors::ROLLBACK_SEEN);
    assert!(judge_root(&seen, (6, [6; 32])).is_err() && judge_root(&[], (1, [1; 32])).is_ok());
}

proptest! {
    #[test]
    fn every_row_is_proved_under_its_root_and_no_other(len in 1usize..70, at in 0usize..70, other in 0usize..70) {
        let leaves: Vec<_> = (0..len).map(|n| chain::leaf(&n.to_le_bytes())).collect();
        let (at, other) = (at % len, other % len);
        let root = chain::root(leaves.iter().copied());
        let proof = chain::prove(&leaves, at).unwrap();
        prop_assert_eq!(chain::lead(&proof, leaves[at]), root, "(I)");
        prop_assert_eq!(chain::lead(&proof, leaves[other]) == root, at == other, "(I)");
        prop_assert!(chain::prove(&leaves, len).is_none());
    }

    #[test]
    fn random_bytes_are_a_row_only_if_they_come_back(bytes in proptest::collection::vec(any::<u8>(), Row::LEN)) {
        let bytes: [u8; Row::LEN] = bytes.try_into().unwrap();
        prop_assert!(Row::parse(&bytes).is_none_or(|row| row.bytes() == bytes), "(B)");
    }
}
