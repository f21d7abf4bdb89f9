//! The program: command line, config, wiring of roles, demo, benches. See `ARCHITECTURE.md`.

mod app;
mod bench;
mod cli;
mod clock;
mod demo;
mod dev;
mod dial;
mod fault;
mod help;
mod home;
mod lendfile;
mod local;
mod membership;
mod output;
mod process;
mod roles;
mod secret;
mod service;

use app::App;
use clap::{CommandFactory, FromArgMatches};
use cli::{Cli, Verb};
use console::text::Lang;
use fault::Fault;
use model::errors;
use output::Output;
use std::process::ExitCode;

fn main() -> ExitCode {
    // A sandbox raises its walls before there is a second thread, and reads nothing of this program's before.
    if std::env::args().nth(1).is_some_and(|verb| verb == roles::SANDBOX_VERB) {
        return sandbox::child::main(std::env::args().skip(2));
    }
    let lang = language();
    let command = help::localized(Cli::command(), lang);
    let typed = cli::job::spelled(std::env::args());
    let parsed = command.try_get_matches_from(typed).and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return usage(&error, lang),
    };
    let lang = cli.global.lang.as_deref().and_then(|l| l.parse().ok()).unwrap_or(lang);
    let app = match App::new(&cli.global, lang) {
        Ok(app) => app,
        Err(fault) => return ExitCode::from(Output::new(&cli.global, lang).fault(&fault)),
    };
    logging(cli.global.verbose);
    #[cfg(debug_assertions)]
    tap_to_file();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(run(&app, cli.verb)),
        Err(e) => Err(Fault::bug(e)),
    };
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(fault) => ExitCode::from(app.out.fault(&fault)),
    }
}

/// Runs one verb; the exit code of a command that ended as it should.
async fn run(app: &App, verb: Verb) -> Result<u8, Fault> {
    match verb {
        Verb::Demo(args) => return demo::run(app, &args).await,
        Verb::Init(args) => cli::center::init(app, &args).await?,
        Verb::Invite(args) => cli::invite::run(app, &args).await?,
        Verb::Join(args) => return cli::join::run(app, &args).await,
        Verb::Leave(args) => cli::agent::leave(app, &args).await?,
        Verb::Holiday(args) => cli::agent::holiday(app, &args).await?,
        Verb::Up => cli::agent::up(app).await?,
        Verb::Down => cli::agent::down(app).await?,
        Verb::Pause(args) => cli::agent::pause(app, &args).await?,
        Verb::Resume => cli::agent::resume(app).await?,
        Verb::Finish => cli::agent::finish(app).await?,
        Verb::Lend(args) => cli::lend::run(app, &args).await?,
        Verb::Status(args) => cli::status::run(app, &args).await?,
        Verb::Doctor(args) => return cli::doctor::run(app, &args).await,
        Verb::Cp(args) => cli::object::cp(app, &args).await?,
        Verb::Ls(args) => cli::object::ls(app, &args).await?,
        Verb::Rm(args) => cli::object::rm(app, &args).await?,
        Verb::Mv(args) => cli::object::mv(app, &args).await?,
        Verb::Cat(args) => cli::object::cat(app, &args).await?,
        Verb::Stat(args) => cli::object::stat(app, &args).await?,
        Verb::Sync(args) => cli::object::sync(app, &args).await?,
        Verb::Share(args) => cli::grant::share(app, &args).await?,
        Verb::Mount(args) => return cli::mount::run(app, &args).await,
        Verb::Upload(verb) => cli::upload::run(app, &verb).await?,
        Verb::Run(args) => return cli::job::run(app, &args).await,
        Verb::Map(args) => return cli::job::map(app, &args).await,
        Verb::Job(verb) => return cli::job::job(app, &verb).await,
        Verb::Gateway(verb) => return cli::gateway::run(app, &verb).await,
        Verb::Grant(verb) => cli::grant::run(app, &verb).await?,
        Verb::Device(verb) => cli::device::run(app, &verb).await?,
        Verb::Recovery(verb) => cli::recovery::run(app, &verb).await?,
        Verb::Bucket(verb) => cli::bucket::run(app, &verb).await?,
        Verb::Object(verb) => cli::object::object(app, &verb).await?,
        Verb::Node(verb) => cli::node::run(app, &verb).await?,
        Verb::Ticket(verb) => cli::ticket::run(app, &verb).await?,
        Verb::Member(verb) => cli::member::run(app, &verb).await?,
        Verb::Wallet(verb) => cli::wallet::run(app, &verb).await?,
        Verb::Ledger(verb) => cli::ledger::run(app, &verb).await?,
        Verb::Agent(verb) => return cli::agent::run(app, &verb).await,
        Verb::Center(verb) => return cli::center::run(app, &verb).await,
        Verb::Explain(args) => cli::explain::run(app, &args)?,
        Verb::Bench(verb) => return cli::bench::run(app, &verb).await,
        Verb::Dev(verb) => return cli::dev::run(app, &verb).await,
    }
    Ok(0)
}

