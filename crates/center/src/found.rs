//! Founding a cloud: keys, database, name, first operator. And what can be said of one that does not run.

use crate::access::store::{self, DeviceRow, MemberRow, MemberState};
use crate::db::{Db, SCHEMA, StoreError, meta};
use crate::{CenterError, Keys, Settings};
use model::{DeviceId, MemberId, Roles, Stamp};
use std::path::Path;

const META_CLOUD: &str = "cloud_key";
const META_NAME: &str = "cloud_name";

/// Account of a member whose first device is `device`: first 16 bytes of its derived hash.
pub(crate) fn member_of(device: &DeviceId) -> MemberId {
    let hash = blake3::derive_key("pumasi v1 member", device.as_bytes());
    MemberId::from_slice(&hash[..MemberId::LEN]).expect("a hash has more than 16 bytes")
}

/// Makes a cloud in `dir` (which exists and holds `center.toml`, if there is one): keys, database, its name, and
/// `founder` as the device of the first member, who is its operator.
pub async fn found(
    dir: &Path,
    name: &str,
    founder: DeviceId,
    founder_name: &str,
    now: Stamp,
    random: &mut dyn FnMut(&mut [u8; 32]),
) -> Result<(), CenterError> {
    let folder = |source| CenterError::Folder { path: dir.display().to_string(), source };
    let settings = Settings::load(dir).map_err(|(path, why)| CenterError::Folder {
        path: path.display().to_string(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, why),
    })?;
    let keys = Keys::make(dir, random).map_err(folder)?;
    let db = Db::open(&settings.db_url(dir)?)?;
    let cloud = keys.cloud_key();
    let (name, founder_name) = (name.to_owned(), founder_name.to_owned());
    let member = member_of(&founder);
    let founded = db.write(move |tx| {
        if !meta::put_new(tx, META_CLOUD, cloud.as_bytes())? {
            return Err(StoreError::refused(model::errors::ALREADY_RUNNING, "the database holds a cloud already"));
        }
        meta::put(tx, META_NAME, name.as_bytes())?;
        let roles = Roles::BOTH.with(Roles::OPERATOR);
        let row = MemberRow {
            id: member,
            name: founder_name.clone(),
            roles,
            state: MemberState::Active,
            frozen_why: None,
            created_at: now,
            invited_by: None,
        };
        store::insert_member(tx, &row)?;
        let device = DeviceRow { id: founder, member, name: founder_name.clone(), added_at: now, removed_at: None };
        store::insert_device(tx, &device)
    });
    founded.await?;
    db.close().await;
    Ok(())
}

/// The cloud's name, when the database belongs to these keys.
pub(crate) async fn name_of(db: &Db, keys: &Keys) -> Result<String, CenterError> {
    let (cloud, name) = db.read(|q| Ok((meta::get(q, META_CLOUD)?, meta::get(q, META_NAME)?))).await?;
    if cloud.as_deref() != Some(&keys.cloud_key().0[..]) {
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
    let name = name_of(&db, &keys).await?;
    let counted =
        db.read(|q| Ok((store::count_members(q)?, crate::fleet::store::count_nodes(q, &Default::default())?)));
    let (members, nodes) = counted.await?;
    let report = CheckReport { name, db: db.url().to_string(), schema: SCHEMA, members, nodes };
    db.close().await;
    Ok(report)
}
