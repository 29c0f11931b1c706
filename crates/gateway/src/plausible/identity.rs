//! Whose telegrams these are.
use metergate_reading::{MeterId, MeterIdKind};
use std::sync::Arc;

/// How many telegrams in a row have to name another meter before it counts as exchanged: two heads that see each
/// other's light, or two lines that touch, mix single ones in.
pub(super) const IN_A_ROW: usize = 3;

/// The identity of an epoch.
#[derive(Debug, Clone, Default)]
pub(super) struct Identity {
    /// As the epoch has it; `None` until a telegram says one.
    printed: Option<Arc<str>>,
    /// Names that are the same meter's: of another kind, or of an epoch that was undone.
    others: Vec<(Option<MeterIdKind>, Arc<str>)>,
    kind: Option<MeterIdKind>,
}

/// What an identity says of a telegram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Whose {
    /// This meter's, or it does not say.
    Own,
    /// This meter's, whose name was not known yet.
    Named(Arc<str>),
    /// Another meter's.
    Foreign(Arc<str>),
}

impl Identity {
    /// Names of one meter that are remembered beside the first: one of each kind, and some from undone epochs.
    const OTHERS_MAX: usize = 16;

    pub(super) fn new(printed: Option<Arc<str>>, undone: impl IntoIterator<Item = Arc<str>>) -> Self {
        let others = undone.into_iter().take(Self::OTHERS_MAX).map(|name| (None, name)).collect();
        Self { printed, others, kind: None }
    }

    pub(super) fn printed(&self) -> Option<&Arc<str>> {
        self.printed.as_ref()
    }

    /// True for a name of this meter that is known already.
    pub(super) fn is_own(&self, id: &MeterId) -> bool {
        let name = id.to_string();
        self.printed.as_deref() == Some(&name) || self.others.iter().any(|(_, other)| **other == *name)
    }

    /// Judges a telegram's identity, and learns what it can of it.
    ///
    /// Identities are compared with others of their kind: an encrypted telegram without a meter number goes by the
    /// system title, the next one of the same meter by its number.
    pub(super) fn judge(&mut self, id: Option<&MeterId>) -> Whose {
        let Some(id) = id else { return Whose::Own };
        let (kind, name) = (Some(id.kind()), Arc::<str>::from(id.to_string()));
        let Some(printed) = &self.printed else {
            (self.printed, self.kind) = (Some(name.clone()), kind);
            return Whose::Named(name);
        };
        if *printed == name {
            self.kind = kind;
            return Whose::Own;
        }
        if self.others.iter().any(|(_, other)| *other == name) {
            return Whose::Own;
        }
        let known = self.kind.is_none() || self.kind == kind;
        let taken = self.others.iter().any(|(other, _)| *other == kind);
        if known || taken || self.others.len() >= Self::OTHERS_MAX {
            return Whose::Foreign(name);
        }
        self.others.push((kind, name));
        Whose::Own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_system_title_are_names_of_one_meter_but_two_numbers_are_not() {
        let mut identity = Identity::default();
        let (number, other) = (MeterId::serial("181220000009"), MeterId::serial("178210431186"));
        let (title, foreign) =
            (MeterId::system_title(b"KFMgP\0\0\x09"), MeterId::system_title(b"SAGgP\0\0\x01"));
        assert_eq!(identity.judge(None), Whose::Own);
        assert_eq!(identity.judge(number.as_ref()), Whose::Named("181220000009".into()));
        assert_eq!(identity.judge(title.as_ref()), Whose::Own);
        assert_eq!(identity.judge(number.as_ref()), Whose::Own);
        assert_eq!(identity.judge(other.as_ref()), Whose::Foreign("178210431186".into()));
        assert!(matches!(identity.judge(foreign.as_ref()), Whose::Foreign(_)));
    }

    #[test]
    fn the_name_of_an_undone_epoch_is_the_meters_own() {
        let mut identity = Identity::new(Some("1".into()), ["2".into()]);
        assert_eq!(identity.judge(MeterId::serial("2").as_ref()), Whose::Own);
        assert_eq!(identity.judge(MeterId::serial("3").as_ref()), Whose::Foreign("3".into()));
    }
}
