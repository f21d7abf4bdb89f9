//! The foreign judge of WebDAV: what litmus says of it, held against a list in the tree. Where it cannot be had here a line says so,
//! loudly; with `PUMASI_FULL` that is an error.

use crate::webdav::dav;
use gateway::tool::ToolAsk;
use std::path::Path;
use std::process::Command;

/// How the script says that litmus cannot be had.
const SKIPPED: i32 = 77;

#[test]
fn litmus_finds_webdav_as_its_standard_says() {
    let dav = dav();
    assert_eq!(dav.ask(ToolAsk::new("MKCOL", "/litmus-bucket")).status, 201);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate lies in crates/");
    let out = Command::new("bash")
        .arg(root.join("tests/webdav/litmus.sh"))
        .args([&format!("http://{}/litmus-bucket/", dav.tool.addr), &dav.tool.id, &dav.tool.secret])
        .output()
        .expect("bash is part of every system these tests run on");
    let (said, complained) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    if out.status.code() == Some(SKIPPED) {
        assert!(std::env::var_os("PUMASI_FULL").is_none(), "litmus cannot be had: {complained}");
        println!("SKIPPED: litmus cannot be had here");
        return;
    }
    assert!(out.status.success(), "{said}\n{complained}");
    println!("{}", said.lines().last().unwrap_or_default());
}
