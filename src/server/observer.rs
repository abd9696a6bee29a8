//! Looks at the marked objects of the cluster, again and again, and tells which are not right. It changes none.
//!
//! Policies and catalogue may change without any review: what they make stale nobody would hear of.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    fmt, mem,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use serde_json::Value;
use tokio::{
    task::spawn_blocking,
    time::{sleep, sleep_until, timeout_at},
};

use super::{metrics::Metrics, world::Worlds};
use crate::engine::{
    report::Report,
    survey::{Standing, Surveyed, views},
};

/// Longest time between two looks.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// From a change of policies to the look that it asks for, so that several changes are looked at at once.
const AFTER_A_CHANGE: Duration = Duration::from_secs(1);

/// Shortest time between two looks. To list the objects is work for the API server.
const AT_MOST_EVERY: Duration = Duration::from_secs(5);

/// Lines of the log that one look may write. Each object is told once, and the metric counts all of them.
const MOST_LINES: usize = 1_000;

/// What a cluster holds.
#[derive(Debug, Default)]
pub struct Held {
    /// The marked objects.
    pub objects: Vec<Value>,
    /// Kinds of which some objects may not be among them.
    pub missing: Vec<&'static str>,
    /// A sentence for whatever cannot be read.
    pub unread: Vec<String>,
}

/// Lists the marked objects.
pub type Take = Arc<dyn Fn() -> BoxFuture<'static, Held> + Send + Sync>;

/// Hears of an object that is not right any more: the object, and what it is worth. Says whether it could be told;
/// whatever could not is heard of again at the next look.
pub type Hear = Arc<dyn Fn(&Value, Standing, &Report) -> bool + Send + Sync>;

/// Looks at the objects.
pub struct Observer {
    /// Lists them.
    pub take: Take,
    /// By what they are judged.
    pub worlds: Arc<Worlds>,
    /// Is told what is new.
    pub hear: Hear,
}

/// Which object it is, whatever its name was given to since.
type Id = (String, Option<String>, String);

/// What was told already.
#[derive(Debug, Default)]
struct Told {
    /// Looks so far.
    looks: u64,
    wrong: BTreeMap<Id, Wrong>,
    unread: Vec<String>,
}

/// An object that is not right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wrong {
    standing: Standing,
    /// The look that found it so first.
    since: u64,
    is_heard: bool,
}

impl Observer {
    /// Looks for as long as it runs; it does not end but with a fault of the program.
    pub(super) async fn observe(self, metrics: Arc<Metrics>) {
        let mut told = Told::default();
        let mut changes = self.worlds.changes();
        loop {
            let begun = Instant::now();
            let Some(looked) = self.look(told, &metrics).await else {
                return;
            };
            told = looked;
            sleep_until((begun + AT_MOST_EVERY).into()).await;
            // Whether it is the clock or a change that ends the wait, a look follows.
            if let Ok(Ok(())) = timeout_at((begun + LOOK_EVERY).into(), changes.changed()).await {
                sleep(AFTER_A_CHANGE).await;
            }
            changes.mark_unchanged();
        }
    }

    /// One look. `None` where the thread that judges failed.
    async fn look(&self, mut told: Told, metrics: &Arc<Metrics>) -> Option<Told> {
        let Held {
            objects,
            missing,
            unread,
        } = (self.take)().await;
        let (worlds, hear, metrics) = (
            Arc::clone(&self.worlds),
            Arc::clone(&self.hear),
            Arc::clone(metrics),
        );
        let looked = spawn_blocking(move || {
            let judged = judge(&objects, &worlds);
            let counts = judged
                .iter()
                .map(|(_, one)| (&*one.plan.report.kind, one.standing));
            metrics.objects(counts, &missing);
            told.tell(&judged, &missing, &*hear);
            told
        });
        let mut told = looked.await.ok()?;
        for sentence in unread.iter().filter(|sentence| !told.unread.contains(sentence)) {
            tracing::warn!(error = sentence, "some objects are not looked at; the others are");
        }
        told.unread = unread;
        Some(told)
    }
}

fn judge<'o>(objects: &'o [Value], worlds: &Worlds) -> Vec<(&'o Value, Surveyed)> {
    let (values, views) = views(objects);
    values.into_iter().zip(worlds.survey(&views)).collect()
}

