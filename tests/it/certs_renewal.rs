//! When a CA begins, a certificate is issued and an old CA dropped; and years of it in steps of an hour.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use alumet_injector::certs::{
    Authority, BACKDATE, Bundle, Pair, ServerNames,
    held::{BUNDLE, CA_CERTIFICATE, CA_KEY, CERTIFICATE, Change, Held, KEY, NEXT_CERTIFICATE, NEXT_KEY},
    renewal::{InPlace, Lifetimes, Step, decide, may_serve},
};

use crate::certs_issue::{DAY, start};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// What the Secret's data is.
type Entries = BTreeMap<String, Vec<u8>>;

fn names() -> ServerNames {
    ServerNames::of_service("injector", "alumet").unwrap()
}

fn held(entries: &Entries) -> Held {
    Held::read(|key| entries.get(key).map(Vec::as_slice))
}

fn apply(entries: &mut Entries, change: Change) {
    for (key, value) in change {
        match value {
            Some(value) => entries.insert(key.to_owned(), value.into_bytes()),
            None => entries.remove(key),
        };
    }
}

/// A Secret with a CA and a leaf, both issued at a moment.
fn filled(now: SystemTime) -> Entries {
    let mut entries = Entries::new();
    for step in [Step::BeginAuthority, Step::IssueLeaf] {
        let change = held(&entries).carry_out(step, &names(), now, Lifetimes::default());
        apply(&mut entries, change.unwrap());
    }
    assert_eq!(held(&entries).unusable, []);
    entries
}

fn without(mut entries: Entries, keys: &[&str]) -> Entries {
    entries.retain(|key, _| !keys.contains(&key.as_str()));
    entries
}

fn with(mut entries: Entries, key: &str, value: &[u8]) -> Entries {
    entries.insert(key.to_owned(), value.to_vec());
    entries
}

/// The Secret with a next CA that ended before a moment.
fn next_expired(entries: Entries, now: SystemTime) -> Entries {
    let next = Authority::new(now - 40 * DAY, 10 * DAY).unwrap();
    let entries = with(entries, NEXT_CERTIFICATE, next.certificate_pem().as_bytes());
    with(entries, NEXT_KEY, next.key_pem().as_bytes())
}

/// Which CAs the caBundle has, and since when.
#[derive(Clone, Copy)]
enum CaBundle {
    Empty,
    /// All of the Secret's, since a moment.
    All(SystemTime),
    /// The one that issues, since a moment.
    Own(SystemTime),
}

/// One row: id, the Secret, the caBundle, the time, the step, and when to ask again (nothing: at once).
type Row = (
    &'static str,
    Entries,
    CaBundle,
    SystemTime,
    Step,
    Option<SystemTime>,
);

