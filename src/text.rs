//! Texts from outside, made printable and short.

/// The text on one line: each control character is a space, and what is longer than `max` characters ends with `…`.
pub(crate) fn one_line(text: &str, max: usize) -> String {
    if text.len() <= max && !text.contains(char::is_control) {
        return text.to_owned();
    }
    if text.chars().nth(max).is_none() {
        return printable(text);
    }
    let kept: String = text.chars().take(max.saturating_sub(1)).collect();
    printable(&kept) + "…"
}

/// The text as a terminal may have it: each control character is a space.
pub(crate) fn printable(text: &str) -> String {
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn a_text_is_cut_between_characters_and_has_one_line() {
        for (text, max, expected) in [
            ("", 3, ""),
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("äöü", 3, "äöü"),
            ("äöüß", 3, "äö…"),
            ("a\nb", 3, "a b"),
            ("a\r\n\u{0}\u{7f}\u{85}b", 9, "a     b"),
            ("a\nbcd", 3, "a …"),
        ] {
            assert_eq!(one_line(text, max), expected, "{text:?}");
        }
    }
}
