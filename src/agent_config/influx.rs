//! `InfluxDB`'s host, organization, bucket and token come from one source: a host from here and a token from
//! there is a 401.

use super::{
    EnvFrom,
    catalog::Catalogue,
    codes::{self, Findings},
    layers::Sections,
    settings::{Leaf, Section, Slot, Table, Val},
    values::InfluxDb,
};
use crate::source::Source;

const HOST: &str = "host";
const TOKEN: &str = "token";
const SECRET: &str = "existingSecret";
const SECRET_KEY: &str = "secretKey";
/// Members of the group; a source weaker than the one that decides gives none of them.
const GROUP: [&str; 6] = [HOST, TOKEN, SECRET, SECRET_KEY, "org", "bucket"];
const RELEASE: &str = "the database of the release";

/// What the release knows of its own database, if it has one.
pub(super) fn deployed(database: Option<&InfluxDb>) -> Option<&InfluxDb> {
    database.filter(|database| database.deployed)
}

/// Members of the group that a weaker source gave, by their names.
pub(super) type KeptOut = Vec<(String, Slot)>;

/// Leaves only one source for the group: `layers` are strongest first, the first one being the values.
pub(super) fn choose(
    layers: &mut [Sections],
    catalogue: &'static Catalogue,
    database: Option<&InfluxDb>,
) -> KeptOut {
    let mut kept_out = KeptOut::new();
    let Some(index) = catalogue.index("influxdb") else {
        return kept_out;
    };
    let names = |section: &Section| {
        [HOST, TOKEN, SECRET]
            .iter()
            .any(|key| section.table.slot(key).is_some())
    };
    let decides = |sections: &Sections| sections.get(&index).is_some_and(names);
    let last = match layers.iter().position(decides) {
        Some(0) => 0,
        _ if deployed(database).is_some() => 0,
        Some(place) => place,
        None => return kept_out,
    };
    for sections in layers.iter_mut().skip(last + 1) {
        if let Some(section) = sections.get_mut(&index) {
            let is_of_group = |(name, _): &mut (String, Slot)| GROUP.contains(&name.as_str());
            kept_out.extend(section.table.0.extract_if(.., is_of_group));
        }
    }
    kept_out
}

/// Says of each member of the group what weaker sources had for it.
pub(super) fn tell(sections: &mut Sections, catalogue: &'static Catalogue, kept_out: KeptOut) {
    let section = catalogue
        .index("influxdb")
        .and_then(|index| sections.get_mut(&index));
    let Some(section) = section else { return };
    for (name, slot) in kept_out {
        let name = if name == SECRET { TOKEN } else { name.as_str() };
        if let (Some(Slot::Leaf(mine)), Slot::Leaf(theirs)) = (section.table.slot_mut(name), slot) {
            mine.wins_over(theirs);
        }
    }
}

/// Turns what was chosen into `host`, `token`, `org` and `bucket`, with the release's database behind it.
pub(super) fn complete(section: &mut Section, database: Option<&InfluxDb>, findings: &mut Findings) {
    let database = deployed(database);
    let table = &mut section.table;
    let secret = table.take_leaf(SECRET);
    let key = table.take_leaf(SECRET_KEY);
    let own_host = table
        .leaf(HOST)
        .is_some_and(|host| !is_of_release(host, database));
    if let Some(database) = database.filter(|_| !own_host) {
        host_of_release(table, database);
        for (name, value) in [("org", &database.organization), ("bucket", &database.bucket)] {
            if let Some(text) = value {
                table.derive(name, Val::text(text), RELEASE);
            }
        }
    }
    if table.leaf(TOKEN).is_none() {
        let fallback = database
            .filter(|_| !own_host)
            .and_then(|database| database.secret_name.clone());
        let fallback = fallback.map(|name| Leaf::new(Val::Text(name), Source::Derived(RELEASE)));
        if let Some(Leaf {
            value: Val::Text(name),
            source,
            lost,
        }) = secret.or(fallback)
        {
            let key = match key.map(|leaf| leaf.value) {
                Some(Val::Text(key)) => key,
                _ => "admin-token".to_owned(),
            };
            let variable = section
                .plugin
                .root
                .at(TOKEN)
                .and_then(|node| node.row.secret.as_ref());
            let variable = variable.map_or_else(|| "INFLUX_TOKEN".to_owned(), |secret| secret.env.clone());
            let value = Val::Env(variable, Some(EnvFrom::Secret { name, key }));
            let leaf = Leaf { value, source, lost };
            section.table.0.push((TOKEN.to_owned(), Slot::Leaf(leaf)));
        }
    }
    complain(section, findings);
}

fn host_of_release(table: &mut Table, database: &InfluxDb) {
    if let Some(service) = &database.service {
        let url = format!("http://{service}:{}", database.port.unwrap_or(80));
        table.derive(HOST, Val::Text(url), RELEASE);
    }
}

/// Whether a host that somebody wrote is the Service of the release's database.
fn is_of_release(host: &Leaf, database: Option<&InfluxDb>) -> bool {
    let (Val::Text(host), Some(service)) = (
        &host.value,
        database.and_then(|database| database.service.as_ref()),
    ) else {
        return false;
    };
    let parsed = url::Url::parse(host).ok();
    let name = parsed.as_ref().and_then(url::Url::host_str).unwrap_or_default();
    name == service
        || name
            .strip_prefix(service.as_str())
            .is_some_and(|rest| rest.starts_with('.'))
}

fn complain(section: &Section, findings: &mut Findings) {
    if section.table.leaf(HOST).is_none() {
        let message = "the release has no InfluxDB and no host is set".to_owned();
        let mend = format!(
            "set it, or switch the plugin off with `{}: false`",
            section.place("enable")
        );
        findings.error(codes::INFLUXDB_HOST, &section.place(HOST), message, mend);
    } else if section.table.leaf(TOKEN).is_none() {
        let message = "no Secret with the token of this InfluxDB is named".to_owned();
        let mend = "set the name of a Secret that has the token under the key admin-token";
        findings.error(codes::INFLUXDB_SECRET, &section.place(SECRET), message, mend);
    }
}
