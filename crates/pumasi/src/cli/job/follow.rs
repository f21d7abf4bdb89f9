//! Follows a job to its end: what is done is shown, outputs are taken over, what failed is said with what to type.

use super::results::{self, Took};
use crate::app::App;
use crate::cli::Form;
use crate::cli::session::{Session, client_fault};
use crate::fault::Fault;
use client::Bucket;
use client::compute::JobSpec;
use console::args;
use console::text::Args;
use indicatif::{ProgressBar, ProgressStyle};
use model::JobId;
use model::compute::JobState;
use serde_json::{Value, json};
use std::io::IsTerminal;
use std::time::Duration;
use wire::compute::{JobDetail, Liar};
use wire::{Reply, Request};

/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Looks that may fail in a row before the job is left alone: a center that is started anew is waited for.
const LOOKS_LOST_MAX: u32 = 120;

/// How a job ended for who followed it.
pub struct Ended {
    /// As the center tells it.
    pub detail: JobDetail,
    /// What was taken over.
    pub took: Took,
}

/// One look at a job.
pub async fn look(session: &Session, job: JobId) -> Result<JobDetail, Fault> {
    let answer = session.asking()(Request::JobShow(job)).await.map_err(|e| client_fault(e, "job"))?;
    match answer.into_answer()? {
        Reply::Job(detail) => Ok(*detail),
        _ => Err(Fault::bug("the center answered something else than a job")),
    }
}

/// The same with items by the numbers that their member knows them by.
pub async fn look_as(session: &Session, spec: &JobSpec) -> Result<JobDetail, Fault> {
    let mut detail = look(session, spec.job).await?;
    spec.renumber(&mut detail);
    Ok(detail)
}

/// Follows until the job is over, or Ctrl-C: the job goes on then.
pub async fn follow(app: &App, session: &Session, spec: &JobSpec, bucket: &Bucket) -> Result<u8, Fault> {
    let bar = match app.out.quiet || !std::io::stderr().is_terminal() {
        true => ProgressBar::hidden(),
        false => ProgressBar::new(spec.items()),
    };
    if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    let waited = tokio::select! {
        ended = until_over(app, session, spec, &bar) => ended,
        _ = tokio::signal::ctrl_c() => {
            bar.finish_and_clear();
            app.out.say("job-goes-on", args!["job" => spec.job.short()]);
            return Ok(0);
        }
    };
    bar.finish_and_clear();
    let detail = waited?;
    let took = results::take(app, session, spec, bucket, &detail).await?;
    end(app, spec, Ended { detail, took })
}

