//! `pumasi node …`: the machines of this cloud as its operator and their owners see them.

pub mod score;

use crate::app::App;
use crate::cli::Form;
use crate::fault::Fault;
use crate::local::ask_center;
use crate::output::Row;
use clap::Subcommand;
use console::args;
use console::text::Args as TextArgs;
use model::Presence;
use serde_json::{Value, json};
use wire::fleet::{CapabilityLine, NodeAct, NodeDetail, NodeFilter, NodeLine, NodePage, NodeSet, RankWhy};
use wire::{Reply, Request};

/// `node`
#[derive(Subcommand, Debug)]
pub enum NodeVerb {
    List {
        #[arg(long)]
        mine: bool,
        #[arg(long)]
        region: Option<String>,
    },
    Show {
        #[arg(value_name = "NODE")]
        node: String,
    },
    Quarantine {
        #[arg(value_name = "NODE")]
        node: String,
        #[arg(long, required = true)]
        why: String,
    },
    Release {
        #[arg(value_name = "NODE")]
        node: String,
    },
    Rename {
        #[arg(value_name = "NODE")]
        node: String,
        #[arg(value_name = "NAME")]
        name: String,
    },
}

/// Runs `node …`.
pub async fn run(app: &App, verb: &NodeVerb) -> Result<(), Fault> {
    match verb {
        NodeVerb::List { mine, region } => {
            let region = region.as_deref().map(str::parse).transpose()?;
            let page = pages(app, NodeFilter { mine: *mine, region, after: None, limit: 500 }).await?;
            show_list(app, &page);
        }
        NodeVerb::Show { node } => show_one(app, &one(app, node).await?),
        NodeVerb::Quarantine { node, why } => {
            set(app, node, NodeAct::Quarantine { why: why.clone() }).await?;
            app.out.say("node-quarantined", args!["node" => node]);
        }
        NodeVerb::Release { node } => {
            set(app, node, NodeAct::Release).await?;
            app.out.say("node-released", args!["node" => node]);
        }
        NodeVerb::Rename { node, name } => {
            set(app, node, NodeAct::Rename(name.clone())).await?;
            app.out.say("node-renamed", args!["node" => node, "name" => name]);
        }
    }
    Ok(())
}

async fn set(app: &App, node: &str, act: NodeAct) -> Result<(), Fault> {
    ask_center(&app.home, Request::NodeSet(NodeSet { node: node.to_owned(), act }), app.timeout).await.map(|_| ())
}

/// One node.
pub async fn one(app: &App, node: &str) -> Result<NodeDetail, Fault> {
    match ask_center(&app.home, Request::NodeShow(node.to_owned()), app.timeout).await? {
        Reply::Node(detail) => Ok(*detail),
        _ => Err(Fault::bug("the center answered something else")),
    }
}

/// All nodes that fit, page by page.
pub async fn pages(app: &App, mut filter: NodeFilter) -> Result<NodePage, Fault> {
    let mut all = NodePage::default();
    loop {
        let Reply::Nodes(page) = ask_center(&app.home, Request::NodeList(filter.clone()), app.timeout).await? else {
            return Err(Fault::bug("the center answered something else"));
        };
        filter.after = page.nodes.last().map(|n| n.alias);
        all.nodes.extend(page.nodes);
        all.counts = page.counts;
        if !page.more || filter.after.is_none() {
            return Ok(all);
        }
    }
}

fn show_list(app: &App, page: &NodePage) {
    let headers = [
        "column-name",
        "column-id",
        "column-region",
        "column-presence",
        "column-does",
        "column-tier",
        "column-lent",
        "column-nat",
        "column-seen",
    ];
    app.out.table("node", &headers, 1, &page.nodes.iter().map(|n| row(app, n)).collect::<Vec<_>>());
    if app.out.form == Form::Human {
        let counted = Presence::ALL.iter().zip(&page.counts).filter(|(_, n)| **n > 0);
        let counts: Vec<String> =
            counted.map(|(p, n)| format!("{n} {}", app.out.text(&presence_key(*p), args![]))).collect();
        app.out.say_raw(&counts.join(" · "));
    }
}

fn presence_key(presence: Presence) -> String {
    format!("presence-{}", presence.word())
}

/// What a node does, in words: its state, and why where it is not the full share.
pub fn does(app: &App, line: &NodeLine) -> String {
    if line.quarantined {
        return app.out.text("node-does-quarantined", args![]);
    }
    let state = app.out.text(&format!("state-{}", line.state.word()), args![]);
    match line.reason {
        model::PauseReason::None => state,
        reason => format!("{state} ({})", app.out.text(&format!("reason-{}", reason.word()), args![])),
    }
}

