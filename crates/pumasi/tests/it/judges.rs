//! Foreign judges: what tools of others say of the gateway. Where one cannot be had here a line says so, loudly; with `PUMASI_FULL`
//! that is an error.

use crate::s3::door;
use std::path::{Path, PathBuf};
use std::process::Command;

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate lies in crates/").to_owned()
}

/// A Python in a folder, with what a file of the tree pins; why not, where it cannot be had.
pub fn python(folder: &Path, requirements: &str) -> Result<PathBuf, String> {
    let requirements = root().join(requirements);
    let run = |program: &Path, args: &[&str]| {
        let out = Command::new(program).args(args).output().map_err(|e| format!("{}: {e}", program.display()))?;
        if out.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&out.stderr).trim().to_owned()) }
    };
    run(Path::new("python3"), &["-m", "venv", &folder.display().to_string()])?;
    let pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", &requirements.display().to_string()];
    let program = folder.join("bin/python");
    run(&program, &pip)?;
    Ok(program)
}

#[test]
fn boto3_finds_every_operation_as_s3_documents_it() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let program = match python(&folder.path().join("venv"), "tests/s3/requirements.txt") {
        Ok(program) => program,
        Err(why) => {
            assert!(std::env::var_os("PUMASI_FULL").is_none(), "boto3 cannot be had: {why}");
            println!("SKIPPED: boto3 cannot be had here ({})", why.lines().last().unwrap_or_default());
            return;
        }
    };
    let door = door();
    let reader = door.with_key(&["--read-only"]);
    // A name, so that a bucket may stand in front of it.
    let endpoint = format!("http://localhost:{}", door.tool.addr.port());
    let out = Command::new(program)
        .arg(root().join("tests/s3/s3_boto3.py"))
        .args([&endpoint, &door.tool.id, &door.tool.secret, &reader.id, &reader.secret])
        .env_remove("AWS_PROFILE")
        .output()
        .expect("Python runs");
    let (said, complained) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{said}\n{complained}");
    println!("{}", said.lines().last().unwrap_or_default());
}
