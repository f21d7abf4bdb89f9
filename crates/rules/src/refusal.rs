//! A lawful no with its reason, shared by every decision.
//!
//! (A) The id stands in the registry of errors. (B) The arguments are the variables of its sentence in every language.

use model::errors::ErrorId;
use std::collections::BTreeMap;
use std::fmt;

/// A lawful no: which one, and the variables of its sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Number in the registry.
    pub id: ErrorId,
    /// Variables of the sentence, by name, e.g. `when`.
    pub args: BTreeMap<&'static str, String>,
}

impl Refusal {
    /// A refusal without variables.
    pub fn new(id: ErrorId) -> Self {
        Self { id, args: BTreeMap::new() }
    }

    /// The same with one variable more.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.args.insert(name, value.to_string());
        self
    }
}

impl fmt::Display for Refusal {
    /// Id, name and variables, for logs; people read the sentence of the registry.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.id.row().code)?;
        self.args.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;
    use model::errors;

    #[test]
    fn a_refusal_prints_its_id_and_variables() {
        let refusal = Refusal::new(errors::PLAN_STALE).with("have", 3).with("need", 4);
        assert_eq!(refusal.to_string(), "E0208 plan_stale have=3 need=4");
    }
}
