//! The way from a request to a configuration: read, merge, derive, write.

use toml_edit::{DocumentMut, Item};

use super::{
    Configuration, EnvFrom, EnvVar, Request, Setting,
    catalog::{Catalogue, catalogue},
    check::{check_document, check_toml},
    codes::{self, Findings},
    coerce::{coerce, found},
    derive::Deriving,
    extra, giving_way, influx,
    layers::{LayerReader, Sections},
    render::{self, Rendered},
    settings::{Section, Table},
    values::AgentValues,
    version::{Profile, profile_of},
};
use crate::{
    finding::{Finding, Severity},
    names::Component,
    source::{LostAll, Source},
};

/// Works out what the agent of one component is to be given. Never fails: what stands in the way is an error among
/// the findings, and then there is no TOML.
pub fn configure(request: &Request<'_>) -> Configuration {
    let whole = attempt(request);
    if request.layers.is_empty() || whole.findings.is_empty() {
        return whole;
    }
    giving_way::settle(request, whole)
}

/// The same with all that the policies say, whatever comes of it.
pub(super) fn attempt(request: &Request<'_>) -> Configuration {
    let catalogue = catalogue();
    let mut findings = Findings::default();
    let profile = profile_of(request.values.agent_version.as_deref(), &mut findings);
    let (mut sections, kept_out) = merged(request, catalogue, profile, &mut findings);
    switch_defaults(&mut sections, catalogue, request.component, profile);
    let general = general(request, catalogue, &mut findings);
    let own_config_map = request.values.own_config_map.is_some();
    let mut later = Findings::default();
    let mut deriving = Deriving {
        sections: &mut sections,
        catalogue,
        profile,
        component: request.component,
        values: request.values,
        findings: &mut later,
    };
    deriving.apply();
    deriving.complain_of_missing();
    influx::tell(&mut sections, catalogue, kept_out);
    // What follows from values that cannot be read is not worth a sentence of its own.
    if !own_config_map && !findings.any_error() {
        findings.extend(later.into_vec());
    }
    let on: Vec<&Section> = sections.values().filter(|section| section.is_on()).collect();
    let mut rendered = render::render(catalogue, &general, &on);
    let switches = sections
        .values()
        .filter_map(|section| switch(section, request.component));
    rendered.settings.extend(switches);
    finish(request, profile, rendered, findings)
}

/// That a policy switched a plugin on or off, where the component would have it otherwise: nothing in the TOML says so.
fn switch(section: &Section, component: Component) -> Option<Setting> {
    let (on, source) = section.on.as_ref()?;
    let is_news = *on != section.plugin.on_by_default(component);
    let Source::Policy(_) = source else { return None };
    is_news.then(|| Setting {
        path: format!("plugins.{}.enable", section.plugin.name),
        value: on.to_string(),
        source: source.clone(),
        lost: LostAll::default(),
    })
}

/// Adds what the user wrote as TOML, and reads the whole as the agent would.
fn finish(
    request: &Request<'_>,
    profile: Profile,
    rendered: Rendered,
    mut findings: Findings,
) -> Configuration {
    let Rendered {
        mut document,
        mut settings,
        mut env,
        mut declared,
    } = rendered;
    let values = request.values;
    let own_config_map = values.own_config_map.is_some();
    if own_config_map {
        keep_token(request.component, &mut env);
        return Configuration {
            toml: None,
            env,
            settings: Vec::new(),
            findings: findings.into_vec(),
            scrape_port: scrape_port(&document),
        };
    }
    if let Some(extra) = &values.extra_config {
        extra::merge(extra, &mut document, &mut settings, &mut findings);
    }
    let text = document.to_string();
    if !findings.any_error() {
        let mut checked = Findings::default();
        if values.extra_config.is_some() {
            add_pod_variables(&text, &mut env, &mut declared);
            extra::check_variables(&text, &declared, &mut checked);
            checked.extend(check_toml(
                &text,
                Some(request.component),
                values.agent_version.as_deref(),
            ));
        } else {
            check_document(
                document.as_table(),
                Some(request.component),
                profile,
                &mut checked,
            );
        }
        let known = |finding: &Finding| !matches!(finding.code, codes::VERSION_UNKNOWN | codes::VERSION_OLD);
        findings.extend(
            checked
                .into_vec()
                .into_iter()
                .filter(known)
                .map(|finding| of_ours(finding, values)),
        );
    }
    let toml = (!findings.any_error()).then_some(text);
    Configuration {
        toml,
        env,
        scrape_port: scrape_port(&document),
        settings,
        findings: findings.into_vec(),
    }
}

