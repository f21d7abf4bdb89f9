//! The language of `when = "…"`: when may this machine lend? (`docs/design/fleet.md` §8)
//!
//! Words: `in_use`, `idle > 20min`, `battery`, `metered`, `fullscreen`, `thermal`, `pressure(cpu|io|memory) > 20%`,
//! `app('name')`, `hours('22:00-08:00')`, `hours('22:00-08:00','sat-sun')`, `and`, `or`, `not`, `( )`. `not` binds
//! tightest, then `and`, then `or`. A span over midnight belongs to the day on which it begins.
//!
//! (A) Total: any text of any length parses or is refused with the column of the fault; nothing panics.
//! (B) A parsed condition prints as a text that parses to the same condition.
//! (C) At most [`WHEN_CHARS_MAX`] characters, so evaluation looks at no more words than that; no loops, no calls.
//! (D) No signal counts as in use: `idle > T` does not hold without one.

use model::{Ppm, Span};
use std::fmt;

/// Longest condition in characters.
pub const WHEN_CHARS_MAX: usize = 256;

/// What pressure is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PressureOf {
    /// Processor.
    Cpu,
    /// Disks.
    Io,
    /// Memory.
    Memory,
}

/// A parsed condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// The owner is at the machine.
    InUse,
    /// No input for longer.
    IdleOver(Span),
    /// On battery.
    Battery,
    /// The network is metered.
    Metered,
    /// Something fills the screen.
    Fullscreen,
    /// Three quarters of the thermal room are used.
    Thermal,
    /// The share of time in which something waited for it is larger.
    Pressure(PressureOf, Ppm),
    /// A program of this name runs, whatever the case of its letters.
    App(String),
    /// Local time lies in a span of the day, begun on one of these days.
    Hours {
        /// Minute of the day, 0 … 1439.
        from_min: u16,
        /// Minute of the day, 1 … 1440, before `from_min` when it passes midnight.
        to_min: u16,
        /// Bit 0 = Monday … bit 6 = Sunday.
        days: u8,
    },
    /// The opposite.
    Not(Box<When>),
    /// Both.
    And(Box<When>, Box<When>),
    /// One or both.
    Or(Box<When>, Box<When>),
}

/// What conditions are judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WhenFacts<'a> {
    /// Time since the last input; none without a signal.
    pub idle: Option<Span>,
    /// The owner is at the machine, by the profile's own measure.
    pub in_use: bool,
    /// On battery.
    pub battery: bool,
    /// Metered network.
    pub metered: bool,
    /// Something fills the screen.
    pub fullscreen: bool,
    /// Hot.
    pub thermal: bool,
    /// Pressure on the processor, disks and memory.
    pub pressure: [Ppm; 3],
    /// Programs that run, of those anybody asked about.
    pub apps: &'a [String],
    /// Minute of the local day, 0 … 1439.
    pub minute: u16,
    /// Local day, 0 = Monday.
    pub day: u8,
}

/// Why a text is no condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {why}")]
pub struct WhenError {
    /// Where, counted in characters from 1.
    pub column: usize,
    /// A lower-case fragment.
    pub why: String,
}

/// Days as written, Monday first.
pub const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const EVERY_DAY: u8 = 0x7f;

impl When {
    /// Reads a condition.
    pub fn parse(text: &str) -> Result<Self, WhenError> {
        if let Some((column, _)) = text.chars().enumerate().nth(WHEN_CHARS_MAX) {
            return Err(WhenError { column: column + 1, why: format!("more than {WHEN_CHARS_MAX} characters") });
        }
        let mut parser = Parser { words: words(text)?, at: 0 };
        let when = parser.or()?;
        match parser.peek() {
            (Word::End, _) => Ok(when),
            (other, column) => Err(WhenError { column, why: format!("`and` or `or` is wanted, not {other}") }),
        }
    }

