//! A node's score of honesty, as its owner reads it: how far it is from a threshold, what each event did and what it is about, and
//! what helps. How long a PC is on is said apart from it: that costs no score.

use crate::app::App;
use console::args;
use model::{Ppm, Span, Stamp};
use rules::fleet::integrity::reason::{Evidence, Level, Outlook, outlook};
use rules::fleet::integrity::{BAN_BELOW, WARN_BELOW};
use rules::fleet::profile::WeeklyProfile;
use serde_json::{Value, json};
use wire::fleet::NodeDetail;

/// Before that nothing was learned of a PC's hours.
const KNOWN_AFTER: Span = Span::days(7);

/// Events that change a score.
const REASONS: [&str; 5] = ["audit_gone", "audit_silent", "audit_wrong", "audit_false", "not_cured"];

/// A score as people write it: three places.
pub fn value(score: Ppm) -> String {
    format!("{}.{:03}", score.0 / 1_000_000, score.0 / 1_000 % 1_000)
}

/// What is kept of what happened to the score: when, which kind of event, with which evidence; newest first.
fn reasons(d: &NodeDetail) -> Vec<(Stamp, &'static str, Evidence)> {
    let one = |(at, kind, text): &(Stamp, String, String)| {
        Some((*at, REASONS.into_iter().find(|known| known == kind)?, Evidence::parse(text)?))
    };
    d.events.iter().filter_map(one).collect()
}

/// The pieces that evidence names, and how many more there are.
fn pieces(app: &App, evidence: &Evidence) -> String {
    let named: Vec<String> = evidence
        .pieces
        .iter()
        .map(|piece| {
            let segment = format!("{:08x}", piece.segment);
            app.out.text("score-piece", args!["slot" => piece.slot, "pg" => piece.pg.0, "segment" => segment])
        })
        .collect();
    let more = evidence.pieces_count.saturating_sub(u32::try_from(named.len()).unwrap_or(0));
    let rest = (more > 0).then(|| app.out.text("score-more", args!["n" => more]));
    named.into_iter().chain(rest).collect::<Vec<_>>().join(", ")
}

/// Where the score stands between its thresholds.
fn stands(app: &App, now: &Outlook) -> String {
    let vars = args!["score" => value(now.value), "warn" => value(WARN_BELOW), "ban" => value(BAN_BELOW),
        "bad" => now.bad_left, "good" => now.good_needed];
    app.out.text(&format!("score-{}", now.level.word()), vars)
}

/// Lines of `node show`: where the score stands, what happened to it, what helps.
pub fn lines(app: &App, d: &NodeDetail) -> Vec<String> {
    let mut lines = vec![stands(app, &outlook(Ppm(d.integrity_ppm)))];
    let reasons = reasons(d);
    for (at, kind, evidence) in &reasons {
        let vars = args!["at" => at, "bad" => evidence.bad, "before" => value(evidence.before),
            "after" => value(evidence.after), "pieces" => pieces(app, evidence)];
        lines.push(format!("  {}", app.out.text(&format!("score-reason-{kind}"), vars)));
    }
    for kind in REASONS.iter().filter(|known| reasons.iter().any(|(_, kind, _)| kind == *known)) {
        lines.push(app.out.text(&format!("score-remedy-{kind}"), args!["node" => crate::output::escape(&d.line.name)]));
    }
    lines
}

/// The same for programs.
pub fn json(d: &NodeDetail) -> Value {
    let now = outlook(Ppm(d.integrity_ppm));
    let reasons: Vec<Value> = reasons(d)
        .into_iter()
        .map(|(at, kind, evidence)| {
            let pieces: Vec<Value> = evidence
                .pieces
                .iter()
                .map(|piece| json!({"pg": piece.pg.0, "slot": piece.slot, "segment": format!("{:08x}", piece.segment)}))
                .collect();
            json!({"at": at.to_string(), "kind": kind, "bad_count": evidence.bad, "before_ppm": evidence.before.0,
                "after_ppm": evidence.after.0, "pieces": pieces, "pieces_count": evidence.pieces_count,
                "remedy": format!("score-remedy-{kind}")})
        })
        .collect();
    json!({"value_ppm": now.value.0, "level": now.level.word(), "warn_below_ppm": WARN_BELOW.0,
        "no_work_below_ppm": BAN_BELOW.0, "bad_left_count": now.bad_left, "good_needed_count": now.good_needed,
        "reasons": reasons, "availability_ppm": mean_on(d).map(|share| share.0)})
}

fn mean_on(d: &NodeDetail) -> Option<Ppm> {
    Some(WeeklyProfile(d.profile[..].try_into().ok()?).mean_on())
}

/// How much of a week the PC is on, as learned: no part of its score.
pub fn availability(app: &App, d: &NodeDetail) -> String {
    match mean_on(d).filter(|_| d.joined + KNOWN_AFTER <= crate::clock::now()) {
        Some(share) => app.out.text("node-availability", args!["share" => share]),
        None => app.out.text("word-unknown", args![]),
    }
}

/// What `status` says of a score that is near a threshold or below it; nothing of a good one.
pub fn warning(app: &App, score: Ppm, name: &str) -> Option<String> {
    let now = outlook(score);
    let see = || app.out.text("score-see", args!["node" => crate::output::escape(name)]);
    (now.level != Level::Good).then(|| format!("{} {}", stands(app, &now), see()))
}
