//! The page of the fleet: one plain read-only table.

use crate::args;
use crate::text::{Args, Lang, has, shown, text};
use maud::{DOCTYPE, Markup, html};
use model::{Bytes, NodeState, PauseReason, Presence, Stamp};

/// What the page shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetView {
    /// Name of the cloud.
    pub cloud: String,
    /// Nodes by presence, in the order of [`Presence::ALL`].
    pub counts: Vec<u32>,
    /// Lent in all by the nodes of the fleet, also by those that have no row here.
    pub lent: Bytes,
    /// Nodes of the fleet that lend it.
    pub lent_nodes: u32,
    /// Rows.
    pub nodes: Vec<NodeView>,
    /// Nodes that are not shown.
    pub more: u32,
    /// When.
    pub at: Stamp,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// As its owner calls it.
    pub name: String,
    /// First letters of its id.
    pub id: String,
    /// Where; none when unknown.
    pub region: Option<String>,
    /// Whereabouts.
    pub presence: Presence,
    /// What it does.
    pub state: NodeState,
    /// Why not more.
    pub reason: PauseReason,
    /// No new work.
    pub quarantined: bool,
    /// Rank.
    pub tier: String,
    /// Lent.
    pub lent: Bytes,
    /// NAT kind.
    pub nat: String,
    /// Duties it may carry.
    pub capabilities: Vec<model::Capability>,
    /// Last heard.
    pub seen: Option<Stamp>,
}

/// Shape of a presence: color is never alone.
const fn mark(presence: Presence) -> &'static str {
    match presence {
        Presence::On => "●",
        Presence::Suspect => "◐",
        Presence::Away => "○",
        Presence::Missing => "✕",
        Presence::Holiday => "◇",
        Presence::Left => "–",
        Presence::Unknown => "?",
    }
}

/// Shape of what a node does: color is never alone.
const fn state_mark(state: NodeState) -> &'static str {
    match state {
        NodeState::Run => "▲",
        NodeState::Limit => "△",
        NodeState::Pause => "‖",
        NodeState::Evict => "▽",
        NodeState::Off => "□",
    }
}

/// Shape of a node that gets no new work.
const QUARANTINED: &str = "⊘";

/// The page.
pub fn page(view: &FleetView, lang: Lang) -> Markup {
    let t = |key: &str, args: Args| text(lang, key, &args);
    let cloud = shown(&view.cloud);
    html! {
        (DOCTYPE)
        html lang=(lang.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (t("page-title", args!["cloud" => &cloud])) }
                link rel="stylesheet" href="/assets/pumasi.css";
            }
            body {
                a.skip href="#nodes" { (t("page-skip", args![])) }
                header {
                    h1 dir="auto" { (t("page-title", args!["cloud" => &cloud])) }
                    p.soft {
                        (t("page-lent", args!["lent" => view.lent, "nodes" => view.lent_nodes])) " · "
                        span.whole { (t("page-asof", args!["when" => view.at])) }
                    }
                }
                main {
                    ul.counts {
                        @for (presence, count) in Presence::ALL.iter().zip(&view.counts) {
                            @if *count > 0 || *presence == Presence::On {
                                li { b { (count) } span.mark.(presence.word()) aria-hidden="true" { (mark(*presence)) } " " (t(&format!("presence-{presence}"), args![])) }
                            }
                        }
                    }
                    @if view.nodes.is_empty() { p data-testid="empty" { (t("page-empty", args![])) } }
                    @else { (table(view, lang)) }
                    @if view.more > 0 { p.soft { (t("page-more", args!["n" => view.more])) } }
                }
            }
        }
    }
}

/// Columns of the table, in order; the keys of their labels are `column-…`.
const COLUMNS: [&str; 10] = ["name", "id", "region", "presence", "does", "tier", "lent", "nat", "capabilities", "seen"];

/// The table. On a narrow screen the style sheet makes cards of its rows, so the roles of its parts are told.
fn table(view: &FleetView, lang: Lang) -> Markup {
    let t = |key: &str| text(lang, key, &args![]);
    html! {
        div.scroll role="region" aria-labelledby="caption" tabindex="0" {
            table #nodes role="table" data-testid="nodes" {
                caption #caption { (t("page-caption")) }
                thead role="rowgroup" { tr role="row" {
                    @for key in COLUMNS { th.num[key == "lent"] scope="col" role="columnheader" { (t(&format!("column-{key}"))) } }
                } }
                tbody role="rowgroup" { @for node in &view.nodes { (row(node, view.at, lang)) } }
            }
        }
    }
}

