//! `pumasi mount`: this account's buckets as a folder of this machine.
//!
//! It runs until Ctrl-C, SIGTERM or `umount`; then the folder goes first, and what was written is uploaded. A second Ctrl-C leaves the
//! rest to the next mount.

use crate::app::App;
use crate::fault::Fault;
use clap::ValueEnum;
use std::path::PathBuf;

/// `mount`
#[derive(clap::Args, Debug, Clone)]
pub struct MountArgs {
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
    #[arg(value_name = "PLACE")]
    pub place: Option<String>,
    #[arg(long, value_name = "NAME", conflicts_with = "place")]
    pub bucket: Option<String>,
    #[arg(long)]
    pub read_only: bool,
    #[arg(long, value_enum, default_value = "staged")]
    pub sync: SyncWhen,
    #[arg(long)]
    pub allow_other: bool,
}

/// When `fsync` returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SyncWhen {
    /// Durable here.
    Staged,
    /// Holders have it.
    Pool,
}

/// Runs `mount`.
#[cfg(not(target_os = "linux"))]
pub async fn run(_: &App, _: &MountArgs) -> Result<u8, Fault> {
    Err(Fault::new(model::errors::NO_MOUNT, [("why", "it is done on Linux only")]))
}

#[cfg(target_os = "linux")]
pub use linux::run;

#[cfg(target_os = "linux")]
mod linux {
    use super::{App, Fault, MountArgs, PathBuf, SyncWhen};
    use crate::cli::Form;
    use crate::cli::session::{MINE, Place, Session, client_fault};
    use crate::process::Stops;
    use console::args;
    use gateway::mount::Sync;
    use gateway::{Mount, MountAsk, MountError};
    use model::errors;
    use serde_json::json;
    use std::io;
    use std::time::Duration;

    /// Between two looks at what waits to be uploaded.
    const LOOK_EVERY: Duration = Duration::from_secs(1);
    /// Longest wait at the end until all is uploaded; the rest is left to the next mount.
    const DRAIN_MAX: Duration = Duration::from_secs(24 * 3_600);

    impl From<SyncWhen> for Sync {
        fn from(when: SyncWhen) -> Self {
            match when {
                SyncWhen::Staged => Self::Staged,
                SyncWhen::Pool => Self::Pool,
            }
        }
    }

    /// Runs `mount`.
    pub async fn run(app: &App, args: &MountArgs) -> Result<u8, Fault> {
        let place = place(args)?;
        let folder = folder(&args.folder)?;
        let mut stops = Stops::new().map_err(|error| Fault::bug(error.to_string()))?;
        Session::with(app, async |session| {
            let mount = Mount::start(ask(app, session, args, &folder, place.as_ref())?).await;
            let mount = mount.map_err(|error| fault(error, place.as_ref()))?;
            tell(app, args, &folder, place.as_ref(), &mount);
            let code = until_over(app, &mount, &mut stops).await;
            Ok(end(app, mount, &mut stops).await.unwrap_or(code))
        })
        .await
    }

    fn ask(
        app: &App,
        session: &Session,
        args: &MountArgs,
        folder: &std::path::Path,
        place: Option<&Place>,
    ) -> Result<MountAsk, Fault> {
        let free = node::machine::disk(&app.home.data).map_or(0, |(_, free)| free.0);
        Ok(MountAsk {
            client: session.client.clone(),
            root: session.root()?.clone(),
            folder: folder.to_owned(),
            bucket: place.map(|place| (place.bucket.clone(), place.key.clone())),
            is_read_only: args.read_only,
            is_shared: args.allow_other,
            sync: args.sync.into(),
            spool: (app.home.spool(), free),
            device: *session.machine(),
        })
    }

    /// What of the account is mounted; all of it where nothing is named.
    fn place(args: &MountArgs) -> Result<Option<Place>, Fault> {
        match (&args.place, &args.bucket) {
            (Some(text), _) => Place::parse(text)?.own(text).map(Some),
            (None, Some(bucket)) => {
                let text = if bucket.starts_with(MINE) { bucket.clone() } else { format!("{MINE}{bucket}") };
                Place::parse(&text).map(Some)
            }
            (None, None) => Ok(None),
        }
    }

