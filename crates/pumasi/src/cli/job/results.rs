//! Outputs of jobs: taken over under their names, and to this machine's disk where that was asked for.

use super::{ResultsArgs, follow, known};
use crate::app::App;
use crate::cli::session::{Session, client_fault, progress};
use crate::fault::Fault;
use client::Bucket;
use client::account::Account;
use client::compute::JobSpec;
use console::args;
use model::compute::{FailKind, JobState};
use model::{Bytes, errors};
use wire::Request;
use wire::compute::JobDetail;

/// What was taken over, what was known before among it.
#[derive(Debug, Clone, Default)]
pub struct Took {
    /// Outputs that have their names.
    pub outputs: usize,
    /// Their bytes.
    pub bytes: Bytes,
    /// Items whose stored output is not what was accepted.
    pub wrong: Vec<u32>,
    /// Names in the job's bucket.
    pub names: Vec<String>,
}

/// Takes over what a job has; clears its folder when it is whole.
pub async fn take(
    app: &App,
    session: &Session,
    spec: &JobSpec,
    bucket: &Bucket,
    detail: &JobDetail,
) -> Result<Took, Fault> {
    let shown = |e| client_fault(e, &format!("my:{}/{}", spec.bucket, spec.to));
    let key = spec.stages.last().map(|stage| stage.brief.check_key).unwrap_or_default();
    let adopted = session.client.adopt(bucket, spec, &key, &progress(app)).await.map_err(shown)?;
    known::remember(app, session, (spec, bucket), detail, &adopted).await;
    if detail.line.state == JobState::Done && adopted.wrong.is_empty() {
        session.client.clear_job(bucket, spec).await.map_err(shown)?;
        let _ = std::fs::remove_file(node::compute::Keeper::file(&app.home.jobs(), &spec.job));
        end_links(session, spec).await?;
    }
    let earlier = &spec.earlier;
    let names = adopted.outputs.iter().map(|output| &output.name);
    let names: Vec<String> = names.chain(earlier.outputs.iter().map(|(name, _)| name)).cloned().collect();
    let bytes = Bytes(adopted.bytes.0 + earlier.bytes());
    Ok(Took { outputs: names.len(), bytes, wrong: adopted.wrong, names })
}

/// Ends the links that were made for a job: nobody needs them any more.
async fn end_links(session: &Session, spec: &JobSpec) -> Result<(), Fault> {
    let asking = session.asking();
    let note = client::compute::link_note(&spec.job);
    let all = Account::grants(&asking, session.root()?).await.map_err(|e| client_fault(e, "grant"))?;
    let ours = all.into_iter().filter(|(line, said)| line.revoked.is_none() && said.as_ref() == Some(&note));
    for (line, _) in ours {
        asking(Request::GrantRevoke(line.note.id)).await.map_err(|e| client_fault(e, "grant"))?.into_answer()?;
    }
    Ok(())
}

/// How a command ends whose job did not end whole.
pub fn failure(spec: &JobSpec, detail: &JobDetail, wrong: &[u32]) -> Fault {
    let job = spec.job.short();
    if let Some(first) = detail.failures.first() {
        let (item, tries) = (format!("{}.{}", first.stage, first.item), first.tries.to_string());
        let id = if first.kind == FailKind::Memory { errors::MEMORY_OVER } else { errors::GUEST_FAILED };
        let limit = spec.stages.get(usize::from(first.stage)).map_or(0, |s| s.brief.limits.memory_bytes);
        let args = [
            ("task", item.as_str()),
            ("status", first.kind.word()),
            ("n", tries.as_str()),
            ("job", job.as_str()),
            ("limit", &Bytes(limit).to_string()),
        ];
        return Fault::new(id, args);
    }
    if let Some(item) = wrong.first() {
        return Fault::new(errors::RESULTS_DIFFER, [("n", "2"), ("task", &item.to_string()), ("job", &job)]);
    }
    Fault::new(errors::JOB_OVER, [("id", &job), ("state", detail.line.state.word())])
}

/// Runs `job results`.
pub async fn results(app: &App, args: &ResultsArgs) -> Result<u8, Fault> {
    Session::with(app, async |session| {
        let (spec, bucket) = super::show::spec_of(app, session, &args.job).await?;
        let detail = follow::look_as(session, &spec).await?;
        let took = take(app, session, &spec, &bucket, &detail).await?;
        if let Some(to) = &args.to {
            for name in &took.names {
                let below = name.strip_prefix(spec.to.as_str()).unwrap_or(name);
                let path = to.join(below);
                if let Some(parent) = path.parent() {
                    std::fs::create_dir_all(parent).map_err(|e| Fault::file(parent, &e))?;
                }
                let got = session.client.get_file(&bucket, name, &path, &progress(app)).await;
                got.map_err(|e| client_fault(e, name))?;
            }
            app.out.say("job-fetched", args!["n" => took.names.len(), "folder" => to.display().to_string()]);
        }
        if detail.line.state.is_over() {
            return follow::end(app, &spec, follow::Ended { detail, took });
        }
        app.out.done(
            "job",
            follow::fields(&detail),
            "job-results-so-far",
            args![
            "n" => took.outputs, "items" => detail.line.items + u64::from(spec.earlier.items), "size" => took.bytes.to_string()],
        );
        Ok(0)
    })
    .await
}

/// Runs `job wait`.
pub async fn wait(app: &App, job: &str) -> Result<u8, Fault> {
    Session::with(app, async |session| {
        let (spec, bucket) = super::show::spec_of(app, session, job).await?;
        follow::follow(app, session, &spec, &bucket).await
    })
    .await
}
