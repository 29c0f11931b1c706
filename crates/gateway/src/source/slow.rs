//! Reading from a device of this host, which may take its time or never answer.
use std::time::Duration;
use tokio::task::JoinHandle;

/// Runs one blocking task at a time.
///
/// A bus that hangs holds one thread and no more: until it lets go, nothing else is asked of it.
#[derive(Debug)]
pub(super) struct Slow<T> {
    pending: Option<JoinHandle<T>>,
}

impl<T> Default for Slow<T> {
    fn default() -> Self {
        Self { pending: None }
    }
}

impl<T: Send + 'static> Slow<T> {
    /// The result of a task, or why there is none within the limit.
    pub(super) async fn run(
        &mut self,
        limit: Duration,
        task: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        if self.pending.as_ref().is_some_and(|pending| !pending.is_finished()) {
            return Err("the device still does not answer".to_owned());
        }
        let mut pending = tokio::task::spawn_blocking(task);
        match tokio::time::timeout(limit, &mut pending).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => Err(format!("the device cannot be asked: {error}")),
            Err(_) => {
                self.pending = Some(pending);
                Err(format!("the device does not answer within {limit:?}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_device_that_hangs_holds_one_thread_until_it_lets_go() {
        let mut slow = Slow::default();
        let (let_go, wait) = std::sync::mpsc::channel::<()>();
        let error = slow.run(Duration::from_millis(5), move || wait.recv().is_ok()).await.unwrap_err();
        assert_eq!(error, "the device does not answer within 5ms");
        let again = slow.run(Duration::from_secs(10), || true).await;
        assert_eq!(again, Err("the device still does not answer".to_owned()));
        let_go.send(()).unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while slow.run(Duration::from_secs(10), || true).await.is_err() {
            assert!(std::time::Instant::now() < deadline, "it never lets go");
            tokio::task::yield_now().await;
        }
    }
}
