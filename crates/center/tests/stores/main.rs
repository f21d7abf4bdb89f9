//! One suite of histories for both engines.

use center::access::store::{self as access, MemberRow, MemberState};
use center::db::{Db, DbUrl};
use model::{MemberId, Roles, Stamp};

#[tokio::test]
async fn smoke() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(&DbUrl::Sqlite(dir.path().join("c.db"))).unwrap();
    let m = MemberRow { id: MemberId([1; 16]), name: "ann".into(), roles: Roles::BOTH, state: MemberState::Active, frozen_why: None, created_at: Stamp(5), invited_by: None };
    let n = m.clone();
    db.write(move |tx| access::insert_member(tx, &n)).await.unwrap();
    assert_eq!(db.read(|q| Ok(access::member(q, &MemberId([1; 16]))?)).await.unwrap(), Some(m));
    db.close().await;
}
