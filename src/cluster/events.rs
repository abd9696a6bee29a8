//! Events: what became of an object, where its owner looks for it (`kubectl describe`, `kubectl get events`).
//!
//! It needs the verb `create` on `events` of the group `events.k8s.io`. Telling never waits: what is told goes through a
//! limit and a bounded queue, and is written beside.

mod limit;

use std::{
    future::pending,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tokio::sync::mpsc;

use self::limit::{Limit, Verdict};
use super::{Error, answer};
use crate::{telemetry::with_causes, text::printable};

/// Who reports, in `reportingController`.
const REPORTER: &str = "alumet-injector";

/// What the reporter was about, in `action`.
const ACTION: &str = "Inject";

/// Events that wait to be written.
const QUEUE: usize = 64;

/// Longest note that the API server takes, in bytes.
const MOST_BYTES: usize = 1024;

/// Something to tell about an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// The object. `kubectl describe` finds an Event by the uid, `kubectl get events` also without one.
    pub about: ObjectReference,
    /// Why, a code in kebab-case from a closed set; the Event has it in `PascalCase`.
    pub code: &'static str,
    /// A sentence. Nothing of an object's body belongs in it.
    pub sentence: String,
}

/// What became of notices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events that were written.
    pub written: u64,
    /// Those that were not, for there were too many.
    pub dropped: u64,
    /// Those that the API server did not take.
    pub failed: u64,
}

#[derive(Debug, Default)]
struct Tally {
    written: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
}

/// Takes what there is to tell.
#[derive(Debug)]
pub struct Events {
    limit: Mutex<Limit>,
    queue: mpsc::Sender<Notice>,
    tally: Arc<Tally>,
}

/// Writes it into the cluster.
#[derive(Debug)]
pub struct Writer {
    queue: mpsc::Receiver<Notice>,
    tally: Arc<Tally>,
}

/// Both ends of the queue.
pub fn events() -> (Events, Writer) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let tally = Arc::new(Tally::default());
    let events = Events {
        limit: Mutex::new(Limit::default()),
        queue: sender,
        tally: Arc::clone(&tally),
    };
    let writer = Writer {
        queue: receiver,
        tally,
    };
    (events, writer)
}

impl Events {
    /// Has an Event written, soon; unless the same was told of the same object some minutes ago, or there are too many:
    /// then it is dropped, and this is false.
    pub fn tell(&self, notice: Notice) -> bool {
        // Its place comes first: what finds none was not told.
        let is_dropped = match self.queue.try_reserve() {
            Err(_) => true,
            Ok(place) => {
                let verdict = {
                    let mut limit = self.limit.lock().unwrap_or_else(PoisonError::into_inner);
                    limit.ask(id(&notice), Instant::now())
                };
                if verdict == Verdict::Tell {
                    place.send(notice);
                }
                verdict == Verdict::TooMany
            }
        };
        if is_dropped {
            self.tally.dropped.fetch_add(1, Ordering::Relaxed);
        }
        !is_dropped
    }

    /// What became of notices so far.
    pub fn counts(&self) -> Counts {
        let Tally {
            written,
            dropped,
            failed,
        } = &*self.tally;
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            written: of(written),
            dropped: of(dropped),
            failed: of(failed),
        }
    }
}

impl Writer {
    /// Writes for as long as it runs; it does not end.
    pub async fn write(mut self, client: Client) {
        let reporter = Reporter::from(REPORTER);
        let mut is_failing = false;
        while let Some(notice) = self.queue.recv().await {
            // A recorder that remembers would count a repetition in the Event that is there, with the sentence of then.
            let recorder = Recorder::new(client.clone(), reporter.clone());
            match write(&recorder, &notice).await {
                Ok(()) => {
                    self.tally.written.fetch_add(1, Ordering::Relaxed);
                    is_failing = false;
                }
                Err(error) => {
                    self.tally.failed.fetch_add(1, Ordering::Relaxed);
                    if !is_failing {
                        let error = with_causes(&error);
                        tracing::warn!(
                            error,
                            "an Event cannot be written; more such failures are only counted"
                        );
                    }
                    is_failing = true;
                }
            }
        }
        // Nobody is left who could tell anything.
        pending::<()>().await;
    }
}