fn rows() -> Vec<Row> {
    use CaBundle::{All, Empty, Own};
    use Step::{BeginAuthority, DropAuthorities, IssueLeaf, PrepareAuthority, PromoteAuthority, Wait};

    let begin = start();
    let good = || filled(begin);
    let other = filled(begin);
    // 30 days and 365 days from the issue, and two thirds of them.
    let (leaf_due, leaf_end) = (begin + 20 * DAY, begin + 30 * DAY);
    let (ca_due, ca_end) = (begin + 365 * DAY / 3 * 2, begin + 365 * DAY);
    // A CA that began later, beside a leaf of the one before.
    let later = begin + DAY;
    let rotated = || {
        let mut entries = good();
        let change = held(&entries).carry_out(BeginAuthority, &names(), later, Lifetimes::default());
        apply(&mut entries, change.unwrap());
        entries
    };
    // A CA in its last third, with a leaf that is a day old, and the next CA.
    let prepared = || {
        let mut entries = good();
        for (step, at) in [(IssueLeaf, ca_due - DAY), (PrepareAuthority, ca_due)] {
            let change = held(&entries).carry_out(step, &names(), at, Lifetimes::default());
            apply(&mut entries, change.unwrap());
        }
        entries
    };
    let ends_with_its_ca = {
        let mut entries = prepared();
        let change = held(&entries).carry_out(IssueLeaf, &names(), ca_end - 20 * DAY, Lifetimes::default());
        apply(&mut entries, change.unwrap());
        entries
    };
    let foreign_leaf = || {
        let leaf = with(good(), CERTIFICATE, &other[CERTIFICATE]);
        with(leaf, KEY, &other[KEY])
    };
    let renamed = {
        let mut entries = good();
        let names = ServerNames::of_service("former", "alumet").unwrap();
        let change = held(&entries).carry_out(IssueLeaf, &names, begin, Lifetimes::default());
        apply(&mut entries, change.unwrap());
        entries
    };
    let with_expired = {
        let expired = Authority::new(begin - 40 * DAY, 10 * DAY).unwrap();
        let bundle = held(&good()).bundle.with([expired.trusted().clone()]);
        with(good(), BUNDLE, bundle.pem().as_bytes())
    };
    // The bundle of `with_expired` is of another issue than `good()`.
    let with_expired = {
        let mut entries = with_expired;
        entries.remove(CERTIFICATE);
        entries.remove(KEY);
        let change = held(&entries).carry_out(IssueLeaf, &names(), begin, Lifetimes::default());
        apply(&mut entries, change.unwrap());
        entries
    };
    vec![
        ("empty", Entries::new(), Empty, begin, BeginAuthority, None),
        (
            "empty-values",
            with(Entries::new(), CA_CERTIFICATE, b""),
            Empty,
            begin,
            BeginAuthority,
            None,
        ),
        (
            "ca-garbage",
            with(good(), CA_CERTIFICATE, b"garbage"),
            All(begin),
            begin,
            BeginAuthority,
            None,
        ),
        (
            "ca-key-garbage",
            with(good(), CA_KEY, b"\xFF\x00"),
            All(begin),
            begin,
            BeginAuthority,
            None,
        ),
        (
            "ca-key-of-another",
            with(good(), CA_KEY, &other[CA_KEY]),
            All(begin),
            begin,
            BeginAuthority,
            None,
        ),
        (
            "ca-key-missing",
            without(good(), &[CA_KEY]),
            All(begin),
            begin,
            BeginAuthority,
            None,
        ),
        (
            "ca-is-a-leaf",
            with(good(), CA_CERTIFICATE, &good()[CERTIFICATE]),
            All(begin),
            begin,
            BeginAuthority,
            None,
        ),
        (
            "ca-in-the-future",
            good(),
            All(begin),
            begin - BACKDATE - SECOND,
            BeginAuthority,
            None,
        ),
        (
            "ca-two-thirds",
            good(),
            All(begin),
            ca_due,
            PrepareAuthority,
            None,
        ),
        (
            "ca-expired",
            good(),
            All(begin),
            ca_end + SECOND,
            BeginAuthority,
            None,
        ),
        (
            "ca-not-in-place",
            without(good(), &[CERTIFICATE, KEY]),
            Empty,
            begin,
            Wait,
            Some(ca_due),
        ),
        (
            "ca-not-in-place-leaf-expired",
            good(),
            Empty,
            leaf_end + SECOND,
            Wait,
            Some(ca_due),
        ),
        (
            "no-leaf",
            without(good(), &[CERTIFICATE, KEY]),
            All(begin),
            begin,
            IssueLeaf,
            None,
        ),
        (
            "leaf-garbage",
            with(good(), CERTIFICATE, b"garbage"),
            All(begin),
            begin,
            IssueLeaf,
            None,
        ),
        (
            "leaf-key-of-another",
            with(good(), KEY, &other[KEY]),
            All(begin),
            begin,
            IssueLeaf,
            None,
        ),
        (
            "leaf-key-missing",
            without(good(), &[KEY]),
            All(begin),
            begin,
            IssueLeaf,
            None,
        ),
        (
            "leaf-of-an-unknown-ca",
            foreign_leaf(),
            All(begin),
            begin,
            IssueLeaf,
            None,
        ),
        (
            "leaf-of-another-name",
            renamed,
            All(begin),
            begin,
            IssueLeaf,
            None,
        ),
        ("in-order", good(), All(begin), begin, Wait, Some(leaf_due)),
        (
            "in-order-before-its-begin-by-a-little",
            good(),
            All(begin),
            begin - BACKDATE,
            Wait,
            Some(leaf_due),
        ),
        (
            "bundle-missing",
            without(good(), &[BUNDLE]),
            All(begin),
            begin,
            Wait,
            Some(leaf_due),
        ),
        (
            "bundle-garbage",
            with(good(), BUNDLE, b"garbage"),
            All(begin),
            begin,
            Wait,
            Some(leaf_due),
        ),
        (
            "leaf-nearly-due",
            good(),
            All(begin),
            leaf_due - SECOND,
            Wait,
            Some(leaf_due),
        ),
        ("leaf-due", good(), All(begin), leaf_due, IssueLeaf, None),
        (
            "leaf-expired",
            good(),
            All(begin),
            leaf_end + SECOND,
            IssueLeaf,
            None,
        ),
        (
            "new-ca-just-in-place",
            rotated(),
            All(later),
            later,
            Wait,
            Some(later + MINUTE),
        ),
        (
            "new-ca-settled",
            rotated(),
            All(later),
            later + MINUTE,
            IssueLeaf,
            None,
        ),
        (
            "new-ca-just-in-place-leaf-due",
            rotated(),
            All(leaf_due),
            leaf_due,
            Wait,
            Some(leaf_due + MINUTE),
        ),
        (
            "new-ca-just-in-place-leaf-expired",
            rotated(),
            All(leaf_end + SECOND),
            leaf_end + SECOND,
            IssueLeaf,
            None,
        ),
        (
            "next-ca-not-in-place",
            prepared(),
            Own(begin),
            ca_due,
            Wait,
            Some(ca_due + 19 * DAY),
        ),
        (
            "next-ca-not-in-place-no-leaf",
            without(prepared(), &[CERTIFICATE, KEY]),
            Own(begin),
            ca_due,
            IssueLeaf,
            None,
        ),
        (
            "next-ca-just-in-place",
            prepared(),
            All(ca_due),
            ca_due,
            Wait,
            Some(ca_due + MINUTE),
        ),
        (
            "next-ca-settled",
            prepared(),
            All(ca_due),
            ca_due + MINUTE,
            PromoteAuthority,
            None,
        ),
        (
            "next-ca-and-no-ca",
            without(prepared(), &[CA_CERTIFICATE, CA_KEY]),
            Empty,
            ca_due,
            PromoteAuthority,
            None,
        ),
        (
            "next-ca-and-an-expired-ca",
            prepared(),
            Empty,
            ca_end + SECOND,
            PromoteAuthority,
            None,
        ),
        (
            "next-ca-expired-and-an-expired-ca",
            next_expired(prepared(), begin),
            Empty,
            ca_end + SECOND,
            BeginAuthority,
            None,
        ),
        (
            "next-ca-expired",
            next_expired(good(), begin),
            All(begin),
            begin,
            DropAuthorities,
            None,
        ),
        (
            "next-ca-expired-without-its-key",
            without(next_expired(good(), begin), &[NEXT_KEY]),
            All(begin),
            begin,
            DropAuthorities,
            None,
        ),
        (
            "next-ca-garbage",
            with(prepared(), NEXT_KEY, b"garbage"),
            All(begin),
            ca_due,
            PrepareAuthority,
            None,
        ),
        (
            "leaf-that-ends-with-its-ca",
            ends_with_its_ca,
            Own(begin),
            ca_end - DAY,
            Wait,
            Some(ca_end + SECOND),
        ),
        (
            "expired-ca-in-the-bundle",
            with_expired,
            All(begin),
            begin,
            DropAuthorities,
            None,
        ),
    ]
}

