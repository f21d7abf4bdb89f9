//! What goes of a bucket after its time (lifecycle): the rules its owner set, and whether they let go of an object, an older version, a
//! marker or an upload. Pure: times are arguments. Days are whole ones, counted from the midnight (UTC) after.

use super::error::{bad, no, not_done};
use crate::limits::{LIFECYCLE_RULES_MAX, SETTING_TEXT_MAX};
use model::{Span, Stamp, errors};
use s3s::dto::*;
use s3s::{S3ErrorCode, S3Result};
use serde::{Deserialize, Serialize};

const DAY_MS: u64 = 24 * 3_600 * 1_000;

/// When objects go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum When {
    /// So many days after they were stored.
    Days(u32),
    /// From a day on.
    From(Stamp),
    /// A marker that stands alone goes; objects do not.
    LoneMarker,
}

/// A rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rule {
    id: Option<String>,
    is_on: bool,
    /// It was written with the older, bare prefix.
    is_old_form: bool,
    /// It has more than one condition, or was written so.
    is_and: bool,
    prefix: Option<String>,
    tags: Vec<(String, String)>,
    larger: Option<u64>,
    smaller: Option<u64>,
    expire: Option<When>,
    /// Older versions: days, and how many of the newest of them stay.
    noncurrent: Option<(u32, u32)>,
    abort_days: Option<u32>,
}

/// What is known of an object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known<'a> {
    pub name: &'a str,
    pub size: u64,
    pub tags: &'a [(String, String)],
}

/// The midnight after so many days.
fn over(since: Stamp, days: u32) -> Stamp {
    let at = since + Span::days(u64::from(days));
    Stamp(at.as_ms().div_ceil(DAY_MS) * DAY_MS)
}

impl Rule {
    /// Whether a name can be one of this rule's.
    pub fn may_be(&self, name: &str) -> bool {
        self.is_on && self.prefix.as_deref().is_none_or(|prefix| name.starts_with(prefix))
    }

    /// It asks for tags, which stand in an object's own manifest.
    pub fn wants_tags(&self) -> bool {
        !self.tags.is_empty()
    }

    fn is_of(&self, known: Known<'_>) -> bool {
        self.fits(known) && self.tags.iter().all(|tag| known.tags.contains(tag))
    }

    /// All but tags.
    fn fits(&self, known: Known<'_>) -> bool {
        self.may_be(known.name)
            && self.larger.is_none_or(|size| known.size > size)
            && self.smaller.is_none_or(|size| known.size < size)
    }

    fn is_due(&self, stored: Stamp, now: Stamp) -> bool {
        match self.expire {
            Some(When::Days(days)) => over(stored, days) <= now,
            Some(When::From(at)) => at <= now,
            Some(When::LoneMarker) | None => false,
        }
    }

    /// An object that was stored at a time goes now.
    pub fn expires(&self, known: Known<'_>, stored: Stamp, now: Stamp) -> bool {
        self.is_due(stored, now) && self.is_of(known)
    }

    /// The same where its tags are not known.
    pub fn may_expire(&self, known: Known<'_>, stored: Stamp, now: Stamp) -> bool {
        self.is_due(stored, now) && self.fits(known)
    }

    /// An older version goes now: `since` another took its place, and `newer` older ones are younger than it.
    pub fn lets_go(&self, known: Known<'_>, since: Stamp, newer: u32, now: Stamp) -> bool {
        let is_due = self.noncurrent.is_some_and(|(days, kept)| newer >= kept && over(since, days) <= now);
        is_due && self.is_of(known)
    }

    /// A marker that is all that is left of its name goes now.
    pub fn ends_marker(&self, name: &str) -> bool {
        self.expire == Some(When::LoneMarker) && self.may_be(name)
    }

    /// An upload that was begun at a time is given up now.
    pub fn gives_up(&self, name: &str, begun: Stamp, now: Stamp) -> bool {
        self.abort_days.is_some_and(|days| over(begun, days) <= now) && self.may_be(name)
    }

    /// It says something of objects that are there.
    pub fn is_of_objects(&self) -> bool {
        self.is_on && matches!(self.expire, Some(When::Days(_) | When::From(_)))
    }

    /// It says something of older versions or markers.
    pub fn is_of_history(&self) -> bool {
        self.is_on && (self.noncurrent.is_some() || self.expire == Some(When::LoneMarker))
    }

