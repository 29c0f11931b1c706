//! Told once, heard by every task: finish and end.
use tokio::sync::watch;

/// Ends everything that holds a [`Shutdown`] of it, when triggered or dropped.
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

/// Heard by a task.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<bool>);

/// A trigger and what it triggers.
#[must_use]
pub fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (Trigger(sender), Shutdown(receiver))
}

impl Trigger {
    /// Tells everyone to end.
    pub fn trigger(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Waits until it is time to end.
    pub async fn wait(&mut self) {
        // An error means that the trigger is gone, which is the same.
        let _ = self.0.wait_for(|&told| told).await;
    }

    /// True when it is time to end.
    #[must_use]
    pub fn is_told(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}

/// Waits for Ctrl-C or for the system to ask the process to end. From this call on, not only from the first poll, such
/// a signal does not end the process by itself.
///
/// # Errors
/// When the signals cannot be listened to.
pub fn signalled() -> impl Future<Output = std::io::Result<&'static str>> + Send {
    use tokio::signal::unix::{SignalKind, signal};
    let listening = signal(SignalKind::interrupt())
        .and_then(|interrupt| Ok((interrupt, signal(SignalKind::terminate())?)));
    async {
        let (mut interrupt, mut terminate) = listening?;
        Ok(tokio::select! {
            _ = interrupt.recv() => "interrupted",
            _ = terminate.recv() => "asked to end",
        })
    }
}
