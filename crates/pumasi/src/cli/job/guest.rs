//! Modules and the sandbox of this home.

use super::manifest::Module;
use crate::app::App;
use crate::fault::Fault;
use crate::roles::SANDBOX_VERB;
use model::errors;
use sandbox::{Attempt, AttemptError, BadModule, CACHE_BYTES, Cache, MODULE_BYTES_MAX, Runner};
use std::path::Path;

/// Modules that come with the program are named so.
const OURS: &str = "guest:";

/// A module's bytes.
pub fn read(module: &Module) -> Result<Vec<u8>, Fault> {
    if let Some(name) = module.path.strip_prefix(OURS) {
        let known = || sandbox::samples::names().collect::<Vec<_>>().join(", ");
        return sandbox::samples::get(name)
            .map(<[u8]>::to_vec)
            .ok_or_else(|| Fault::bad_value("module", &module.path, &format!("there are {}", known())));
    }
    let path = Path::new(&module.path);
    let len = std::fs::metadata(path).map_err(|e| Fault::file(path, &e))?.len();
    if len > MODULE_BYTES_MAX {
        return Err(Fault::new(errors::BAD_MODULE, [("why", "it is larger than 32 MiB")]));
    }
    std::fs::read(path).map_err(|e| Fault::file(path, &e))
}

/// What starts sandboxes in this home.
pub fn runner(app: &App) -> Result<Runner, Fault> {
    app.home.create()?;
    let folder = app.home.sandbox();
    std::fs::create_dir_all(&folder).map_err(|e| Fault::file(&folder, &e))?;
    let program = std::env::current_exe().map_err(Fault::bug)?;
    let cache = Cache::open(app.home.compiled(), CACHE_BYTES).map_err(|e| Fault::file(&app.home.compiled(), &e))?;
    Ok(Runner::new(program, &[SANDBOX_VERB], folder).with_cache(cache))
}

/// Compiles a module here first, so that one that no node would run is refused before anything is handed in.
pub async fn check(app: &App, bytes: &[u8]) -> Result<(), Fault> {
    let runner = runner(app)?;
    let mut attempt = Attempt::new(bytes.to_vec());
    attempt.limits.fuel = 1;
    let ran = tokio::task::spawn_blocking(move || runner.run(&attempt)).await.map_err(Fault::bug)?;
    match ran {
        Ok(_) => Ok(()),
        Err(error) => Err(fault(&error)),
    }
}

/// An error of the sandbox as a command ends with it.
pub fn fault(error: &AttemptError) -> Fault {
    match error {
        AttemptError::Module(BadModule::BadImport { module, name }) => {
            Fault::new(errors::BAD_IMPORT, [("name", &format!("{module}::{name}"))])
        }
        AttemptError::Module(bad) => Fault::new(errors::BAD_MODULE, [("why", &bad.to_string())]),
        AttemptError::Attempt(bad) => Fault::bad_value("module", "", &bad.to_string()),
        other => Fault::bug(other),
    }
}
