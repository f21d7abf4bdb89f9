//! Sentences in both languages, from Fluent files that are part of the program.

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use model::ParseError;
use model::errors::ErrorId;
use std::str::FromStr;
use std::sync::OnceLock;
use unic_langid::LanguageIdentifier;

const EN: &str = include_str!("../texts/en.ftl");
const ZH: &str = include_str!("../texts/zh-Hans.ftl");

/// A language that is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Simplified Chinese.
    Zh,
}

impl Lang {
    /// Both.
    pub const ALL: [Self; 2] = [Self::En, Self::Zh];

    /// For the `lang` attribute of a page.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh-Hans",
        }
    }

    /// The first of the given settings (as in `LC_ALL`, `LANG`) that names a language; English when none does.
    pub fn detect<S: AsRef<str>>(settings: impl IntoIterator<Item = S>) -> Self {
        let first = settings.into_iter().find(|s| !s.as_ref().is_empty());
        first.and_then(|s| s.as_ref().parse().ok()).unwrap_or_default()
    }
}

impl FromStr for Lang {
    type Err = ParseError;
    /// `en`, `zh` in any case, also with a country, script or encoding: `zh_CN.UTF-8`, `zh-Hans`, `EN`.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.split(['_', '-', '.', '@']).next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "en" | "c" | "posix" => Ok(Self::En),
            "zh" => Ok(Self::Zh),
            _ => Err(ParseError::new("language", text, "it is en or zh")),
        }
    }
}

/// Variables of a sentence, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Args(Vec<(String, String)>);

impl Args {
    /// One more.
    pub fn with(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.0.push((name.to_owned(), value.to_string()));
        self
    }
}

impl FromIterator<(String, String)> for Args {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

/// `args!["name" => value, …]`: variables of a sentence.
#[macro_export]
macro_rules! args {
    () => { $crate::text::Args::default() };
    ($($name:literal => $value:expr),+ $(,)?) => { $crate::text::Args::default()$(.with($name, $value))+ };
}

type Bundle = FluentBundle<FluentResource>;

fn bundle(lang: Lang) -> &'static Bundle {
    static BUNDLES: OnceLock<[Bundle; 2]> = OnceLock::new();
    let both = BUNDLES.get_or_init(|| Lang::ALL.map(make));
    match lang {
        Lang::En => &both[0],
        Lang::Zh => &both[1],
    }
}

fn make(lang: Lang) -> Bundle {
    let (source, id) = match lang {
        Lang::En => (EN, "en"),
        Lang::Zh => (ZH, "zh-Hans"),
    };
    let id: LanguageIdentifier = id.parse().expect("a constant that is a language");
    let mut bundle = Bundle::new_concurrent(vec![id]);
    bundle.set_use_isolating(false);
    // A file with an error in it is caught by the tests; what could be read is used.
    let resource = FluentResource::try_new(source.to_owned()).unwrap_or_else(|(resource, _)| resource);
    bundle.add_resource_overriding(resource);
    bundle
}

/// True when the language has the key.
pub fn has(lang: Lang, key: &str) -> bool {
    bundle(lang).has_message(key)
}

/// The sentence of a key. A key that is missing shows as `⟦key⟧`, so that nothing is silently empty.
pub fn text(lang: Lang, key: &str, args: &Args) -> String {
    let bundle = bundle(lang);
    let Some(pattern) = bundle.get_message(key).and_then(|m| m.value()) else { return format!("⟦{key}⟧") };
    let mut fluent = FluentArgs::new();
    args.0.iter().for_each(|(name, value)| fluent.set(name.as_str(), span::localized(lang, value).into_owned()));
    bundle.format_pattern(pattern, Some(&fluent), &mut Vec::new()).into_owned()
}

/// An error as a person reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorText {
    /// What happened.
    pub title: String,
    /// What to type or do.
    pub fix: String,
}

/// Title and fix of an error; variables that were not given show as `…`.
pub fn error_text(lang: Lang, id: ErrorId, args: &Args) -> ErrorText {
    let key = id.id().to_lowercase();
    ErrorText { title: filled(lang, &key, args), fix: filled(lang, &format!("{key}-fix"), args) }
}

/// Warnings that have a text: the command goes on and exits with 0 (`docs/design/errors.md`, after the table).
pub const WARNINGS: &[&str] = &["W0201", "W0202", "W0203", "W0204", "W0301", "W0601", "W0801"];

