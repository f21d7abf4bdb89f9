//! Founding a cloud: keys, database, name, first operator. And what can be said of one that does not run.

use crate::access::store::{self, DeviceRow, MemberRow, MemberState};
use crate::db::{Db, SCHEMA, StoreError, meta};
use crate::rebuild::META_REBUILT;
use crate::{CenterError, Keys, Settings};
use model::{CloudKey, DeviceId, MemberId, Roles, Stamp};
use rules::storage::rebuild::last_group;
use std::path::Path;

const META_CLOUD: &str = "cloud_key";
const META_NAME: &str = "cloud_name";
pub(crate) const META_FOUNDER: &str = "founder";

/// Account of a member whose first device is `device`: first 16 bytes of its derived hash.
pub(crate) fn member_of(device: &DeviceId) -> MemberId {
    let hash = blake3::derive_key("pumasi v1 member", device.as_bytes());
    MemberId::from_slice(&hash[..MemberId::LEN]).expect("a hash has more than 16 bytes")
}

/// Who is the first member of a cloud, and its operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Founder {
    /// Their device.
    pub device: DeviceId,
    /// Its name, and theirs.
    pub name: String,
    /// Their number, where the cloud had them before; else it is that of their device.
    pub member: Option<MemberId>,
}

/// Makes a cloud in `dir` (which exists and holds `center.toml`, if there is one): keys, database, its name, and the founder's
/// device as that of the first member, who is its operator.
pub async fn found(
    dir: &Path,
    name: &str,
    founder: &Founder,
    now: Stamp,
    random: &mut dyn FnMut(&mut [u8; 32]),
) -> Result<(), CenterError> {
    let settings = settings(dir)?;
    let keys = Keys::make(dir, random).map_err(|source| folder(dir, source))?;
    fill(&settings, dir, &keys, name, founder, (now, None)).await
}

/// Makes the database of a cloud anew whose keys are in `dir` still, and whose nodes and owners will tell it what it lost.
/// Refuses a database that holds a cloud.
pub async fn found_again(dir: &Path, name: &str, founder: &Founder, now: Stamp) -> Result<CloudKey, CenterError> {
    let settings = settings(dir)?;
    let keys = Keys::load(dir).map_err(|source| folder(dir, source))?;
    fill(&settings, dir, &keys, name, founder, (now, Some(now))).await?;
    Ok(keys.cloud_key())
}

fn folder(dir: &Path, source: std::io::Error) -> CenterError {
    CenterError::Folder { path: dir.display().to_string(), source }
}

fn settings(dir: &Path) -> Result<Settings, CenterError> {
    Settings::load(dir).map_err(|(path, why)| folder(&path, std::io::Error::new(std::io::ErrorKind::InvalidData, why)))
}

async fn fill(
    settings: &Settings,
    dir: &Path,
    keys: &Keys,
    name: &str,
    founder: &Founder,
    (now, rebuilt): (Stamp, Option<Stamp>),
) -> Result<(), CenterError> {
    let db = Db::open(&settings.db_url(dir)?)?;
    let (cloud, name, founder) = (keys.cloud_key(), name.to_owned(), founder.clone());
    let member = founder.member.unwrap_or_else(|| member_of(&founder.device));
    let founded = db.write(move |tx| {
        if !meta::put_new(tx, META_CLOUD, cloud.as_bytes())? {
            return Err(StoreError::refused(model::errors::ALREADY_RUNNING, "the database holds a cloud already"));
        }
        meta::put(tx, META_NAME, name.as_bytes())?;
        meta::put(tx, META_FOUNDER, member.as_bytes())?;
        if let Some(at) = rebuilt {
            meta::put(tx, META_REBUILT, &at.as_ms().to_le_bytes())?;
            crate::rebuild::store::groups_from(tx, last_group(at))?;
        }
        let roles = Roles::BOTH.with(Roles::OPERATOR);
        let row = MemberRow {
            id: member,
            name: founder.name.clone(),
            roles,
            state: MemberState::Active,
            frozen_why: None,
            created_at: now,
            invited_by: None,
        };
        store::insert_member(tx, &row)?;
        let (id, name) = (founder.device, founder.name.clone());
        store::insert_device(tx, &DeviceRow { id, member, name, added_at: now, removed_at: None })
    });
    let done = founded.await;
    db.close().await;
    Ok(done?)
}

/// The cloud's name, when the database belongs to these keys.
pub(crate) async fn name_of(db: &Db, key: &CloudKey) -> Result<String, CenterError> {
    let (cloud, name) = db.read(|q| Ok((meta::get(q, META_CLOUD)?, meta::get(q, META_NAME)?))).await?;
    if cloud.is_none() {
        return Err(CenterError::NoCloud);
    }
    if cloud.as_deref() != Some(&key.0[..]) {
        return Err(CenterError::OtherCloud);
    }
    Ok(String::from_utf8_lossy(&name.unwrap_or_default()).into_owned())
}

/// What `center check` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// Cloud's name.
    pub name: String,
    /// Where the database is, without a password.
    pub db: String,
    /// Its schema.
    pub schema: i64,
    /// Members.
    pub members: u64,
    /// Nodes.
    pub nodes: u64,
}

/// Opens the database and counts.
pub async fn check(dir: &Path, settings: &Settings) -> Result<CheckReport, CenterError> {
    let keys = Keys::load(dir).map_err(|source| CenterError::Folder { path: dir.display().to_string(), source })?;
    let db = Db::open(&settings.db_url(dir)?)?;
    let name = name_of(&db, &keys.cloud_key()).await?;
    let report = look_into(&db, name).await?;
    db.close().await;
    Ok(report)
}

/// Counts what a database holds.
pub(crate) async fn look_into(db: &Db, name: String) -> Result<CheckReport, CenterError> {
    let counted =
        db.read(|q| Ok((store::count_members(q)?, crate::fleet::store::count_nodes(q, &Default::default())?)));
    let (members, nodes) = counted.await?;
    Ok(CheckReport { name, db: db.url().to_string(), schema: SCHEMA, members, nodes })
}
