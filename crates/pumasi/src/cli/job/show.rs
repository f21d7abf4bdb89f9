//! `job list|show|logs|retry|stop`.

use super::{LogsArgs, RaiseArgs, follow};
use crate::app::App;
use crate::cli::Form;
use crate::cli::session::{Session, client_fault};
use crate::cli::wallet::amount::parse_amount;
use crate::fault::Fault;
use crate::output::Row;
use client::Bucket;
use client::compute::JobSpec;
use console::args;
use model::{JobId, Ucredit, errors};
use serde_json::json;
use std::io::Write;
use wire::compute::JobLine;
use wire::{Reply, Request};

async fn jobs(session: &Session) -> Result<Vec<JobLine>, Fault> {
    let answer = session.asking()(Request::JobList).await.map_err(|e| client_fault(e, "job"))?;
    match answer.into_answer()? {
        Reply::Jobs(lines) => Ok(lines),
        _ => Err(Fault::bug("the center answered something else than jobs")),
    }
}

/// The job that is meant: its id, how that begins, or `last`.
async fn found(session: &Session, text: &str) -> Result<JobLine, Fault> {
    let mut all = jobs(session).await?;
    if text == "last" && !all.is_empty() {
        return Ok(all.remove(0));
    }
    let fits = |line: &&JobLine| line.id.to_string().starts_with(text);
    let mut fitting = all.iter().filter(fits);
    match (fitting.next(), fitting.next()) {
        (Some(one), None) => Ok(one.clone()),
        (Some(_), Some(_)) => Err(Fault::bad_value("job", text, "more than one job begins so")),
        (None, _) => Err(Fault::new(errors::JOB_UNKNOWN, [("id", text)])),
    }
}

/// The spec of a job that is meant, and the bucket of its results.
pub async fn spec_of(_app: &App, session: &Session, text: &str) -> Result<(JobSpec, Bucket), Fault> {
    spec_of_line(session, &found(session, text).await?, text).await
}

async fn spec_of_line(session: &Session, line: &JobLine, text: &str) -> Result<(JobSpec, Bucket), Fault> {
    let shown = |e| client_fault(e, text);
    let bucket = session.client.bucket_by_id(session.root()?, &line.bucket).await.map_err(shown)?;
    match session.client.job_spec(&bucket, &line.id).await {
        Ok(spec) => Ok((spec, bucket)),
        Err(client::ClientError::Refused(no)) if no.id == errors::OBJECT_UNKNOWN => {
            Err(Fault::new(errors::JOB_OVER, [("id", &line.id.short()), ("state", line.state.word())]))
        }
        Err(error) => Err(shown(error)),
    }
}

fn name(session: &Session, line: &JobLine) -> String {
    let root = session.root().ok();
    root.and_then(|root| root.open_label(&line.bucket, &line.label).ok()).unwrap_or_else(|| "–".to_owned())
}

/// Runs `job list`.
pub async fn list(app: &App) -> Result<(), Fault> {
    Session::with(app, async |session| {
        let rows: Vec<Row> = jobs(session)
            .await?
            .iter()
            .map(|line| Row {
                cells: vec![
                    line.id.short(),
                    name(session, line),
                    line.state.word().to_owned(),
                    format!("{}/{}", line.done, line.items),
                    line.failed.to_string(),
                    line.trust.word().to_owned(),
                    line.at.to_string(),
                ],
                json: json!({"id": line.id.to_string(), "name": name(session, line), "state": line.state.word(),
                    "items": line.items, "done": line.done, "failed": line.failed, "trust": line.trust.word(),
                    "check": line.check.word(), "at": line.at.to_string(),
                    "ended": line.ended.map(|at| at.to_string())}),
            })
            .collect();
        let heads =
            ["column-id", "column-name", "column-state", "column-done", "column-failed", "column-trust", "column-made"];
        app.out.table("jobs", &heads, 0, &rows);
        Ok(())
    })
    .await
}

