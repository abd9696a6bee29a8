//! Agent versions: read out of an image tag, and the ranges in which a plugin or a key exists.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

use super::codes::{self, Findings};

/// A released version of the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// The oldest version that the catalogue describes.
    pub const OLDEST: Self = Self(0, 9, 0);
    /// The newest release that the catalogue describes.
    pub const NEWEST: Self = Self(0, 9, 5);
    /// Whatever comes after [`Version::NEWEST`], as far as it is known.
    pub const NEXT: Self = Self(0, 9, 6);

    /// Reads `0.9.5`, `v0.9.4` or the beginning of `0.9.5-1_ubuntu_24.04`.
    pub fn parse(tag: &str) -> Option<Self> {
        let text = tag.strip_prefix('v').unwrap_or(tag);
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        if !matches!(text[end..].chars().next(), None | Some('-' | '_' | '+')) {
            return None;
        }
        let mut numbers = text[..end].split('.').map(str::parse);
        let version = Self(
            numbers.next()?.ok()?,
            numbers.next()?.ok()?,
            numbers.next()?.ok()?,
        );
        numbers.next().is_none().then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// Versions from one (in it) to another (not in it), written `0.9.2..0.9.5`; either end may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Range {
    from: Option<Version>,
    until: Option<Version>,
}

impl Range {
    /// Every version.
    pub const ALL: Self = Self {
        from: None,
        until: None,
    };

    /// Whether the version lies in the range.
    pub fn contains(self, version: Version) -> bool {
        self.from.is_none_or(|from| from <= version) && self.until.is_none_or(|until| version < until)
    }

    fn parse(text: &str) -> Option<Self> {
        let bound = |text: &str| match text {
            "" => Some(None),
            version => Version::parse(version).map(Some),
        };
        let (from, until) = text.split_once("..")?;
        Some(Self {
            from: bound(from)?,
            until: bound(until)?,
        })
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let next = |version: Version| match version {
            Version::NEXT => "the release after 0.9.5".to_owned(),
            other => other.to_string(),
        };
        match (self.from, self.until) {
            (None, None) => f.write_str("all versions"),
            (Some(from), None) => write!(f, "since {}", next(from)),
            (None, Some(until)) => write!(f, "before {}", next(until)),
            (Some(from), Some(until)) => write!(f, "since {}, before {}", next(from), next(until)),
        }
    }
}

impl<'de> Deserialize<'de> for Range {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom(format!("`{text}` is no range of versions")))
    }
}

/// What the catalogue is read for: one version, known or supposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// The version whose keys are used.
    pub version: Version,
    /// The tag did not tell the version: the configuration should suit the next release too.
    pub supposed: bool,
}

impl Profile {
    /// The profile for an image tag; a missing or unreadable tag supposes the newest release.
    pub fn of(tag: Option<&str>) -> Self {
        match tag.and_then(Version::parse) {
            Some(version) if version > Version::NEWEST => Self {
                version: Version::NEXT,
                supposed: false,
            },
            Some(version) => Self {
                version: version.max(Version::OLDEST),
                supposed: false,
            },
            None => Self {
                version: Version::NEWEST,
                supposed: true,
            },
        }
    }

    /// Whether the range holds for this profile.
    pub fn within(self, range: Range) -> bool {
        range.contains(self.version)
    }
}

/// Says what the tag does not.
pub(super) fn profile_of(tag: Option<&str>, findings: &mut Findings) -> Profile {
    let profile = Profile::of(tag);
    let newest = Version::NEWEST;
    match tag.and_then(Version::parse) {
        None => {
            let message = match tag {
                Some(tag) => {
                    format!("the tag `{tag}` does not tell the agent's version: {newest} is assumed")
                }
                None => format!("nothing tells the agent's version: {newest} is assumed"),
            };
            findings.warning(
                codes::VERSION_UNKNOWN,
                "agentVersion",
                message,
                "use a tag such as 0.9.5",
            );
        }
        Some(version) if version < Version::OLDEST => {
            let message = format!("{version} is older than {}, whose keys are used", Version::OLDEST);
            findings.warning(
                codes::VERSION_OLD,
                "agentVersion",
                message,
                format!("use {newest}"),
            );
        }
        Some(_) => {}
    }
    profile
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_for_their_version() {
        let table = [
            ("0.9.5", Some(Version(0, 9, 5))),
            ("v0.9.4", Some(Version(0, 9, 4))),
            ("0.9.5-1_ubuntu_24.04", Some(Version(0, 9, 5))),
            ("0.10.0_fedora", Some(Version(0, 10, 0))),
            ("latest", None),
            ("", None),
            ("0.9", None),
            ("0.9.5.1", None),
            ("0.9.5rc1", None),
            ("sha256:0.9.5", None),
            ("4294967296.0.0", None),
        ];
        for (tag, version) in table {
            assert_eq!(Version::parse(tag), version, "{tag}");
        }
    }

    #[test]
    fn a_profile_is_the_nearest_known_version() {
        let table = [
            (Some("0.8.2"), Version::OLDEST, false),
            (Some("0.9.3"), Version(0, 9, 3), false),
            (Some("1.0.0"), Version::NEXT, false),
            (Some("latest"), Version::NEWEST, true),
            (None, Version::NEWEST, true),
        ];
        for (tag, version, supposed) in table {
            assert_eq!(Profile::of(tag), Profile { version, supposed }, "{tag:?}");
        }
    }

    #[test]
    fn a_range_holds_its_first_version_and_not_its_last() {
        let range = Range::parse("0.9.2..0.9.5").unwrap();
        let within: Vec<bool> = [1, 2, 4, 5]
            .map(|patch| range.contains(Version(0, 9, patch)))
            .into_iter()
            .collect();
        assert_eq!(within, [false, true, true, false]);
        assert_eq!(Range::parse(".."), Some(Range::ALL));
        assert_eq!(Range::parse("0.9.2"), None);
    }
}
