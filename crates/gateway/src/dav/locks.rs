//! Locks, of this gateway alone: they hold whoever comes by WebDAV, for an hour at most, and nobody else.
//!
//! (A) At most [`LOCKS_MAX`]. (B) A lock that is not refreshed ends by itself. (C) Only the key that made a lock may use it.

use super::limits::{LOCK_WAIT, LOCK_WAIT_USUAL, LOCKS_MAX};
use data_encoding::HEXLOWER;
use dav_server::davpath::DavPath;
use dav_server::ls::{DavLock, DavLockSystem, LsFuture};
use rand::Rng;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use xmltree::Element;

/// Locks; clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Locks(Arc<Mutex<Vec<Held>>>);

#[derive(Debug, Clone)]
struct Held {
    lock: DavLock,
    path: Vec<u8>,
    until: Instant,
}

/// A path without `/` at its end.
fn plain(path: &DavPath) -> Vec<u8> {
    let bytes = path.as_bytes();
    bytes.strip_suffix(b"/").unwrap_or(bytes).to_vec()
}

/// Whether a path lies below another.
fn is_below(path: &[u8], above: &[u8]) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.first() == Some(&b'/'))
}

impl Held {
    /// Whether it holds a path.
    fn covers(&self, path: &[u8]) -> bool {
        self.path == path || (self.lock.deep && is_below(path, &self.path))
    }

    /// Whether who submitted these tokens may pass.
    fn is_held(&self, principal: Option<&str>, tokens: &[String]) -> bool {
        tokens.contains(&self.lock.token) && principal == self.lock.principal.as_deref()
    }
}

fn life(asked: Option<Duration>) -> Duration {
    asked.unwrap_or(LOCK_WAIT_USUAL).min(LOCK_WAIT)
}

/// Nobody can guess it.
fn token() -> String {
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    // A UUID of version 4 has these bits.
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = HEXLOWER.encode(&bytes);
    let (a, b, c, d, e) = (&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    format!("urn:uuid:{a}-{b}-{c}-{d}-{e}")
}

/// A lock that nobody holds.
fn nobodys(path: &DavPath) -> DavLock {
    let (path, timeout) = (Box::new(path.clone()), Some(Duration::ZERO));
    let (token, deep) = (String::new(), false);
    DavLock { token, path, principal: None, owner: None, timeout_at: None, timeout, shared: false, deep }
}

impl Locks {
    fn held(&self) -> MutexGuard<'_, Vec<Held>> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|one| one.until > Instant::now()); // (B)
        held
    }

    /// (A): no more can be made.
    pub fn is_full(&self) -> bool {
        self.held().len() >= LOCKS_MAX
    }

    /// Whether a token is that of a lock which another key made.
    pub fn is_others(&self, token: &str, principal: &str) -> bool {
        let is_others = |one: &Held| one.lock.token == token && one.lock.principal.as_deref() != Some(principal);
        self.held().iter().any(is_others)
    }

    /// Locks that hold a path.
    pub fn on(&self, path: &DavPath) -> Vec<DavLock> {
        let path = plain(path);
        self.held().iter().filter(|one| one.covers(&path)).map(|one| one.lock.clone()).collect()
    }
}

