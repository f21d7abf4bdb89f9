//! Spans of time in a reader's units. Refusals carry their variables as text, so the text of a span is what is known here.

use super::Lang;
use std::borrow::Cow;

/// Units as `model::Span` prints them, and as Chinese readers read them.
const UNITS: [(&str, &str); 5] = [("d", "天"), ("h", "小时"), ("min", "分钟"), ("s", "秒"), ("ms", "毫秒")];

/// A value that is a span of time, whole and as `model::Span` prints it (`2 d 3 h`, `800 ms`), in the language's units; any
/// other value as it is.
pub fn localized(lang: Lang, value: &str) -> Cow<'_, str> {
    match lang {
        Lang::En => Cow::Borrowed(value),
        Lang::Zh => in_chinese(value).map_or(Cow::Borrowed(value), Cow::Owned),
    }
}

fn in_chinese(value: &str) -> Option<String> {
    let words: Vec<&str> = value.split(' ').collect();
    if !matches!(words.len(), 2 | 4) {
        return None;
    }
    let parts = words.chunks(2).map(|pair| {
        let [number, unit] = pair else { return None };
        let (_, named) = UNITS.iter().find(|(known, _)| known == unit)?;
        let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| format!("{number} {named}"))
    });
    parts.collect::<Option<Vec<String>>>().map(|parts| parts.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Span;

    #[test]
    fn every_span_is_read_in_chinese_units_and_nothing_else_is_touched() {
        let spans =
            [Span::ZERO, Span(800), Span::secs(5), Span::secs(65), Span::hours(3), Span::hours(51), Span::days(9)];
        let said = spans.map(|span| localized(Lang::Zh, &span.to_string()).into_owned());
        assert_eq!(said, ["0 秒", "800 毫秒", "5 秒", "1 分钟 5 秒", "3 小时", "2 天 3 小时", "9 天"]);
        for other in ["", "d", "5", "5 GiB", "x s", "5 s 3", "24h", "李 s", " s"] {
            assert_eq!(localized(Lang::Zh, other), other);
        }
        assert_eq!(localized(Lang::En, "5 s"), "5 s");
    }
}
