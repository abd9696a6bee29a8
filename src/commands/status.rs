//! `status`: what the injector did in a cluster, and what is not right.

mod print;

use std::collections::BTreeMap;

use kube::Client;

use super::{
    cluster::with_client,
    exit::{Exit, Failure},
    io, policies,
};
use crate::{
    cli::{Output, Status},
    cluster::{
        inventory::{self, Inventory, Unread},
        kinds::KINDS,
        policies::{Policies, fetch},
        registered::{Registered, registered},
        webhook_config::Kind,
    },
    engine::{
        setup::{Fresh, Snapshot},
        survey::{Standing, Surveyed, survey, views},
    },
    names::Component,
    policy_document::Problem,
};

/// What there is to tell.
struct Told {
    /// Webhook entries that call an injector.
    webhooks: Vec<Registered>,
    /// How many policies are in force.
    in_force: usize,
    /// What is wrong with policies.
    problems: Vec<Problem>,
    /// The marked objects.
    objects: Vec<Object>,
    /// Why there may be more objects.
    unread: Vec<Unread>,
}

/// One marked object.
struct Object {
    release: Option<String>,
    surveyed: Surveyed,
}

impl Object {
    fn component(&self) -> Option<Component> {
        self.surveyed.plan.report.component
    }

    fn namespace(&self) -> &str {
        self.surveyed.plan.report.namespace.as_deref().unwrap_or_default()
    }

    fn standing(&self) -> Standing {
        self.surveyed.standing
    }
}

/// Where objects are counted: namespace, release, component.
type Place<'o> = (&'o str, Option<&'o str>, Option<Component>);

impl Told {
    /// How many objects there are of each standing, by place.
    fn counts(&self) -> BTreeMap<Place<'_>, BTreeMap<Standing, usize>> {
        let mut counts: BTreeMap<Place<'_>, BTreeMap<Standing, usize>> = BTreeMap::new();
        for object in &self.objects {
            let place = (object.namespace(), object.release.as_deref(), object.component());
            *counts
                .entry(place)
                .or_default()
                .entry(object.standing())
                .or_default() += 1;
        }
        counts
    }

    /// What somebody should do something about.
    fn wrong(&self) -> impl Iterator<Item = &Object> {
        self.objects.iter().filter(|object| !object.standing().is_right())
    }
}

pub(super) fn run(args: &Status) -> Result<Exit, Failure> {
    let of_files = policies::of_files(&args.policies)?;
    let told = with_client(&args.cluster, async |client| {
        let (webhooks, policies, inventory) = read(client, args.namespace.as_deref(), of_files).await?;
        Ok(tell(webhooks, policies, inventory))
    })?;
    match args.output {
        Output::Text => io::print_styled(&print::text(&told))?,
        Output::Json => io::print_text(&print::json(&told))?,
    }
    Ok(Exit::Done)
}

async fn read(
    client: Client,
    namespace: Option<&str>,
    of_files: Vec<crate::policy::model::Policy>,
) -> Result<(Vec<Registered>, Policies, Inventory), Failure> {
    let webhooks = registered(client.clone(), Kind::Mutating, None).await?;
    let policies = fetch(client.clone(), of_files).await?;
    let inventory = inventory::take(&client, namespace, &KINDS).await;
    Ok((webhooks, policies, inventory))
}

fn tell(webhooks: Vec<Registered>, policies: Policies, inventory: Inventory) -> Told {
    let Policies { index, problems } = policies;
    let in_force = index.policies().len();
    let snapshot = Snapshot { policies: index };
    let Inventory { objects, unread, .. } = inventory;
    let (values, views) = views(&objects);
    let surveyed = survey(&views, &snapshot, &Fresh);
    let objects = values.into_iter().zip(surveyed).map(|(value, surveyed)| Object {
        release: inventory::release(value).map(str::to_owned),
        surveyed,
    });
    Told {
        webhooks,
        in_force,
        problems,
        objects: objects.collect(),
        unread,
    }
}
