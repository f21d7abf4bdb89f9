//! The import table of `ARCHITECTURE.md` against the manifests: a room imports what its row allows and no more, and
//! each foreign library has its rooms. Dev-dependencies are free; what a room does not use yet may be missing. The map
//! itself is held to the same table, and its links to the files they name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Room → what it may import of ours.
const TABLE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("wire", &["model"]),
    ("rules", &["model"]),
    ("codec", &["model"]),
    ("seal", &["model", "codec"]),
    ("net", &["model", "wire"]),
    ("sandbox", &["model"]),
    ("client", &["model", "wire", "rules", "codec", "seal", "net"]),
    ("gateway", &["model", "client"]),
    ("node", &["model", "wire", "rules", "codec", "net", "client", "sandbox"]),
    ("console", &["model"]),
    ("center", &["model", "wire", "rules", "codec", "net", "console"]),
    (
        "pumasi",
        &[
            "model", "wire", "rules", "codec", "seal", "net", "sandbox", "client", "gateway", "node", "console",
            "center",
        ],
    ),
    ("sim", &["model", "rules", "codec"]),
];

/// Foreign library → the only rooms that know it.
const FOREIGN: &[(&str, &[&str])] = &[
    ("iroh", &["net"]),
    ("iroh-relay", &["net"]),
    ("wasmtime", &["sandbox"]),
    ("wasmtime-wasi", &["sandbox"]),
    ("wiggle", &["sandbox"]),
    ("landlock", &["sandbox"]),
    ("seccompiler", &["sandbox"]),
    ("caps", &["sandbox"]),
    ("rusqlite", &["center", "node", "client"]),
    ("postgres", &["center", "node", "client"]),
    ("axum", &["center", "pumasi"]),
    ("maud", &["console", "center"]),
    ("ring", &["seal"]),
    ("chacha20poly1305", &["seal"]),
    ("aes-siv", &["seal"]),
    ("reed-solomon-simd", &["codec"]),
    ("dav-server", &["gateway"]),
    ("xmltree", &["gateway"]),
    ("fuser", &["gateway"]),
];

const PURE: &[&str] = &["model", "wire", "rules", "codec", "seal"];
/// What no pure room imports: runtimes and sources of randomness of their own.
const IMPURE: &[&str] = &["tokio", "tokio-util", "futures-util", "rand", "getrandom", "nix"];
/// `rand_core` features that read the system's randomness.
const OS_RANDOM: &[&str] = &["os_rng", "getrandom", "std_rng", "thread_rng", "sys_rng"];

#[test]
fn every_room_imports_what_its_row_allows() {
    let rooms = manifests();
    let listed: Vec<&str> = TABLE.iter().map(|row| row.0).collect();
    let mut wrong = Vec::new();
    for room in rooms.keys() {
        if !listed.contains(&room.as_str()) {
            wrong.push(format!("{room} has no row in the table"));
        }
    }
    for (room, allowed) in TABLE {
        let Some(imports) = rooms.get(*room) else {
            wrong.push(format!("{room} stands in the table but has no crate"));
            continue;
        };
        for import in imports.iter().filter(|import| rooms.contains_key(&import.name)) {
            if !allowed.contains(&import.name.as_str()) {
                wrong.push(format!("{room} imports {}", import.name));
            }
        }
    }
    assert!(wrong.is_empty(), "the import table is broken:\n{}", wrong.join("\n"));
}

#[test]
fn the_map_and_the_design_show_this_table() {
    for page in ["ARCHITECTURE.md", "docs/design/DESIGN.md"] {
        let shown = table_of(&read(page));
        for (room, allowed) in TABLE {
            let row = shown.get(*room).unwrap_or_else(|| panic!("{page} has no row for {room}"));
            let expected = match (*room, allowed.is_empty()) {
                ("pumasi", _) => "all but sim".to_owned(),
                (_, true) => "–".to_owned(),
                (_, false) => allowed.join(", "),
            };
            assert_eq!(row, &expected, "{page}, row {room}");
        }
        assert_eq!(shown.len(), TABLE.len(), "{page} has other rows: {:?}", shown.keys());
    }
}

#[test]
fn the_pages_link_to_files_that_exist() {
    let mut wrong = Vec::new();
    for page in ["ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "docs/README.md"] {
        let folder = root().join(page).parent().expect("a page lies in a folder").to_owned();
        let text = read(page);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or_default();
            if !link.contains("://") && !path.is_empty() && !folder.join(path).exists() {
                wrong.push(format!("{page} → {link}"));
            }
        }
    }
    assert!(wrong.is_empty(), "links that lead nowhere:\n{}", wrong.join("\n"));
}

