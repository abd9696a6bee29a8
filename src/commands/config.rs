//! `config`: the values of one component in, the agent's TOML out.

use serde_json::{Map, Value, json};

use super::{
    exit::{Exit, Failure},
    helm_values::{agent_values, chart_of, read_values},
    io, policies,
    post_render::known,
};
use crate::{
    agent_config::{minimal, values::AgentValues},
    cli::Config,
    engine,
    finding::{Finding, any_error},
    manifest::emit,
};

pub(super) fn run(args: Config) -> Result<Exit, Failure> {
    let Config {
        component,
        values: path,
        facts,
        minimal_values,
    } = args;
    let file = match &path {
        Some(path) => {
            let bytes = io::read(path)?;
            read_values(io::text(path, &bytes)?)
                .map_err(|error| Failure::Refused(format!("{}: {error}", path.display())))?
        }
        None => json!({}),
    };
    let values = agent_values(&file, component, &facts);
    if minimal_values {
        let (values, findings) = AgentValues::from_value(&values);
        io::complain(&lines(&findings));
        let section = file
            .get(chart_of(component))
            .is_some()
            .then(|| chart_of(component));
        io::print_text(&emit::to_yaml(&shortened(
            file,
            section,
            &minimal(&values, component),
        )))?;
        return Ok(Exit::Done);
    }
    let snapshot = policies::snapshot(&facts)?;
    let setup = engine::configure(component, &values.to_string(), &known(&facts), &snapshot);
    io::complain(&lines(&setup.findings));
    let Some(config) = setup.config.filter(|_| !any_error(&setup.findings)) else {
        return Ok(Exit::Refused);
    };
    io::print_text(&config.text)?;
    Ok(Exit::Done)
}

/// One line for each finding.
fn lines(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("{finding}\n")).collect()
}

/// The user's file without the values that are not in `short`; `section` is where the component's values stand in it.
fn shortened(mut file: Value, section: Option<&str>, short: &AgentValues) -> Value {
    let values = match section {
        Some(section) => file.get_mut(section),
        None => Some(&mut file),
    };
    if let Some(Value::Object(values)) = values {
        if let Some(Value::Object(plugins)) = values.get_mut("plugins") {
            keep(plugins, &short.plugins);
            if plugins.is_empty() {
                values.remove("plugins");
            }
        }
        if short.max_update_interval.is_none() {
            values.remove("maxUpdateInterval");
        }
        if short.source_channel_size.is_none() {
            values.remove("sourceChannelSize");
        }
    }
    file
}

/// Takes out of `users` what `short` does not have.
fn keep(users: &mut Map<String, Value>, short: &Map<String, Value>) {
    users.retain(|key, value| match (value, short.get(key)) {
        (_, None) => false,
        (Value::Object(users), Some(Value::Object(short))) => {
            keep(users, short);
            true
        }
        (_, Some(_)) => true,
    });
}
