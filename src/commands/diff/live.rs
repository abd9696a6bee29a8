//! `diff --live`: what would become of a release that a cluster holds, by a refresh or by an upgrade, and which pods would
//! roll.

mod outlook;
mod refresh;
mod upgrade;

use std::path::PathBuf;

use kube::Client;
use serde_json::Value;

use self::outlook::{Outlook, entry};
use crate::{
    cli::{ClusterArgs, FactsArgs, Output},
    cluster::{inventory, kinds::without},
    commands::{
        cluster::with_client,
        exit::{Exit, Failure},
        io, policies, print,
    },
    telemetry::with_causes,
};

/// A release, and where it is.
struct Release<'a> {
    name: &'a str,
    namespace: &'a str,
}

/// What there is to say of a release.
struct Told {
    outlooks: Vec<Outlook>,
    /// What makes an object another.
    done: &'static str,
    /// What stands below the objects, for people.
    summary: String,
}

pub(super) fn run(
    release: &str,
    files: &[PathBuf],
    facts: &FactsArgs,
    cluster: &ClusterArgs,
    output: Output,
) -> Result<Exit, Failure> {
    let release = Release {
        name: release,
        namespace: facts.namespace.as_deref().unwrap_or_default(),
    };
    let rendered = upgrade::rendered(files)?;
    let Told {
        outlooks,
        done,
        summary,
    } = with_client(cluster, async |client| {
        let snapshot = policies::of_cluster(client.clone(), facts).await?;
        let held = held(&client, &release).await?;
        match rendered {
            None => refresh::told(&release, &held, &snapshot),
            Some(rendered) => upgrade::told(client, &release, &held, rendered, &snapshot).await,
        }
    })?;
    match output {
        Output::Text => {
            let mut text: String = outlooks.iter().map(|outlook| outlook.text(done)).collect();
            text += &summary;
            text += &outlook::rolling(&outlooks);
            io::print_styled(&text)?;
        }
        Output::Json => io::print_text(&print::pretty(&outlooks.iter().map(entry).collect()))?,
    }
    let is_refused = outlooks.iter().any(Outlook::is_refused);
    Ok(if is_refused { Exit::Refused } else { Exit::Done })
}

/// The marked objects of the release, without the pods that its workloads make.
async fn held(client: &Client, release: &Release<'_>) -> Result<Vec<Value>, Failure> {
    let Release { name, namespace } = release;
    let inventory = inventory::take(client, Some(namespace), &without(&["Pod"])).await;
    for unread in &inventory.unread {
        io::complain(&format!("warning: {}\n", with_causes(unread)));
    }
    let mut held = inventory.objects;
    held.retain(|object| inventory::release(object) == Some(name));
    if held.is_empty() {
        return Err(Failure::Refused(format!(
            "release {name}: no marked object of it is in namespace {namespace}; `alumet-injector status` lists the \
             releases"
        )));
    }
    Ok(held)
}
