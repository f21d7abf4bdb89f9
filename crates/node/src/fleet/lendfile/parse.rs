//! From TOML to the owner's policy, with the key and the line of whatever does not hold.

use super::LendFileError;
use model::ParseError;
use rules::fleet::lend::{Accept, Cores, Give, LendPolicy, LendRule};
use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;
use toml_edit::{Document, Item, TableLike, Value};

/// The keys of `[lend]`, in the order in which people read them.
pub const LEND_KEYS: [&str; 12] = [
    "profile",
    "disk",
    "up",
    "down",
    "monthly_transfer",
    "reset_day",
    "accept",
    "pause_for",
    "on_battery",
    "on_metered",
    "rule",
    "load",
];
const RULE_KEYS: [&str; 2] = ["when", "give"];
const GIVE_KEYS: [&str; 3] = ["cores", "memory", "net"];
/// Network of a rule that names none, as a share of what was measured: whisper's.
const NET_UNSAID: model::Ppm = model::Ppm::percent(20);
/// Unknown keys that are told.
const UNKNOWN_MAX: usize = 8;

/// A key that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {key} is unknown; did you mean {near}?")]
pub struct UnknownKey {
    /// In full, e.g. `lend.dsik`, cut to 80 characters.
    pub key: String,
    /// The known key that looks most like it.
    pub near: &'static str,
    /// Where, from 1; 0 where it was typed and stands in no file.
    pub line: usize,
}

/// What a file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lent {
    /// What holds.
    pub policy: LendPolicy,
    /// Keys that mean nothing, at most eight.
    pub unknown: Vec<UnknownKey>,
}

/// Reads the `[lend]` section of a configuration file's text; `path` is for the messages.
pub fn parse(path: &Path, text: &str) -> Result<Lent, LendFileError> {
    let document = Document::parse(text).map_err(|error| LendFileError::Malformed {
        path: path.to_owned(),
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        why: error.message().lines().next().unwrap_or("it is no TOML").to_owned(),
    })?;
    let Some(lend) = document.get("lend") else { return Ok(Lent::default()) };
    let mut reader = Reader { text, unknown: Vec::new() };
    let table = reader.table(lend, "lend")?;
    let policy = reader.policy(table)?;
    policy.check().map_err(|e| reader.bad(table.get(e.what), &format!("lend.{}", e.what), &e.value, e.why))?;
    Ok(Lent { policy, unknown: reader.unknown })
}

struct Reader<'a> {
    text: &'a str,
    unknown: Vec<UnknownKey>,
}

