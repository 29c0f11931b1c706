//! The live path: what is new, at once, the newest only.
use super::sample::Sample;
use crate::update::Update;
use std::sync::Arc;

/// One thing that just happened at a meter.
#[derive(Debug, Clone)]
pub struct News {
    /// What the reader told, as it was told.
    pub update: Arc<Update>,
    /// For a telegram: its believed numbers. `None` when nothing of it is believed, and for everything else.
    pub sample: Option<Sample>,
}