#[test]
fn each_state_of_the_secret_has_its_step() {
    let rows = rows();
    for (id, entries, ca_bundle, now, step, again) in &rows {
        let held = held(entries);
        let mut in_place = InPlace::default();
        match ca_bundle {
            CaBundle::Empty => {}
            CaBundle::All(since) => in_place.observe(&held.bundle, *since),
            CaBundle::Own(since) => {
                let own = held.authority.iter().map(|authority| authority.trusted().clone());
                in_place.observe(&own.collect(), *since);
            }
        }
        let decision = decide(&held, &in_place, &names(), *now, Lifetimes::default());
        assert_eq!(decision.step, *step, "{id}: {}", decision.reason);
        assert_eq!(decision.again, again.unwrap_or(*now), "{id}: {}", decision.reason);
        let change = held
            .carry_out(decision.step, &names(), *now, Lifetimes::default())
            .unwrap();
        assert_eq!(change.is_empty(), *step == Step::Wait, "{id}");
    }
    println!("{} states of the Secret were decided", rows.len());
    assert_eq!(rows.len(), 41);
}

/// What a CA, a pair or a bundle of the Secret may be, and what makes it so of a Secret that was in order.
type Variant = (&'static str, fn(&mut Entries, SystemTime));

/// Puts a CA of this age, which lives for ten days, into two entries.
fn put_authority(entries: &mut Entries, keys: [&str; 2], issued: SystemTime) {
    let authority = Authority::new(issued, 10 * DAY).unwrap();
    entries.insert(keys[0].to_owned(), authority.certificate_pem().into_bytes());
    entries.insert(keys[1].to_owned(), authority.key_pem().into_bytes());
}

fn authorities<const NEXT: bool>() -> [Variant; 8] {
    const fn keys(next: bool) -> [&'static str; 2] {
        if next {
            [NEXT_CERTIFICATE, NEXT_KEY]
        } else {
            [CA_CERTIFICATE, CA_KEY]
        }
    }
    [
        ("none", |entries, _| {
            entries.retain(|key, _| !keys(NEXT).contains(&key.as_str()));
        }),
        ("good", |entries, now| {
            put_authority(entries, keys(NEXT), now - DAY);
        }),
        ("due", |entries, now| {
            put_authority(entries, keys(NEXT), now - 8 * DAY);
        }),
        ("expired", |entries, now| {
            put_authority(entries, keys(NEXT), now - 20 * DAY);
        }),
        ("early", |entries, now| {
            put_authority(entries, keys(NEXT), now + 20 * DAY);
        }),
        ("good, no key", |entries, now| {
            put_authority(entries, keys(NEXT), now - DAY);
            entries.remove(keys(NEXT)[1]);
        }),
        ("expired, no key", |entries, now| {
            put_authority(entries, keys(NEXT), now - 20 * DAY);
            entries.remove(keys(NEXT)[1]);
        }),
        ("two, one of them expired", |entries, now| {
            put_authority(entries, keys(NEXT), now - 20 * DAY);
            let expired = entries[keys(NEXT)[0]].clone();
            put_authority(entries, keys(NEXT), now - DAY);
            entries.get_mut(keys(NEXT)[0]).unwrap().extend(expired);
        }),
    ]
}

/// A leaf as the CA of the Secret would have issued it a while ago; garbage where there is no such CA.
fn put_leaf(entries: &mut Entries, issued: SystemTime) {
    let change = held(entries).carry_out(Step::IssueLeaf, &names(), issued, Lifetimes::default());
    let mut change = change.unwrap();
    if change.is_empty() {
        change = vec![
            (CERTIFICATE, Some("garbage".to_owned())),
            (KEY, Some("garbage".to_owned())),
        ];
    }
    apply(entries, change);
}

const LEAVES: [Variant; 3] = [
    ("none", |entries, _| {
        entries.retain(|key, _| ![CERTIFICATE, KEY].contains(&key.as_str()));
    }),
    ("of the CA", |entries, now| put_leaf(entries, now)),
    ("old, or another's", |entries, now| {
        put_leaf(entries, now - 25 * DAY);
    }),
];

const BUNDLES: [Variant; 3] = [
    ("none", |entries, _| {
        entries.remove(BUNDLE);
    }),
    ("garbage", |entries, _| {
        entries.insert(BUNDLE.to_owned(), b"garbage".to_vec());
    }),
    ("with an expired CA", |entries, now| {
        put_authority(entries, [BUNDLE, "no-key"], now - 20 * DAY);
        entries.remove("no-key");
    }),
];

/// Writes that the self-managed mode makes in one round.
const MAX_WRITES: usize = 8;

/// The decisions of one round, each carried out, until there is nothing to do.
fn round(entries: &mut Entries, in_place: &InPlace, now: SystemTime) -> Vec<Step> {
    let mut steps = Vec::new();
    while steps.len() <= MAX_WRITES {
        let state = held(entries);
        let decision = decide(&state, in_place, &names(), now, Lifetimes::default());
        if decision.step == Step::Wait {
            break;
        }
        steps.push(decision.step);
        let change = state.carry_out(decision.step, &names(), now, Lifetimes::default());
        apply(entries, change.unwrap());
    }
    steps
}

#[test]
fn from_any_secret_a_few_steps_lead_to_a_leaf_that_is_trusted() {
    let now = start();
    let (mut secrets, mut most) = (0, 0);
    let variants = authorities::<false>().into_iter().flat_map(|ca| {
        let next = authorities::<true>().into_iter();
        next.flat_map(move |next| {
            let rest = LEAVES.into_iter();
            rest.flat_map(move |leaf| BUNDLES.map(|bundle| [ca, next, leaf, bundle]))
        })
    });
    for variant in variants {
        let id = variant.map(|(id, _)| id);
        let mut entries = Entries::new();
        for (_, make) in variant {
            make(&mut entries, now);
        }
        for is_in_place in [false, true] {
            let (mut entries, mut in_place) = (entries.clone(), InPlace::default());
            if is_in_place {
                in_place.observe(&held(&entries).bundle, now - DAY);
            }
            // The rounds that the caBundle, written in each of them, leads to: at once, and when it has settled.
            for later in [0, 0, 1, 2].map(|minutes| now + minutes * MINUTE) {
                let steps = round(&mut entries, &in_place, later);
                assert!(steps.len() <= MAX_WRITES, "{id:?}: {steps:?}");
                most = most.max(steps.len());
                in_place.observe(&held(&entries).bundle, later);
            }
            let state = held(&entries);
            let leaf = state.leaf.unwrap_or_else(|| panic!("{id:?}: there is no leaf"));
            assert!(may_serve(&leaf, &state.bundle, now + 2 * MINUTE), "{id:?}");
            assert_eq!(state.bundle, state.bundle.living(now), "{id:?}");
            secrets += 1;
        }
    }
    println!("{secrets} Secrets, at most {most} writes in a round");
    assert_eq!(secrets, 8 * 8 * 3 * 3 * 2);
}

#[test]
fn what_cannot_be_used_is_named_and_never_shown() {
    let secret = "c2VjcmV0LWNhbmFyeS1vZi1hLWtleQ";
    let garbage = format!("-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----\n");
    let mut entries = Entries::new();
    for key in [
        CA_CERTIFICATE,
        CA_KEY,
        NEXT_CERTIFICATE,
        NEXT_KEY,
        CERTIFICATE,
        KEY,
        BUNDLE,
    ] {
        entries = with(entries, key, garbage.as_bytes());
    }
    let held = held(&entries);
    let keys: Vec<&str> = held.unusable.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, [BUNDLE, CA_CERTIFICATE, NEXT_CERTIFICATE, CERTIFICATE]);
    assert!(!format!("{held:?}").contains(secret));
    let half = without(filled(start()), &[KEY, CA_CERTIFICATE]);
    let half = Held::read(|key| half.get(key).map(Vec::as_slice));
    assert_eq!(
        half.unusable,
        [
            (CA_CERTIFICATE, "it is missing, though ca.key is there".to_owned()),
            (KEY, "it is missing, though tls.crt is there".to_owned()),
        ]
    );
}

