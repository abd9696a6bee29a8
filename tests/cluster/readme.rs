//! What `make cluster` prints stands in the README, but for what differs from run to run. `BLESS=1` rewrites it there.

use std::{env, fs};

use crate::{
    examples::unchanging,
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
