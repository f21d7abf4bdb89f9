//! Facts about the cloud itself: few, small, by name.

use super::{DbError, Reader, Tx, Value};

/// The cloud's public key, 32 bytes.
pub const CLOUD_KEY: &str = "cloud_key";
/// What its people call the cloud, UTF-8.
pub const CLOUD_NAME: &str = "cloud_name";
/// When it was made, milliseconds since 1970 as 8 bytes, little-endian.
pub const CREATED_AT: &str = "created_at";
/// When no center ran: pairs of milliseconds since 1970, 8 bytes each, little-endian.
pub const DOWN_TIMES: &str = "down_times";
/// Last hour whose profiles were learned, since 1970 as 8 bytes, little-endian.
pub const LEARNED_HOUR: &str = "learned_hour";
/// When far more nodes than usual were away last, while that lasts: milliseconds since 1970 as 8 bytes, little-endian.
pub const SURGE_STIR: &str = "surge_stir";
/// How often the scheduler of jobs began anew, 4 bytes, little-endian.
pub const COMPUTE_LIFE: &str = "compute_life";
/// End of the last settle period whose stored bytes were metered: milliseconds since 1970 as 8 bytes, little-endian.
pub const METERED: &str = "settle_metered";
/// How far the standing of members is worked out: the day in 4 bytes, the last account in 8, 1 where it is done; little-endian.
pub const STANDING: &str = "ledger_standing";
/// Set to one byte `1` where agents for load tests are let in.
pub const DEV_MODE: &str = "dev_mode";

/// The value under `name`.
pub fn get(q: &mut Reader<'_>, name: &str) -> Result<Option<Vec<u8>>, DbError> {
    q.query_opt("SELECT value FROM meta WHERE name = $1", &[name.into()], |row| row.get(0))
}

/// Puts `value` under `name`, in place of what was there.
pub fn put(tx: &mut Tx<'_>, name: &str, value: &[u8]) -> Result<(), DbError> {
    let sql = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    tx.execute(sql, &[name.into(), value.into()]).map(drop)
}

/// Puts `value` under `name` only where nothing is yet; true when it did.
pub fn put_new(tx: &mut Tx<'_>, name: &str, value: &[u8]) -> Result<bool, DbError> {
    let sql = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    Ok(tx.execute(sql, &[name.into(), value.into()])? == 1)
}

/// Removes what is under `name`.
pub fn remove(tx: &mut Tx<'_>, name: &str) -> Result<(), DbError> {
    tx.execute("DELETE FROM meta WHERE name = $1", &[Value::Text(name)]).map(drop)
}