/// A cluster as far as certificates go: a Secret, a caBundle, and an API server that follows it late.
#[derive(Clone, Default)]
struct World {
    secret: Entries,
    version: u64,
    ca_bundle: Bundle,
    /// When it was changed last, and what it was before that.
    changed: Option<(SystemTime, Bundle)>,
    writes: BTreeMap<&'static str, usize>,
    /// The webhook configuration cannot be patched.
    refuses: bool,
}

/// How long an API server goes on with the caBundle of before; the settling time must be longer.
const LAG: Duration = Duration::from_secs(40);

impl World {
    fn write(&mut self, version: u64, change: Change) -> Result<(), &'static str> {
        if version != self.version {
            return Err("conflict");
        }
        for (key, _) in &change {
            *self.writes.entry(key).or_default() += 1;
        }
        apply(&mut self.secret, change);
        self.version += 1;
        Ok(())
    }

    fn set_ca_bundle(&mut self, bundle: &Bundle, now: SystemTime) {
        if *bundle != self.ca_bundle && !self.refuses {
            let before = std::mem::replace(&mut self.ca_bundle, bundle.clone());
            self.changed = Some((now, before));
        }
    }

    /// What fails when an API server calls this replica now.
    fn call(&self, replica: &mut Replica, now: SystemTime) -> Result<(), String> {
        let Some(pair) = &replica.serving else {
            return Err("no certificate".to_owned());
        };
        let late = self
            .changed
            .iter()
            .find(|(at, _)| now < *at + LAG)
            .map(|(_, before)| before);
        let bundles: Vec<&Bundle> = [Some(&self.ca_bundle), late].into_iter().flatten().collect();
        // A signature that was good stays so; the times are looked at in each call.
        let of_pair = |bundle: &Bundle| {
            let signed = |issuer: &String| issuer == &pair.details().issuer;
            let ends = bundle
                .iter()
                .filter(|it| signed(&it.details().subject))
                .map(|it| it.details().not_after);
            ends.max().unwrap_or(SystemTime::UNIX_EPOCH).min(pair.not_after())
        };
        let known = matches!(&replica.verified, Some((known, in_bundles))
            if known == pair && bundles.iter().all(|bundle| in_bundles == *bundle));
        if known && now >= pair.not_before() && bundles.iter().all(|bundle| now <= of_pair(bundle)) {
            return Ok(());
        }
        for bundle in &bundles {
            bundle
                .trusts(pair.chain(), now)
                .map_err(|error| error.to_string())?;
        }
        replica.verified = Some((pair.clone(), self.ca_bundle.clone()));
        Ok(())
    }
}

