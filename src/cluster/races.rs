//! Whether a write that was refused lost a race, which the watch is about to show, or is refused for good.

/// So many refusals of one version are no race: by then the watch would have shown another one.
const TOO_MANY: u32 = 3;

/// The writes in a row that were refused as outdated while the same version was seen.
#[derive(Debug, Default)]
pub(super) struct Races {
    version: Option<String>,
    lost: u32,
}

impl Races {
    /// Takes note of a refusal of what was made of this version. Says whether it may still be a race.
    pub(super) fn note_lost(&mut self, version: Option<&str>) -> bool {
        if self.version.as_deref() != version {
            *self = Self {
                version: version.map(str::to_owned),
                lost: 0,
            };
        }
        self.lost = self.lost.saturating_add(1);
        self.lost < TOO_MANY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_refusal_of_one_version_is_no_race() {
        let mut races = Races::default();
        let mut note = |version| races.note_lost(version);
        assert_eq!([(); 4].map(|()| note(Some("7"))), [true, true, false, false]);
        assert_eq!([(); 3].map(|()| note(Some("8"))), [true, true, false]);
        assert_eq!([(); 3].map(|()| note(None)), [true, true, false]);
        assert_eq!(["9", "10", "11", "12"].map(|it| note(Some(it))), [true; 4]);
    }
}