impl Told {
    /// Tells of each object that was right before, or wrong in another way, and of what could not be told before. What a
    /// look did not see of the `missing` kinds is as it was.
    fn tell(
        &mut self,
        judged: &[(&Value, Surveyed)],
        missing: &[&str],
        hear: &(dyn Fn(&Value, Standing, &Report) -> bool + Send + Sync),
    ) {
        self.looks += 1;
        let mut all = Vec::new();
        let mut unseen = mem::take(&mut self.wrong);
        let mut lines = 0_usize;
        for (object, Surveyed { standing, plan }) in judged {
            let (standing, report) = (*standing, &plan.report);
            let id = (report.kind.clone(), report.namespace.clone(), report.name.clone());
            let known = unseen.remove(&id);
            if standing.is_right() {
                if known.is_some() {
                    let (object, standing) = (report.object(), standing.code());
                    tracing::info!(object, standing, "the object is right again");
                }
                continue;
            }
            let wrong = known.filter(|known| known.standing == standing);
            if wrong.is_none() {
                lines += 1;
                if lines <= MOST_LINES {
                    let (object, standing) = (report.object(), standing.code());
                    tracing::warn!(object, standing, "the object is not right");
                }
            }
            let wrong = wrong.unwrap_or(Wrong {
                standing,
                since: self.looks,
                is_heard: false,
            });
            all.push((id, wrong, *object, report));
        }
        if lines > MOST_LINES {
            tracing::warn!(more = lines - MOST_LINES, "more objects are not right");
        }

        // The newest first: what has been wrong for long, somebody may know.
        all.sort_by_key(|(_, wrong, ..)| Reverse(wrong.since));
        let unheard = all.iter_mut().filter(|(_, wrong, ..)| !wrong.is_heard);
        for (_, wrong, object, report) in unheard {
            wrong.is_heard = hear(object, wrong.standing, report);
            if !wrong.is_heard {
                break;
            }
        }
        unseen.retain(|(kind, ..), _| missing.contains(&kind.as_str()));
        self.wrong = unseen;
        self.wrong
            .extend(all.into_iter().map(|(id, wrong, ..)| (id, wrong)));
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::json;

    use super::*;
    use crate::engine::setup::Snapshot;

    fn config_map(name: &str) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": name,
                "namespace": "n",
                "labels": {"injector.alumet.dev/component": "agent"},
                "annotations": {"injector.alumet.dev/values": r#"{"agentVersion":"0.9.5"}"#},
            },
        })
    }

    /// Looks at these objects one after the other, and gives which were heard of; so many are taken in each look. A look
    /// at nothing is one that could not list them.
    fn heard(looks: &[&[&str]], at_once: usize) -> Vec<Vec<String>> {
        let worlds = Worlds::new(Snapshot::default(), 1 << 20);
        let mut told = Told::default();
        let look = |names: &&[&str]| {
            let missing: &[&str] = if names.is_empty() {
                &["ConfigMap"]
            } else {
                &["Job"]
            };
            let heard = Mutex::new(Vec::new());
            let objects: Vec<Value> = names.iter().map(|name| config_map(name)).collect();
            told.tell(&judge(&objects, &worlds), missing, &|object, standing, _| {
                assert_eq!(standing, Standing::Missed);
                let name = object["metadata"]["name"].as_str().unwrap().to_owned();
                let mut heard = heard.lock().unwrap();
                let is_taken = heard.len() < at_once;
                heard.extend(is_taken.then_some(name));
                is_taken
            });
            assert!(names.is_empty() || told.wrong.len() == objects.len());
            heard.into_inner().unwrap()
        };
        looks.iter().map(look).collect()
    }

    #[test]
    fn an_object_is_told_of_once_and_again_when_it_was_gone_in_between() {
        let looks: [&[&str]; 4] = [&["a"], &["a", "b"], &["b"], &["a", "b"]];
        let expected: [&[&str]; 4] = [&["a"], &["b"], &[], &["a"]];
        assert_eq!(heard(&looks, 9), expected);
    }

    #[test]
    fn what_a_look_could_not_list_is_as_it_was() {
        let looks: [&[&str]; 4] = [&["a", "b"], &[], &["a", "b"], &["b"]];
        let expected: [&[&str]; 4] = [&["a", "b"], &[], &[], &[]];
        assert_eq!(heard(&looks, 9), expected);
    }

    #[test]
    fn what_could_not_be_told_is_told_later_and_the_newest_first() {
        let looks: [&[&str]; 5] = [
            &["a", "b", "c"],
            &["a", "b", "c", "d"],
            &["a", "b", "c", "d"],
            &["a", "c"],
            &["a"],
        ];
        let expected: [&[&str]; 5] = [&["a"], &["d"], &["b"], &["c"], &[]];
        assert_eq!(heard(&looks, 1), expected);
    }
}