fn row(node: &NodeView, at: Stamp, lang: Lang) -> Markup {
    let label = |column: &str| text(lang, &format!("column-{column}"), &args![]);
    let t = |key: &str| text(lang, key, &args![]);
    let nat = format!("nat-{}", node.nat);
    let nat = if has(lang, &nat) { t(&nat) } else { shown(&node.nat) };
    let duties: Vec<String> = node.capabilities.iter().map(|c| t(&format!("capability-{c}"))).collect();
    let comma = if lang == Lang::Zh { "、" } else { ", " };
    let duties = if duties.is_empty() { "–".to_owned() } else { duties.join(comma) };
    html! {
        tr role="row" {
            th.name scope="row" role="rowheader" { bdi { (shown(&node.name)) } }
            td role="cell" data-label=(label("id")) { code { (node.id) } }
            td role="cell" data-label=(label("region")) { (node.region.as_deref().map_or_else(|| t("word-unknown"), shown)) }
            td role="cell" data-label=(label("presence")) {
                span.mark.(node.presence.word()) aria-hidden="true" { (mark(node.presence)) } " " (t(&format!("presence-{}", node.presence)))
            }
            td.prose role="cell" data-label=(label("does")) { (does(node, lang)) }
            td role="cell" data-label=(label("tier")) { (node.tier) }
            td.num role="cell" data-label=(label("lent")) { (node.lent) }
            td role="cell" data-label=(label("nat")) { (nat) }
            td.prose role="cell" data-label=(label("capabilities")) { (duties) }
            td role="cell" data-label=(label("seen")) { (seen(node.seen, at, lang)) }
        }
    }
}

/// What a node does, and why not more.
fn does(node: &NodeView, lang: Lang) -> Markup {
    let t = |key: &str| text(lang, key, &args![]);
    let (shape, class, does) = if node.quarantined {
        (QUARANTINED, "quarantined", t("node-does-quarantined"))
    } else {
        (state_mark(node.state), node.state.word(), t(&format!("state-{}", node.state)))
    };
    let why = (!node.quarantined && node.reason != PauseReason::None).then(|| t(&format!("reason-{}", node.reason)));
    html! {
        span.mark.(class) aria-hidden="true" { (shape) } " " (does)
        @if let Some(why) = why { span.soft { " · " (why) } }
    }
}