    /// The folder, by its whole path; one whose mount was killed is freed first.
    fn folder(folder: &std::path::Path) -> Result<PathBuf, Fault> {
        let shown = folder.display().to_string();
        let bad = |why: &str| Fault::bad_value("folder", &shown, why);
        gateway::mount::free_dead(folder);
        let whole = std::path::absolute(folder).map_err(|error| Fault::file(folder, &error))?;
        match std::fs::read_dir(&whole) {
            Ok(mut entries) => match entries.next() {
                None => Ok(whole),
                Some(_) => Err(bad("there is something in it; an empty folder is needed")),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(bad("there is no such folder; make it first")),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(bad("it is no folder")),
            Err(error) => Err(Fault::file(folder, &error)),
        }
    }

    fn shown(place: Option<&Place>) -> String {
        place.map_or_else(|| MINE.to_owned(), |place| place.at(&place.key))
    }

    fn fault(error: MountError, place: Option<&Place>) -> Fault {
        match error {
            MountError::Fuse(error) => {
                let why = match error.kind() {
                    io::ErrorKind::NotFound => "there is no /dev/fuse, or fusermount3 is not installed".to_owned(),
                    _ => error.to_string(),
                };
                Fault::new(errors::NO_MOUNT, [("why", &why)])
            }
            MountError::Spool { path, source } => Fault::file(&path, &source),
            MountError::Client(error) => client_fault(error, &shown(place)),
            MountError::Place => Fault::bad_value("place", &shown(place), "it is no path: a/b, without .. and //"),
        }
    }

    fn tell(app: &App, args: &MountArgs, folder: &std::path::Path, place: Option<&Place>, mount: &Mount) {
        let (folder, place, count) = (folder.display().to_string(), shown(place), mount.recovered());
        match app.out.form {
            Form::Json => app.out.json(
                "mount",
                json!({
                    "folder": folder,
                    "place": place,
                    "read_only": args.read_only,
                    "sync": if args.sync == SyncWhen::Pool { "pool" } else { "staged" },
                    "spooled": count,
                    "pid": std::process::id(),
                }),
            ),
            _ => app.out.say("mount-up", args!["folder" => folder, "place" => place]),
        }
        if count > 0 {
            app.out.say("mount-recovered", args!["n" => count]);
        }
        if mount.bad() > 0 {
            let spool = app.home.spool().display().to_string();
            app.out.say("mount-bad", args!["n" => mount.bad(), "spool" => spool]);
        }
    }

    /// Waits until it is told to end, or somebody else took the folder away; says what waits meanwhile.
    async fn until_over(app: &App, mount: &Mount, stops: &mut Stops) -> u8 {
        let over = async {
            let mut last = 0;
            while !mount.is_over() {
                say_conflicts(app, mount);
                say_waiting(app, mount.waiting(), &mut last);
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::select! {
            code = stops.next() => code,
            () = over => 0,
        }
    }

    /// Says which files of an earlier mount have another name now.
    fn say_conflicts(app: &App, mount: &Mount) {
        for name in mount.conflicts() {
            app.out.say("mount-conflict", args!["name" => name]);
        }
    }

    /// Says how many files wait, whenever that changed, and that all is safe once none does.
    fn say_waiting(app: &App, now: usize, last: &mut usize) {
        match (now, *last) {
            (now, last) if now == last => {}
            (0, _) => app.out.say("mount-safe", args![]),
            (now, _) => app.out.say("mount-waits", args!["n" => now]),
        }
        *last = now;
    }

    /// Takes the folder away and uploads what waits. A code where it was told once more to end.
    async fn end(app: &App, mut mount: Mount, stops: &mut Stops) -> Option<u8> {
        let again = tokio::select! {
            () = mount.unmount() => None,
            code = stops.next() => Some(code),
        };
        say_conflicts(app, &mount);
        if mount.waiting() == 0 {
            return None;
        }
        if again.is_some() {
            app.out.say("mount-left", args!["n" => mount.waiting()]);
            return again;
        }
        app.out.say("mount-ends", args!["n" => mount.waiting()]);
        let narrating = async {
            let mut last = mount.waiting();
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                say_conflicts(app, &mount);
                say_waiting(app, mount.waiting().max(1), &mut last);
            }
        };
        let given_up = tokio::select! {
            () = mount.drain() => None,
            code = stops.next() => Some(code),
            () = tokio::time::sleep(DRAIN_MAX) => Some(1),
            () = narrating => None,
        };
        say_conflicts(app, &mount);
        match given_up {
            None => app.out.say("mount-safe", args![]),
            Some(_) => app.out.say("mount-left", args!["n" => mount.waiting()]),
        }
        given_up
    }
}
