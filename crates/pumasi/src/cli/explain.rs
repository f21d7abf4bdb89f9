//! `pumasi explain E0102`: the long text of an error, offline.

use crate::app::App;
use crate::fault::Fault;
use clap::Args;
use model::errors::{self, ErrorId};

/// `explain`
#[derive(Args, Debug, Clone)]
pub struct ExplainArgs {
    #[arg(value_name = "ID")]
    pub id: String,
}

/// Runs `explain`.
pub fn run(app: &App, args: &ExplainArgs) -> Result<(), Fault> {
    let number = args.id.trim_start_matches(['E', 'e']).parse().map(ErrorId);
    let known = number.ok().filter(|id| errors::REGISTRY.iter().any(|row| row.id == id.id()));
    let Some(id) = known else {
        return Err(Fault::new(
            errors::BAD_VALUE,
            [("field", "id"), ("value", &args.id), ("why", "no error has this id"), ("verb", "explain")],
        ));
    };
    app.out.print(&console::text::explain(app.out.lang, id));
    Ok(())
}