    /// Does it hold?
    pub fn holds(&self, facts: &WhenFacts<'_>) -> bool {
        match self {
            Self::InUse => facts.in_use,
            Self::IdleOver(span) => facts.idle.is_some_and(|idle| idle > *span),
            Self::Battery => facts.battery,
            Self::Metered => facts.metered,
            Self::Fullscreen => facts.fullscreen,
            Self::Thermal => facts.thermal,
            Self::Pressure(of, limit) => facts.pressure[*of as usize] > *limit,
            Self::App(name) => facts.apps.iter().any(|app| app.eq_ignore_ascii_case(name)),
            Self::Hours { from_min, to_min, days } => in_hours((*from_min, *to_min, *days), facts.minute, facts.day),
            Self::Not(inner) => !inner.holds(facts),
            Self::And(a, b) => a.holds(facts) && b.holds(facts),
            Self::Or(a, b) => a.holds(facts) || b.holds(facts),
        }
    }
}

fn in_hours((from, to, days): (u16, u16, u8), minute: u16, day: u8) -> bool {
    let on = |day: u8| days & (1 << (day % 7)) != 0;
    if from < to {
        return on(day) && (from..to).contains(&minute);
    }
    (on(day) && minute >= from) || (on(day + 6) && minute < to)
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse => f.write_str("in_use"),
            Self::IdleOver(span) => write!(f, "idle > {}", span_text(*span)),
            Self::Battery => f.write_str("battery"),
            Self::Metered => f.write_str("metered"),
            Self::Fullscreen => f.write_str("fullscreen"),
            Self::Thermal => f.write_str("thermal"),
            Self::Pressure(of, limit) => {
                let of = ["cpu", "io", "memory"][*of as usize];
                write!(f, "pressure({of}) > {}.{:04}%", limit.0 / 10_000, limit.0 % 10_000)
            }
            Self::App(name) => write!(f, "app('{name}')"),
            Self::Hours { from_min, to_min, days } => {
                let clock = |m: &u16| format!("{:02}:{:02}", m / 60, m % 60);
                write!(f, "hours('{}-{}'", clock(from_min), clock(to_min))?;
                let named: Vec<&str> = (0..7).filter(|d| days & (1 << d) != 0).map(|d| DAYS[d]).collect();
                if *days == EVERY_DAY { f.write_str(")") } else { write!(f, ",'{}')", named.join(" ")) }
            }
            Self::Not(inner) => write!(f, "not ({inner})"),
            Self::And(a, b) => write!(f, "({a}) and ({b})"),
            Self::Or(a, b) => write!(f, "({a}) or ({b})"),
        }
    }
}

/// The largest unit that gives a whole number.
fn span_text(span: Span) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms")];
    let (size, name) = units.into_iter().find(|(size, _)| span.as_ms().is_multiple_of(*size)).unwrap_or((1, "ms"));
    format!("{}{name}", span.as_ms() / size)
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Name(String),
    Amount(String),
    Quoted(String),
    Open,
    Close,
    Comma,
    Over,
    End,
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(text) | Self::Amount(text) => write!(f, "`{text}`"),
            Self::Quoted(text) => write!(f, "'{text}'"),
            Self::Open => f.write_str("`(`"),
            Self::Close => f.write_str("`)`"),
            Self::Comma => f.write_str("`,`"),
            Self::Over => f.write_str("`>`"),
            Self::End => f.write_str("the end"),
        }
    }
}

/// Cuts a text into words with the column of each; the last one is [`Word::End`].
fn words(text: &str) -> Result<Vec<(Word, usize)>, WhenError> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let column = at + 1;
        let run = |from: usize, fits: fn(char) -> bool| chars[from..].iter().take_while(|c| fits(**c)).count();
        let (word, length) = match c {
            c if c.is_whitespace() => {
                at += 1;
                continue;
            }
            '(' => (Word::Open, 1),
            ')' => (Word::Close, 1),
            ',' => (Word::Comma, 1),
            '>' => (Word::Over, 1),
            '\'' => {
                let length = run(at + 1, |c| c != '\'');
                if at + 1 + length >= chars.len() {
                    return Err(WhenError { column, why: "the quote is not closed".to_owned() });
                }
                (Word::Quoted(chars[at + 1..at + 1 + length].iter().collect()), length + 2)
            }
            c if c.is_ascii_digit() => {
                let length = run(at, |c| c.is_ascii_alphanumeric() || c == '.' || c == '%');
                (Word::Amount(chars[at..at + length].iter().collect()), length)
            }
            c if c.is_ascii_alphabetic() => {
                let length = run(at, |c| c.is_ascii_alphanumeric() || c == '_');
                (Word::Name(chars[at..at + length].iter().collect()), length)
            }
            other => return Err(WhenError { column, why: format!("`{other}` has no meaning here") }),
        };
        found.push((word, column));
        at += length;
    }
    found.push((Word::End, chars.len() + 1));
    Ok(found)
}