impl Reader<'_> {
    fn policy(&mut self, table: &dyn TableLike) -> Result<LendPolicy, LendFileError> {
        self.note_unknown(table, "lend", &LEND_KEYS);
        Ok(LendPolicy {
            profile: self.parsed(table, "profile")?.unwrap_or_default(),
            disk: self.parsed(table, "disk")?,
            up: self.parsed(table, "up")?,
            down: self.parsed(table, "down")?,
            monthly_transfer: self.parsed(table, "monthly_transfer")?,
            reset_day: self.day(table)?,
            accept: self.accept(table)?,
            pause_for: self.words(table, "pause_for")?.unwrap_or_default(),
            rules: self.rules(table)?,
            on_battery: self.yes(table, "on_battery")?,
            on_metered: self.yes(table, "on_metered")?,
        })
    }

    /// A text that parses as the key's type.
    fn parsed<T: FromStr<Err = ParseError>>(
        &self,
        table: &dyn TableLike,
        key: &str,
    ) -> Result<Option<T>, LendFileError> {
        let Some(item) = table.get(key) else { return Ok(None) };
        let field = format!("lend.{key}");
        let text = item.as_str().ok_or_else(|| self.bad(Some(item), &field, &shown(item), "it is a text in quotes"))?;
        text.parse().map(Some).map_err(|e: ParseError| self.bad(Some(item), &field, text, e.why))
    }

    fn day(&self, table: &dyn TableLike) -> Result<u8, LendFileError> {
        let Some(item) = table.get("reset_day") else { return Ok(0) };
        let day = item.as_integer().and_then(|day| u8::try_from(day).ok()).filter(|day| (1..=28).contains(day));
        day.ok_or_else(|| self.bad(Some(item), "lend.reset_day", &shown(item), "it is a day from 1 to 28"))
    }

    fn yes(&self, table: &dyn TableLike, key: &str) -> Result<bool, LendFileError> {
        let Some(item) = table.get(key) else { return Ok(false) };
        item.as_bool().ok_or_else(|| self.bad(Some(item), &format!("lend.{key}"), &shown(item), "it is true or false"))
    }

    fn words(&self, table: &dyn TableLike, key: &str) -> Result<Option<Vec<String>>, LendFileError> {
        let Some(item) = table.get(key) else { return Ok(None) };
        let list = item.as_array().map(|list| list.iter().map(|v| v.as_str().map(str::to_owned)).collect());
        let words: Option<Vec<String>> = list.flatten();
        let why = "it is a list of texts, like [\"a\", \"b\"]";
        words.map(Some).ok_or_else(|| self.bad(Some(item), &format!("lend.{key}"), &shown(item), why))
    }

    fn accept(&self, table: &dyn TableLike) -> Result<Accept, LendFileError> {
        let Some(words) = self.words(table, "accept")? else { return Ok(Accept::default()) };
        let accept = Accept::from_words(words.iter().map(String::as_str));
        accept.map_err(|e| self.bad(table.get("accept"), "lend.accept", &e.value, e.why))
    }

    /// `[[lend.rule]]`, or the same as a list of inline tables.
    fn rules(&mut self, table: &dyn TableLike) -> Result<Vec<LendRule>, LendFileError> {
        let Some(item) = table.get("rule") else { return Ok(Vec::new()) };
        let tables: Vec<&dyn TableLike> = match (item.as_array_of_tables(), item.as_array()) {
            (Some(tables), _) => tables.iter().map(|t| t as &dyn TableLike).collect(),
            (None, Some(list)) if list.iter().all(Value::is_inline_table) => {
                list.iter().filter_map(Value::as_inline_table).map(|t| t as &dyn TableLike).collect()
            }
            _ => return Err(self.bad(Some(item), "lend.rule", &shown(item), "it is written as [[lend.rule]]")),
        };
        tables.into_iter().map(|rule| self.rule(rule, item)).collect()
    }

    fn rule(&mut self, rule: &dyn TableLike, whole: &Item) -> Result<LendRule, LendFileError> {
        self.note_unknown(rule, "lend.rule", &RULE_KEYS);
        let missing = |key: &str| self.bad(Some(whole), &format!("lend.rule.{key}"), "", "it is missing");
        let when = rule.get("when").ok_or_else(|| missing("when"))?;
        let give = rule.get("give").ok_or_else(|| missing("give"))?;
        let give_at = give;
        let text = when.as_str();
        let text =
            text.ok_or_else(|| self.bad(Some(when), "lend.rule.when", &shown(when), "it is a text in quotes"))?;
        let give = self.table(give, "lend.rule.give")?;
        let give = self.give(give, give_at)?;
        LendRule::new(text, give).map_err(|e| self.bad(Some(when), "lend.rule.when", text, e))
    }

    fn give(&mut self, give: &dyn TableLike, whole: &Item) -> Result<Give, LendFileError> {
        self.note_unknown(give, "lend.rule.give", &GIVE_KEYS);
        let cores = give.get("cores");
        let cores_at =
            cores.ok_or_else(|| self.bad(Some(whole), "lend.rule.give.cores", &shown(whole), "it is missing"))?;
        let cores = cores_of(cores_at);
        let cores = cores.map_err(|why| self.bad(Some(cores_at), "lend.rule.give.cores", &shown(cores_at), why))?;
        let missing = || self.bad(Some(whole), "lend.rule.give.memory", &shown(whole), "it is missing");
        let memory = self.share(give, "memory")?.ok_or_else(missing)?;
        Ok(Give { cores, memory, net: self.share(give, "net")?.unwrap_or(NET_UNSAID) })
    }

    fn share(&self, give: &dyn TableLike, key: &str) -> Result<Option<model::Ppm>, LendFileError> {
        let Some(item) = give.get(key) else { return Ok(None) };
        let field = format!("lend.rule.give.{key}");
        let share = item.as_str().map(str::parse::<model::Ppm>);
        match share {
            Some(Ok(share)) => Ok(Some(share)),
            Some(Err(e)) => Err(self.bad(Some(item), &field, &shown(item), e.why)),
            None => Err(self.bad(Some(item), &field, &shown(item), "it is a share in quotes, like \"50%\"")),
        }
    }

    fn table<'i>(&self, item: &'i Item, field: &str) -> Result<&'i dyn TableLike, LendFileError> {
        item.as_table_like().ok_or_else(|| self.bad(Some(item), field, &shown(item), "it is a table"))
    }

    fn note_unknown(&mut self, table: &dyn TableLike, prefix: &str, known: &'static [&'static str]) {
        for (key, item) in table.iter().filter(|(key, _)| !known.contains(key)) {
            if self.unknown.len() < UNKNOWN_MAX {
                let at = table.get_key_value(key).and_then(|(key, _)| key.span()).or_else(|| item.span());
                let line = line_of(self.text, at.map_or(0, |span| span.start));
                self.unknown.push(UnknownKey { key: cut(&format!("{prefix}.{key}")), near: nearest(key, known), line });
            }
        }
    }

    fn bad(&self, at: Option<&Item>, field: &str, value: &str, why: impl Display) -> LendFileError {
        let start = at.and_then(Item::span).map_or(0, |span| span.start);
        let line = line_of(self.text, start);
        LendFileError::BadValue { field: field.to_owned(), value: cut(value), why: why.to_string(), line }
    }
}