    /// It says something of uploads.
    pub fn is_of_uploads(&self) -> bool {
        self.is_on && self.abort_days.is_some()
    }
}

/// Rules as they were asked for.
///
/// # Errors
/// `MalformedXML`, `InvalidArgument`, `InvalidRequest`, `NotImplemented`.
pub(crate) fn of(asked: Vec<LifecycleRule>) -> S3Result<Vec<Rule>> {
    let wrong = |why: &str| no(S3ErrorCode::MalformedXML, errors::BAD_VALUE, why);
    if asked.is_empty() || asked.len() > LIFECYCLE_RULES_MAX {
        return Err(wrong(&format!("there are 1 to {LIFECYCLE_RULES_MAX} rules")));
    }
    let mut rules: Vec<Rule> = asked.into_iter().map(rule).collect::<S3Result<_>>()?;
    for at in 0..rules.len() {
        // One without an id gets one.
        let mut free = (at + 1..).map(|number| format!("rule-{number}"));
        let id = free.find(|id| rules.iter().all(|rule| rule.id.as_ref() != Some(id)));
        rules[at].id = rules[at].id.take().filter(|id| !id.is_empty()).or(id);
    }
    for (at, rule) in rules.iter().enumerate() {
        if rule.id.is_some() && rules[..at].iter().any(|before| before.id == rule.id) {
            return Err(bad("Rule ID must be unique. Found same ID for more than one rule"));
        }
    }
    Ok(rules)
}

fn days(days: i32) -> S3Result<u32> {
    u32::try_from(days).ok().filter(|days| *days > 0).ok_or_else(|| bad("a number of days is 1 or more"))
}

fn rule(asked: LifecycleRule) -> S3Result<Rule> {
    let wrong = |why: &str| no(S3ErrorCode::MalformedXML, errors::BAD_VALUE, why);
    if asked.transitions.is_some_and(|all| !all.is_empty())
        || asked.noncurrent_version_transitions.is_some_and(|all| !all.is_empty())
    {
        return Err(not_done("other classes for older objects: a bucket has one class"));
    }
    let is_on = match asked.status.as_str() {
        ExpirationStatus::ENABLED => true,
        ExpirationStatus::DISABLED => false,
        _ => return Err(wrong("a rule is Enabled or Disabled")),
    };
    if asked.id.as_ref().is_some_and(|id| id.chars().count() > SETTING_TEXT_MAX) {
        return Err(bad(format!("ID length should not exceed allowed limit of {SETTING_TEXT_MAX}")));
    }
    let mut rule = Rule { id: asked.id, is_on, ..Rule::default() };
    match (asked.filter, asked.prefix) {
        (Some(_), Some(_)) => return Err(wrong("a rule has a filter or a prefix")),
        (None, prefix) => (rule.prefix, rule.is_old_form) = (prefix, true),
        (Some(filter), None) => filtered(&mut rule, filter)?,
    }
    rule.expire = asked.expiration.map(when).transpose()?;
    if let Some(old) = asked.noncurrent_version_expiration {
        let kept = old.newer_noncurrent_versions.unwrap_or_default();
        let kept = u32::try_from(kept).map_err(|_| bad("NewerNoncurrentVersions is 1 or more"))?;
        rule.noncurrent = Some((days(old.noncurrent_days.unwrap_or_default())?, kept));
    }
    if let Some(abort) = asked.abort_incomplete_multipart_upload {
        if !rule.tags.is_empty() || rule.larger.is_some() || rule.smaller.is_some() {
            let why = "AbortIncompleteMultipartUpload cannot be specified with tags or sizes";
            return Err(no(S3ErrorCode::InvalidRequest, errors::BAD_VALUE, why));
        }
        rule.abort_days = Some(days(abort.days_after_initiation.unwrap_or_default())?);
    }
    if rule.expire == Some(When::LoneMarker) && !rule.tags.is_empty() {
        let why = "ExpiredObjectDeleteMarker cannot be specified with tags";
        return Err(no(S3ErrorCode::InvalidRequest, errors::BAD_VALUE, why));
    }
    if rule.expire.is_none() && rule.noncurrent.is_none() && rule.abort_days.is_none() {
        let why = "At least one action needs to be specified in a rule";
        return Err(no(S3ErrorCode::InvalidRequest, errors::BAD_VALUE, why));
    }
    Ok(rule)
}

