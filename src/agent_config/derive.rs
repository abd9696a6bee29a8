//! What follows from other settings: each rule has a name, which is its source.

pub(super) mod formulas;

use std::time::Duration;

use super::{
    catalog::{Catalogue, Node},
    codes::{self, Findings},
    coerce, defaults, duration, influx,
    layers::Sections,
    settings::{Section, Table, Val},
    values::AgentValues,
    version::Profile,
};
use crate::{names::Component, source::Source};

/// Port of the relay where nothing says another.
const RELAY_PORT: u16 = 50051;

/// Everything that the rules look at.
pub(super) struct Deriving<'a> {
    /// All plugins that anybody mentioned or that are on.
    pub(super) sections: &'a mut Sections,
    /// What the agent knows.
    pub(super) catalogue: &'static Catalogue,
    /// For which version.
    pub(super) profile: Profile,
    /// For which component.
    pub(super) component: Component,
    /// What the user set.
    pub(super) values: &'a AgentValues,
    /// Where findings go.
    pub(super) findings: &'a mut Findings,
}

impl Deriving<'_> {
    /// Applies every rule, the ones that switch plugins on first.
    pub(super) fn apply(&mut self) {
        self.procfs_for_tdp();
        self.bridge_for_gpu();
        self.defaults();
        self.kernel_alone();
        self.tdp_interval();
        self.relay_client();
        self.relay_server();
        self.influxdb();
        self.aggregation();
        formulas::apply(self);
    }

    /// The settings of a plugin that is on.
    pub(super) fn on(&self, name: &str) -> Option<&Section> {
        let index = self.catalogue.index(name)?;
        self.sections.get(&index).filter(|section| section.is_on())
    }

    /// The settings of a plugin that is on, to be changed.
    pub(super) fn on_mut(&mut self, name: &str) -> Option<&mut Section> {
        let index = self.catalogue.index(name)?;
        self.sections.get_mut(&index).filter(|section| section.is_on())
    }

    /// Switches a plugin on unless somebody switched it off; says whether it is on now.
    pub(super) fn switch_on(&mut self, name: &str, rule: &'static str) -> bool {
        let Some(index) = self.catalogue.index(name) else {
            return false;
        };
        let plugin = &self.catalogue.plugins[index];
        let section = self.sections.entry(index).or_insert_with(|| Section::new(plugin));
        if section.on.is_none() {
            section.on = Some((true, Source::Derived(rule)));
        }
        section.is_on()
    }

    fn defaults(&mut self) {
        let (component, profile) = (self.component, self.profile);
        for section in self.sections.values_mut().filter(|section| section.is_on()) {
            let plugin = section.plugin;
            defaults::fill(&mut section.table, &plugin.root, plugin, component, profile);
        }
    }

    /// The TDP estimation reads the kernel's CPU time.
    fn procfs_for_tdp(&mut self) {
        let needs = self
            .on("energy-estimation-tdp")
            .map(|section| &section.plugin.needs);
        let needs = needs
            .into_iter()
            .flatten()
            .filter(|need| self.profile.within(need.accepted));
        for need in needs.collect::<Vec<_>>() {
            if !self.switch_on(&need.plugin, KERNEL_FOR_TDP) {
                let path = format!("plugins.{}.enable", need.plugin);
                let message = format!(
                    "energy-estimation-tdp needs the metric `{}` of `{}`",
                    need.metric, need.plugin
                );
                self.findings
                    .error(codes::NEEDS_PLUGIN, &path, message, "remove this switch");
            }
        }
    }

    /// Where procfs is on for the TDP estimation alone, nothing but the kernel is measured.
    fn kernel_alone(&mut self) {
        let Some(section) = self.on_mut("procfs") else {
            return;
        };
        if !matches!(section.on, Some((_, Source::Derived(KERNEL_FOR_TDP)))) {
            return;
        }
        for part in ["memory", "network", "processes"] {
            let path = format!("{part}.enabled");
            if section.table.leaf(&path).is_some() {
                section.table.derive(&path, Val::Bool(false), KERNEL_FOR_TDP);
            }
        }
    }

    /// The estimation divides by its own interval, so both have to be one; who was set leads.
    fn tdp_interval(&mut self) {
        const RULE: &str = "one interval for the TDP estimation and its source";
        let chosen = |section: Option<&Section>, path: &str| {
            let leaf = section?.table.leaf(path)?;
            (!matches!(leaf.source, Source::Default(_))).then(|| leaf.value.clone())
        };
        let of_tdp = chosen(self.on("energy-estimation-tdp"), "poll_interval");
        let of_kernel = chosen(self.on("procfs"), "kernel.poll_interval");
        match (of_tdp, of_kernel) {
            (Some(interval), None) => {
                if let Some(section) = self.on_mut("procfs") {
                    section.table.derive("kernel.poll_interval", interval, RULE);
                }
            }
            (None, Some(interval)) => {
                if let Some(section) = self.on_mut("energy-estimation-tdp") {
                    section.table.derive("poll_interval", interval, RULE);
                }
            }
            _ => {}
        }
    }

    /// The bridge has no use of its own: with a GPU whose energy is attributed to processes it gives pods theirs.
    fn bridge_for_gpu(&mut self) {
        if formulas::attributes_gpu(self) && formulas::annotator(self).is_some() {
            self.switch_on("process-to-cgroup-bridge", formulas::GPU_TO_PODS);
        }
    }

    /// `relay_server` with a port, or the relay server of the release.
    fn relay_client(&mut self) {
        const RULE: &str = "the relay server of the release";
        let server = self.values.server.as_ref();
        let service = server.map(|server| format!("{}:{}", server.service, server.port));
        let default_port = server.map_or(RELAY_PORT, |server| server.port);
        let Some(section) = self.on_mut("relay-client") else {
            return;
        };
        let port = section.table.take_leaf("port");
        let number = |value: &Val| match value {
            Val::Int(port) => u16::try_from(*port).ok(),
            _ => None,
        };
        let own_port = port.as_ref().and_then(|leaf| number(&leaf.value));
        let address = match (
            &section.table.leaf("relay_server").map(|leaf| &leaf.value),
            server,
        ) {
            (Some(Val::Text(host)), _) => Some(with_port(host, own_port.unwrap_or(default_port))),
            (Some(_), _) => return,
            (None, Some(server)) if own_port.is_some() => {
                Some(with_port(&server.service, own_port.unwrap_or(server.port)))
            }
            (None, _) => service,
        };
        let place = section.place("relay_server");
        match address {
            Some(address) if coerce::is_host_port(&address) => {
                let source = section.table.leaf("relay_server").map(|leaf| leaf.source.clone());
                section.table.put(
                    "relay_server",
                    Val::Text(address),
                    source.unwrap_or(Source::Derived(RULE)),
                );
            }
            Some(address) => {
                let message = format!("`{address}` is no address such as `host:50051`");
                self.findings.error(codes::WRONG_TYPE, &place, message, "");
            }
            None => {
                let message = "nothing says where the relay server is".to_owned();
                self.findings
                    .error(codes::RELAY_ADDRESS, &place, message, "set it to `host:port`");
            }
        }
    }

    /// The server listens at the port of its Service; a bare port is one at every address.
    fn relay_server(&mut self) {
        const RULE: &str = "the port of the Service";
        let port = self
            .values
            .server
            .as_ref()
            .map_or(RELAY_PORT, |server| server.port);
        let Some(section) = self.on_mut("relay-server") else {
            return;
        };
        section
            .table
            .derive("address", Val::Text(format!("[::]:{port}")), RULE);
        let Some(leaf) = section.table.leaf("address") else {
            return;
        };
        let Val::Text(text) = &leaf.value else { return };
        let bare = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let address = if bare {
            format!("[::]:{text}")
        } else {
            with_port(text, port)
        };
        let source = leaf.source.clone();
        if !coerce::is_host_port(&address) {
            let message = format!("`{address}` is no address such as `[::]:50051`");
            let place = section.place("address");
            self.findings.error(codes::WRONG_TYPE, &place, message, "");
            return;
        }
        section.table.put("address", Val::Text(address), source);
    }

    fn influxdb(&mut self) {
        let database = self.values.influxdb.as_ref();
        let Some(index) = self.catalogue.index("influxdb") else {
            return;
        };
        if let Some(section) = self.sections.get_mut(&index).filter(|section| section.is_on()) {
            influx::complete(section, database, self.findings);
        }
    }

    /// `cpu_time_delta`, as in the older charts, where something measures it.
    fn aggregation(&mut self) {
        const RULE: &str = "CPU time, where something measures it";
        if formulas::consumers(self).is_none() {
            return;
        }
        if let Some(section) = self.on_mut("aggregation") {
            section
                .table
                .derive("metrics", Val::List(vec![Val::text("cpu_time_delta")]), RULE);
        }
    }

    /// What is still missing in the sections that are on.
    pub(super) fn complain_of_missing(&mut self) {
        for section in self.sections.values().filter(|section| section.is_on()) {
            for key in defaults::missing(&section.table, &section.plugin.root, self.profile) {
                let about = section
                    .plugin
                    .root
                    .at(&key)
                    .map_or("", |node: &Node| node.row.about.as_str());
                let place = section.place(&key);
                if told_already(&section.plugin.name, &key) {
                    continue;
                }
                let message = format!(
                    "the agent insists on it, and there is no default: {}",
                    lower_first(about)
                );
                self.findings
                    .error(codes::MISSING_VALUE, &place, message, "set it");
            }
        }
    }
}

