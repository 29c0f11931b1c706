//! Who may see and do what.
//!
//! Until there is a password, this host alone is served freely; from elsewhere the first page asks for the set-up code
//! that stands on the terminal and in the journal. Afterwards everything but the login page and the health probe asks
//! for a session or a token. Roles: a viewer sees, an owner changes.
mod accounts;
mod guard;
mod limit;
mod origin;
mod sessions;
mod setup_code;

pub(super) use accounts::{Accounts, PASSWORD_MIN, WrongPassword};
pub(super) use guard::{guard, too_many};
pub(super) use limit::Limits;
pub(super) use origin::Origin;
pub(super) use sessions::Sessions;
pub(super) use setup_code::SetupCode;

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What an account or a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Role {
    /// Sees everything but secrets.
    Viewer,
    /// Changes everything too.
    Owner,
}

/// What a route asks of who comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing: login, health probe, the files that pages are made of.
    Nothing,
    /// Somebody of this role or a higher one.
    Role(Role),
}

/// Who somebody is, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Identity {
    /// Nobody has logged in.
    Nobody,
    /// There is no password yet, and the request comes from this host.
    ThisHost,
    /// A session of this account.
    Session(Arc<str>),
    /// A token of this name.
    Token(Arc<str>),
    /// Home Assistant has logged in this person.
    Ingress(Arc<str>),
}

/// Who asks for a page, and how it is to be written for them.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    /// Who they are.
    pub(super) identity: Identity,
    /// What they may do; `None`: nothing.
    pub(super) role: Option<Role>,
    /// Where they come from.
    pub(super) origin: Origin,
    /// Their language.
    pub(super) language: super::text::Language,
}

impl Visitor {
    /// Whether a route is open to them.
    pub(super) fn may(&self, need: Need) -> bool {
        match need {
            Need::Nothing => true,
            Need::Role(role) => self.role.is_some_and(|own| own >= role),
        }
    }
}

/// What is remembered of a login.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Login {
    /// The account.
    pub(super) account: Arc<str>,
}

/// Where a session keeps its login.
pub(super) const LOGIN: &str = "login";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_may_what_a_viewer_may_and_not_the_other_way() {
        let visitor = |role| Visitor {
            identity: Identity::Nobody,
            role,
            origin: Origin::default(),
            language: super::super::text::Language::English,
        };
        let may = |role, need| visitor(role).may(need);
        assert!(may(None, Need::Nothing) && !may(None, Need::Role(Role::Viewer)));
        assert!(may(Some(Role::Viewer), Need::Role(Role::Viewer)));
        assert!(!may(Some(Role::Viewer), Need::Role(Role::Owner)));
        assert!(may(Some(Role::Owner), Need::Role(Role::Viewer)));
    }
}