async fn write(recorder: &Recorder, notice: &Notice) -> Result<(), Error> {
    let Notice {
        about,
        code,
        sentence,
    } = notice;
    let event = Event {
        type_: EventType::Warning,
        reason: reason(code),
        note: Some(cut(&printable(sentence))),
        action: ACTION.to_owned(),
        secondary: None,
    };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let what = format!(
        "Event about the {} {}/{}",
        text(&about.kind),
        text(&about.namespace),
        text(&about.name)
    );
    let written = answer("create", &what, "", recorder.publish(&event, about)).await;
    written.map_err(|error| match error {
        Error::Forbidden { verb, source, .. } => Error::ForbiddenResource {
            verb,
            resource: "events.events.k8s.io".to_owned(),
            source,
        },
        error => error,
    })
}

/// The same sentence about the same object is the same thing told.
fn id(notice: &Notice) -> u64 {
    let ObjectReference {
        kind,
        namespace,
        name,
        uid,
        ..
    } = &notice.about;
    let mut hasher = DefaultHasher::new();
    (kind, namespace, name, uid, notice.code, &notice.sentence).hash(&mut hasher);
    hasher.finish()
}

/// A code as Events have it: `NoAgentContainer` for `no-agent-container`.
fn reason(code: &str) -> String {
    let words = code.split('-').map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    });
    words.collect()
}

/// As much of a text as a note may have.
fn cut(text: &str) -> String {
    const END: &str = "…";
    if text.len() <= MOST_BYTES {
        return text.to_owned();
    }
    let mut end = MOST_BYTES - END.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{END}", &text[..end])
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ObjectReference;

    use super::{Counts, MOST_BYTES, Notice, QUEUE, cut, events, reason};

    #[test]
    fn a_code_is_a_reason_in_pascal_case() {
        for (code, expected) in [
            ("no-agent-container", "NoAgentContainer"),
            ("failed", "Failed"),
            ("stale", "Stale"),
        ] {
            assert_eq!(reason(code), expected);
        }
    }

    #[test]
    fn a_note_is_cut_between_letters() {
        assert_eq!(cut("short"), "short");
        for text in ["ä".repeat(600), "a".to_owned() + &"ä".repeat(600)] {
            let cut = cut(&text);
            assert!(
                cut.len() <= MOST_BYTES && cut.len() > MOST_BYTES - 4,
                "{}",
                cut.len()
            );
            assert!(cut.ends_with("ä…"));
        }
    }

    #[tokio::test]
    async fn what_the_queue_does_not_hold_is_dropped_and_counted() {
        let (events, mut writer) = events();
        let notice = |name: usize| Notice {
            about: ObjectReference {
                name: Some(name.to_string()),
                ..ObjectReference::default()
            },
            code: "failed",
            sentence: String::new(),
        };
        // Of each object once.
        for _ in 0..3 {
            assert!(events.tell(notice(0)));
        }
        assert_eq!(events.counts(), Counts::default());
        assert_eq!(writer.queue.recv().await, Some(notice(0)));
        assert!(writer.queue.is_empty());
        let dropped = (0..100).filter(|number| !events.tell(notice(*number))).count();
        let waiting = writer.queue.len();
        assert!(waiting <= QUEUE);
        assert_eq!(dropped, 99 - waiting);
        assert_eq!(events.counts().dropped, dropped as u64);
    }

    #[tokio::test]
    async fn what_found_no_place_is_told_when_there_is_one() {
        let (events, mut writer) = events();
        let notice = |name: &str| Notice {
            about: ObjectReference {
                name: Some(name.to_owned()),
                ..ObjectReference::default()
            },
            code: "failed",
            sentence: String::new(),
        };
        for _ in 0..QUEUE {
            events.queue.try_send(notice("before")).unwrap();
        }
        assert!(!events.tell(notice("it")));
        assert_eq!(writer.queue.recv().await, Some(notice("before")));
        assert!(events.tell(notice("it")));
        assert_eq!(writer.queue.len(), QUEUE);
    }

    #[tokio::test]
    async fn another_sentence_about_an_object_is_told_at_once() {
        let (events, writer) = events();
        for sentence in ["rapll", "perff", "rapll"] {
            events.tell(Notice {
                about: ObjectReference::default(),
                code: "unknown-plugin",
                sentence: sentence.to_owned(),
            });
        }
        assert_eq!(writer.queue.len(), 2);
    }
}