/// `"90%"` of all, or a number of cores: `2`, `1.5`, `"1.5"`.
fn cores_of(item: &Item) -> Result<Cores, &'static str> {
    let why = "it is a share like \"50%\" or a number of cores like 1.5";
    if let Some(text) = item.as_str().filter(|text| text.trim_end().ends_with('%')) {
        return text.parse().map(Cores::Share).map_err(|e: ParseError| e.why);
    }
    let written = match item.as_value() {
        Some(Value::String(text)) => text.value().trim().to_owned(),
        Some(Value::Integer(number)) => number.value().to_string(),
        Some(Value::Float(number)) => number.value().to_string(),
        _ => return Err(why),
    };
    milli_of(&written).map(Cores::Milli).ok_or(why)
}

/// `1.5` is 1,500; more than three decimals are cut.
fn milli_of(text: &str) -> Option<u32> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() || !whole.chars().chain(fraction.chars()).all(|c| c.is_ascii_digit()) {
        return None;
    }
    let thousandths: String = fraction.chars().chain("000".chars()).take(3).collect();
    whole.parse::<u32>().ok()?.checked_mul(1_000)?.checked_add(thousandths.parse().ok()?)
}

/// How it stands in the file, on one line.
fn shown(item: &Item) -> String {
    let text = item.to_string();
    let bare = item.as_str().map_or(text.trim(), str::trim);
    cut(bare.lines().next().unwrap_or_default())
}

pub(super) fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count()
}

/// The known word with the fewest changed letters.
pub(super) fn nearest(word: &str, known: &'static [&'static str]) -> &'static str {
    known.iter().copied().min_by_key(|other| distance(word, other)).unwrap_or("profile")
}

/// Levenshtein's distance over the first 32 characters.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(32).collect(), b.chars().take(32).collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let changed = corner + usize::from(from != to);
            corner = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}