impl DavLockSystem for Locks {
    fn lock(
        &'_ self,
        path: &DavPath,
        principal: Option<&str>,
        owner: Option<&Element>,
        timeout: Option<Duration>,
        shared: bool,
        deep: bool,
    ) -> LsFuture<'_, Result<DavLock, DavLock>> {
        let (mut held, plain) = (self.held(), plain(path));
        let meets = |one: &Held| one.covers(&plain) || (deep && is_below(&one.path, &plain));
        let other = held.iter().find(|one| meets(one) && !(shared && one.lock.shared)).map(|one| one.lock.clone());
        let (life, now) = (life(timeout), Instant::now());
        let lock = DavLock {
            token: token(),
            path: Box::new(path.clone()),
            principal: principal.map(str::to_owned),
            owner: owner.map(|owner| Box::new(owner.clone())),
            timeout_at: None,
            timeout: Some(life),
            shared,
            deep,
        };
        let made = match other {
            Some(other) => Err(other),
            None if held.len() >= LOCKS_MAX => Err(lock),
            None => {
                held.push(Held { lock: lock.clone(), path: plain, until: now + life });
                Ok(lock)
            }
        };
        Box::pin(ready(made))
    }

    fn unlock(&'_ self, path: &DavPath, token: &str) -> LsFuture<'_, Result<(), ()>> {
        let (mut held, plain) = (self.held(), plain(path));
        let at = held.iter().position(|one| one.lock.token == token && one.covers(&plain));
        Box::pin(ready(at.map(|at| drop(held.remove(at))).ok_or(())))
    }

    fn refresh(&'_ self, path: &DavPath, token: &str, timeout: Option<Duration>) -> LsFuture<'_, Result<DavLock, ()>> {
        let (mut held, plain) = (self.held(), plain(path));
        let found = held.iter_mut().find(|one| one.lock.token == token && one.covers(&plain));
        let refreshed = found.map(|one| {
            let life = life(timeout);
            (one.until, one.lock.timeout) = (Instant::now() + life, Some(life));
            one.lock.clone()
        });
        Box::pin(ready(refreshed.ok_or(())))
    }

    fn check(
        &'_ self,
        path: &DavPath,
        principal: Option<&str>,
        is_named: bool,
        deep: bool,
        tokens: &[String],
    ) -> LsFuture<'_, Result<(), DavLock>> {
        let (held, plain) = (self.held(), plain(path));
        if is_named {
            // A condition names a lock: whoever holds it, it must be one of this path.
            let is_one = held.iter().any(|one| one.covers(&plain) && tokens.contains(&one.lock.token));
            return Box::pin(ready(if is_one { Ok(()) } else { Err(nobodys(path)) }));
        }
        let above: Vec<&Held> = held.iter().filter(|one| one.covers(&plain)).collect();
        let below = held.iter().filter(|one| deep && is_below(&one.path, &plain));
        // One of several shared locks is enough; below, each holds what it is on.
        let is_let = above.iter().any(|one| one.is_held(principal, tokens));
        let passes = |one: &Held| one.is_held(principal, tokens) || (one.lock.shared && is_let);
        let by_above = above.iter().find(|one| !passes(one)).copied();
        let by = by_above.or_else(|| below.into_iter().find(|one| !one.is_held(principal, tokens)));
        Box::pin(ready(by.map_or(Ok(()), |one| Err(one.lock.clone()))))
    }

    fn discover(&'_ self, path: &DavPath) -> LsFuture<'_, Vec<DavLock>> {
        Box::pin(ready(self.on(path)))
    }

    fn delete(&'_ self, path: &DavPath) -> LsFuture<'_, Result<(), ()>> {
        let plain = plain(path);
        self.held().retain(|one| one.path != plain && !is_below(&one.path, &plain));
        Box::pin(ready(Ok(())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> DavPath {
        DavPath::new(text).unwrap()
    }

    async fn lock(locks: &Locks, at: &str, shared: bool, deep: bool) -> Result<String, String> {
        let made = locks.lock(&path(at), Some("me"), None, None, shared, deep).await;
        made.map(|lock| lock.token).map_err(|lock| lock.token)
    }

    async fn may(locks: &Locks, at: &str, who: &str, deep: bool, tokens: &[&String]) -> bool {
        let tokens: Vec<String> = tokens.iter().map(|token| (*token).clone()).collect();
        locks.check(&path(at), Some(who), false, deep, &tokens).await.is_ok()
    }

    #[tokio::test]
    async fn a_lock_holds_what_it_is_on_and_a_deep_one_what_is_below() {
        let locks = Locks::default();
        let deep = lock(&locks, "/b/a/", false, true).await.unwrap();
        assert_eq!(lock(&locks, "/b/a/x", true, false).await, Err(deep.clone()));
        assert_eq!(lock(&locks, "/b", false, true).await, Err(deep.clone()), "from above");
        assert!(lock(&locks, "/b/ab", false, false).await.is_ok(), "a sibling");
        assert!(lock(&locks, "/b", true, false).await.is_ok());
        assert!(!may(&locks, "/b/a/x", "me", false, &[]).await && may(&locks, "/b/a/x", "me", false, &[&deep]).await);
        assert!(!may(&locks, "/b/a", "other", false, &[&deep]).await, "(C)");
        let named = |at: &str, token: &str| {
            let (locks, at, tokens) = (locks.clone(), path(at), vec![token.to_owned()]);
            async move { locks.check(&at, None, true, false, &tokens).await.is_ok() }
        };
        assert!(named("/b/a/x", &deep).await && !named("/b/x", &deep).await && !named("/b/a", "urn:x").await);
        assert!(may(&locks, "/b/x", "me", false, &[]).await, "the lock on /b is not deep");
        assert_eq!(locks.on(&path("/b/a/x")).len(), 1);
        locks.delete(&path("/b/a")).await.unwrap();
        assert!(locks.on(&path("/b/a")).is_empty() && locks.unlock(&path("/b/a"), &deep).await.is_err());
    }

    #[tokio::test]
    async fn shared_locks_stand_together_and_one_of_them_lets_in() {
        let locks = Locks::default();
        let (one, two) =
            (lock(&locks, "/b/a", true, false).await.unwrap(), lock(&locks, "/b/a", true, false).await.unwrap());
        assert!(lock(&locks, "/b/a", false, false).await.is_err());
        assert!(!may(&locks, "/b/a", "me", false, &[]).await && may(&locks, "/b/a", "me", false, &[&two]).await);
        assert!(!may(&locks, "/b", "me", true, &[&two]).await, "what is below is held one by one");
        assert!(may(&locks, "/b", "me", true, &[&one, &two]).await);
        locks.unlock(&path("/b/a/"), &one).await.unwrap();
        assert!(locks.refresh(&path("/b/a"), &one, None).await.is_err());
        let life = locks.refresh(&path("/b/a"), &two, Some(Duration::from_secs(1 << 30))).await.unwrap().timeout;
        assert_eq!(life, Some(LOCK_WAIT));
    }

    #[tokio::test]
    async fn locks_are_counted_and_end_by_themselves() {
        let locks = Locks::default();
        for at in 0..LOCKS_MAX {
            lock(&locks, &format!("/b/{at}"), false, false).await.unwrap();
        }
        assert!(locks.is_full() && lock(&locks, "/b/more", false, false).await.is_err(), "(A)");
        let ended = locks.refresh(&path("/b/0"), &locks.on(&path("/b/0"))[0].token, Some(Duration::ZERO)).await;
        assert!(ended.is_ok() && !locks.is_full() && locks.on(&path("/b/0")).is_empty(), "(B)");
        assert!(token() != token() && token().len() == 45);
    }
}
