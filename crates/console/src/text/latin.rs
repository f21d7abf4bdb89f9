//! Which Latin words may stand in a Chinese sentence: names, units and what a person types. Everything else is a word
//! that was left untranslated.

use super::{Lang, has};

/// Names, units and letters that read alike in both languages.
const WORDS: &[&str] = &[
    "pumasi",
    "HTTP",
    "NAT",
    "UDP",
    "TCP",
    "WebDAV",
    "Retry-After",
    "Ctrl-C",
    "Enter",
    "Y/n",
    "n",
    "fsync",
    "BLAKE3",
    "SQLite",
    "PostgreSQL",
    "p50",
    "p99",
    "pid",
    "GB",
    "MB/s",
    "GiB",
    "MiB",
    "kbit/s",
    "Mbit/s",
    "GMT",
    "T1",
    "T2",
    "T3",
    "UTC",
];

/// Values and places of the command line, which help names as they are typed.
const LITERALS: &[&str] = &[
    "human",
    "json",
    "plain",
    "id",
    "-o",
    "en",
    "zh",
    "lend",
    "use",
    "admin",
    "spend",
    "approve",
    "memory",
    "soak",
    "get",
    "list",
    "put",
    "delete",
    "share",
    "none",
    "both",
    "operator",
    "whisper",
    "generous",
    "night",
    "always",
    "system",
    "scripted",
    "until-idle",
    "tomorrow",
    "resume",
    "up",
    "profile",
    "disk",
    "down",
    "monthly_transfer",
    "reset_day",
    "accept",
    "pause_for",
    "my",
    "sqlite",
    "postgres",
    "input",
    "idle",
    "app",
    "battery",
    "metered",
    "fullscreen",
    "thermal",
    "clear",
    "asia/kr/seoul",
    "10GiB",
    "E0102",
    "docs/performance.md",
];

/// Latin words of a Chinese text that are neither allowed nor a command. Text in back quotes is typed and not looked at.
pub(crate) fn strangers(zh: &str, help: bool) -> Vec<String> {
    let prose: String = zh.split('`').step_by(2).collect::<Vec<_>>().join(" ");
    let typed = |c: char| c.is_ascii_graphic() && !"(){}[],;\"".contains(c);
    let runs = prose.split(|c: char| !typed(c)).filter(|run| !run.is_empty());
    let (mut found, mut command) = (Vec::new(), None::<String>);
    for run in runs {
        let word = run.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        // A command goes on as long as the tree of help knows the next word.
        let path = command.take().map(|path| format!("{path}-{word}")).filter(|path| has(Lang::Zh, path));
        if path.is_some() {
            command = path;
        } else if word == "pumasi" {
            command = Some("help".to_owned());
        } else if !(known(word, help) || run.starts_with("--") || run.contains('=') || run.starts_with('$')) {
            found.push(word.to_owned());
        }
    }
    found
}

fn known(word: &str, help: bool) -> bool {
    !word.contains(|c: char| c.is_ascii_alphabetic()) || WORDS.contains(&word) || (help && LITERALS.contains(&word))
}

#[test]
fn an_untranslated_word_is_found_beside_commands_and_names() {
    let none: [&str; 0] = [];
    assert_eq!(strangers("执行 pumasi node list --mine 查看 NAT，或 `any thing`", false), none);
    assert_eq!(strangers("pumasi node list shows all", false), ["shows", "all"]);
    assert_eq!(strangers("节点 is 离线, { $value }", false), ["is"]);
    assert_eq!(strangers("profile=always 与 --now", false), none);
    assert_eq!((strangers("human、json", true), strangers("human", false)), (vec![], vec!["human".to_owned()]));
}
