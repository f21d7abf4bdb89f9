//! `run --local`: the same sandbox and profile as on a node, without a cloud: hash and steps must agree.

use super::manifest::{Module, guest_limits};
use super::{RunArgs, guest};
use crate::app::App;
use crate::cli::Form;
use crate::fault::Fault;
use client::compute::{Made, STDOUT, files_name, result_hash};
use console::args;
use model::errors;
use sandbox::{Attempt, End, Limits, Outcome, Runner};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

/// Bytes read from standard input or a file at most.
const INPUT_MAX: u64 = 2 << 30;
/// Most steps where none are named.
const FUEL: u64 = 1_000_000_000_000_000;

/// One run.
struct Item {
    name: String,
    stdin: Vec<u8>,
    inputs: BTreeMap<String, Vec<u8>>,
    index: u32,
}

/// Runs it; exit code 20 when the guest failed.
pub async fn run(app: &App, args: &RunArgs) -> Result<u8, Fault> {
    let module = Module { path: args.module.clone(), args: args.args.clone(), env: env(args)? };
    let bytes = guest::read(&module)?;
    let limits = limits(args)?;
    let items = items(args)?;
    let to = args.flags.to.as_ref().map(PathBuf::from);
    if to.is_none() && items.len() > 1 {
        return Err(Fault::bad_value("to", "", "name a folder for the outputs of several inputs: --to FOLDER"));
    }
    let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
    let tells_index = args.count.is_some();
    let runner = guest::runner(app)?;
    let mut failed = 0;
    for item in items {
        let mut attempt = Attempt::new(bytes.clone());
        attempt.args.clone_from(&module.args);
        attempt.env.clone_from(&module.env);
        attempt.seed[..8].copy_from_slice(&args.flags.seed.to_le_bytes());
        if tells_index {
            attempt.env.insert("PUMASI_INDEX".to_owned(), item.index.to_string());
            attempt.env.insert("PUMASI_COUNT".to_owned(), count.to_string());
            let mut hasher = blake3::Hasher::new_keyed(&attempt.seed);
            attempt.seed = *hasher.update(&item.index.to_le_bytes()).finalize().as_bytes();
        }
        (attempt.stdin, attempt.inputs, attempt.limits) = (item.stdin, item.inputs, limits);
        let outcome = one(&runner, attempt).await?;
        failed += u32::from(outcome.end != End::Exit(0));
        tell(app, &item.name, &outcome, to.as_deref())?;
    }
    if failed > 0 {
        let (n, of) = (failed.to_string(), count.to_string());
        return Err(Fault::new(
            errors::GUEST_FAILED,
            [("task", of.as_str()), ("status", "a failure"), ("n", n.as_str()), ("job", "–")],
        ));
    }
    Ok(0)
}

async fn one(runner: &Runner, attempt: Attempt) -> Result<Outcome, Fault> {
    let runner = runner.clone();
    let ran = tokio::task::spawn_blocking(move || runner.run(&attempt)).await.map_err(Fault::bug)?;
    ran.map_err(|error| guest::fault(&error))
}

fn env(args: &RunArgs) -> Result<BTreeMap<String, String>, Fault> {
    let pair = |text: &String| {
        let pair = text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        pair.ok_or_else(|| Fault::bad_value("env", text, "it is written as NAME=VALUE"))
    };
    args.flags.env.iter().map(pair).collect()
}

fn limits(args: &RunArgs) -> Result<Limits, Fault> {
    let written = super::manifest::Limits {
        memory: args.flags.memory.clone(),
        wall: args.flags.wall.clone(),
        output: args.flags.max_output.clone(),
        ..super::manifest::Limits::default()
    };
    let read = guest_limits(&written)?;
    Ok(Limits {
        memory_bytes: read.memory_bytes,
        fuel: args.flags.fuel.unwrap_or(FUEL),
        wall: read.wall.to_std(),
        output_bytes: read.output_bytes,
        scratch_bytes: read.scratch_bytes,
        stderr_bytes: read.stderr_bytes,
        ..Limits::default()
    })
}

fn items(args: &RunArgs) -> Result<Vec<Item>, Fault> {
    if let Some(count) = args.count {
        let item = |index| Item { name: format!("part-{index:05}"), stdin: Vec::new(), inputs: BTreeMap::new(), index };
        return Ok((0..count).map(item).collect());
    }
    if args.each.is_empty() {
        let mut stdin = Vec::new();
        if !std::io::stdin().is_terminal() {
            let read = std::io::stdin().lock().take(INPUT_MAX).read_to_end(&mut stdin);
            read.map_err(|e| Fault::file(Path::new("stdin"), &e))?;
        }
        return Ok(vec![Item { name: "stdout".to_owned(), stdin, inputs: BTreeMap::new(), index: 0 }]);
    }
    let mut items = Vec::new();
    for path in super::inputs::local_files(&args.each)? {
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let content = std::fs::read(&path).map_err(|e| Fault::file(&path, &e))?;
        let index = u32::try_from(items.len()).unwrap_or(u32::MAX);
        let (mut stdin, mut inputs) = (Vec::new(), BTreeMap::new());
        if args.input == "file" {
            inputs.insert(name.clone(), content);
        } else {
            stdin = content;
        }
        items.push(Item { name, stdin, inputs, index });
    }
    Ok(items)
}

fn tell(app: &App, name: &str, outcome: &Outcome, to: Option<&Path>) -> Result<(), Fault> {
    let files: Vec<(String, &Vec<u8>)> = if outcome.outputs.is_empty() {
        vec![(STDOUT.to_owned(), &outcome.stdout)]
    } else {
        outcome.outputs.iter().map(|(path, content)| (files_name(path), content)).collect()
    };
    let made: Vec<Made> = files
        .iter()
        .map(|(name, content)| Made {
            name: name.clone(),
            size: content.len() as u64,
            hash: *blake3::hash(content).as_bytes(),
        })
        .collect();
    let exit = if let End::Exit(code) = outcome.end { code } else { -1 };
    let hash = result_hash(&[0; 32], exit, &made);
    let hash = blake3::Hash::from_bytes(hash).to_hex().to_string();
    if let Some(to) = to {
        for (file, content) in &files {
            let path = match file.strip_prefix("f/") {
                Some(below) => to.join(name).join(below),
                None => to.join(name),
            };
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).map_err(|e| Fault::file(parent, &e))?;
            }
            std::fs::write(&path, content).map_err(|e| Fault::file(&path, &e))?;
        }
    } else if app.out.form != Form::Json {
        std::io::stdout().write_all(&outcome.stdout).map_err(|e| Fault::file(Path::new("stdout"), &e))?;
    }
    if !outcome.stderr.is_empty() && !app.out.quiet {
        eprint!("{}", String::from_utf8_lossy(&outcome.stderr));
    }
    if app.out.form == Form::Json {
        app.out.json(
            "run",
            json!({"name": name, "end": outcome.end.to_string(), "exit": exit, "fuel": outcome.fuel, "hash": hash,
                "stdout_bytes": outcome.stdout.len(), "files": outcome.outputs.keys().collect::<Vec<_>>(),
                "memory_bytes": outcome.peak_memory_bytes, "walls": outcome.level}),
        );
    } else {
        app.out.say(
            "run-local",
            args!["name" => name, "end" => outcome.end.to_string(), "fuel" => outcome.fuel, "hash" => &hash[..16],
                "walls" => outcome.level],
        );
    }
    Ok(())
}
