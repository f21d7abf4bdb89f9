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
    /// `en`, `zh`, also with a country, script or encoding: `zh_CN.UTF-8`, `zh-Hans`.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.split(['_', '-', '.', '@']).next().unwrap_or_default() {
            "en" | "C" | "POSIX" => Ok(Self::En),
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
    args.0.iter().for_each(|(name, value)| fluent.set(name.as_str(), value.as_str()));
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
    let filled = |key: &str| {
        let mut args = args.clone();
        let known: Vec<String> = args.0.iter().map(|(n, _)| n.clone()).collect();
        for name in variables(lang, key) {
            if !known.contains(&name) {
                args = args.with(&name, "…");
            }
        }
        text(lang, key, &args)
    };
    ErrorText { title: filled(&key), fix: filled(&format!("{key}-fix")) }
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

    #[test]
    fn chinese_sentences_are_chinese() {
        // Help examples, commands, format words and units read alike in both languages.
        let allowed =
            |key: &str| key.ends_with("-examples") || key.ends_with("-fix") || key.starts_with("column-fsync");
        for key in keys(Lang::Zh) {
            let shown =
                text(Lang::Zh, &key, &variables(Lang::Zh, &key).into_iter().map(|n| (n, "1".to_owned())).collect());
            let has_han = shown.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
            let has_word = shown.split(|c: char| !c.is_ascii_alphabetic()).any(|w| w.len() > 3);
            assert!(has_han || allowed(&key) || !has_word, "{key} = {shown}");
        }
    }

    #[test]
    fn languages_are_found_in_settings() {
        assert_eq!(Lang::detect(["", "zh_CN.UTF-8"]), Lang::Zh);
        assert_eq!(Lang::detect(["de_DE"]), Lang::En);
        assert_eq!("zh-Hans".parse(), Ok(Lang::Zh));
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
