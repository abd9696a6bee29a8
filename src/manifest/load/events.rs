//! The parser behind [`super`], reduced to what composing a document needs, and its errors in our words.

use std::{borrow::Cow, io::Cursor};

use libyaml_safer::{
    Encoding, Error, ErrorKind, EventData, MappingStyle, Mark, Parser, ScalarStyle, SequenceStyle,
};

use super::feed::{self, Feed};
use crate::manifest::error::{LoadError, Place};

/// One event.
#[derive(Debug)]
pub(super) enum Event {
    /// A scalar. `plain` where it is neither quoted nor a block, so that its text decides what it is.
    Scalar {
        text: String,
        tag: Option<String>,
        anchor: Option<String>,
        plain: bool,
    },
    /// A list begins.
    ListStart { anchor: Option<String> },
    /// A map begins.
    MapStart { anchor: Option<String> },
    /// The innermost list or map ends.
    End,
    /// `*name`.
    Alias(String),
    /// A document begins.
    Document,
    /// The text ends.
    TextEnd,
}

/// The events of one text.
pub(super) struct Events<'a> {
    feed: Feed<'a>,
    parser: Parser<Cursor<Cow<'a, [u8]>>>,
    /// How many flow lists and maps (`[`, `{`) are open. Nothing else opens within them.
    open_flows: usize,
}

impl<'a> Events<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let feed = Feed::new(text);
        let mut parser = Parser::new();
        parser.set_encoding(Encoding::Utf8);
        parser.set_input(Cursor::new(feed.bytes()));
        Self {
            feed,
            parser,
            open_flows: 0,
        }
    }

    /// The next event that means something, and where it begins.
    pub(super) fn next(&mut self) -> Result<(Event, Place), LoadError> {
        loop {
            let event = self.parser.parse().map_err(|error| self.explain(&error))?;
            let at = place(event.start_mark);
            let reaches_end = event.end_mark.index >= self.feed.text.len() as u64;
            if let Some(read) = self.read(event.data, at, reaches_end)? {
                return Ok((read, at));
            }
        }
    }

    fn read(&mut self, data: EventData, at: Place, reaches_end: bool) -> Result<Option<Event>, LoadError> {
        Ok(Some(match data {
            EventData::Scalar {
                anchor,
                tag,
                mut value,
                plain_implicit,
                style,
                ..
            } => {
                if reaches_end && matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
                    self.feed.take_back_line_break(&mut value);
                }
                let had_comma = self.feed.take_back_comma(&mut value);
                if had_comma && self.open_flows > 0 && style == ScalarStyle::Plain {
                    return Err(LoadError::Syntax {
                        at,
                        problem: feed::COMMA_PROBLEM,
                    });
                }
                Event::Scalar {
                    text: value,
                    tag,
                    anchor,
                    plain: plain_implicit,
                }
            }
            EventData::SequenceStart { anchor, style, .. } => {
                self.open_flows += usize::from(style == SequenceStyle::Flow);
                Event::ListStart { anchor }
            }
            EventData::MappingStart { anchor, style, .. } => {
                self.open_flows += usize::from(style == MappingStyle::Flow);
                Event::MapStart { anchor }
            }
            EventData::SequenceEnd | EventData::MappingEnd => {
                self.open_flows = self.open_flows.saturating_sub(1);
                Event::End
            }
            EventData::Alias { anchor } => Event::Alias(anchor),
            EventData::DocumentStart { .. } => Event::Document,
            EventData::StreamEnd => Event::TextEnd,
            EventData::StreamStart { .. } | EventData::DocumentEnd { .. } => return Ok(None),
        }))
    }

    fn explain(&self, error: &Error) -> LoadError {
        let Some(mark) = error.problem_mark() else {
            let control = self.feed.text.find(|char| !is_allowed(char));
            let before = &self.feed.text.as_bytes()[..control.unwrap_or(0)];
            return LoadError::ControlCharacter {
                at: Place::of_end(before),
            };
        };
        let at = place(mark);
        let problem = error.problem();
        let index = usize::try_from(mark.index).unwrap_or(usize::MAX);
        let rest = self.feed.text.get(index..).unwrap_or_default();
        if error.context() == Some("while scanning a quoted scalar") {
            return LoadError::UnclosedQuote {
                at: error.context_mark().map_or(at, place),
            };
        }
        if rest.starts_with('\t') && error.kind() == ErrorKind::Scanner || problem.contains("tab character") {
            return LoadError::Tab { at };
        }
        if rest.trim().is_empty() {
            return LoadError::CutOff { at };
        }
        if problem == "did not find expected <document start>" {
            return LoadError::SeveralDocuments { at };
        }
        if let Some(at) = self.tab_indentation(at) {
            return LoadError::Tab { at };
        }
        LoadError::Syntax { at, problem }
    }

    /// The tab in the indentation of the line of the problem, which the parser may have taken for a part of the text.
    fn tab_indentation(&self, at: Place) -> Option<Place> {
        let line = self.feed.text.split('\n').nth(at.line - 1)?;
        let indentation = line.len() - line.trim_start_matches([' ', '\t']).len();
        let tab = line[..indentation].find('\t')?;
        Some(Place {
            line: at.line,
            column: tab + 1,
        })
    }
}

fn place(mark: Mark) -> Place {
    let from_one = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).saturating_add(1);
    Place {
        line: from_one(mark.line),
        column: from_one(mark.column),
    }
}

/// The characters of YAML 1.1.
fn is_allowed(char: char) -> bool {
    matches!(char, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..)
}