const KERNEL_FOR_TDP: &str = "the TDP estimation reads the kernel's CPU time";

/// Keys whose absence has a rule, and a code, of its own.
fn told_already(plugin: &str, key: &str) -> bool {
    matches!(
        (plugin, key),
        ("influxdb", "host" | "token") | ("energy-attribution", "formulas")
    )
}

fn lower_first(text: &str) -> String {
    let mut letters = text.trim_end_matches('.').chars();
    letters
        .next()
        .map(|first| first.to_lowercase().chain(letters).collect())
        .unwrap_or_default()
}

/// The address as it is if it has a port, else with this one.
fn with_port(host: &str, port: u16) -> String {
    let bracketed = host.starts_with('[') && host.ends_with(']');
    match host.rsplit_once(':') {
        Some((_, digits)) if !bracketed && digits.parse::<u16>().is_ok() && !is_bare_v6(host) => {
            host.to_owned()
        }
        _ if is_bare_v6(host) => format!("[{host}]:{port}"),
        _ => format!("{host}:{port}"),
    }
}

fn is_bare_v6(host: &str) -> bool {
    host.parse::<std::net::Ipv6Addr>().is_ok()
}

/// The longest duration among some keys of a section.
pub(super) fn longest(table: &Table, paths: &[&str]) -> Option<Duration> {
    let read = |path: &&str| match table.value(path) {
        Some(Val::Text(text)) => duration::parse(text),
        _ => None,
    };
    paths.iter().filter_map(read).max()
}