/// Recursive descent; its depth is bounded by the length of the text.
struct Parser {
    words: Vec<(Word, usize)>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> (Word, usize) {
        self.words[self.at].clone()
    }

    fn next(&mut self) -> (Word, usize) {
        let word = self.peek();
        self.at = (self.at + 1).min(self.words.len() - 1);
        word
    }

    fn take_name(&mut self, name: &str) -> bool {
        let found = matches!(&self.words[self.at].0, Word::Name(n) if n == name);
        self.at += usize::from(found);
        found
    }

    fn want(&mut self, wanted: Word) -> Result<(), WhenError> {
        let (word, column) = self.next();
        if word == wanted { Ok(()) } else { Err(WhenError { column, why: format!("{wanted} is wanted, not {word}") }) }
    }

    fn or(&mut self) -> Result<When, WhenError> {
        let mut left = self.and()?;
        while self.take_name("or") {
            left = When::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<When, WhenError> {
        let mut left = self.not()?;
        while self.take_name("and") {
            left = When::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<When, WhenError> {
        if self.take_name("not") {
            return Ok(When::Not(Box::new(self.not()?)));
        }
        let (word, column) = self.next();
        match word {
            Word::Open => {
                let inner = self.or()?;
                self.want(Word::Close)?;
                Ok(inner)
            }
            Word::Name(name) => self.atom(&name, column),
            other => Err(WhenError { column, why: format!("a condition is wanted, not {other}") }),
        }
    }

    fn atom(&mut self, name: &str, column: usize) -> Result<When, WhenError> {
        match name {
            "in_use" => Ok(When::InUse),
            "battery" => Ok(When::Battery),
            "metered" => Ok(When::Metered),
            "fullscreen" => Ok(When::Fullscreen),
            "thermal" => Ok(When::Thermal),
            "idle" => self.amount().map(When::IdleOver),
            "pressure" => self.pressure(),
            "app" => self.app(),
            "hours" => self.hours(),
            other => Err(WhenError { column, why: format!("`{other}` is no word of this language") }),
        }
    }

    fn amount<T: std::str::FromStr<Err = model::ParseError>>(&mut self) -> Result<T, WhenError> {
        self.want(Word::Over)?;
        match self.next() {
            (Word::Amount(text), column) => {
                text.parse().map_err(|e: model::ParseError| WhenError { column, why: e.to_string() })
            }
            (other, column) => Err(WhenError { column, why: format!("an amount is wanted, not {other}") }),
        }
    }

    fn pressure(&mut self) -> Result<When, WhenError> {
        self.want(Word::Open)?;
        let (word, column) = self.next();
        let of = match word {
            Word::Name(n) if n == "cpu" => PressureOf::Cpu,
            Word::Name(n) if n == "io" => PressureOf::Io,
            Word::Name(n) if n == "memory" => PressureOf::Memory,
            other => return Err(WhenError { column, why: format!("cpu, io or memory is wanted, not {other}") }),
        };
        self.want(Word::Close)?;
        self.amount().map(|limit| When::Pressure(of, limit))
    }

    fn quoted(&mut self) -> Result<(String, usize), WhenError> {
        match self.next() {
            (Word::Quoted(text), column) => Ok((text, column)),
            (other, column) => Err(WhenError { column, why: format!("a quoted text is wanted, not {other}") }),
        }
    }

    fn app(&mut self) -> Result<When, WhenError> {
        self.want(Word::Open)?;
        let (name, column) = self.quoted()?;
        if name.trim().is_empty() {
            return Err(WhenError { column, why: "the program has no name".to_owned() });
        }
        self.want(Word::Close)?;
        Ok(When::App(name))
    }

    fn hours(&mut self) -> Result<When, WhenError> {
        self.want(Word::Open)?;
        let (span, column) = self.quoted()?;
        let wrong = "hours are written as '22:00-08:00'";
        let (from_min, to_min) = clock_span(&span).ok_or_else(|| WhenError { column, why: wrong.to_owned() })?;
        let mut days = EVERY_DAY;
        if self.peek().0 == Word::Comma {
            self.next();
            let (text, column) = self.quoted()?;
            let wrong = "days are written as 'mon-fri' or 'sat sun'";
            days = days_of(&text).ok_or_else(|| WhenError { column, why: wrong.to_owned() })?;
        }
        self.want(Word::Close)?;
        Ok(When::Hours { from_min, to_min, days })
    }
}

fn clock_span(text: &str) -> Option<(u16, u16)> {
    let (from, to) = text.split_once('-')?;
    let (from, to) = (clock(from)?, clock(to)?);
    (from < 1_440 && to >= 1 && from != to).then_some((from, to))
}

fn clock(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let number = |t: &str| (t.len() == 2 && t.bytes().all(|b| b.is_ascii_digit())).then(|| t.parse::<u16>().ok())?;
    let (hour, minute) = (number(hour)?, number(minute)?);
    (minute < 60 && hour * 60 + minute <= 1_440).then_some(hour * 60 + minute)
}

fn days_of(text: &str) -> Option<u8> {
    let day = |name: &str| DAYS.iter().position(|d| *d == name.trim());
    let mut bits = 0;
    for part in text.split([' ', ',']).filter(|p| !p.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        let count = (last + 7 - first) % 7;
        (0..=count).for_each(|step| bits |= 1u8 << ((first + step) % 7));
    }
    (bits != 0).then_some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn facts() -> WhenFacts<'static> {
        WhenFacts {
            idle: Some(Span::mins(30)),
            in_use: false,
            battery: false,
            metered: false,
            fullscreen: false,
            thermal: false,
            pressure: [Ppm(0); 3],
            apps: &[],
            minute: 12 * 60,
            day: 2,
        }
    }

    fn holds(text: &str, facts: WhenFacts<'_>) -> bool {
        When::parse(text).unwrap().holds(&facts)
    }

    #[test]
    fn the_design_s_example_holds_on_a_weekend_night() {
        let text = "idle > 20min and hours('22:00-08:00','sat-sun') and not thermal";
        let at = |day, hour: u16| WhenFacts { day, minute: hour * 60, ..facts() };
        assert!(holds(text, at(5, 23)), "Saturday evening");
        assert!(holds(text, at(0, 7)), "Monday early: the span began on Sunday");
        assert!(!holds(text, at(5, 7)), "Saturday early: the span began on Friday");
        assert!(!holds(text, at(0, 8)) && !holds(text, at(2, 23)));
        assert!(!holds(text, WhenFacts { thermal: true, ..at(5, 23) }));
        assert!(!holds(text, WhenFacts { idle: None, ..at(5, 23) }), "(D)");
        assert!(!holds(text, WhenFacts { idle: Some(Span::mins(20)), ..at(5, 23) }));
    }

    #[test]
    fn every_word_says_what_it_means() {
        let apps = ["OBS".to_owned()];
        let on = WhenFacts {
            in_use: true,
            battery: true,
            metered: true,
            fullscreen: true,
            thermal: true,
            pressure: [Ppm::percent(21), Ppm::percent(5), Ppm(0)],
            apps: &apps,
            ..facts()
        };
        for word in ["in_use", "battery", "metered", "fullscreen", "thermal", "app('obs')", "pressure(cpu) > 20%"] {
            assert!(holds(word, on), "{word}");
            assert!(!holds(&format!("not {word}"), on), "{word}");
            assert!(!holds(word, facts()), "{word}");
        }
        assert!(holds("pressure(io) > 4.5% and not pressure(memory) > 0%", on));
        assert!(holds("hours('09:00-24:00') or battery and metered", facts()));
        assert!(!holds("(hours('09:00-24:00') or battery) and metered", facts()));
        assert!(
            holds("hours('00:00-24:00','mon wed fri')", facts()) && !holds("hours('00:00-24:00','fri-tue')", facts())
        );
    }

    #[test]
    fn errors_name_the_column() {
        let cases = [
            ("", 1),
            ("idle", 5),
            ("idle > soon", 8),
            ("idle > 5", 8),
            ("battery metered", 9),
            ("idle > 5min and", 16),
            ("(battery", 9),
            ("napping", 1),
            ("app('x", 5),
            ("app('')", 5),
            ("hours('8-9')", 7),
            ("hours('09:00-09:00')", 7),
            ("hours('09:00-10:00','someday')", 21),
            ("pressure(gpu) > 5%", 10),
            ("pressure(cpu) > 500%", 17),
            ("bättery", 2),
            ("battery & metered", 9),
        ];
        for (text, column) in cases {
            let error = When::parse(text).unwrap_err();
            assert_eq!(error.column, column, "{text}: {error}");
        }
        let long = "battery or ".repeat(40);
        assert_eq!(When::parse(&long).unwrap_err().column, WHEN_CHARS_MAX + 1, "(C)");
    }

    fn any_when() -> impl Strategy<Value = When> {
        let leaf = prop_oneof![
            Just(When::InUse),
            Just(When::Battery),
            Just(When::Thermal),
            (0u64..10_000_000).prop_map(|ms| When::IdleOver(Span(ms))),
            (0u32..=100).prop_map(|p| When::Pressure(PressureOf::Io, Ppm::percent(p))),
            "[a-z.]{1,9}".prop_map(When::App),
            (0u16..1_440, 1u16..=1_440, 1u8..128)
                .prop_filter("empty", |(a, b, _)| a != b)
                .prop_map(|(from_min, to_min, days)| When::Hours { from_min, to_min, days }),
        ];
        leaf.prop_recursive(3, 8, 2, |inner| {
            prop_oneof![
                inner.clone().prop_map(|w| When::Not(Box::new(w))),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| When::And(Box::new(a), Box::new(b))),
                (inner.clone(), inner).prop_map(|(a, b)| When::Or(Box::new(a), Box::new(b))),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_text_parses_or_names_a_column(text in "\\PC{0,300}") {
            if let Err(error) = When::parse(&text) {
                prop_assert!((1..=text.chars().count() + 1).contains(&error.column), "(A)");
            }
        }

        #[test]
        fn any_mix_of_words_parses_or_names_a_column(
            words in proptest::collection::vec(prop_oneof![
                Just("not"), Just("and"), Just("or"), Just("("), Just(")"), Just("idle"), Just(">"), Just("5min"),
                Just("in_use"), Just("hours('22:00-08:00','sat-sun')"), Just("app('x')"), Just(","), Just("'"),
            ], 0..60),
        ) {
            let text = words.join(" ");
            match When::parse(&text) {
                Ok(when) => { when.holds(&facts()); }
                Err(error) => prop_assert!((1..=text.chars().count() + 1).contains(&error.column), "(A)"),
            }
        }

        #[test]
        fn a_condition_prints_as_it_parses(when in any_when()) {
            let text = when.to_string();
            if text.chars().count() <= WHEN_CHARS_MAX {
                prop_assert_eq!(When::parse(&text).unwrap(), when, "(B)");
            }
        }

        #[test]
        fn hours_agree_with_counting_minutes(from in 0u16..1_440, to in 1u16..=1_440, days in 0u8..128, minute in 0u16..1_440, day in 0u8..7) {
            prop_assume!(from != to);
            let length = if from < to { to - from } else { to + 1_440 - from };
            let now = u32::from(day) * 1_440 + u32::from(minute);
            let naive = (0..7u32).filter(|d| days & (1 << d) != 0).any(|d| {
                (now + 10_080 - (d * 1_440 + u32::from(from))) % 10_080 < u32::from(length)
            });
            prop_assert_eq!(in_hours((from, to, days), minute, day), naive);
        }
    }
}
