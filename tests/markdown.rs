//! Markdown, as far as tests read it; part of both test programs.

/// A fenced block.
pub(crate) struct Fence<'a> {
    /// What stands behind the opening backticks.
    pub(crate) info: &'a str,
    /// The lines in it.
    pub(crate) body: &'a str,
}

/// Every fenced block, in order.
pub(crate) fn fences(text: &str) -> Vec<Fence<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = split_at_line(rest, "```") {
        let (info, body) = after.split_once('\n').expect("a fence has a line of its own");
        let (body, after) = split_at_line(body, "```").expect("a fence is closed");
        found.push(Fence {
            info: info.trim(),
            body,
        });
        rest = after;
    }
    found
}

/// What stands before a line that begins with `prefix`, and what follows the prefix.
fn split_at_line<'a>(text: &'a str, prefix: &str) -> Option<(&'a str, &'a str)> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if let Some(after) = line.strip_prefix(prefix) {
            return Some((&text[..at], &text[at + line.len() - after.len()..]));
        }
        at += line.len();
    }
    None
}

/// The text without its fenced blocks.
fn prose(text: &str) -> Vec<&str> {
    let mut inside = false;
    text.lines()
        .filter(|line| {
            let is_fence = line.starts_with("```");
            inside ^= is_fence;
            !inside && !is_fence
        })
        .collect()
}

/// The target of every link, `[text](target)`.
pub(crate) fn links(text: &str) -> impl Iterator<Item = &str> {
    prose(text)
        .into_iter()
        .flat_map(|line| line.split("](").skip(1))
        .filter_map(|rest| rest.split(')').next())
}

/// The anchor of every heading, as the usual renderers make it.
pub(crate) fn anchors(text: &str) -> Vec<String> {
    prose(text)
        .into_iter()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let kept = heading
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[test]
fn fences_links_and_anchors_are_read() {
    let text = "# A `b`: c\n[x](y.md#z) and [v](w)\n```console\n$ a [no](link)\nb\n```\n[last](one.md)\n";
    let found = fences(text);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].info, found[0].body), ("console", "$ a [no](link)\nb\n"));
    assert_eq!(links(text).collect::<Vec<_>>(), ["y.md#z", "w", "one.md"]);
    assert_eq!(anchors(text), ["a-b-c"]);
}
