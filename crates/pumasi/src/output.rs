//! What goes to stdout and stderr. stdout is the result and nothing else; stderr is narration, progress and errors.
//! JSON objects carry `"v":1` and a kind; a closed stdout ends quietly.

use crate::cli::{Form, Global};
use crate::fault::Fault;
use console::text::{self, Args, Lang};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};

/// How this command speaks.
#[derive(Debug, Clone)]
pub struct Output {
    /// Form of the result.
    pub form: Form,
    /// Language of sentences.
    pub lang: Lang,
    /// No narration.
    pub quiet: bool,
    /// Every question is answered yes.
    pub yes: bool,
}

/// Variables of a text from a map.
pub fn args_of(map: &BTreeMap<String, String>) -> Args {
    map.iter().map(|(k, v)| (k.clone(), v.clone())).collect()
}

impl Output {
    /// As the global flags and the environment say.
    pub fn new(global: &Global, lang: Lang) -> Self {
        Self { form: global.form(), lang, quiet: global.quiet, yes: global.yes }
    }

    /// A sentence of the text files.
    pub fn text(&self, key: &str, args: Args) -> String {
        text::text(self.lang, key, &args)
    }

    /// Narration: a sentence on stderr unless `-q`.
    pub fn say(&self, key: &str, args: Args) {
        if !self.quiet {
            line(&mut std::io::stderr(), &self.text(key, args));
        }
    }

    /// Narration in words that are no sentence of ours (a ticket, a path).
    pub fn say_raw(&self, words: &str) {
        if !self.quiet {
            line(&mut std::io::stderr(), words);
        }
    }

    /// A line of the result.
    pub fn print(&self, words: &str) {
        line(&mut std::io::stdout(), words);
    }

    /// The result as JSON, `"v":1` and `kind` put in front.
    pub fn json(&self, kind: &str, fields: Value) {
        let mut object = serde_json::Map::new();
        object.insert("v".into(), json!(1));
        object.insert("kind".into(), json!(kind));
        if let Value::Object(fields) = fields {
            object.extend(fields);
        }
        self.print(&Value::Object(object).to_string());
    }

    /// A list: a table for people, lines for programs. `id` is the column that `-o id` prints.
    pub fn table(&self, kind: &str, headers: &[&str], id: usize, rows: &[Row]) {
        match self.form {
            Form::Json => rows.iter().for_each(|row| self.json(kind, row.json.clone())),
            Form::Plain => rows.iter().for_each(|row| self.print(&row.cells.join("\t"))),
            Form::Id => rows
                .iter()
                .for_each(|row| self.print(row.json.get("id").and_then(Value::as_str).unwrap_or(&row.cells[id]))),
            Form::Human => self.print(&human_table(
                &headers.iter().map(|key| self.text(key, Args::default())).collect::<Vec<_>>(),
                rows,
            )),
        }
    }

    /// The one result of a command: a sentence for people, fields for programs.
    pub fn done(&self, kind: &str, fields: Value, key: &str, args: Args) {
        match self.form {
            Form::Json => self.json(kind, fields),
            _ if self.quiet => {}
            _ => self.print(&self.text(key, args)),
        }
    }

    /// Asks for a line, from a terminal or a pipe; an end without one is E0005.
    pub fn ask_line(&self, question: &str) -> Result<String, Fault> {
        eprint!("{question} ");
        let mut answer = String::new();
        match std::io::stdin().read_line(&mut answer) {
            Ok(read) if read > 0 => Ok(answer),
            _ => Err(Fault::new(model::errors::NOT_INTERACTIVE, [])),
        }
    }

    /// Asks yes or no; `--yes` answers yes, no terminal is E0005.
    pub fn confirm(&self, question: &str) -> Result<bool, Fault> {
        if self.yes {
            return Ok(true);
        }
        if !std::io::stdin().is_terminal() {
            return Err(Fault::new(model::errors::NOT_INTERACTIVE, []));
        }
        eprint!("{question} ");
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).map_err(|_| Fault::new(model::errors::NOT_INTERACTIVE, []))?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "" | "y" | "yes" | "是" | "好"))
    }

    /// Prints an error as people or programs read it; returns the exit code.
    pub fn fault(&self, fault: &Fault) -> u8 {
        let shown = text::error_text(self.lang, fault.id, &args_of(&fault.args));
        let row = fault.id.row();
        if self.form == Form::Json {
            let object = json!({"v": 1, "kind": "error", "id": row.id, "code": row.code, "exit": row.exit,
                "message": shown.title, "cause": fault.cause, "fix": [shown.fix]});
            line(&mut std::io::stderr(), &object.to_string());
        } else {
            line(
                &mut std::io::stderr(),
                &format!("{}[{}]: {}", self.text("word-error", Args::default()), fault.id, shown.title),
            );
            if let Some(cause) = &fault.cause {
                line(
                    &mut std::io::stderr(),
                    &format!("  {} {}", self.text("word-cause", Args::default()), escape(cause)),
                );
            }
            line(&mut std::io::stderr(), &format!("  {} {}", self.text("word-fix", Args::default()), shown.fix));
            line(
                &mut std::io::stderr(),
                &format!("  {} pumasi explain {}", self.text("word-more", Args::default()), fault.id),
            );
        }
        row.exit
    }
}

/// A row of a list.
#[derive(Debug, Clone)]
pub struct Row {
    /// As people see it.
    pub cells: Vec<String>,
    /// As programs see it.
    pub json: Value,
}

fn human_table(headers: &[String], rows: &[Row]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(headers);
    for row in rows {
        table.add_row(row.cells.iter().map(|cell| escape(cell)));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Control and direction characters of foreign names, shown as escapes.
pub fn escape(foreign: &str) -> String {
    text::shown(foreign)
}

/// Writes a line; a closed pipe ends the program quietly with 0, as a reader that has seen enough is no error.
fn line(to: &mut impl Write, words: &str) {
    if writeln!(to, "{words}").is_err() {
        std::process::exit(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_names_cannot_steer_the_terminal() {
        assert_eq!(escape("a\u{1b}[31mb\u{202e}c"), "a\\u{1b}[31mb\\u{202e}c");
        assert_eq!(escape("李 – ü"), "李 – ü");
    }
}