/// Runs `job show`.
pub async fn show(app: &App, job: &str) -> Result<(), Fault> {
    Session::with(app, async |session| {
        let line = found(session, job).await?;
        let mut detail = follow::look(session, line.id).await?;
        if !(detail.failures.is_empty() && detail.liars.is_empty() && detail.differ.is_empty())
            && let Ok((spec, _)) = spec_of_line(session, &line, job).await
        {
            spec.renumber(&mut detail);
        }
        if app.out.form == Form::Json {
            app.out.json("job", follow::fields(&detail));
            return Ok(());
        }
        let out = &app.out;
        let head = follow::counts(&detail)
            .with("job", line.id.to_string())
            .with("name", name(session, &line))
            .with("state", line.state.word())
            .with("trust", line.trust.word())
            .with("check", line.check.word())
            .with("at", line.at.to_string());
        out.print(&out.text("job-show", head));
        if detail.max_credits > Ucredit::ZERO || detail.worth > Ucredit::ZERO {
            let key = if detail.max_credits > Ucredit::ZERO { "job-cost-of" } else { "job-cost" };
            let (worth, most) = (detail.worth.to_string(), detail.max_credits.to_string());
            out.print(&out.text(key, args!["worth" => worth, "most" => most]));
        }
        for (n, stage) in detail.stages.iter().enumerate() {
            out.print(&out.text(
                "job-stage",
                args!["n" => n, "done" => stage.done, "items" => stage.items,
                "verified" => stage.verified, "failed" => stage.failed, "running" => stage.running],
            ));
        }
        for waits in &detail.waits {
            out.print(&out.text(&waits.why, args!["n" => waits.nodes]));
        }
        for (key, one) in follow::odd(&detail) {
            out.print(&out.text(key, args!["name" => &one.name, "node" => one.node.to_string(), "item" => one.item]));
        }
        for failure in &detail.failures {
            out.print(&out.text(
                "job-failure",
                args!["stage" => failure.stage, "item" => failure.item,
                "kind" => failure.kind.word(), "tries" => failure.tries, "job" => line.id.short()],
            ));
        }
        Ok(())
    })
    .await
}

/// Runs `job logs`.
pub async fn logs(app: &App, args: &LogsArgs) -> Result<(), Fault> {
    Session::with(app, async |session| {
        let (spec, bucket) = spec_of(app, session, &args.job).await?;
        let Some(item) = spec.item_of(args.stage, args.item) else {
            app.out.say("job-log-known", args!["item" => args.item]);
            return Ok(());
        };
        let log = session.client.job_log(&bucket, &spec, args.stage, item).await;
        match log.map_err(|e| client_fault(e, &args.job))? {
            Some(bytes) => {
                std::io::stdout().write_all(&bytes).map_err(|e| Fault::file(std::path::Path::new("stdout"), &e))
            }
            None => {
                app.out.say("job-no-log", args!["item" => args.item]);
                Ok(())
            }
        }
    })
    .await
}

async fn act(app: &App, job: &str, ask: impl Fn(JobId) -> Request, key: &str) -> Result<(), Fault> {
    Session::with(app, async |session| {
        let line = found(session, job).await?;
        let answer = session.asking()(ask(line.id)).await.map_err(|e| client_fault(e, job))?;
        answer.into_answer()?;
        app.out.done("job", json!({"id": line.id.to_string()}), key, args!["job" => line.id.short()]);
        Ok(())
    })
    .await
}

/// Runs `job retry`.
pub async fn retry(app: &App, job: &str) -> Result<(), Fault> {
    act(app, job, Request::JobRetry, "job-retried").await
}

/// Runs `job raise`.
pub async fn raise(app: &App, args: &RaiseArgs) -> Result<(), Fault> {
    let most = parse_amount(&args.max_credits)?;
    act(app, &args.job, |id| Request::JobRaise(id, most), "job-raised").await
}

/// Runs `job stop`.
pub async fn stop(app: &App, job: &str) -> Result<(), Fault> {
    act(app, job, Request::JobStop, "job-stopped").await
}