fn filtered(rule: &mut Rule, filter: LifecycleRuleFilter) -> S3Result<()> {
    let size =
        |size: Option<i64>| size.map(|size| u64::try_from(size).map_err(|_| bad("a size is 0 or more"))).transpose();
    let plain = |tag: Tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default());
    let singles = [
        filter.prefix.is_some(),
        filter.tag.is_some(),
        filter.object_size_greater_than.is_some(),
        filter.object_size_less_than.is_some(),
        filter.and.is_some(),
    ];
    if singles.iter().filter(|is_there| **is_there).count() > 1 {
        let why = "a filter with several conditions has them in And";
        return Err(no(S3ErrorCode::MalformedXML, errors::BAD_VALUE, why));
    }
    let (prefix, tags, larger, smaller) = match filter.and {
        Some(and) => {
            rule.is_and = true;
            let tags = and.tags.unwrap_or_default();
            (and.prefix, tags, and.object_size_greater_than, and.object_size_less_than)
        }
        None => {
            let tags = filter.tag.into_iter().collect();
            (filter.prefix, tags, filter.object_size_greater_than, filter.object_size_less_than)
        }
    };
    (rule.prefix, rule.larger, rule.smaller) = (prefix, size(larger)?, size(smaller)?);
    rule.tags = super::told::tags_checked(tags.into_iter().map(plain).collect())?;
    Ok(())
}

fn when(asked: LifecycleExpiration) -> S3Result<When> {
    let lone = asked.expired_object_delete_marker == Some(true);
    match (asked.days, asked.date, lone) {
        (Some(count), None, false) => Ok(When::Days(days(count)?)),
        (None, Some(date), false) => {
            let at = super::told::stamp(&date).ok_or_else(|| bad("'Date' must be at midnight GMT"))?;
            if at.as_ms() % DAY_MS == 0 { Ok(When::From(at)) } else { Err(bad("'Date' must be at midnight GMT")) }
        }
        (None, None, true) => Ok(When::LoneMarker),
        _ => Err(no(S3ErrorCode::MalformedXML, errors::BAD_VALUE, "an expiration has days, a date or a marker")),
    }
}

/// As S3 shows them.
pub(crate) fn shown(rules: Vec<Rule>) -> Vec<LifecycleRule> {
    rules.into_iter().map(shown_one).collect()
}