fn row(app: &App, n: &NodeLine) -> Row {
    let region = n.region.as_ref().map_or_else(|| app.out.text("word-unknown", args![]), ToString::to_string);
    let seen = n
        .seen
        .map_or_else(|| "–".to_owned(), |at| app.out.text("word-ago", args!["span" => crate::clock::now().since(at)]));
    Row {
        cells: vec![
            n.name.clone(),
            n.id.short(),
            region,
            app.out.text(&presence_key(n.presence), args![]),
            does(app, n),
            n.tier.to_string(),
            n.lent.to_string(),
            n.nat.to_string(),
            seen,
        ],
        json: line_json(n),
    }
}

fn line_json(n: &NodeLine) -> Value {
    json!({"id": n.id.to_string(), "alias": n.alias.0, "name": n.name, "owner": n.owner.to_string(), "region": n.region,
        "region_evidence": n.evidence.word(), "os": n.os.word(), "presence": n.presence.word(), "state": n.state.word(),
        "reason": n.reason.word(), "tier": n.tier.word(), "quarantined": n.quarantined, "lent_bytes": n.lent.0,
        "nat": n.nat.word(), "up_kbps": n.up.map(|u| u.0), "seen": n.seen.map(|s| s.to_string()),
        "capabilities": capability_words(n.capabilities)})
}

fn capability_words(bits: u32) -> Vec<&'static str> {
    model::Capability::ALL.iter().filter(|c| bits & (1 << c.code()) != 0).map(|c| c.word()).collect()
}

/// The sentence of a duty: its name, yes, or the measure that says no.
pub fn capability_text(app: &App, line: &CapabilityLine) -> String {
    let name = app.out.text(&format!("capability-{}", line.capability.word()), args![]);
    let args: TextArgs = line.args.iter().cloned().collect();
    match (&line.why, line.yes) {
        (_, true) => format!("{name}: {}", app.out.text("word-yes", args![])),
        (Some(why), false) => format!("{name}: {}", app.out.text(why, args)),
        (None, false) => format!("{name}: {}", app.out.text("word-no", args![])),
    }
}

/// What audits came to, in words.
fn audits(app: &App, d: &NodeDetail) -> String {
    match d.audits {
        None => app.out.text("node-audits-none", args![]),
        Some(a) => app.out.text(
            "node-audits",
            args!["proved" => a.proved, "gone" => a.gone, "wrong" => a.wrong, "silent" => a.silent,
                "span" => crate::clock::now().since(a.at)],
        ),
    }
}

/// A node's rank, since when, why, and what it lacks for the next one.
fn rank(app: &App, d: &NodeDetail) -> String {
    let percent = |part: u64, all: u64| part.saturating_mul(100) / all.max(1);
    let why = match d.rank.why {
        RankWhy::NoRoom => app.out.text("rank-no-room", args![]),
        RankWhy::Filling { stored, wanted } => app.out.text(
            "rank-filling",
            args!["stored" => stored.to_string(), "wanted" => wanted.to_string(), "percent" => percent(stored.0, wanted.0)],
        ),
        RankWhy::Standing { stood, wanted, audits, audits_wanted } => app.out.text(
            "rank-standing",
            args!["stood" => stood, "wanted" => wanted, "audits" => audits, "of" => audits_wanted],
        ),
        RankWhy::Failed { again, tries } => {
            app.out.text("rank-failed", args!["until" => again, "tries" => u32::from(tries)])
        }
        RankWhy::Probation { put_back, time, time_wanted, audits, audits_wanted, accepts } => {
            let key = if put_back { "rank-put-back" } else { "rank-probation" };
            let said = app.out.text(
                key,
                args!["wanted" => time_wanted, "time" => time, "audits" => audits, "of" => audits_wanted],
            );
            match accepts {
                Some(accepts) => {
                    format!("{said} {}", app.out.text("rank-accepts", args!["size" => accepts.to_string()]))
                }
                None => said,
            }
        }
        RankWhy::Member { steward_after } => app.out.text("rank-member", args!["span" => steward_after]),
        RankWhy::Vetted { steward_after } => app.out.text("rank-vetted", args!["span" => steward_after]),
        RankWhy::Steward => app.out.text("rank-steward", args![]),
    };
    let since = crate::clock::now().since(d.rank.since);
    app.out.text("rank", args!["tier" => d.line.tier.to_string(), "span" => since, "why" => why])
}

