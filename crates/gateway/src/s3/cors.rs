//! Which pages of others may ask for what of a bucket (CORS): the rules its owner set, and what they say of a request. A rule says
//! only what a browser lets a page see: every request is signed all the same.

use super::error::{bad, no};
use crate::limits::{CORS_RULES_MAX, SETTING_TEXT_MAX};
use model::errors;
use s3s::dto::{CORSConfiguration, CORSRule};
use s3s::{S3ErrorCode, S3Result};
use serde::{Deserialize, Serialize};

/// Methods that a rule may name.
const METHODS: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "HEAD"];

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rule {
    id: Option<String>,
    origins: Vec<String>,
    methods: Vec<String>,
    headers: Vec<String>,
    expose: Vec<String>,
    max_age_s: Option<i32>,
}

/// What a browser asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asking<'a> {
    pub origin: &'a str,
    pub method: &'a str,
    /// Headers it would send, in small letters.
    pub headers: &'a [String],
}

/// What it is told: headers of the answer.
pub(crate) type Allowed = Vec<(&'static str, String)>;

/// Whether `text` is what `pattern` says, in which one `*` stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => text.len() >= head.len() + tail.len() && text.starts_with(head) && text.ends_with(tail),
    }
}

impl Rule {
    fn allows(&self, ask: Asking<'_>) -> bool {
        let has_header = |header: &String| self.headers.iter().any(|p| fits(&p.to_ascii_lowercase(), header));
        self.origins.iter().any(|origin| fits(origin, ask.origin))
            && self.methods.iter().any(|method| method == ask.method)
            && ask.headers.iter().all(has_header)
    }

    fn says(&self, ask: Asking<'_>) -> Allowed {
        let is_any = self.origins.iter().any(|origin| origin == "*");
        let mut told = vec![
            ("access-control-allow-origin", if is_any { "*" } else { ask.origin }.to_owned()),
            ("access-control-allow-methods", self.methods.join(", ")),
            ("vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method".to_owned()),
        ];
        if !is_any {
            told.push(("access-control-allow-credentials", "true".to_owned()));
        }
        if !ask.headers.is_empty() {
            told.push(("access-control-allow-headers", ask.headers.join(", ")));
        }
        if !self.expose.is_empty() {
            told.push(("access-control-expose-headers", self.expose.join(", ")));
        }
        if let Some(seconds) = self.max_age_s {
            told.push(("access-control-max-age", seconds.to_string()));
        }
        told
    }
}

/// What the first rule that fits says; nothing where none does.
pub(crate) fn allowed(rules: &[Rule], ask: Asking<'_>) -> Option<Allowed> {
    rules.iter().find(|rule| rule.allows(ask)).map(|rule| rule.says(ask))
}

/// Rules as they were asked for.
///
/// # Errors
/// `MalformedXML`, `InvalidRequest`.
pub(crate) fn of(asked: CORSConfiguration) -> S3Result<Vec<Rule>> {
    if asked.cors_rules.is_empty() || asked.cors_rules.len() > CORS_RULES_MAX {
        let why = format!("there are 1 to {CORS_RULES_MAX} rules");
        return Err(no(S3ErrorCode::MalformedXML, errors::BAD_VALUE, why));
    }
    asked.cors_rules.into_iter().map(rule).collect()
}

fn rule(asked: CORSRule) -> S3Result<Rule> {
    let wrong = |why: String| no(S3ErrorCode::InvalidRequest, errors::BAD_VALUE, why);
    let rule = Rule {
        id: asked.id,
        origins: asked.allowed_origins,
        methods: asked.allowed_methods,
        headers: asked.allowed_headers.unwrap_or_default(),
        expose: asked.expose_headers.unwrap_or_default(),
        max_age_s: asked.max_age_seconds,
    };
    if rule.origins.is_empty() || rule.methods.is_empty() {
        return Err(no(S3ErrorCode::MalformedXML, errors::BAD_VALUE, "a rule has origins and methods"));
    }
    if let Some(method) = rule.methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
        return Err(wrong(format!("Found unsupported HTTP method in CORS config. Unsupported method is {method}")));
    }
    if let Some(text) = rule.origins.iter().chain(&rule.headers).find(|text| text.matches('*').count() > 1) {
        return Err(wrong(format!("{text:?} can not have more than one wildcard")));
    }
    let all = rule.origins.iter().chain(&rule.headers).chain(&rule.expose).chain(&rule.id);
    if all.clone().any(|text| text.len() > SETTING_TEXT_MAX || text.chars().any(char::is_control)) {
        return Err(bad(format!("a text of a rule has at most {SETTING_TEXT_MAX} printable bytes")));
    }
    if rule.max_age_s.is_some_and(i32::is_negative) {
        return Err(bad("MaxAgeSeconds is 0 or more"));
    }
    Ok(rule)
}

/// As S3 shows them.
pub(crate) fn shown(rules: Vec<Rule>) -> Vec<CORSRule> {
    let some = |all: Vec<String>| Some(all).filter(|all| !all.is_empty());
    let shown = |rule: Rule| CORSRule {
        allowed_headers: some(rule.headers),
        allowed_methods: rule.methods,
        allowed_origins: rule.origins,
        expose_headers: some(rule.expose),
        id: rule.id,
        max_age_seconds: rule.max_age_s,
    };
    rules.into_iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(origin: &str, method: &str, headers: &[&str]) -> Rule {
        let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let (origins, methods, headers) = (texts(&[origin]), texts(&[method]), texts(headers));
        Rule { id: None, origins, methods, headers, expose: texts(&["ETag"]), max_age_s: Some(60) }
    }

    fn ask(rules: &[Rule], origin: &str, method: &str, headers: &[&str]) -> Option<Allowed> {
        let headers: Vec<String> = headers.iter().map(|header| (*header).to_owned()).collect();
        allowed(rules, Asking { origin, method, headers: &headers })
    }

    #[test]
    fn one_star_stands_for_anything_and_nothing_twice() {
        for (pattern, text, fit) in [
            ("*", "", true),
            ("https://*.example", "https://a.example", true),
            ("https://*.example", "https://.example.evil", false),
            ("ab*ba", "aba", false),
            ("x-amz-*", "x-amz-date", true),
            ("http://a", "http://a", true),
            ("http://a", "http://ab", false),
        ] {
            assert_eq!(fits(pattern, text), fit, "{pattern} {text}");
        }
    }

    #[test]
    fn the_first_rule_that_fits_in_all_counts() {
        let rules = [one("http://a", "PUT", &["X-Amz-*"]), one("*", "GET", &[])];
        let put = ask(&rules, "http://a", "PUT", &["x-amz-date"]).unwrap();
        assert!(put.contains(&("access-control-allow-origin", "http://a".to_owned())));
        assert!(put.contains(&("access-control-allow-headers", "x-amz-date".to_owned())));
        assert_eq!(ask(&rules, "http://a", "PUT", &["content-type"]), None);
        assert_eq!(ask(&rules, "http://b", "PUT", &[]), None);
        let get = ask(&rules, "http://b", "GET", &[]).unwrap();
        assert!(get.contains(&("access-control-allow-origin", "*".to_owned())));
        assert!(get.iter().all(|(name, _)| *name != "access-control-allow-credentials"), "anybody is nobody's page");
    }
}