/// One process, with a clock that may be wrong.
#[derive(Clone, Default)]
struct Replica {
    ahead: Duration,
    in_place: InPlace,
    serving: Option<Pair>,
    /// What it saw when it last woke for nothing, and until when that holds.
    idle: Option<(u64, Bundle, SystemTime)>,
    /// A pair and a caBundle that a full verification found good.
    verified: Option<(Pair, Bundle)>,
}

impl Replica {
    fn ahead(ahead: Duration) -> Self {
        Self {
            ahead,
            ..Self::default()
        }
    }

    /// What the self-managed mode does each time that it wakes.
    fn wake(&mut self, world: &mut World, now: SystemTime) {
        let (clock, lifetimes) = (now + self.ahead, Lifetimes::default());
        // It reads the Secret each minute; the test spares what has the same result, but for once a day.
        if let Some((version, ca_bundle, until)) = &self.idle
            && (*version, ca_bundle) == (world.version, &world.ca_bundle)
            && clock < *until
        {
            return;
        }
        self.in_place.observe(&world.ca_bundle, clock);
        let mut state = held(&world.secret);
        for _ in 0..8 {
            let decision = decide(&state, &self.in_place, &names(), clock, lifetimes);
            let change = state
                .carry_out(decision.step, &names(), clock, lifetimes)
                .unwrap();
            if change.is_empty() {
                self.idle = Some((
                    world.version,
                    world.ca_bundle.clone(),
                    decision.again.min(clock + DAY),
                ));
                break;
            }
            world.write(world.version, change).unwrap();
            state = held(&world.secret);
        }
        world.set_ca_bundle(&state.bundle, now);
        if let Some(leaf) = state.leaf.filter(|leaf| may_serve(leaf, &world.ca_bundle, clock)) {
            self.serving = Some(leaf);
        }
    }
}

