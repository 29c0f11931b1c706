//! What a conversation is told before it begins.
use crate::layout::Layout;
use crate::models::Model;
use crate::{Key, SecurityHeader};

/// What to do with a telegram whose invocation counter is not above the last one of its (system title, key).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CounterPolicy {
    /// Refuse it as `replayed`: a live line, where it is an attack or a fault.
    #[default]
    Strict,
    /// Deliver it with the flag `replayed`: captures repeat themselves.
    Flag,
}

/// What is known about a meter before it speaks. All of it is optional.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The encryption key (GUEK).
    pub key: Option<Key>,
    /// The authentication key (GAK). Without it a tag is not checked and the telegram counts as unauthenticated.
    pub auth_key: Option<Key>,
    /// The model, when someone named it.
    pub model: Option<&'static Model>,
    /// Layout tables that the user added; they are tried before the built-in ones.
    ///
    /// They live as long as the process: a host reads them once at start and leaks them.
    pub layouts: &'static [Layout],
    /// What to do with a repeated invocation counter.
    pub counters: CounterPolicy,
    /// The header of the last telegram that was accepted, which the caller keeps over restarts: its counter is where
    /// counting goes on.
    pub last_accepted: Option<SecurityHeader>,
}
