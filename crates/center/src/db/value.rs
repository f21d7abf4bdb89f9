//! What goes into a statement and what comes out of a row, the same on both engines.
//!
//! Integers are 64-bit. A `u64` keeps its bits: `2⁶³` and more are stored negative, read back whole, and must not be
//! compared in SQL. A [`Stamp`] beyond that is stored as the last moment there is, so that times compare. Ids and hashes
//! are blobs, words are their numbers.

use super::error::DbError;
use model::{
    AccountNo, Alias, Arch, Bytes, Credits, DeviceId, Kbps, MemberId, NatKind, NodeId, Os, Ppm, Region, RegionEvidence,
    Roles, Stamp, TicketId, Tier, TransferId, Ucredit,
};

/// One parameter of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Nothing.
    Null,
    /// A number.
    Int(i64),
    /// Bytes.
    Blob(&'a [u8]),
    /// Text.
    Text(&'a str),
}

macro_rules! value_from_small_int {
    ($($t:ty),+) => { $(impl From<$t> for Value<'_> { fn from(v: $t) -> Self { Self::Int(i64::from(v)) } })+ };
}
value_from_small_int!(i64, u32, u16, u8, bool);

impl From<u64> for Value<'_> {
    fn from(v: u64) -> Self {
        Self::Int(v.cast_signed())
    }
}
impl<'a> From<&'a str> for Value<'a> {
    fn from(v: &'a str) -> Self {
        Self::Text(v)
    }
}
impl<'a> From<&'a String> for Value<'a> {
    fn from(v: &'a String) -> Self {
        Self::Text(v)
    }
}
impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(v: &'a [u8]) -> Self {
        Self::Blob(v)
    }
}
impl<'a> From<&'a Vec<u8>> for Value<'a> {
    fn from(v: &'a Vec<u8>) -> Self {
        Self::Blob(v)
    }
}
impl<'a, const N: usize> From<&'a [u8; N]> for Value<'a> {
    fn from(v: &'a [u8; N]) -> Self {
        Self::Blob(v)
    }
}
impl<'a> From<&'a Region> for Value<'a> {
    fn from(v: &'a Region) -> Self {
        Self::Text(v.as_str())
    }
}
impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(v: Option<T>) -> Self {
        v.map_or(Self::Null, Into::into)
    }
}

/// A row of an answer, on either engine.
pub enum Row<'r> {
    /// SQLite's.
    #[doc(hidden)]
    Sqlite(&'r rusqlite::Row<'r>),
    /// PostgreSQL's.
    #[doc(hidden)]
    Postgres(&'r postgres::Row),
}

impl Row<'_> {
    /// Column `column`, counted from 0.
    pub fn get<T: Field>(&self, column: usize) -> Result<T, DbError> {
        T::read(self, column)
    }

    fn int(&self, column: usize) -> Result<Option<i64>, DbError> {
        match self {
            Self::Postgres(row)
                if row.columns().get(column).is_some_and(|c| *c.type_() == postgres::types::Type::INT4) =>
            {
                let read = row.try_get::<_, Option<i32>>(column);
                Ok(read.map_err(|error| DbError::Column { column, why: error.to_string() })?.map(i64::from))
            }
            _ => self.native(column),
        }
    }

    fn native<T>(&self, column: usize) -> Result<Option<T>, DbError>
    where
        T: rusqlite::types::FromSql + for<'a> postgres::types::FromSql<'a>,
    {
        match self {
            Self::Sqlite(row) => row.get(column).map_err(|error| DbError::Column { column, why: error.to_string() }),
            Self::Postgres(row) => {
                row.try_get(column).map_err(|error| DbError::Column { column, why: error.to_string() })
            }
        }
    }
}

