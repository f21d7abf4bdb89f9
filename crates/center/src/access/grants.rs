//! Grants: noted and revoked by their givers, and judged when somebody calls under one.

use super::api::who;
use super::store::{self, MemberState, account};
use crate::db::StoreError;
use crate::refuse::{Refused, not_allowed};
use crate::{Caller, Center};
use model::{BucketId, MemberId, Stamp, errors};
use wire::account::{GrantNote, Granted};
use wire::limits::GRANT_NOTE_MAX;
use wire::signed::grant::{self, Allowed};
use wire::signed::{GrantFault, GrantOps, Rights};
use wire::{RefusalMsg, Reply};

/// Notes a grant in its giver's list.
pub async fn note(center: &Center, caller: &Caller, note: GrantNote) -> Result<Reply, Refused> {
    let member = who(center, caller).await?;
    if note.note.len() > GRANT_NOTE_MAX {
        return Err(crate::storage::api::too_large("note", note.note.len(), GRANT_NOTE_MAX));
    }
    let now = center.now();
    center.db().write(move |tx| account::note_grant(tx, &member.id, &note, now)).await?;
    Ok(Reply::Done)
}

/// Grants the caller gave.
pub async fn list(center: &Center, caller: &Caller) -> Result<Reply, Refused> {
    let member = who(center, caller).await?;
    Ok(Reply::Grants(center.db().read(move |q| Ok(account::grants(q, &member.id)?)).await?))
}

/// Ends a grant of the caller's.
pub async fn revoke(center: &Center, caller: &Caller, id: [u8; 16]) -> Result<Reply, Refused> {
    let member = who(center, caller).await?;
    let (now, name) = (center.now(), member.name.clone());
    let ended = center.db().write(move |tx| Ok(account::revoke_grant(tx, &member.id, &id, now)?)).await?;
    if ended { Ok(Reply::Done) } else { Err(not_allowed(&name, "revoke", "this grant").into()) }
}

/// What a caller may do under the grant it shows, and whose bucket it is. Refuses with E0116, E0108, E0109.
pub async fn judge(center: &Center, caller: &Caller, shown: &Granted) -> Result<(Allowed, MemberId), Refused> {
    let now = center.now();
    let allowed = grant::check(&shown.grant).map_err(|fault| refused(fault, now))?;
    allowed.shown(&shown.grant, &shown.proof, &caller.id.0, now).map_err(|fault| match (fault, allowed.not_after) {
        (GrantFault::Time, Some(until)) => refused(fault, until),
        _ => refused(fault, now),
    })?;
    let (ids, device, of) = (allowed.ids.clone(), allowed.device, allowed.account);
    let giver = center.db().read(move |q| {
        for id in &ids {
            if let Some(when) = account::revoked(q, id)? {
                return Ok(Err(when));
            }
        }
        let account = account::find(q, &of)?;
        let may = account::rights(q, &device)?.filter(|(_, rights)| Rights(*rights).has(Rights::APPROVE));
        let giver = account.zip(may).filter(|(account, (member, _))| account.member == *member);
        let giver = giver.map(|(account, _)| store::member(q, &account.member)).transpose()?.flatten();
        let giver = giver.filter(|member| member.state == MemberState::Active);
        giver.map(|member| Ok(member.id)).ok_or_else(|| {
            StoreError::refused(errors::BAD_SIGNATURE, "the grant's giver is no device of its account that may give")
        })
    });
    let revoked = |when: Stamp| Refused(RefusalMsg::new(errors::GRANT_REVOKED, [("when", when.to_string())]));
    Ok((allowed, giver.await?.map_err(revoked)?))
}

fn refused(fault: GrantFault, when: Stamp) -> Refused {
    match fault {
        GrantFault::Time => RefusalMsg::new(errors::GRANT_EXPIRED, [("when", when.to_string())]),
        other => RefusalMsg::new(errors::BAD_SIGNATURE, [("thing", "grant".to_owned()), ("why", other.to_string())]),
    }
    .into()
}

/// Refuses with E0106 what a grant does not allow; `name` is none for what concerns all names below the grant.
pub fn allows(allowed: &Allowed, op: GrantOps, bucket: &BucketId, name: Option<&[u8]>) -> Result<(), Refused> {
    let fits = allowed.ops.has(op) && allowed.bucket == *bucket && name.is_none_or(|name| allowed.covers(name));
    let verb = op.words().first().copied().unwrap_or("do");
    if fits { Ok(()) } else { Err(not_allowed("who holds the link", verb, "what it does not cover").into()) }
}