fn rank_json(d: &NodeDetail) -> Value {
    let why = match d.rank.why {
        RankWhy::NoRoom => json!({"kind": "no_room"}),
        RankWhy::Filling { stored, wanted } => {
            json!({"kind": "filling", "stored_bytes": stored.0, "wanted_bytes": wanted.0})
        }
        RankWhy::Standing { stood, wanted, audits, audits_wanted } => {
            json!({"kind": "standing", "stood_s": stood.as_secs(),
            "wanted_s": wanted.as_secs(), "audits": audits, "audits_wanted": audits_wanted})
        }
        RankWhy::Failed { again, tries } => json!({"kind": "failed", "again": again.to_string(), "tries": tries}),
        RankWhy::Probation { put_back, time, time_wanted, audits, audits_wanted, accepts } => json!({
            "kind": if put_back { "put_back" } else { "probation" }, "time_s": time.as_secs(),
            "time_wanted_s": time_wanted.as_secs(), "audits": audits, "audits_wanted": audits_wanted,
            "accepts_bytes": accepts.map(|bytes| bytes.0)}),
        RankWhy::Member { .. } => json!({"kind": "member"}),
        RankWhy::Vetted { .. } => json!({"kind": "vetted"}),
        RankWhy::Steward => json!({"kind": "steward"}),
    };
    json!({"since": d.rank.since.to_string(), "why": why})
}

fn show_one(app: &App, d: &NodeDetail) {
    let out = &app.out;
    if out.form == Form::Json {
        let mut object = line_json(&d.line);
        let more = json!({"integrity_ppm": d.integrity_ppm, "joined": d.joined.to_string(), "clock_offset_ms": d.clock_offset_ms,
            "generation": d.generation, "missing_after_s": d.missing_after.as_secs(), "quarantine_why": d.quarantine_why,
            "declared_region": d.declared, "measured": serde_json::to_value(&d.measured).unwrap_or_default(),
            "duties": d.capabilities.iter().map(|c| json!({"capability": c.capability.word(), "yes": c.yes, "why": c.why})).collect::<Vec<_>>(),
            "profile": d.profile, "score": score::json(d),
            "held": d.held.map(|h| json!({"pieces": h.pieces, "size_bytes": h.bytes, "trashed": h.trashed,
                "trashed_bytes": h.trashed_bytes, "damaged": h.damaged})),
            "audits": d.audits.map(|a| json!({"proved": a.proved, "gone": a.gone, "wrong": a.wrong, "silent": a.silent,
                "at": a.at.to_string()})),
            "rank": rank_json(d),
            "accounted": d.accounted.map(|(pieces, bytes)| json!({"pieces": pieces, "size_bytes": bytes})),
            "events": d.events.iter().map(|(at, kind, text)| json!({"at": at.to_string(), "kind": kind, "text": text})).collect::<Vec<_>>()});
        if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
            object.extend(more);
        }
        return out.json("node", object);
    }
    let unknown = || out.text("word-unknown", args![]);
    let n = &d.line;
    let mut lines: Vec<(&str, String)> = vec![
        ("column-id", n.id.to_string()),
        ("column-name", crate::output::escape(&n.name)),
        ("column-owner", n.owner.to_string()),
        (
            "column-region",
            match (&n.region, &d.declared) {
                (Some(region), _) => {
                    format!("{region} ({})", out.text(&format!("evidence-{}", n.evidence.word()), args![]))
                }
                (None, Some(said)) => out.text("node-region-refuted", args!["region" => said]),
                (None, None) => unknown(),
            },
        ),
        ("column-presence", out.text(&presence_key(n.presence), args![])),
        ("column-does", does(app, n)),
        ("column-tier", rank(app, d)),
        ("column-integrity", score::value(model::Ppm(d.integrity_ppm))),
        ("column-availability", score::availability(app, d)),
        ("column-audits", audits(app, d)),
        ("column-lent", n.lent.to_string()),
        ("column-nat", n.nat.to_string()),
        ("column-up", n.up.map_or_else(unknown, |u| u.to_string())),
        ("column-down", d.measured.down.map_or_else(unknown, |u| u.to_string())),
        ("column-fsync", d.measured.fsync_ms.map_or_else(unknown, |(p50, p99)| format!("{p50} / {p99} ms"))),
        ("column-clock", format!("{:+} ms", d.clock_offset_ms)),
        ("column-joined", d.joined.to_string()),
        ("column-missing-after", d.missing_after.to_string()),
    ];
    if let Some(why) = &d.quarantine_why {
        lines.push(("column-quarantine", crate::output::escape(why)));
    }
    for (key, value) in lines {
        out.print(&format!("{}: {value}", out.text(key, args![])));
    }
    score::lines(app, d).iter().for_each(|line| out.print(line));
    d.capabilities.iter().for_each(|c| out.print(&format!("  {}", capability_text(app, c))));
    for (at, kind, text) in &d.events {
        out.print(&format!("  {at} {kind} {}", crate::output::escape(text)));
    }
}
