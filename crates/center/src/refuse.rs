//! From errors of the store to what a caller is told: a lawful no with its reason; a broken thing by its registered id,
//! its details in the log only.

use crate::db::{DbError, StoreError};
use model::errors;
use std::collections::BTreeMap;
use wire::RefusalMsg;

/// A refusal without variables.
pub fn plain(id: errors::ErrorId) -> RefusalMsg {
    RefusalMsg { id, args: BTreeMap::new() }
}

/// E0106.
pub fn not_allowed(who: impl std::fmt::Display, verb: &str, thing: &str) -> RefusalMsg {
    RefusalMsg::new(
        errors::NOT_ALLOWED,
        [("who", who.to_string()), ("verb", verb.to_owned()), ("thing", thing.to_owned())],
    )
}

/// E0002.
pub fn bad_value(field: &str, value: &str, why: &str) -> RefusalMsg {
    let value: String = value.chars().take(80).collect();
    RefusalMsg::new(
        errors::BAD_VALUE,
        [("field", field.to_owned()), ("value", value), ("why", why.to_owned()), ("verb", String::new())],
    )
}

/// What a caller hears of a failed store.
pub fn store(error: StoreError) -> RefusalMsg {
    match error {
        StoreError::Refused { id: errors::BUCKET_LIMIT, why } => {
            RefusalMsg::new(errors::BUCKET_LIMIT, [("limit", why)])
        }
        StoreError::Refused { id: errors::LEDGER_STOPPED, why } => {
            tracing::error!(%why, "the ledger takes nothing");
            RefusalMsg::new(errors::LEDGER_STOPPED, [("why", why)])
        }
        StoreError::Refused { id, why } => RefusalMsg::new(id, [("why", why)]),
        StoreError::Db(error) => db(&error),
    }
}

fn db(error: &DbError) -> RefusalMsg {
    match error {
        DbError::Unwritable { why, .. } => {
            tracing::error!(%error, "the database cannot be written");
            RefusalMsg::new(errors::DB_UNWRITABLE, [("why", why.to_string())])
        }
        DbError::Busy { .. } | DbError::Conflict { .. } | DbError::CommitUnknown => {
            tracing::warn!(%error, "the database is busy");
            RefusalMsg::new(errors::RATE_LIMITED, [("wait", "1 s".to_owned())])
        }
        other => {
            tracing::error!(error = %other, "the database failed");
            RefusalMsg::new(errors::BUG, [("path", "center.log".to_owned())])
        }
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self(store(error))
    }
}

impl From<RefusalMsg> for Refused {
    fn from(refusal: RefusalMsg) -> Self {
        Self(refusal)
    }
}

impl From<rules::Refusal> for Refused {
    fn from(refusal: rules::Refusal) -> Self {
        Self(RefusalMsg { id: refusal.id, args: refusal.args.into_iter().map(|(k, v)| (k.to_owned(), v)).collect() })
    }
}

/// The error side of every api function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(pub RefusalMsg);