async fn until_over(app: &App, session: &Session, spec: &JobSpec, bar: &ProgressBar) -> Result<JobDetail, Fault> {
    let (mut lost, mut last) = (0, String::new());
    loop {
        match look_as(session, spec).await {
            Ok(detail) => {
                lost = 0;
                bar.set_length(detail.line.items);
                bar.set_position(detail.line.done);
                bar.set_message(said(app, &detail));
                let now = format!("{:?}", (&detail.line.done, &detail.running, &detail.waits));
                if app.out.form == Form::Json && now != last {
                    app.out.json("job_progress", fields(&detail));
                    last = now;
                }
                if detail.line.state.is_over() {
                    return Ok(detail);
                }
            }
            Err(fault) if lost < LOOKS_LOST_MAX => {
                lost += 1;
                tracing::debug!(id = %fault.id, "the job could not be looked at; it goes on");
            }
            Err(fault) => return Err(fault),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A job in one line.
pub fn said(app: &App, detail: &JobDetail) -> String {
    let mut words = app.out.text("job-progress", counts(detail));
    if let Some(eta) = detail.eta {
        words.push_str(&app.out.text("job-eta", args!["eta" => eta.to_string()]));
    }
    for waits in detail.waits.iter().take(3) {
        words.push_str(" · ");
        words.push_str(&app.out.text(&waits.why, args!["n" => waits.nodes]));
    }
    words
}

fn said_otherwise(one: &Liar) -> Value {
    let hex = |hash: &[u8; 32]| blake3::Hash::from_bytes(*hash).to_hex().to_string();
    json!({"node": one.node.to_string(), "name": one.name, "stage": one.stage, "item": one.item,
        "said": {"hash": hex(&one.said.0), "fuel": one.said.1},
        "others": {"hash": hex(&one.others.0), "fuel": one.others.1}})
}

/// Machines that said something else than others, with the key of what is told of them.
pub fn odd(detail: &JobDetail) -> impl Iterator<Item = (&'static str, &Liar)> {
    let liars = detail.liars.iter().map(|one| ("job-liar", one));
    liars.chain(detail.differ.iter().map(|one| ("job-differs", one)))
}

/// Figures of a job for its sentences.
pub fn counts(detail: &JobDetail) -> Args {
    args!["done" => detail.line.done, "items" => detail.line.items, "running" => detail.running,
        "nodes" => detail.nodes, "checked" => detail.checked, "moved" => detail.moved, "copies" => detail.copies, "retried" => detail.retried,
        "failed" => detail.line.failed, "fuel" => giga(detail.fuel), "extra" => giga(detail.fuel_extra)]
}

/// Steps in thousands of millions.
pub fn giga(fuel: u64) -> String {
    format!("{}.{:02}", fuel / 1_000_000_000, fuel % 1_000_000_000 / 10_000_000)
}

/// A job as JSON.
pub fn fields(detail: &JobDetail) -> Value {
    json!({
        "id": detail.line.id.to_string(), "state": detail.line.state.word(), "kind": detail.line.kind.word(),
        "trust": detail.line.trust.word(), "check": detail.line.check.word(),
        "items": detail.line.items, "done": detail.line.done, "failed": detail.line.failed,
        "running": detail.running, "nodes": detail.nodes, "moved": detail.moved, "copies": detail.copies, "retried": detail.retried,
        "checked": detail.checked, "fuel": detail.fuel, "fuel_extra": detail.fuel_extra,
        "worth": detail.worth.0.to_string(), "max_credits": detail.max_credits.0.to_string(),
        "eta_ms": detail.eta.map(|eta| eta.as_ms()),
        "waits": detail.waits.iter().map(|w| json!({"why": w.why, "nodes": w.nodes})).collect::<Vec<_>>(),
        "liars": detail.liars.iter().map(said_otherwise).collect::<Vec<_>>(),
        "differ": detail.differ.iter().map(said_otherwise).collect::<Vec<_>>(),
        "failures": detail.failures.iter().map(|f| json!({"stage": f.stage, "item": f.item, "kind": f.kind.word(),
            "tries": f.tries})).collect::<Vec<_>>(),
        "stages": detail.stages.iter().map(|s| json!({"items": s.items, "done": s.done, "verified": s.verified,
            "failed": s.failed, "running": s.running})).collect::<Vec<_>>(),
    })
}

/// Says how a job ended, as the command's end.
pub fn end(app: &App, spec: &JobSpec, ended: Ended) -> Result<u8, Fault> {
    let (detail, took) = (&ended.detail, &ended.took);
    let mut all = fields(detail);
    if let Value::Object(map) = &mut all {
        map.insert("known".to_owned(), json!(spec.earlier.items));
        map.insert("outputs".to_owned(), json!(took.outputs));
        map.insert("output_bytes".to_owned(), json!(took.bytes.0));
        map.insert("wrong".to_owned(), json!(took.wrong));
    }
    let words = counts(detail)
        .with("outputs", took.outputs)
        .with("size", took.bytes.to_string())
        .with("bucket", &spec.bucket)
        .with("to", &spec.to)
        .with("state", detail.line.state.word())
        .with("job", spec.job.short());
    app.out.done("job", all, "job-ended", words);
    if spec.earlier.items > 0 {
        app.out.say("job-known-too", args!["known" => spec.earlier.items]);
    }
    for (key, one) in odd(detail) {
        app.out.say(key, args!["name" => &one.name, "node" => one.node.to_string(), "item" => one.item]);
    }
    let state = detail.line.state;
    if state == JobState::Done && took.wrong.is_empty() {
        return Ok(0);
    }
    Err(results::failure(spec, detail, &took.wrong))
}