/// How long ago, with the exact time behind it.
fn seen(seen: Option<Stamp>, at: Stamp, lang: Lang) -> Markup {
    let ago = |seen: Stamp| text(lang, "word-ago", &args!["span" => at.since(seen)]);
    html! {
        @match seen {
            Some(seen) => time datetime=(seen) title=(seen) { (ago(seen)) },
            None => "–",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(names: &[&str]) -> FleetView {
        let node = |name: &&str| NodeView {
            name: (*name).to_owned(),
            id: "nabcdefghi".into(),
            region: Some("asia/kr".into()),
            presence: Presence::On,
            state: NodeState::Pause,
            reason: PauseReason::Input,
            quarantined: false,
            tier: "T2".into(),
            lent: Bytes::gib(10),
            nat: "open".into(),
            capabilities: vec![model::Capability::Store],
            seen: Some(Stamp(0)),
        };
        FleetView {
            cloud: "Chen".into(),
            counts: vec![1, 0, 0, 0, 0, 0, 0],
            lent: Bytes::gib(10),
            lent_nodes: 1,
            nodes: names.iter().map(node).collect(),
            more: 0,
            at: Stamp(0),
        }
    }

    #[test]
    fn it_is_a_real_table_with_caption_and_headers() {
        let html = page(&view(&["desk"]), Lang::En).into_string();
        for part in [
            "<caption id=\"caption\">",
            "scope=\"col\"",
            "scope=\"row\"",
            "<h1 dir=\"auto\">",
            "lang=\"en\"",
            "data-testid=\"nodes\"",
            "its owner uses it",
            "●",
        ] {
            assert!(html.contains(part), "{part}");
        }
    }

    #[test]
    fn nothing_is_inline_and_nothing_foreign() {
        let html = page(&view(&["desk"]), Lang::En).into_string();
        assert!(
            !html.contains("<script") && !html.contains("style=") && !html.contains("<style") && !html.contains("http")
        );
    }

    #[test]
    fn hostile_names_are_shown_not_obeyed() {
        let html = page(&view(&["<script>alert(1)</script>", "a\u{202e}b\u{7}"]), Lang::En).into_string();
        assert!(!html.contains("<script>") && html.contains("&lt;script&gt;"));
        assert!(html.contains("\\u{202e}") && html.contains("\\u{7}"));
    }

    /// Every presence, state, reason, kind of NAT and duty on one page; names and places in no language.
    fn everything() -> FleetView {
        let mut view = view(&["1"]);
        let one = NodeView { id: "1".into(), region: None, ..view.nodes.remove(0) };
        view.cloud = "1".into();
        view.counts = vec![1; Presence::ALL.len()];
        view.more = 1;
        for (i, reason) in PauseReason::ALL.iter().enumerate() {
            view.nodes.push(NodeView {
                presence: Presence::ALL[i % Presence::ALL.len()],
                state: NodeState::ALL[i % NodeState::ALL.len()],
                nat: model::NatKind::ALL[i % model::NatKind::ALL.len()].to_string(),
                reason: *reason,
                capabilities: model::Capability::ALL.to_vec(),
                ..one.clone()
            });
        }
        view.nodes.push(NodeView { quarantined: true, seen: None, ..one });
        view
    }

    /// What a reader of the page meets: text, and the labels that a narrow screen shows.
    fn labels(html: &str) -> Vec<String> {
        let body = html.split_once("<title>").expect("a page has a title").1;
        let texts = body.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text.to_owned());
        let marks = body.split("data-label=\"").skip(1).filter_map(|part| part.split_once('"'));
        let all = texts.chain(marks.map(|(label, _)| label.to_owned()));
        all.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
    }

    #[test]
    fn no_label_of_the_chinese_page_is_english() {
        for view in [everything(), view(&[])] {
            let html = page(&view, Lang::Zh).into_string();
            assert!(html.contains("lang=\"zh-Hans\"") && !html.contains('⟦'));
            let english = labels(&page(&view, Lang::En).into_string());
            for label in labels(&html) {
                let own = ["T2", "GiB", "s", "min", "Chen"];
                let time = |word: &String| word.ends_with('Z') && word.starts_with("1970");
                let mut found = crate::text::latin::strangers(&label, false);
                found.retain(|word| !own.contains(&word.as_str()) && !time(word));
                assert!(found.is_empty(), "{label}: {found:?}");
                let same = english.contains(&label) && label.chars().any(|c| c.is_ascii_lowercase());
                assert!(!same || label.contains("GiB"), "{label} reads the same in English");
            }
        }
    }

    #[test]
    fn every_state_and_presence_has_a_shape_of_its_own() {
        let shapes = Presence::ALL.iter().map(|p| mark(*p)).chain(NodeState::ALL.iter().map(|s| state_mark(*s)));
        let shapes: Vec<&str> = shapes.chain([QUARANTINED]).collect();
        let distinct: std::collections::BTreeSet<_> = shapes.iter().collect();
        assert_eq!(distinct.len(), shapes.len());
        let html = page(&everything(), Lang::En).into_string();
        assert!(shapes.iter().all(|shape| html.contains(&format!("aria-hidden=\"true\">{shape}</span>"))));
    }

    #[test]
    fn every_class_has_its_rule_in_the_style_sheet() {
        let css = crate::assets::find("pumasi.css").expect("the style sheet").bytes;
        let css = String::from_utf8_lossy(css);
        let words = Presence::ALL.iter().map(|p| p.word()).chain(NodeState::ALL.iter().map(|s| s.word()));
        for word in words.chain(["quarantined", "soft", "mark", "num", "prose", "name", "scroll", "skip", "whole"]) {
            assert!(css.contains(&format!(".{word}")), "{word}");
        }
    }

    #[test]
    fn what_is_lent_counts_nodes_without_a_row_too() {
        let html = page(&FleetView { lent_nodes: 512, more: 511, ..view(&["desk"]) }, Lang::En).into_string();
        assert!(html.contains("10.0 GiB lent by 512 nodes") && html.contains("511 more nodes"));
    }

    #[test]
    fn last_heard_is_told_as_an_age_with_the_time_behind_it() {
        let mut heard = view(&["desk"]);
        heard.at = Stamp(125_000);
        let html = page(&heard, Lang::En).into_string();
        assert!(html.contains(">2 min 5 s ago</time>") && html.contains("datetime=\"1970-01-01T00:00:00Z\""), "{html}");
    }

    #[test]
    fn an_empty_page_teaches_one_command() {
        let html = page(&view(&[]), Lang::En).into_string();
        assert!(html.contains("pumasi invite"));
    }
}
