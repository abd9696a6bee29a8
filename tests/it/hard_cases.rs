//! `tests/hard_cases.tsv` lists the hard cases of the webhook, each with the test that shows it.

use std::{collections::BTreeSet, fs};

use crate::files::root;

#[test]
fn each_hard_case_has_its_test() {
    let table = fs::read_to_string(root("tests/hard_cases.tsv")).unwrap();
    let mut cases = BTreeSet::new();
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split('\t').collect();
        assert!(cases.insert(columns[0]), "{line}: twice");
        let place = root(columns[1]);
        let Some(test) = columns.get(2) else {
            assert!(place.join("review.json").is_file(), "{line}: no such golden case");
            continue;
        };
        let source = fs::read_to_string(&place).unwrap_or_else(|error| panic!("{line}: {error}"));
        // A test of Rust's own, one that a table of tests names, or a row of which a macro makes one.
        let is_test = source.contains(&format!("#[test]\nfn {test}()"));
        let is_listed = source.contains(&format!(" {test},\n")) && source.contains(&format!("fn {test}("));
        let is_row = source.contains(&format!("\n    {test}:"));
        assert!(is_test || is_listed || is_row, "{line}: no such test");
    }
    println!("{} hard cases", cases.len());
    assert_eq!(cases.len(), 64);
}