/// Lets a cluster run, and calls every replica all the while. Wakes are an hour apart, and closer together while
/// something changes, as they are in a cluster, where each change of the caBundle wakes everybody.
fn run(world: &mut World, replicas: &mut [Replica], from: SystemTime, until: SystemTime) -> usize {
    let (mut now, mut calls, mut eventful) = (from, 0, 0);
    while now < until {
        let before = (world.version, world.changed.as_ref().map(|(at, _)| *at));
        for replica in replicas.iter_mut() {
            replica.wake(world, now);
        }
        if before != (world.version, world.changed.as_ref().map(|(at, _)| *at)) {
            eventful = 12;
        }
        for (number, replica) in replicas.iter_mut().enumerate() {
            let since = now.duration_since(from).unwrap_or_default();
            world
                .call(replica, now)
                .unwrap_or_else(|error| panic!("replica {number} after {since:?}: {error}"));
            calls += 1;
        }
        now += if eventful > 0 { LAG / 4 } else { HOUR };
        eventful = usize::saturating_sub(eventful, 1);
    }
    calls
}

/// Until the first replica serves: nobody is ready, and nobody is called.
fn settled(world: &mut World, replicas: &mut [Replica], now: SystemTime) {
    for _ in 0..3 {
        for replica in replicas.iter_mut() {
            replica.wake(world, now);
        }
    }
    world.changed = None;
}

