//! `catalog`: the table of agent plugins, or all about one.

use super::{
    exit::{Exit, Failure},
    io,
};
use crate::{
    agent_config::{catalog::catalogue, codes::did_you_mean, plugin_reference},
    cli::Catalog,
};

pub(super) fn run(args: Catalog) -> Result<Exit, Failure> {
    let text = match args.plugin {
        Some(name) => plugin_reference(&name).ok_or_else(|| Failure::Refused(unknown(&name)))?,
        None => table(),
    };
    io::print_text(&text)?;
    Ok(Exit::Done)
}

/// One line for each plugin.
fn table() -> String {
    let plugins = &catalogue().plugins;
    let width = plugins
        .iter()
        .map(|plugin| plugin.name.len())
        .max()
        .unwrap_or_default();
    plugins
        .iter()
        .map(|plugin| format!("{:width$}  {}\n", plugin.name, plugin.about))
        .collect()
}

fn unknown(name: &str) -> String {
    let known = catalogue().plugins.iter().map(|plugin| plugin.name.as_str());
    format!("no plugin is called {name}: {}", did_you_mean(name, known))
}