/// A build for tests appends what it sends, before the transport seals it, to a file of its own in the folder
/// `PUMASI_DEV_TAP`.
#[cfg(debug_assertions)]
fn tap_to_file() {
    use std::io::Write;
    use std::sync::{Arc, Mutex, PoisonError};
    let Some(dir) = std::env::var_os("PUMASI_DEV_TAP") else { return };
    let path = std::path::Path::new(&dir).join(std::process::id().to_string());
    let Ok(file) = std::fs::OpenOptions::new().create(true).append(true).open(path) else { return };
    let file = Mutex::new(file);
    net::tap_all(Arc::new(move |bytes: &[u8]| {
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(bytes).expect("what is sent can be written down");
    }));
}

/// `--lang` before clap has parsed, then `PUMASI_LANG`, then the system's.
fn language() -> Lang {
    let mut args = std::env::args();
    let flag = std::iter::from_fn(|| args.next()).collect::<Vec<_>>();
    let after = flag.iter().position(|a| a == "--lang").and_then(|at| flag.get(at + 1).cloned());
    let joined = flag.iter().find_map(|a| a.strip_prefix("--lang=").map(str::to_owned));
    let named = after.or(joined).or_else(|| std::env::var("PUMASI_LANG").ok()).and_then(|l| l.parse().ok());
    named.unwrap_or_else(|| {
        Lang::detect(["LC_ALL", "LC_MESSAGES", "LANG"].map(|name| std::env::var(name).unwrap_or_default()))
    })
}

/// Help goes to stdout with 0; a typing error is E0001 or E0002 in our own form.
fn usage(error: &clap::Error, lang: Lang) -> ExitCode {
    use clap::error::{ContextKind, ErrorKind};
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        let _ = error.print();
        return if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            ExitCode::from(2)
        } else {
            ExitCode::SUCCESS
        };
    }
    let context = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
    let fault = match error.kind() {
        ErrorKind::InvalidSubcommand | ErrorKind::UnknownArgument => {
            let word = if error.kind() == ErrorKind::InvalidSubcommand {
                context(ContextKind::InvalidSubcommand)
            } else {
                context(ContextKind::InvalidArg)
            };
            let near = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg]
                .into_iter()
                .map(context)
                .find(|s| !s.is_empty());
            Fault::new(errors::USAGE, [("word", &word), ("near", near.as_deref().unwrap_or("help"))])
        }
        _ => {
            let why = error.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Fault::bad_value(&context(ContextKind::InvalidArg), &context(ContextKind::InvalidValue), &why)
        }
    };
    let json = std::env::args().any(|a| a == "--json");
    let form = if json { cli::Form::Json } else { cli::Form::Human };
    let out = Output { form, lang, quiet: false, yes: false };
    ExitCode::from(out.fault(&fault))
}

/// Logs go to stderr; `-v` says more, `PUMASI_LOG` says which.
fn logging(verbose: u8) {
    let default = match verbose {
        0 => "warn,iroh::socket::transports::relay=off,s3s=off,dav_server=off,fuser=off",
        1 => "info,iroh=warn,iroh_relay=warn,noq=warn,s3s=off,dav_server=off,fuser=off",
        // The libraries of S3, WebDAV and mount write names of objects into their logs.
        _ => "debug,s3s=off,dav_server=off,fuser=off",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("PUMASI_LOG").unwrap_or_else(|_| default.into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
}
