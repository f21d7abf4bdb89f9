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
    /// Lent in all by the nodes shown.
    pub lent: Bytes,
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
                    h1 { (t("page-title", args!["cloud" => &cloud])) }
                    p.soft {
                        (t("page-lent", args!["lent" => view.lent, "nodes" => view.nodes.len()])) " · "
                        (t("page-asof", args!["when" => view.at]))
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

fn table(view: &FleetView, lang: Lang) -> Markup {
    let t = |key: &str| text(lang, key, &args![]);
    html! {
        div.scroll {
            table #nodes data-testid="nodes" {
                caption { (t("page-caption")) }
                thead { tr {
                    @for key in ["name", "id", "region", "presence", "does", "tier"] { th scope="col" { (t(&format!("column-{key}"))) } }
                    th.num scope="col" { (t("column-lent")) }
                    @for key in ["nat", "capabilities", "seen"] { th scope="col" { (t(&format!("column-{key}"))) } }
                } }
                tbody { @for node in &view.nodes { (row(node, lang)) } }
            }
        }
    }
}

fn row(node: &NodeView, lang: Lang) -> Markup {
    let t = |key: &str| text(lang, key, &args![]);
    let (shape, class, does, why) = match (node.quarantined, node.reason) {
        (true, _) => (QUARANTINED, "quarantined", t("node-does-quarantined"), None),
        (false, reason) => {
            let why = (reason != PauseReason::None).then(|| t(&format!("reason-{reason}")));
            (state_mark(node.state), node.state.word(), t(&format!("state-{}", node.state)), why)
        }
    };
    let nat = format!("nat-{}", node.nat);
    let nat = if has(lang, &nat) { t(&nat) } else { shown(&node.nat) };
    let duties: Vec<String> = node.capabilities.iter().map(|c| t(&format!("capability-{c}"))).collect();
    html! {
        tr {
            th scope="row" { (shown(&node.name)) }
            td { code { (node.id) } }
            td { (node.region.as_deref().map_or_else(|| t("word-unknown"), shown)) }
            td { span.mark.(node.presence.word()) aria-hidden="true" { (mark(node.presence)) } " " (t(&format!("presence-{}", node.presence))) }
            td {
                span.mark.(class) aria-hidden="true" { (shape) } " " (does)
                @if let Some(why) = why { span.soft { " · " (why) } }
            }
            td { (node.tier) }
            td.num { (node.lent) }
            td { (nat) }
            td { (duties.join(", ")) }
            td { (node.seen.map_or_else(|| "–".to_owned(), |at| at.to_string())) }
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
            nodes: names.iter().map(node).collect(),
            more: 0,
            at: Stamp(0),
        }
    }

    #[test]
    fn it_is_a_real_table_with_caption_and_headers() {
        let html = page(&view(&["desk"]), Lang::En).into_string();
        for part in [
            "<caption>",
            "scope=\"col\"",
            "scope=\"row\"",
            "<h1>",
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

    #[test]
    fn the_chinese_page_has_no_untranslated_label() {
        let html = page(&view(&["desk"]), Lang::Zh).into_string();
        assert!(html.contains("lang=\"zh-Hans\"") && !html.contains('⟦'));
        for label in ["lends", "presence<", "its owner", "seen"] {
            assert!(!html.contains(label), "{label}");
        }
    }

    #[test]
    fn an_empty_page_teaches_one_command() {
        let html = page(&view(&[]), Lang::En).into_string();
        assert!(html.contains("pumasi invite"));
    }
}
