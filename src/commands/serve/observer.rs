//! The observer of `serve`: what the cluster holds, judged by what the server answers from.

use std::sync::Arc;

use futures::FutureExt as _;
use kube::Client;

use crate::{
    cluster::inventory::{self, Inventory},
    server::{
        observer::{Held, Observer},
        world::Worlds,
    },
    telemetry::with_causes,
};

/// Looks at the marked objects of all namespaces.
pub(super) fn observer(client: Client, worlds: Arc<Worlds>) -> Observer {
    let take = move || {
        let client = client.clone();
        async move {
            let Inventory { objects, unread } = inventory::take(&client, None).await;
            let unread = unread.iter().map(|unread| with_causes(unread)).collect();
            Held { objects, unread }
        }
        .boxed()
    };
    Observer {
        take: Arc::new(take),
        worlds,
        hear: Arc::new(|_, _, _| ()),
    }
}