/// Title and fix of a warning of [`WARNINGS`]; variables that were not given show as `…`.
pub fn warning_text(lang: Lang, id: &str, args: &Args) -> ErrorText {
    let key = id.to_ascii_lowercase();
    ErrorText { title: filled(lang, &key, args), fix: filled(lang, &format!("{key}-fix"), args) }
}

fn filled(lang: Lang, key: &str, args: &Args) -> String {
    let mut args = args.clone();
    for name in variables(lang, key) {
        if !args.0.iter().any(|(known, _)| *known == name) {
            args = args.with(&name, "…");
        }
    }
    text(lang, key, &args)
}

/// Foreign text for a terminal, a log or a page: characters that steer, hide or break a line are shown as `\u{…}`.
///
/// These are the control characters, the marks, embeddings and isolates of direction (U+061C, U+200E–F, U+202A–E,
/// U+2066–9), the zero-width ones (U+200B–D, U+FEFF) and the separators of lines and paragraphs (U+2028–9).
/// It does not escape for HTML; the template engine of the pages does.
pub fn shown(foreign: &str) -> String {
    let mut out = String::with_capacity(foreign.len());
    for c in foreign.chars() {
        if hides(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

fn hides(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The long text of an error: what it is, how a command ends with it, what to do, and what is behind it.
pub fn explain(lang: Lang, id: ErrorId) -> String {
    let row = id.row();
    let shown = error_text(lang, id, &Args::default());
    let http = if row.http == 0 { "–".to_owned() } else { row.http.to_string() };
    let facts = Args::default().with("id", row.id).with("code", row.code).with("exit", row.exit).with("http", http);
    let mut out = format!(
        "{}\n\n{}\n{} {}",
        text(lang, "explain-head", &facts),
        shown.title,
        text(lang, "word-fix", &Args::default()),
        shown.fix
    );
    let more = format!("{}-explain", row.id.to_lowercase());
    if has(lang, &more) {
        out.push_str("\n\n");
        out.push_str(&text(lang, &more, &Args::default()));
    }
    out
}

/// Every key of a language, in the file's order.
pub fn keys(lang: Lang) -> Vec<String> {
    let source = if lang == Lang::En { EN } else { ZH };
    let starts = source.lines().filter(|l| l.starts_with(|c: char| c.is_ascii_lowercase()));
    starts.filter_map(|l| l.split_once('=')).map(|(key, _)| key.trim().to_owned()).collect()
}

/// Variables of a key, sorted, each once.
pub fn variables(lang: Lang, key: &str) -> Vec<String> {
    let source = if lang == Lang::En { EN } else { ZH };
    let mut inside = false;
    let mut found = std::collections::BTreeSet::new();
    for line in source.lines() {
        if line.starts_with(|c: char| c.is_ascii_lowercase()) {
            inside = line.split_once('=').is_some_and(|(k, _)| k.trim() == key);
        } else if !line.starts_with([' ', '}']) {
            inside = false;
        }
        if inside {
            let mut rest = line;
            while let Some(at) = rest.find('$') {
                rest = &rest[at + 1..];
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                found.insert(rest[..end].to_owned());
            }
        }
    }
    found.into_iter().collect()
}

#[cfg(test)]
pub(crate) mod latin;
mod span;

#[cfg(test)]
mod tests {
    use super::*;
    use model::errors;
    use std::collections::BTreeSet;

    #[test]
    fn both_files_parse_without_an_error() {
        for source in [EN, ZH] {
            let errors = FluentResource::try_new(source.to_owned()).err().map(|(_, e)| format!("{e:?}"));
            assert_eq!(errors, None);
        }
    }

    #[test]
    fn both_languages_have_the_same_keys_once_with_the_same_variables() {
        let (en, zh) = (keys(Lang::En), keys(Lang::Zh));
        let sets: [BTreeSet<_>; 2] = [en.iter().collect(), zh.iter().collect()];
        assert_eq!(sets[0].difference(&sets[1]).collect::<Vec<_>>(), Vec::<&&String>::new(), "missing in zh");
        assert_eq!(sets[1].difference(&sets[0]).collect::<Vec<_>>(), Vec::<&&String>::new(), "missing in en");
        assert_eq!(en.len(), sets[0].len(), "a key stands twice");
        assert_eq!(zh.len(), sets[1].len(), "a key stands twice");
        for key in &en {
            assert_eq!(variables(Lang::En, key), variables(Lang::Zh, key), "{key}");
        }
    }

    #[test]
    fn every_registered_error_has_its_text_and_its_fix_in_both_languages() {
        for row in errors::REGISTRY {
            for lang in Lang::ALL {
                let key = row.id.to_lowercase();
                assert!(has(lang, &key) && has(lang, &format!("{key}-fix")), "{} in {lang:?}", row.id);
            }
        }
    }

    /// The lines of a key as written, without the names of variants, which nobody reads.
    fn raw(lang: Lang, key: &str) -> String {
        let source = if lang == Lang::En { EN } else { ZH };
        let mut lines = source.lines().skip_while(|l| l.split_once(" =").is_none_or(|(k, _)| k != key));
        let first = lines.next().and_then(|l| l.split_once(" =")).map(|(_, rest)| rest.to_owned()).unwrap_or_default();
        let more = lines.take_while(|l| l.starts_with([' ', '}']));
        let variant =
            |l: &str| l.trim_start_matches([' ', '*']).strip_prefix('[')?.split_once(']').map(|(_, t)| t.to_owned());
        more.fold(first, |all, l| all + " " + &variant(l).unwrap_or_else(|| l.to_owned()))
    }

    fn is_example(key: &str) -> bool {
        key.ends_with("-examples") && key != "help-heading-examples"
    }

    #[test]
    fn chinese_sentences_hold_no_latin_word_but_the_allowed() {
        for key in keys(Lang::Zh).iter().filter(|k| !is_example(k)) {
            let found = latin::strangers(&raw(Lang::Zh, key), key.starts_with("help"));
            assert!(found.is_empty(), "{key}: {found:?}");
        }
    }

    #[test]
    fn chinese_sentences_are_chinese() {
        // A fix may be a command alone, an example is one, and a name may be its own label.
        let bare = |key: &str| is_example(key) || key.ends_with("-fix");
        let names = ["column-nat", "column-fsync", "doctor-nat"];
        for key in keys(Lang::Zh).iter().filter(|k| !bare(k) && !names.contains(&k.as_str())) {
            let zh = raw(Lang::Zh, key);
            let has_han = zh.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
            let has_letters = zh.replace("$", "").chars().any(|c| c.is_ascii_alphabetic());
            assert!(has_han || !has_letters || zh.trim_start().starts_with('{'), "{key} = {zh}");
        }
        for key in keys(Lang::Zh).iter().filter(|k| is_example(k)) {
            assert_eq!(raw(Lang::Zh, key), raw(Lang::En, key), "{key}: examples are typed alike");
        }
    }

    #[test]
    fn away_and_left_are_two_words() {
        for lang in Lang::ALL {
            let [away, left] = ["presence-away", "presence-left"].map(|key| text(lang, key, &Args::default()));
            assert!(!left.contains(&away), "{left} {away}");
        }
        for key in
            keys(Lang::Zh).iter().filter(|k| k.starts_with("leave") || k.starts_with("help-leave") || *k == "left")
        {
            assert!(!raw(Lang::Zh, key).contains("离开"), "{key}: to leave is 退出");
        }
    }

    #[test]
    fn every_warning_has_its_text_and_its_fix_and_no_other_has() {
        let named: BTreeSet<String> =
            WARNINGS.iter().flat_map(|w| ["", "-fix"].map(|end| w.to_lowercase() + end)).collect();
        let is_warning = |k: &&String| k.starts_with('w') && k[1..2].chars().all(|c| c.is_ascii_digit());
        assert_eq!(keys(Lang::En).iter().filter(is_warning).cloned().collect::<BTreeSet<_>>(), named);
        let lost = warning_text(Lang::En, "W0801", &args!["span" => "2 min"]);
        assert_eq!(lost.title, "the center was last seen 2 min ago; what is shown may be old");
        assert_eq!(lost.fix, "`pumasi doctor`");
        assert!(warning_text(Lang::Zh, "W0601", &Args::default()).title.contains('…'));
    }

    #[test]
    fn the_errors_of_the_fleet_have_a_long_text_and_it_needs_no_variable() {
        let fleet =
            [2, 6, 8, 9, 11, 101, 102, 103, 104, 105, 106, 201, 202, 203, 206, 207, 208, 211, 306, 307, 801, 804];
        for (id, lang) in fleet.into_iter().flat_map(|id| Lang::ALL.map(|lang| (ErrorId(id), lang))) {
            let key = format!("{}-explain", id.id().to_lowercase());
            assert!(has(lang, &key) && variables(lang, &key).is_empty(), "{key} in {lang:?}");
            let long = text(lang, &key, &Args::default());
            assert!(explain(lang, id).ends_with(&long), "{key}");
            let sentences = long.matches([if lang == Lang::En { '.' } else { '。' }, '?']).count();
            assert!((2..=4).contains(&sentences), "{key} has {sentences} sentences");
        }
    }

    #[test]
    fn a_lack_reads_as_a_sentence_in_both_languages() {
        let say = |lang, key, have: &str, need: &str| text(lang, key, &args!["have" => have, "need" => need]);
        assert_eq!(say(Lang::En, "lack-up", "100 kbit/s", "≥ 256 kbit/s"), "upload 100 kbit/s, needed ≥ 256 kbit/s");
        assert_eq!(say(Lang::En, "lack-nat", "relay_only", "open"), "NAT is relay only, needed open");
        assert_eq!(say(Lang::Zh, "lack-nat", "hard", "open"), "NAT 类型为难穿透，需要开放");
        assert_eq!(say(Lang::En, "lack-reference", "–", "passed"), "the reference guest has not run here");
        assert_eq!(say(Lang::Zh, "lack-reference", "failed", "passed"), "基准程序在本节点给出了错误结果");
        assert!(
            say(Lang::En, "lack-region", "geoip", "declared").starts_with("its region is known by its address only;")
        );
    }

    #[test]
    fn every_hidden_character_is_shown() {
        let hidden = ['\u{0}', '\u{7}', '\n', '\u{1b}', '\u{7f}', '\u{85}', '\u{61c}'].into_iter();
        let hidden = hidden.chain('\u{200b}'..='\u{200f}').chain('\u{2028}'..='\u{202e}');
        let hidden = hidden.chain('\u{2066}'..='\u{2069}').chain(['\u{feff}']);
        for c in hidden {
            assert_eq!(shown(&format!("a{c}b")), format!("a\\u{{{:x}}}b", c as u32));
        }
        assert_eq!(shown("李 – ü 🙂 <b>"), "李 – ü 🙂 <b>", "what can be seen stays as it is");
    }

    /// What a reader sees, whole, in one file per language: errors with cause and fix, offers, states, labels. Help is kept
    /// beside the command tree.
    #[test]
    fn every_sentence_reads_as_it_was_approved() {
        for lang in Lang::ALL {
            let mut page = String::new();
            for key in keys(lang).iter().filter(|key| !key.starts_with("help")) {
                let args: Args = variables(lang, key).into_iter().map(|v| (v.clone(), format!("‹{v}›"))).collect();
                let lines = text(lang, key, &args).replace('\n', "\n    ");
                page.push_str(&format!("{key}\n    {lines}\n"));
            }
            insta::with_settings!({ snapshot_path => "../texts/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
                insta::assert_snapshot!(format!("sentences-{}", lang.tag()), page);
            });
        }
    }

    #[test]
    fn languages_are_found_in_settings() {
        use Lang::{En, Zh};
        assert_eq!(Lang::detect(["", "zh_CN.UTF-8"]), Lang::Zh);
        assert_eq!(Lang::detect(["de_DE"]), Lang::En);
        assert_eq!("zh-Hans".parse(), Ok(Lang::Zh));
        assert_eq!(["ZH", "Zh_cn", "EN", "c", "POSIX"].map(|s| s.parse().ok()), [Zh, Zh, En, En, En].map(Some));
        assert!("zhuang".parse::<Lang>().is_err() && "".parse::<Lang>().is_err());
    }

    #[test]
    fn a_missing_key_shows_itself_and_a_missing_variable_too() {
        assert_eq!(text(Lang::En, "no-such-key", &Args::default()), "⟦no-such-key⟧");
        assert_eq!(
            error_text(Lang::En, errors::TICKET_EXPIRED, &args!["when" => "now"]).title,
            "the ticket expired now"
        );
        assert!(error_text(Lang::Zh, errors::TICKET_EXPIRED, &Args::default()).title.contains('…'));
    }
}
