//! Marked documents that cannot be read: each with one clear sentence, before it costs much, and without a panic.

use alumet_injector::manifest::{
    document::MAX_DOCUMENT,
    error::LoadError,
    load,
    stream::{Piece, pieces},
};

const MARK: &str = "# injector.alumet.dev/component\n";

fn refusal(stream: &[u8]) -> LoadError {
    let marked = pieces(stream).find_map(|piece| match piece {
        Piece::Marked(document) => Some(document),
        Piece::Foreign(_) => None,
    });
    load::read(&marked.expect("the stream carries the mark")).expect_err("the document is refused")
}

/// What follows the mark in the second line of a stream, and the sentence.
const REFUSALS: [(&str, &str); 25] = [
    (
        "a: [1, 2\n",
        "line 4, column 1: the document ends in the middle; it seems to be cut off, render it again",
    ),
    (
        "a:\n  b: 1\n  nam",
        "line 6, column 1: the document ends in the middle; it seems to be cut off, render it again",
    ),
    (
        "a:\n\tb: 1\n",
        "line 4, column 1: a tab stands in the indentation; indent with blanks",
    ),
    (
        "a:\n  b: 1\n \tc: 2\n",
        "line 5, column 2: a tab stands in the indentation; indent with blanks",
    ),
    (
        "a: \"b\nc: d\n",
        "line 3, column 4: a quote is opened here and never closed; close it",
    ),
    (
        "a: 'b\n",
        "line 3, column 4: a quote is opened here and never closed; close it",
    ),
    (
        "a: \"\\",
        "line 3, column 4: a quote is opened here and never closed; close it",
    ),
    (
        "a: *b\n",
        "line 3, column 4: the anchor `b` is not defined above; define it with `&b`, or write the value out",
    ),
    (
        "a: &b [*b]\n",
        "line 3, column 8: the anchor `b` contains itself; write the value out",
    ),
    (
        "- a\n- b\n",
        "the document holds a list at its top, and a Kubernetes object is a map; correct it",
    ),
    (
        "a\n",
        "the document holds a single value at its top, and a Kubernetes object is a map; correct it",
    ),
    (
        "",
        "the document holds nothing at its top, and a Kubernetes object is a map; correct it",
    ),
    (
        "a: 1\n---\rb: 2\n",
        "line 4, column 1: text is glued to `---`, which then separates nothing; put a line break after `---`",
    ),
    (
        "a: 1\u{2028}---\u{2028}b: 2\n",
        "line 4, column 1: a second document begins here without a separator line of its own; \
         put `---` on a line of its own",
    ),
    (
        "a: 1\n---foo\n",
        "line 4, column 1: text is glued to `---`, which then separates nothing; put a line break after `---`",
    ),
    (
        "%YAML 1.1\na: 1\n",
        "line 3, column 1: a directive (%YAML, %TAG) governs the document; remove it, Helm does not read it either",
    ),
    (
        "~: 1\n",
        "line 3, column 1: null cannot be the key of a map; use a string",
    ),
    (
        "? [a]\n: 1\n",
        "line 3, column 3: a list cannot be the key of a map; use a string",
    ),
    (
        "a: .inf\n",
        "line 3, column 4: JSON has no number for `.inf`; quote it if a string is meant",
    ),
    (
        "a: !!int b\n",
        "line 3, column 4: the value cannot be read as `!!int`; correct it, or remove the tag",
    ),
    (
        "a: !!binary b\n",
        "line 3, column 4: the value cannot be read as `!!binary`; correct it, or remove the tag",
    ),
    (
        "<<: 1\n",
        "line 3, column 5: only a map, or a list of maps, can be merged with `<<`; give it one",
    ),
    (
        "a: \u{7}\n",
        "line 3, column 4: a control character stands in the text; write it as an escape in double quotes",
    ),
    (
        "a: b: c\n",
        "line 3, column 5: mapping values are not allowed in this context; correct the YAML there",
    ),
    (
        "a: [!!str, b]\n",
        "line 3, column 10: did not find expected whitespace or line break; correct the YAML there",
    ),
];

