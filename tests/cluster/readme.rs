//! What `make cluster` prints stands in the README, but for what differs from run to run. `BLESS=1` rewrites it there.

use std::{env, fs};

use crate::{
    files::root,
    markdown::fences,
    nothing_is_left::playing,
    support::{Case, Cluster, cases},
};

/// The first line of the listing.
const FIRST: &str = "$ kubectl -n test get pods\n";

/// What `make cluster` prints after it.
const AFTER: &str = "In another shell";

pub(crate) fn cases() -> Vec<Case> {
    cases![the_listing_of_the_readme_is_what_make_cluster_prints]
}

fn the_listing_of_the_readme_is_what_make_cluster_prints(_: &Cluster) {
    let said = playing();
    let (_, listing) = said.split_once(FIRST).expect("it shows the pods");
    let (listing, _) = listing.split_once(AFTER).expect("it says what to type");
    let listing = format!("{FIRST}{}\n", listing.trim_end());

    let file = root("README.md");
    let readme = fs::read_to_string(&file).unwrap();
    let mut blocks = fences(&readme).into_iter();
    let block = blocks.find(|block| block.body.starts_with(FIRST));
    let block = block.expect("the README shows the pods").body;
    let [shown, printed] = [block, &listing].map(unchanging);
    if shown != printed && env::var_os("BLESS").is_some() {
        return fs::write(&file, readme.replacen(block, &listing, 1)).unwrap();
    }
    assert!(
        shown == printed,
        "README.md shows\n{shown}\nand `make cluster` prints (BLESS=1 puts it there)\n{printed}"
    );
}

/// The same without widths of columns, and with a word in place of each name's random end, of addresses and of ages.
fn unchanging(listing: &str) -> String {
    let lines = listing.lines().map(|line| {
        let words = line.split_whitespace().map(unchanging_word);
        words.collect::<Vec<_>>().join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn unchanging_word(word: &str) -> String {
    let is_age = word
        .strip_suffix(['s', 'm'])
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    if is_age {
        return "<age>".to_owned();
    }
    if word.parse::<std::net::Ipv4Addr>().is_ok() {
        return "<address>".to_owned();
    }
    let parts = word.split('-');
    let parts = parts.map(|part| if is_random(part) { "<random>" } else { part });
    parts.collect::<Vec<_>>().join("-")
}

/// Whether the API server or a controller drew this: it takes letters and digits that make no words.
fn is_random(part: &str) -> bool {
    const DRAWN: &str = "bcdfghjklmnpqrstvwxz2456789";
    matches!(part.len(), 5 | 8..=10) && part.chars().all(|c| DRAWN.contains(c))
}
