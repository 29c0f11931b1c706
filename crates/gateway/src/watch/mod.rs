//! The gateway watches its meters and itself.
//!
//! [`Alarm`]: a meter has fallen silent or cannot be read. [`Heartbeats`]: each task says that it goes on.
//! [`Supervisor`]: looks at all of them once a second, and tells systemd. [`RunRecord`]: why the run before ended.
//! [`Resources`]: what the process takes of the machine.
mod alarm;
mod heartbeat;
mod notify;
mod resources;
mod run_record;

pub use alarm::{Alarm, Alert, patience};
pub use heartbeat::{Heartbeat, Heartbeats, Remedy, Stuck};
pub use notify::{Notifier, Supervisor};
pub use resources::Resources;
pub use run_record::{Beginning, RunRecord, StartReason, fingerprint};