#[test]
fn three_years_pass_and_every_call_succeeds() {
    let mut world = World::default();
    let mut replicas = [
        Replica::default(),
        Replica::ahead(Duration::from_mins(7)),
        Replica::ahead(Duration::from_secs(3)),
    ];
    settled(&mut world, &mut replicas, start());
    let calls = run(&mut world, &mut replicas, start(), start() + 3 * 365 * DAY);
    println!("{calls} calls in three years, writes: {:?}", world.writes);
    assert!(calls > 3 * 3 * 365 * 24);
    // A CA each 243 days and a leaf each 20 days, or with a new CA.
    assert_eq!(world.writes[CA_KEY], 5);
    assert!((54..=60).contains(&world.writes[KEY]), "{:?}", world.writes);
    // Each new CA, each one that took its predecessor's place, and each one that expired: after 365 days, and then each
    // 243.
    assert_eq!(world.writes[BUNDLE], 5 + 4 + 3, "{:?}", world.writes);
    assert_eq!(world.ca_bundle.len(), 2);
}

#[test]
fn a_new_authority_is_in_the_ca_bundle_before_its_leaf_is_issued() {
    let mut world = World::default();
    let mut replica = Replica::default();
    settled(&mut world, std::slice::from_mut(&mut replica), start());
    let due = start() + 365 * DAY / 3 * 2;
    run(&mut world, std::slice::from_mut(&mut replica), start(), due);
    let (former, leaf) = (world.ca_bundle.clone(), world.secret[CERTIFICATE].clone());
    assert_eq!(former.len(), 1);

    replica.wake(&mut world, due);
    assert_eq!(world.ca_bundle.len(), 2, "the new one stands beside the old one");
    assert_eq!(world.secret[CERTIFICATE], leaf);
    let mut now = due;
    while world.secret[CERTIFICATE] == leaf {
        world.call(&mut replica, now).unwrap();
        now += SECOND;
        replica.wake(&mut world, now);
        assert!(now < due + HOUR, "a leaf of the new CA is never issued");
    }
    assert_eq!(
        now,
        due + SECOND + MINUTE,
        "counted from when it was first seen in the caBundle"
    );
    let serving = replica.serving.clone().unwrap();
    former.trusts(serving.chain(), now).unwrap_err();
    world.call(&mut replica, now).unwrap();
}

#[test]
fn a_clock_that_jumps_is_lived_through() {
    let jumps: [(&str, SystemTime); 5] = [
        ("an hour back", start() - HOUR),
        ("a day back", start() - DAY),
        ("two years back", start() - 2 * 365 * DAY),
        ("two years on", start() + 2 * 365 * DAY),
        ("ten years on", start() + 10 * 365 * DAY),
    ];
    for (id, there) in jumps {
        let mut world = World::default();
        let mut replica = Replica::default();
        for now in [start(), there, start(), there, start()] {
            // A few wakes after each jump; in between, calls may fail, since all certificates are of another time.
            for wake in 0..4 {
                replica.idle = None;
                replica.wake(&mut world, now + wake * MINUTE);
            }
            let now = now + 4 * MINUTE;
            world.changed = None;
            world
                .call(&mut replica, now + LAG)
                .unwrap_or_else(|error| panic!("{id}, at {now:?}: {error}"));
        }
        assert!(world.ca_bundle.len() <= 8, "{id}: {} CAs", world.ca_bundle.len());
        let calls = run(
            &mut world,
            std::slice::from_mut(&mut replica),
            start() + HOUR,
            start() + 60 * DAY,
        );
        assert!(calls > 60 * 24, "{id}");
    }
}

#[test]
fn garbage_in_the_secret_is_replaced_without_a_failed_call() {
    for key in [CA_CERTIFICATE, CA_KEY, NEXT_CERTIFICATE, CERTIFICATE, KEY, BUNDLE] {
        for garbage in [
            &b""[..],
            b"garbage",
            b"\xFF\xFE",
            b"-----BEGIN CERTIFICATE-----\nMIHs\n-----END CERTIFICATE-----\n",
        ] {
            let mut world = World::default();
            let mut replicas = [Replica::default(), Replica::ahead(SECOND)];
            settled(&mut world, &mut replicas, start());
            run(&mut world, &mut replicas, start(), start() + DAY);
            world.secret.insert(key.to_owned(), garbage.to_vec());
            world.version += 1;
            run(&mut world, &mut replicas, start() + DAY, start() + 2 * DAY);
            let held = held(&world.secret);
            assert!(held.authority.is_some() && held.leaf.is_some(), "{key}");
        }
    }
}