fn shown_one(rule: Rule) -> LifecycleRule {
    let size = |size: Option<u64>| size.and_then(|size| i64::try_from(size).ok());
    let count = |days: u32| i32::try_from(days).ok();
    let (larger, smaller) = (size(rule.larger), size(rule.smaller));
    let tag = |(key, value): (String, String)| Tag { key: Some(key), value: Some(value) };
    let mut tags: Vec<Tag> = rule.tags.into_iter().map(tag).collect();
    let prefix = rule.prefix;
    let filter = match (rule.is_old_form, rule.is_and) {
        (true, _) => None,
        (false, true) => Some(LifecycleRuleFilter {
            and: Some(LifecycleRuleAndOperator {
                object_size_greater_than: larger,
                object_size_less_than: smaller,
                prefix: prefix.clone(),
                tags: Some(tags).filter(|tags| !tags.is_empty()),
            }),
            ..LifecycleRuleFilter::default()
        }),
        (false, false) => Some(LifecycleRuleFilter {
            and: None,
            object_size_greater_than: larger,
            object_size_less_than: smaller,
            prefix: prefix.clone(),
            tag: tags.pop(),
        }),
    };
    let expiration = rule.expire.map(|when| LifecycleExpiration {
        days: if let When::Days(days) = when { count(days) } else { None },
        date: if let When::From(at) = when { Some(super::told::time(at)) } else { None },
        expired_object_delete_marker: (when == When::LoneMarker).then_some(true),
    });
    let noncurrent = rule.noncurrent.map(|(days, kept)| NoncurrentVersionExpiration {
        noncurrent_days: count(days),
        newer_noncurrent_versions: count(kept).filter(|kept| *kept > 0),
    });
    let abort = rule.abort_days.map(|days| AbortIncompleteMultipartUpload { days_after_initiation: count(days) });
    let status = if rule.is_on { ExpirationStatus::ENABLED } else { ExpirationStatus::DISABLED };
    LifecycleRule {
        abort_incomplete_multipart_upload: abort,
        expiration,
        filter,
        id: rule.id,
        noncurrent_version_expiration: noncurrent,
        noncurrent_version_transitions: None,
        prefix: prefix.filter(|_| rule.is_old_form),
        status: ExpirationStatus::from_static(status),
        transitions: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Stamp = Stamp(100 * DAY_MS + 5);

    fn known<'a>(name: &'a str, size: u64, tags: &'a [(String, String)]) -> Known<'a> {
        Known { name, size, tags }
    }

    #[test]
    fn days_end_at_the_midnight_after() {
        let rule = Rule { is_on: true, expire: Some(When::Days(1)), ..Rule::default() };
        let stored = |ms: u64| rule.expires(known("a", 1, &[]), Stamp(ms), NOW);
        assert!(stored(99 * DAY_MS), "to the millisecond");
        assert!(!stored(99 * DAY_MS + 1), "its day ends tonight");
        let off = Rule { is_on: false, ..rule.clone() };
        assert!(!off.expires(known("a", 1, &[]), Stamp(0), NOW));
    }

    #[test]
    fn every_condition_of_a_filter_counts() {
        let tag = |text: &str| (text.to_owned(), "1".to_owned());
        let rule = Rule {
            is_on: true,
            prefix: Some("log/".into()),
            tags: vec![tag("a"), tag("b")],
            larger: Some(10),
            smaller: Some(20),
            expire: Some(When::From(Stamp(0))),
            ..Rule::default()
        };
        let both = [tag("b"), tag("a"), tag("c")];
        let is = |name: &str, size: u64, tags: &[(String, String)]| rule.expires(known(name, size, tags), NOW, NOW);
        assert!(is("log/1", 11, &both) && is("log/1", 19, &both));
        assert!(!is("log/1", 10, &both) && !is("log/1", 20, &both));
        assert!(!is("lag/1", 11, &both) && !is("log/1", 11, &both[..1]));
    }

    #[test]
    fn older_versions_go_by_age_and_by_number() {
        let rule = Rule { is_on: true, noncurrent: Some((2, 3)), ..Rule::default() };
        let old = Stamp(90 * DAY_MS);
        assert!(rule.lets_go(known("a", 1, &[]), old, 3, NOW));
        assert!(!rule.lets_go(known("a", 1, &[]), old, 2, NOW), "three of them stay");
        assert!(!rule.lets_go(known("a", 1, &[]), Stamp(99 * DAY_MS), 9, NOW));
    }

    #[test]
    fn uploads_and_markers_have_rules_of_their_own() {
        let rule = Rule { is_on: true, abort_days: Some(7), expire: Some(When::LoneMarker), ..Rule::default() };
        assert!(rule.gives_up("a", Stamp(92 * DAY_MS), NOW) && !rule.gives_up("a", Stamp(94 * DAY_MS), NOW));
        assert!(rule.ends_marker("a") && !rule.expires(known("a", 1, &[]), Stamp(0), NOW));
    }

    #[test]
    fn what_is_shown_is_what_was_asked() {
        let asked = LifecycleRule {
            abort_incomplete_multipart_upload: Some(AbortIncompleteMultipartUpload { days_after_initiation: Some(3) }),
            expiration: Some(LifecycleExpiration { days: Some(30), ..LifecycleExpiration::default() }),
            filter: Some(LifecycleRuleFilter { prefix: Some("x/".into()), ..LifecycleRuleFilter::default() }),
            id: Some("one".into()),
            noncurrent_version_expiration: None,
            noncurrent_version_transitions: None,
            prefix: None,
            status: ExpirationStatus::from_static(ExpirationStatus::ENABLED),
            transitions: None,
        };
        let rules = of(vec![asked.clone()]).unwrap();
        assert_eq!(shown(rules), std::slice::from_ref(&asked));
        assert!(of(vec![asked.clone(), asked.clone()]).is_err(), "two of one id");
        let none = LifecycleRule { abort_incomplete_multipart_upload: None, expiration: None, ..asked.clone() };
        assert!(of(vec![none]).is_err(), "a rule that does nothing");
        let never = LifecycleExpiration { days: Some(0), ..LifecycleExpiration::default() };
        assert!(of(vec![LifecycleRule { expiration: Some(never), ..asked }]).is_err());
    }
}