/// A finding of the check, as it weighs in a configuration that we write ourselves.
fn of_ours(mut finding: Finding, values: &AgentValues) -> Finding {
    match finding.code {
        // No secret passes through us, whoever would take it.
        codes::LITERAL_SECRET => {
            finding.severity = Severity::Error;
            "write `{fromSecret: {name: ..., key: ...}}` or `{fromEnv: NAME}` in its place"
                .clone_into(&mut finding.mend);
        }
        // An agent that is built with more plugins needs `extraConfig` for them: there the name may be right.
        codes::UNKNOWN_PLUGIN if values.extra_config.is_some() => finding.severity = Severity::Warning,
        _ => {}
    }
    finding
}

/// Variables of the pod itself that only the extra configuration names.
fn add_pod_variables(text: &str, env: &mut Vec<EnvVar>, declared: &mut Vec<String>) {
    for variable in &catalogue().env {
        if declared.contains(&variable.name) || !text.contains(&format!("${{{}}}", variable.name)) {
            continue;
        }
        declared.push(variable.name.clone());
        env.push(EnvVar {
            name: variable.name.clone(),
            from: EnvFrom::Field(variable.field),
            source: Source::Values("extraConfig".to_owned()),
        });
    }
}

/// Values over policies, policies by their strength.
fn merged(
    request: &Request<'_>,
    catalogue: &'static Catalogue,
    profile: Profile,
    findings: &mut Findings,
) -> (Sections, influx::KeptOut) {
    let sources = request
        .layers
        .iter()
        .map(|layer| (Some(layer.name), layer.plugins));
    let mut layers: Vec<Sections> = std::iter::once((None, &request.values.plugins))
        .chain(sources)
        .map(|(policy, plugins)| {
            LayerReader {
                catalogue,
                profile,
                component: request.component,
                policy,
                findings,
            }
            .read(plugins)
        })
        .collect();
    let kept_out = influx::choose(&mut layers, catalogue, request.values.influxdb.as_ref());
    let mut merged = Sections::new();
    for (index, section) in layers.into_iter().flatten() {
        match merged.get_mut(&index) {
            Some(stronger) => Section::merge_under(stronger, section),
            None => drop(merged.insert(index, section)),
        }
    }
    (merged, kept_out)
}

/// Switches what nobody mentioned on or off as the component has it.
fn switch_defaults(
    sections: &mut Sections,
    catalogue: &'static Catalogue,
    component: Component,
    profile: Profile,
) {
    for (index, plugin) in catalogue.plugins.iter().enumerate() {
        if !plugin.on_by_default(component) || !profile.within(plugin.accepted) {
            continue;
        }
        let section = sections.entry(index).or_insert_with(|| Section::new(plugin));
        let source = Source::Default(format!("{}.enable", plugin.name));
        section.on.get_or_insert((true, source));
    }
}

/// The agent's keys outside of plugins.
fn general(request: &Request<'_>, catalogue: &Catalogue, findings: &mut Findings) -> Table {
    let mut table = Table::default();
    let given = [
        (
            "max_update_interval",
            "maxUpdateInterval",
            &request.values.max_update_interval,
        ),
        (
            "source_channel_size",
            "sourceChannelSize",
            &request.values.source_channel_size,
        ),
    ];
    for (name, path, value) in given {
        let node = catalogue.general.iter().find(|node| node.row.name == name);
        let (Some(node), Some(value)) = (node, value) else {
            continue;
        };
        match coerce(&node.row.kinds, value) {
            Ok(value) => table.put(name, value, Source::Values(path.to_owned())),
            Err(expected) => {
                let message = format!("expected {expected}, found {}", found(value));
                findings.error(codes::WRONG_TYPE, path, message, "");
            }
        }
    }
    table
}

/// A configuration of the user's own may name the token of the server even when the plugin is off.
fn keep_token(component: Component, env: &mut Vec<EnvVar>) {
    const TOKEN: &str = "INFLUX_TOKEN";
    if component == Component::RelayServer && !env.iter().any(|variable| variable.name == TOKEN) {
        env.push(EnvVar {
            name: TOKEN.to_owned(),
            from: EnvFrom::Literal(String::new()),
            source: Source::Derived("a ConfigMap of one's own may name the token"),
        });
    }
}

/// Port of the Prometheus exporter, where it is on.
fn scrape_port(document: &DocumentMut) -> Option<u16> {
    let section = document.get("plugins")?.get("prometheus-exporter")?;
    let off = |key: &str| section.get(key).and_then(Item::as_bool) == Some(false);
    let port = section.get("port").and_then(Item::as_integer);
    port.filter(|_| !off("enable") && !off("enabled"))
        .and_then(|port| u16::try_from(port).ok())
}