/// What a column can be read as.
pub trait Field: Sized {
    /// Reads it.
    fn read(row: &Row<'_>, column: usize) -> Result<Self, DbError> {
        Self::read_opt(row, column)?.ok_or_else(|| DbError::Column { column, why: "it is null".to_owned() })
    }
    /// Reads it where it may be null.
    fn read_opt(row: &Row<'_>, column: usize) -> Result<Option<Self>, DbError>;
}

impl<T: Field> Field for Option<T> {
    fn read(row: &Row<'_>, column: usize) -> Result<Self, DbError> {
        T::read_opt(row, column)
    }
    fn read_opt(row: &Row<'_>, column: usize) -> Result<Option<Self>, DbError> {
        T::read_opt(row, column).map(Some)
    }
}

impl Field for i64 {
    fn read_opt(row: &Row<'_>, column: usize) -> Result<Option<Self>, DbError> {
        row.int(column)
    }
}
impl Field for u64 {
    fn read_opt(row: &Row<'_>, column: usize) -> Result<Option<Self>, DbError> {
        Ok(row.int(column)?.map(i64::cast_unsigned))
    }
}

/// Reads an integer column through a conversion that may refuse.
pub(crate) fn int_as<T>(
    row: &Row<'_>,
    column: usize,
    read: impl FnOnce(i64) -> Option<T>,
) -> Result<Option<T>, DbError> {
    let Some(number) = row.int(column)? else { return Ok(None) };
    read(number).map(Some).ok_or_else(|| DbError::Column { column, why: format!("{number} is out of range") })
}

macro_rules! field_small_int {
    ($($t:ty),+) => { $(impl Field for $t {
        fn read_opt(row: &Row<'_>, column: usize) -> Result<Option<Self>, DbError> {
            int_as(row, column, |n| n.try_into().ok())
        }
    })+ };
}
field_small_int!(u32, u16, u8);

impl Field for bool {
    fn read_opt(row: &Row<'_>, column: usize) -> Result<Option<Self>, DbError> {
        Ok(row.int(column)?.map(|n| n != 0))
    }
}
impl Field for String {
    fn read_opt(row: &Row<'_>, column: usize) -> Result<Option<Self>, DbError> {
        row.native(column)
    }
}
impl Field for Vec<u8> {
    fn read_opt(row: &Row<'_>, column: usize) -> Result<Option<Self>, DbError> {
        row.native(column)
    }
}
impl<const N: usize> Field for [u8; N] {
    fn read_opt(row: &Row<'_>, column: usize) -> Result<Option<Self>, DbError> {
        let Some(bytes) = row.native::<Vec<u8>>(column)? else { return Ok(None) };
        let len = bytes.len();
        let array = bytes.try_into().map_err(|_| DbError::Column { column, why: format!("{len} bytes, not {N}") })?;
        Ok(Some(array))
    }
}
impl Field for Region {
    fn read_opt(row: &Row<'_>, column: usize) -> Result<Option<Self>, DbError> {
        let Some(text) = row.native::<String>(column)? else { return Ok(None) };
        text.parse().map(Some).map_err(|error| DbError::Column { column, why: format!("{error}") })
    }
}

/// Types that are a number or bytes inside.
macro_rules! wrapped {
    ($($t:ident($inner:ty)),+ $(,)?) => { $(
        impl Field for $t {
            fn read_opt(row: &Row<'_>, column: usize) -> Result<Option<Self>, DbError> {
                Ok(<$inner>::read_opt(row, column)?.map($t))
            }
        }
        impl From<$t> for Value<'_> {
            fn from(v: $t) -> Self { v.0.into() }
        }
    )+ };
}
wrapped!(Alias(u32), Bytes(u64), Kbps(u32), Ppm(u32), Credits(i64), Roles(u8), Ucredit(u64), AccountNo(u64));

impl Field for Stamp {
    fn read_opt(row: &Row<'_>, column: usize) -> Result<Option<Self>, DbError> {
        Ok(row.int(column)?.map(|ms| Self(ms.max(0).cast_unsigned())))
    }
}
impl From<Stamp> for Value<'_> {
    fn from(v: Stamp) -> Self {
        Self::Int(i64::try_from(v.0).unwrap_or(i64::MAX))
    }
}

/// Ids.
macro_rules! ids {
    ($($t:ident($len:literal)),+ $(,)?) => { $(
        impl Field for $t {
            fn read_opt(row: &Row<'_>, column: usize) -> Result<Option<Self>, DbError> {
                Ok(<[u8; $len]>::read_opt(row, column)?.map($t))
            }
        }
        impl<'a> From<&'a $t> for Value<'a> {
            fn from(v: &'a $t) -> Self { Self::Blob(&v.0) }
        }
    )+ };
}
ids!(NodeId(32), DeviceId(32), MemberId(16), TicketId(8), TransferId(16));

/// Words that are stored as their number.
macro_rules! words {
    ($($t:ty),+ $(,)?) => { $(
        impl $crate::db::Field for $t {
            fn read_opt(row: &$crate::db::Row<'_>, column: usize) -> Result<Option<Self>, $crate::db::DbError> {
                $crate::db::int_as(row, column, |n| u8::try_from(n).ok().and_then(<$t>::from_code))
            }
        }
        impl From<$t> for $crate::db::Value<'_> {
            fn from(v: $t) -> Self { Self::Int(i64::from(v.code())) }
        }
    )+ };
}
pub(crate) use words as stored_words;
words!(Os, Arch, NatKind, Tier, RegionEvidence);
