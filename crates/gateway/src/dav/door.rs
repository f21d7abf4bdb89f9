//! The door: who asks says a tool's key as a password. A wrong one is asked for again, and after some of them nobody is let in with
//! that key for a while.

use super::error::Fault;
use super::limits::{FAILURES_MAX, FAILURES_SPAN, PASSWORD_BYTES_MAX};
use crate::keys::{KeyStore, ToolKey};
use data_encoding::BASE64;
use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderMap};
use model::{Stamp, errors};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use subtle::ConstantTimeEq;

/// What a client says in its `Authorization` header.
pub fn password(id: &str, secret: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("{id}:{secret}").as_bytes()))
}

/// Who is let in.
pub(crate) struct Door {
    keys: KeyStore,
    now: fn() -> Stamp,
    /// Wrong passwords by key, since when; those for keys that are none count together.
    failures: Mutex<BTreeMap<String, (Instant, u32)>>,
}

fn unknown(why: &str) -> Fault {
    Fault::new(StatusCode::UNAUTHORIZED, errors::NOT_SIGNED_IN, why)
}

/// Id and password of a request.
fn said(headers: &HeaderMap) -> Result<(String, String), Fault> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let first = all.next().ok_or_else(|| unknown("the id of a tool's key is the user, its secret the password"))?;
    let value = first.to_str().ok().filter(|_| all.next().is_none());
    let (kind, word) =
        value.and_then(|value| value.split_once(' ')).ok_or_else(|| unknown("one user, one password"))?;
    if !kind.eq_ignore_ascii_case("basic") || word.len() > PASSWORD_BYTES_MAX {
        return Err(unknown("a password is sent as Basic"));
    }
    let plain = BASE64.decode(word.trim().as_bytes()).ok().and_then(|plain| String::from_utf8(plain).ok());
    let plain = plain.ok_or_else(|| unknown("user and password are base64"))?;
    let (id, secret) = plain.split_once(':').ok_or_else(|| unknown("user and password stand around a colon"))?;
    Ok((id.to_owned(), secret.to_owned()))
}

impl Door {
    pub fn new(keys: KeyStore, now: fn() -> Stamp) -> Self {
        Self { keys, now, failures: Mutex::default() }
    }

    /// The key of a request.
    ///
    /// # Errors
    /// 401 and 429.
    pub fn open(&self, headers: &HeaderMap) -> Result<ToolKey, Fault> {
        let (id, secret) = said(headers)?;
        let found = self.keys.find(&id).map_err(|error| {
            tracing::warn!(%error, "keys of tools cannot be read");
            Fault::new(StatusCode::INTERNAL_SERVER_ERROR, errors::CONFIG_UNREADABLE, error.to_string())
        })?;
        let counted = found.as_ref().map(|key| key.id.clone()).unwrap_or_default();
        if self.is_shut(&counted) {
            let why = "too many wrong passwords; wait a minute";
            return Err(Fault::new(StatusCode::TOO_MANY_REQUESTS, errors::RATE_LIMITED, why));
        }
        // The same is compared whether there is such a key or not.
        let own = found.as_ref().map_or("-", |key| key.secret());
        let is_right: bool = own.as_bytes().ct_eq(secret.as_bytes()).into();
        match found.filter(|key| is_right && !key.secret().is_empty()) {
            Some(key) => match key.check((self.now)()) {
                Ok(()) => Ok(key),
                Err(why) => Err(Fault::new(StatusCode::UNAUTHORIZED, why, "the key is good for nothing any more")),
            },
            None => {
                self.failed(&id, &counted);
                Err(unknown("no key of this id has this secret"))
            }
        }
    }

    fn is_shut(&self, id: &str) -> bool {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|_, (since, _)| since.elapsed() < FAILURES_SPAN);
        failures.get(id).is_some_and(|(_, count)| *count >= FAILURES_MAX)
    }

    fn failed(&self, said: &str, counted: &str) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, count) = failures.entry(counted.to_owned()).or_insert_with(|| (Instant::now(), 0));
        *count += 1;
        tracing::info!(key_bytes = said.len(), count, "a wrong password");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Scope;
    use hyper::header::HeaderValue;

    fn headers(id: &str, secret: &str) -> HeaderMap {
        let value = password(id, secret);
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&value).unwrap())])
    }

    fn status(door: &Door, headers: &HeaderMap) -> u16 {
        door.open(headers).map_or_else(|fault| fault.status.as_u16(), |_| 200)
    }

    #[test]
    fn only_the_right_password_of_a_good_key_opens() {
        let dir = tempfile::tempdir().unwrap();
        let keys = KeyStore::new(&dir.path().join("keys"), &[1; 32]);
        let key = ToolKey::make(Scope::default(), Stamp(1), None);
        let over = ToolKey::make(Scope::default(), Stamp(1), Some(Stamp(2)));
        let gone = ToolKey::make(Scope::default(), Stamp(1), None);
        for key in [&key, &over, &gone] {
            keys.add(key.clone()).unwrap();
        }
        keys.revoke(&gone.id, Stamp(3)).unwrap();
        let door = Door::new(keys, || Stamp(5));
        assert_eq!(status(&door, &headers(&key.id, key.secret())), 200);
        assert_eq!(status(&door, &headers(&over.id, over.secret())), 401);
        assert_eq!(status(&door, &headers(&gone.id, gone.secret())), 401);
        assert_eq!(status(&door, &headers(&gone.id, "")), 401, "a revoked key has no secret at all");
        for (id, secret) in [(key.id.as_str(), ""), (&key.id, "x"), ("", ""), ("nobody", "-"), ("nobody", key.secret())]
        {
            assert_eq!(status(&door, &headers(id, secret)), 401, "{id}");
        }
        assert_eq!(status(&door, &HeaderMap::new()), 401);
        let mut twice = headers(&key.id, key.secret());
        twice.append(AUTHORIZATION, HeaderValue::from_static("Basic eDp5"));
        assert_eq!(status(&door, &twice), 401);
        let bearer = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer x"))]);
        assert_eq!(status(&door, &bearer), 401);
    }

    #[test]
    fn many_wrong_passwords_shut_the_door_for_that_key_alone() {
        let dir = tempfile::tempdir().unwrap();
        let keys = KeyStore::new(&dir.path().join("keys"), &[1; 32]);
        let (key, other) =
            (ToolKey::make(Scope::default(), Stamp(1), None), ToolKey::make(Scope::default(), Stamp(1), None));
        keys.add(key.clone()).unwrap();
        keys.add(other.clone()).unwrap();
        let door = Door::new(keys, || Stamp(5));
        for _ in 0..FAILURES_MAX {
            assert_eq!(status(&door, &headers(&key.id, "wrong")), 401);
        }
        assert_eq!(status(&door, &headers(&key.id, key.secret())), 429);
        assert_eq!(status(&door, &headers(&other.id, other.secret())), 200);
        for at in 0..2 * FAILURES_MAX {
            status(&door, &headers(&format!("nobody{at}"), "x"));
        }
        assert_eq!(status(&door, &headers("nobody", "x")), 429, "guessed ids count together");
        assert_eq!(status(&door, &headers(&other.id, other.secret())), 200);
    }
}
