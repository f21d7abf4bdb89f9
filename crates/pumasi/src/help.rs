//! Help in both languages from the text files: the command tree is walked and every sentence put in.
//!
//! Keys: `help-<path>` for a command (`help-node-list`), `help-<path>-examples` for its examples, `help-<path>--<arg>`
//! for an argument; global flags stand under `help--<arg>`. A test holds the tree against both files.

use clap::{Arg, Command};
use console::args;
use console::text::{Lang, has, text};

/// Template of a help page with our own headings.
fn template(lang: Lang) -> String {
    let word = |key: &str| text(lang, key, &args![]);
    format!("{{about-with-newline}}\n{}\n  {{usage}}\n\n{{all-args}}{{after-help}}", word("help-heading-usage"))
}

/// The whole tree with its texts.
pub fn localized(command: Command, lang: Lang) -> Command {
    let globals: Vec<String> = command.get_arguments().map(|a| a.get_id().to_string()).collect();
    walk(command, lang, "", &globals)
}

fn walk(command: Command, lang: Lang, path: &str, globals: &[String]) -> Command {
    let word = |key: &str| text(lang, key, &args![]);
    let key = if path.is_empty() { "help".to_owned() } else { format!("help-{path}") };
    let mut command =
        command.about(word(&key)).help_template(template(lang)).subcommand_help_heading(word("help-heading-commands"));
    let examples = format!("{key}-examples");
    if has(lang, &examples) {
        command = command.after_help(format!("{}\n{}", word("help-heading-examples"), indent(&word(&examples))));
    }
    let heading = word("help-heading-options");
    let positional = word("help-heading-arguments");
    let texts = |arg: Arg| -> Arg {
        let id = arg.get_id().to_string();
        let own = if globals.contains(&id) { format!("help--{id}") } else { format!("{key}--{id}") };
        let arg = values_in_words(arg, word(&own), lang);
        let heading = if arg.is_positional() { positional.clone() } else { heading.clone() };
        arg.help_heading(heading)
    };
    command = command.mut_args(texts);
    let names: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    for name in names {
        let below = if path.is_empty() { name.clone() } else { format!("{path}-{name}") };
        command = command.mut_subcommand(&name, |sub| walk(sub, lang, &below, globals));
    }
    let flags = [("help", "h", "help--help"), ("version", "V", "help--version")];
    command = command.disable_help_flag(true);
    let [(help, short, help_key), version] = flags;
    let letter = short.chars().next().expect("a flag has a letter");
    command = command.arg(
        Arg::new(help)
            .short(letter)
            .long(help)
            .action(clap::ArgAction::Help)
            .help(word(help_key))
            .help_heading(heading.clone()),
    );
    if path.is_empty() {
        let (name, short, key) = version;
        let letter = short.chars().next().expect("a flag has a letter");
        command = command.disable_version_flag(true);
        command = command.arg(
            Arg::new(name)
                .short(letter)
                .long(name)
                .action(clap::ArgAction::Version)
                .help(word(key))
                .help_heading(heading),
        );
    }
    command
}

/// The sentence of an argument with its values and its default, in our words instead of the parser's.
fn values_in_words(arg: Arg, mut sentence: String, lang: Lang) -> Arg {
    if !arg.get_action().takes_values() {
        return arg.help(sentence);
    }
    let values: Vec<String> = arg.get_possible_values().iter().map(|v| v.get_name().to_owned()).collect();
    if !values.is_empty() && !values.iter().all(|value| sentence.contains(value.as_str())) {
        sentence.push_str(&text(lang, "help-values", &args!["values" => values.join(", ")]));
    }
    let defaults: Vec<_> = arg.get_default_values().iter().map(|v| v.to_string_lossy().into_owned()).collect();
    if defaults.iter().any(|default| !default.is_empty()) {
        sentence.push_str(&text(lang, "help-default", &args!["value" => defaults.join(" ")]));
    }
    arg.help(sentence).hide_possible_values(true).hide_default_value(true)
}

fn indent(lines: &str) -> String {
    lines.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

/// Every key the tree asks for, examples included; for the test and for whoever writes texts.
#[cfg(test)]
pub fn keys(command: &Command) -> Vec<String> {
    let globals: Vec<String> = command.get_arguments().map(|a| a.get_id().to_string()).collect();
    let mut out = Vec::new();
    collect(command, "", &globals, &mut out);
    out.extend(globals.iter().map(|id| format!("help--{id}")));
    out.extend(["help--help".to_owned(), "help--version".to_owned()]);
    out
}

#[cfg(test)]
fn collect(command: &Command, path: &str, globals: &[String], out: &mut Vec<String>) {
    let key = if path.is_empty() { "help".to_owned() } else { format!("help-{path}") };
    out.push(key.clone());
    if command.get_subcommands().next().is_none() {
        out.push(format!("{key}-examples"));
    }
    let own = command.get_arguments().map(|a| a.get_id().to_string()).filter(|id| !globals.contains(id));
    out.extend(own.map(|id| format!("{key}--{id}")));
    for sub in command.get_subcommands() {
        let below = if path.is_empty() { sub.get_name().to_owned() } else { format!("{path}-{}", sub.get_name()) };
        collect(sub, &below, globals, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_command_and_flag_has_its_sentence_in_both_languages() {
        let command = crate::cli::Cli::command();
        for key in keys(&command) {
            for lang in Lang::ALL {
                assert!(has(lang, &key), "{key} in {lang:?}");
            }
        }
    }

    #[test]
    fn help_is_shown_in_both_languages_without_a_hole() {
        for lang in Lang::ALL {
            let help = localized(crate::cli::Cli::command(), lang).render_long_help().to_string();
            assert!(!help.contains('⟦'), "{help}");
        }
    }

    /// Every page of help, in one file per language.
    #[test]
    fn help_reads_as_it_was_approved() {
        for lang in Lang::ALL {
            let mut pages = String::new();
            let mut tree = localized(crate::cli::Cli::command(), lang);
            tree.build();
            append(&mut tree, &mut pages);
            insta::with_settings!({ snapshot_path => "../tests/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
                insta::assert_snapshot!(format!("help-{}", lang.tag()), pages);
            });
        }
    }

    fn append(command: &mut Command, pages: &mut String) {
        let path = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
        let page = command.clone().term_width(100).render_long_help().to_string();
        let page: Vec<&str> = page.lines().map(str::trim_end).collect();
        pages.push_str(&format!("──── {path}\n{}\n", page.join("\n")));
        command.get_subcommands_mut().for_each(|below| append(below, pages));
    }

    #[test]
    fn every_lack_of_a_capability_has_its_sentence() {
        let words = [
            "accept",
            "lent",
            "scratch",
            "up",
            "down",
            "nat",
            "mean_on",
            "fsync",
            "tier",
            "memory",
            "reference",
            "session_age",
            "jitter",
            "loss",
            "clock",
            "region",
        ];
        for word in words {
            assert!(Lang::ALL.iter().all(|lang| has(*lang, &format!("lack-{word}"))), "{word}");
        }
    }
}
