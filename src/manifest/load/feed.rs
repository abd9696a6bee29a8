//! The text as it is fed to the parser, so that two faults of the parser are never met.
//!
//! It panics where a block scalar ends without a line break, and where a comma follows a tag within brackets
//! (`[!!str, a]`), which to Go's reader is a mistake. So a line break is put at the end, and taken back from the
//! scalar; and a comma that could be such a one is fed as another character, at which the parser stops if it reads a
//! tag, and which is taken back from any other text.

use std::borrow::Cow;

/// What is wrong with a comma that was fed as another character and that a plain scalar within brackets then holds.
pub(super) const COMMA_PROBLEM: &str =
    "a comma follows a word that begins with `!`; put quotes around the word";

/// A text and what was changed in it.
pub(super) struct Feed<'a> {
    /// What the parser reads, but for the line break at its end.
    pub(super) text: Cow<'a, str>,
    /// What stands for a comma after a possible tag, where there is any.
    comma: Option<char>,
    is_cut: bool,
}

impl<'a> Feed<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let is_cut = !text.ends_with(is_line_break);
        let commas = commas_after_tags(text);
        if commas.is_empty() {
            return Self {
                text: Cow::Borrowed(text),
                comma: None,
                is_cut,
            };
        }
        // A text within the limit cannot hold all 131,068 characters of the private planes.
        let comma = ('\u{f0000}'..='\u{10fffd}')
            .find(|&char| !text.contains(char))
            .unwrap_or('\u{f0000}');
        let mut fed = String::with_capacity(text.len() + commas.len() * comma.len_utf8());
        let mut copied = 0;
        for at in commas {
            fed.push_str(&text[copied..at]);
            fed.push(comma);
            copied = at + 1;
        }
        fed.push_str(&text[copied..]);
        Self {
            text: Cow::Owned(fed),
            comma: Some(comma),
            is_cut,
        }
    }

    /// The bytes for the parser.
    pub(super) fn bytes(&self) -> Cow<'a, [u8]> {
        match (&self.text, self.is_cut) {
            (Cow::Borrowed(text), false) => Cow::Borrowed(text.as_bytes()),
            (text, is_cut) => Cow::Owned([text.as_bytes(), if is_cut { b"\n" } else { b"" }].concat()),
        }
    }

    /// Puts the commas back into a scalar, and says whether there were any.
    pub(super) fn take_back_comma(&self, value: &mut String) -> bool {
        let Some(comma) = self.comma.filter(|&comma| value.contains(comma)) else {
            return false;
        };
        *value = value.replace(comma, ",");
        true
    }

    /// Takes the line break that only was fed out of a block scalar in which the text ends.
    pub(super) fn take_back_line_break(&self, value: &mut String) {
        if !self.is_cut {
            return;
        }
        let is_blank = |line: &str| line.trim_matches(' ').is_empty();
        let last_fed = self.text.rsplit(is_line_break).next().unwrap_or_default();
        let last_read = value
            .strip_suffix('\n')
            .and_then(|lines| lines.rsplit('\n').next());
        // A last line of blanks alone is content only as far as it is longer than the indentation, and its line break
        // is kept only under `|+`.
        if last_read.is_some_and(|last_read| !is_blank(last_fed) || is_blank(last_read)) {
            value.pop();
        }
    }
}

/// The line breaks of YAML 1.1.
fn is_line_break(char: char) -> bool {
    matches!(char, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Where a comma ends what the parser could take for a tag, in order.
fn commas_after_tags(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let mut commas: Vec<usize> = Vec::new();
    // Up to here a name was followed, and a mark within it has its end: looking again would take the square of its
    // length.
    let mut followed = 0;
    for mark in memchr::memchr_iter(b'!', bytes) {
        let is_in_brackets = bytes.get(mark + 1) == Some(&b'<');
        if mark < followed && !is_in_brackets {
            continue;
        }
        let end = tag_end(bytes, mark);
        if !is_in_brackets {
            followed = end;
        }
        if bytes.get(end) == Some(&b',') {
            commas.push(end);
        }
    }
    // `!<a,!b,c>,` ends behind the tag within it.
    commas.sort_unstable();
    commas.dedup();
    commas
}

/// The end of what could be a tag: `!name`, or `!<name>`, whose name may hold commas itself.
fn tag_end(bytes: &[u8], mark: usize) -> usize {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-;/?:@&=+$.%!~*'()".contains(&byte);
    let name = &bytes[mark..];
    let length = |is_name: &dyn Fn(u8) -> bool, from: usize| {
        from + name[from..].iter().take_while(|&&byte| is_name(byte)).count()
    };
    match name.get(1) {
        Some(b'<') => mark + length(&|byte| is_name(byte) || b",[]".contains(&byte), 2) + 1,
        _ => mark + length(&is_name, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::{Feed, commas_after_tags};

    #[test]
    fn every_comma_after_a_tag_is_found_once_and_in_order() {
        let table: [(&str, &[usize]); 6] = [
            ("[!!str, a]", &[6]),
            ("!a!b,", &[4]),
            ("!<a,b>,", &[6]),
            ("!<a,!b,c>,", &[6, 9]),
            ("a, b! , c", &[]),
            (" F!],!,!<!,],[!,!F!],!,!<!,],[!, ,", &[6, 10, 15, 22, 26, 31, 33]),
        ];
        for (text, commas) in table {
            assert_eq!(commas_after_tags(text), commas, "{text}");
            let feed = Feed::new(text);
            let mut back = feed.text.clone().into_owned();
            feed.take_back_comma(&mut back);
            assert_eq!(back, text);
        }
    }

    #[test]
    fn a_long_row_of_marks_is_looked_at_once() {
        assert_eq!(commas_after_tags(&("!".repeat(4 << 20) + ",")), [4 << 20]);
    }
}