#[test]
fn of_two_writers_one_wins_and_both_serve_what_it_wrote() {
    let mut world = World::default();
    let mut replicas = [Replica::default(), Replica::default()];
    settled(&mut world, &mut replicas, start());
    let due = start() + 20 * DAY;
    // Both read, both decide, and only then both write.
    let (version, state) = (world.version, held(&world.secret));
    let mut decided = Vec::new();
    for replica in &replicas {
        let decision = decide(&state, &replica.in_place, &names(), due, Lifetimes::default());
        assert_eq!(decision.step, Step::IssueLeaf);
        decided.push(
            state
                .carry_out(decision.step, &names(), due, Lifetimes::default())
                .unwrap(),
        );
    }
    let written: Vec<_> = decided
        .into_iter()
        .map(|change| world.write(version, change))
        .collect();
    assert_eq!(written, [Ok(()), Err("conflict")]);
    let winner = held(&world.secret).leaf;
    for replica in &mut replicas {
        replica.wake(&mut world, due);
        assert_eq!(replica.serving, winner);
        world.call(replica, due).unwrap();
    }
    assert_eq!(world.writes[KEY], 2);
}

#[test]
fn a_bundle_stays_small_whoever_begins_authorities() {
    let mut entries = filled(start());
    let issuer = held(&entries).leaf.unwrap().details().issuer.clone();
    for day in 1..20 {
        let now = start() + day * DAY;
        let change = held(&entries).carry_out(Step::BeginAuthority, &names(), now, Lifetimes::default());
        apply(&mut entries, change.unwrap());
        let bundle = held(&entries).bundle;
        assert!(bundle.len() <= 8, "{} CAs", bundle.len());
        assert!(
            bundle.iter().any(|it| it.details().subject == issuer),
            "the leaf's own CA stays"
        );
        assert!(bundle.contains(held(&entries).authority.unwrap().certificate()));
    }
}

/// What would come of it if the leaf were lost at this moment: another one, which every API server trusts.
fn renewed(world: &World, replica: &Replica, now: SystemTime) -> Result<(), String> {
    let (mut world, mut replica) = (world.clone(), replica.clone());
    world.secret = without(world.secret, &[CERTIFICATE, KEY]);
    (replica.idle, replica.serving) = (None, None);
    replica.wake(&mut world, now);
    world.call(&mut replica, now)
}

#[test]
fn at_every_moment_of_a_rotation_a_leaf_can_be_issued_that_every_api_server_trusts() {
    let mut world = World::default();
    let mut replica = Replica::default();
    settled(&mut world, std::slice::from_mut(&mut replica), start());
    let due = start() + 365 * DAY / 3 * 2;
    let (mut now, mut asked) = (start(), 0);
    while now < due + DAY {
        replica.wake(&mut world, now);
        world.call(&mut replica, now).unwrap();
        renewed(&world, &replica, now).unwrap_or_else(|error| panic!("{now:?}: {error}"));
        asked += 1;
        let is_near = now + DAY > due && now < due + HOUR;
        now += if is_near { 5 * SECOND } else { DAY };
    }
    println!("{asked} moments");
    assert!(asked > 700);
    assert_eq!(world.ca_bundle.len(), 2, "there was a rotation");
}

#[test]
fn while_the_ca_bundle_cannot_be_written_leaves_are_renewed_until_the_old_ca_ends() {
    let mut world = World::default();
    let mut replica = Replica::default();
    let replicas = std::slice::from_mut(&mut replica);
    settled(&mut world, replicas, start());
    let (due, end) = (start() + 365 * DAY / 3 * 2, start() + 365 * DAY);
    run(&mut world, replicas, start(), due);
    let before = world.writes[KEY];
    world.refuses = true;
    run(&mut world, replicas, due, end);
    assert_eq!(world.ca_bundle.len(), 1);
    assert_eq!(
        held(&world.secret).bundle.len(),
        2,
        "the new CA waits in the Secret"
    );
    // Each 20 days; the last one ends with its CA, and nothing is gained by another.
    assert_eq!(world.writes[KEY] - before, 5, "{:?}", world.writes);
    // The next CA is ready when the caBundle can be written at last.
    world.refuses = false;
    let late = end + DAY;
    settled(&mut world, replicas, late);
    assert_eq!(world.writes[CA_KEY], 2, "the first one, and the one that waited");
    run(&mut world, replicas, late, late + DAY);
}