#[test]
fn each_foreign_library_stays_in_its_rooms() {
    let mut wrong = Vec::new();
    for (room, imports) in manifests() {
        for import in imports {
            let home = FOREIGN.iter().find(|row| row.0 == import.name);
            if home.is_some_and(|row| !row.1.contains(&room.as_str())) {
                wrong.push(format!("{room} imports {}", import.name));
            }
            if PURE.contains(&room.as_str()) {
                let os_random = import.features.iter().any(|feature| OS_RANDOM.contains(&feature.as_str()));
                if IMPURE.contains(&import.name.as_str()) || os_random {
                    wrong.push(format!("{room} is pure but imports {} {:?}", import.name, import.features));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "a library is outside its room:\n{}", wrong.join("\n"));
}

#[test]
fn the_center_never_names_the_room_of_keys() {
    let found = lines_with(&crates().join("center/src"), &["seal::"]);
    assert!(found.is_empty(), "center names seal:\n{}", found.join("\n"));
}

#[test]
fn sql_stands_only_in_store_files() {
    let mut wrong = Vec::new();
    for room in manifests().keys() {
        for line in lines_with(&crates().join(room).join("src"), &["SELECT ", "INSERT INTO"]) {
            let has_store = ["center", "node", "client"].contains(&room.as_str());
            if !(has_store && is_store(&line)) {
                wrong.push(line);
            }
        }
    }
    assert!(wrong.is_empty(), "SQL outside a store:\n{}", wrong.join("\n"));
}

/// A second look at a watched value while the first still stands waits for whoever is to change the value, who waits for
/// the first: nobody goes on. Every temporary lives to the end of its statement, so a line may hold one look.
#[test]
fn no_line_looks_twice_at_what_others_change() {
    let mut wrong = Vec::new();
    for room in manifests().keys() {
        for line in lines_with(&crates().join(room).join("src"), &["borrow()", "borrow_and_update()"]) {
            if line.matches(".borrow()").count() + line.matches(".borrow_and_update()").count() > 1 {
                wrong.push(line);
            }
        }
    }
    assert!(wrong.is_empty(), "two looks in one statement:\n{}", wrong.join("\n"));
}

/// One normal or build dependency of a room.
struct Import {
    name: String,
    features: Vec<String>,
}

/// Every room with its imports, from `cargo metadata` (no network: dependencies are not resolved).
fn manifests() -> BTreeMap<String, Vec<Import>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
        .arg(root().join("Cargo.toml"))
        .output()
        .expect("cargo runs, it runs this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    list(&metadata["packages"]).iter().map(|package| (text(&package["name"]), imports(package))).collect()
}

fn imports(package: &Value) -> Vec<Import> {
    let kept = list(&package["dependencies"]).iter().filter(|dependency| dependency["kind"] != "dev");
    kept.map(|dependency| Import {
        name: text(&dependency["name"]),
        features: list(&dependency["features"]).iter().map(text).collect(),
    })
    .collect()
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("cargo metadata has a list here")
}

fn text(value: &Value) -> String {
    value.as_str().expect("cargo metadata has a string here").to_owned()
}

/// Room → the text of its third cell, from the table whose head begins with `crate`.
fn table_of(page: &str) -> BTreeMap<String, String> {
    let lines = page.lines().skip_while(|line| !line.starts_with("| crate |")).skip(2);
    let rows = lines.take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        (cells[1].trim_matches('`').to_owned(), cells[3].to_owned())
    })
    .collect()
}

fn read(page: &str) -> String {
    let path = root().join(page);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn root() -> PathBuf {
    crates().parent().expect("crates/ lies in the house").to_owned()
}

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the program's crate lies in crates/").to_owned()
}

/// Lines of Rust code under `folder` (comments and test files apart) that hold one of `words`, as `path:line: text`.
fn lines_with(folder: &Path, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(lines_with(&path, words));
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            let code = std::fs::read_to_string(&path).expect("a source file is UTF-8");
            let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            for (at, line) in code.lines().enumerate() {
                let is_comment = line.trim_start().starts_with("//");
                if !is_comment && words.iter().any(|word| line.contains(word)) {
                    found.push(format!("{}:{}: {}", path.display(), at + 1, line.trim()));
                }
            }
        }
    }
    found.sort();
    found
}

/// Whether a finding of [`lines_with`] lies in a store, a database, a migration, or the index file of a node or member.
fn is_store(found: &str) -> bool {
    let path = found.split(".rs:").next().unwrap_or(found);
    let tail = path.rsplit("/src/").next().unwrap_or(path);
    tail.split('/').any(|part| ["store", "db", "migrations", "index"].contains(&part))
}