#[test]
fn each_refusal_says_where_what_and_the_mend() {
    for (text, expected) in REFUSALS {
        let stream = format!("---\n{MARK}{text}");
        assert_eq!(refusal(stream.as_bytes()).to_string(), expected, "{text:?}");
    }
}

#[test]
fn a_document_that_is_not_utf8_is_refused_with_the_place() {
    let stream = [b"a: 1\n---\n", MARK.as_bytes(), b"b: \xff\n"].concat();
    assert_eq!(
        refusal(&stream).to_string(),
        "line 4, column 4: the text is not UTF-8; save the file as UTF-8"
    );
}

#[test]
fn content_on_the_separator_line_is_refused() {
    let stream = "a: 1\n--- {injector.alumet.dev/component: agent}\n";
    let expected = "line 2, column 4: content stands on the separator line; begin it on the next line";
    assert_eq!(refusal(stream.as_bytes()).to_string(), expected);
    assert_eq!(
        refusal(b"a: 1\n... injector.alumet.dev/component\n"),
        refusal(b"a: 1\n--- injector.alumet.dev/component\n"),
    );
    assert_eq!(
        refusal(b"a: 1\n--- # injector.alumet.dev/component\rb: 2\n").to_string(),
        expected
    );
}

#[test]
fn a_directive_before_the_separator_line_governs_the_marked_document() {
    let stream = format!("a: 1\n...\n# c\n%TAG ! tag:x,2000:\n---\n{MARK}b: !c d\n");
    let expected = "line 4, column 1: a directive (%YAML, %TAG) governs the document; remove it, Helm does not read it either";
    assert_eq!(refusal(stream.as_bytes()).to_string(), expected);
}

#[test]
fn more_bytes_than_the_limit_are_refused() {
    let stream = format!("{MARK}a: {}\n", "x".repeat(MAX_DOCUMENT));
    let expected = "the document has 8388644 bytes, and at most 8388608 are read; split it";
    assert_eq!(refusal(stream.as_bytes()).to_string(), expected);
}

/// Texts with which a reader could be kept busy, and the start of their refusals.
fn attacks() -> [(String, &'static str); 6] {
    let aliases = |level: usize| vec![format!("*a{level}"); 10].join(", ");
    let level = |level: usize| format!("a{level}: &a{level} [{}]\n", aliases(level - 1));
    let bomb = (1..30).map(level).collect::<Vec<_>>().concat();
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), "*a, ".repeat(100_000));
    [
        (
            format!("a: {}", "[".repeat(10_000)),
            "line 2, column 203: maps and lists are nested more than 200 deep",
        ),
        (
            format!("a: {}", "{a: ".repeat(10_000)),
            "line 2, column 800: maps and lists are nested more than 200 deep",
        ),
        (
            format!("a:\n  {}", "- ".repeat(10_000)),
            "line 3, column 401: maps and lists are nested more than 200 deep",
        ),
        (
            format!("a: {}", "{\"a\": ".repeat(10_000)),
            "line 2, column 1198: maps and lists are nested",
        ),
        (
            format!("a0: &a0 [x]\n{bomb}"),
            "line 3, column 10: aliases (`*name`) blow the document up to more than",
        ),
        (
            long,
            "line 2, column 4: aliases (`*name`) blow the document up to more than",
        ),
    ]
}

#[test]
fn attacks_are_refused_before_they_cost_anything() {
    for (text, expected) in attacks() {
        let refusal = refusal(format!("{MARK}{text}").as_bytes()).to_string();
        assert!(refusal.starts_with(expected), "{refusal}");
    }
}

#[test]
fn two_hundred_levels_are_read() {
    let text = format!("a: {}{}\n", "[".repeat(199), "]".repeat(199));
    assert!(load::parse(&text).is_ok());
}
