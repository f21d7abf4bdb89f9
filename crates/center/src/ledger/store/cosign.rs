//! Signatures under daily roots.

use crate::db::{DbError, Reader, Tx};
use model::MemberId;
use std::collections::{BTreeMap, BTreeSet};

/// Owners whose nodes signed a day's root.
pub fn owners(q: &mut Reader<'_>, day: u32) -> Result<BTreeSet<MemberId>, DbError> {
    let found = q.query("SELECT owner FROM ledger_cosign WHERE day = $1", &[day.into()], |row| row.get(0))?;
    Ok(found.into_iter().collect())
}

/// Signed words by their days, from one day to another.
pub fn between(q: &mut Reader<'_>, first: u32, last: u32) -> Result<BTreeMap<u32, Vec<Vec<u8>>>, DbError> {
    let sql = "SELECT day, word FROM ledger_cosign WHERE day >= $1 AND day <= $2 ORDER BY day, owner";
    let mut out: BTreeMap<u32, Vec<Vec<u8>>> = BTreeMap::new();
    for (day, word) in q.query(sql, &[first.into(), last.into()], |row| Ok((row.get::<u32>(0)?, row.get(1)?)))? {
        out.entry(day).or_default().push(word);
    }
    Ok(out)
}

/// Adds one; false where its owner's is there.
pub fn insert(tx: &mut Tx<'_>, day: u32, owner: &MemberId, word: &[u8]) -> Result<bool, DbError> {
    let sql = "INSERT INTO ledger_cosign (day, owner, word) VALUES ($1, $2, $3) ON CONFLICT (day, owner) DO NOTHING";
    Ok(tx.execute(sql, &[day.into(), owner.into(), word.into()])? == 1)
}

/// Forgets those of days before one.
pub fn forget(tx: &mut Tx<'_>, before: u32) -> Result<u64, DbError> {
    tx.execute("DELETE FROM ledger_cosign WHERE day < $1", &[before.into()])
}
