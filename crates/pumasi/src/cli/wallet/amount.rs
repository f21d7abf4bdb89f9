//! Credits as people type and read them.

use crate::fault::Fault;
use model::{Credits, Ucredit};

/// Credits with at most six decimals, more than nothing.
pub(in crate::cli) fn parse_amount(text: &str) -> Result<Ucredit, Fault> {
    let bad =
        || Fault::bad_value("credits", text, "it is written as 2, 0.5 or 1.000001: more than 0, at most six decimals");
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let is_number = is_digits(whole) && is_digits(decimals) && !whole.is_empty() && decimals.len() <= 6;
    let is_number = is_number && (text.contains('.') != decimals.is_empty());
    let digits = format!("{whole}{decimals:0<6}");
    let amount = is_number.then(|| Ucredit::parse_micro(&digits)).flatten();
    amount.filter(|amount| *amount > Ucredit::ZERO).ok_or_else(bad)
}

/// With its sign, also where it is more than nothing; nothing is a dash.
pub(super) fn signed(change: Credits) -> String {
    match change.0 {
        0 => "–".to_owned(),
        1.. => format!("+{change}"),
        _ => change.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_or_refused() {
        for (text, micro) in
            [("2", 2_000_000), ("0.5", 500_000), ("1.000001", 1_000_001), ("0.000001", 1), ("007", 7_000_000)]
        {
            assert_eq!(parse_amount(text).ok(), Some(Ucredit(micro)), "{text}");
        }
        let bad =
            ["", "0", "0.0", ".5", "1.", "-1", "+1", "1e3", "1,5", "0.0000001", "1.2.3", " 1", "9223372036855", "٣"];
        for text in bad {
            assert!(parse_amount(text).is_err(), "{text}");
        }
        assert_eq!(parse_amount("9223372036854.775807").ok(), Some(Ucredit::MAX));
    }
}
