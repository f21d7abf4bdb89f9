//! What every command is handed: where things are, how to speak, how long to wait.

use crate::cli::Global;
use crate::fault::Fault;
use crate::home::Home;
use crate::output::Output;
use console::text::Lang;
use model::Span;
use std::time::Duration;

/// The context of a command.
#[derive(Debug, Clone)]
pub struct App {
    /// Folders.
    pub home: Home,
    /// Speech.
    pub out: Output,
    /// How long one call may take.
    pub timeout: Duration,
}

impl App {
    /// From flags and environment.
    pub fn new(global: &Global, lang: Lang) -> Result<Self, Fault> {
        let home = Home::find(|name| std::env::var(name).ok())?;
        let timeout: Span = global.timeout.parse()?;
        Ok(Self { home, out: Output::new(global, lang), timeout: timeout.to_std() })
    }
}
