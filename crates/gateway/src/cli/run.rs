//! `metergate run`: the daemon.
use super::{Failure, Outcome};
use crate::config::{self, Gateway};
use crate::pipeline::{self, Options};
use crate::shutdown;
use std::time::Duration;

/// Arguments of `metergate run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the configuration stands.
    #[command(flatten)]
    pub config: config::Source,
    /// Forget the invocation counters of earlier runs: after a meter was exchanged or its counter began anew.
    #[arg(long)]
    pub reset_counters: bool,
}

/// Runs the daemon until it is told to stop, or until its last file has been read.
///
/// # Errors
/// When the configuration is wrong; a meter or sink that fails later does not end the daemon.
pub fn run(args: &Args) -> Result<Outcome, Failure> {
    let gateway = config::load(&args.config)?;
    if gateway.sinks.is_empty() {
        tracing::warn!(
            "there is no sink, so what the meters say goes nowhere; `[default.sink.screen]` with `kind = \"stdout\"` shows it"
        );
    }
    if let Some(state) = &gateway.state_directory {
        crate::watch::RunRecord::keep_panics(state);
    }
    run_gateway(gateway, Options { reset_counters: args.reset_counters, ..Options::default() })
}

/// A thread that hangs in the system (a dead disk, standard input) does not hold up the end longer than this.
const END_TIMEOUT: Duration = Duration::from_millis(500);

/// Runs a gateway in this thread until a signal comes or its inputs have ended.
///
/// # Errors
/// When it cannot start.
pub(super) fn run_gateway(gateway: Gateway, options: Options) -> Result<Outcome, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let (trigger, shutdown) = shutdown::channel();
        // Before anything tells others that the gateway is there.
        let signalled = shutdown::signalled();
        tokio::spawn(async move {
            match signalled.await {
                Ok(why) => tracing::info!("{why}; finishing"),
                Err(error) => {
                    tracing::warn!("cannot listen to signals: {error}");
                    return std::future::pending().await;
                }
            }
            trigger.trigger();
            // Whoever presses Ctrl-C again does not want to wait for a sink.
            if shutdown::signalled().await.is_ok() {
                std::process::exit(130);
            }
        });
        pipeline::run(gateway, options, shutdown).await
    });
    runtime.shutdown_timeout(END_TIMEOUT);
    let status = outcome?;
    let told = status.meters.values().any(|meter| meter.telegrams > 0);
    let all_ended = status.meters.values().all(|meter| meter.ended);
    // A capture without one telegram is told apart by scripts; a daemon that was stopped has done its work.
    Ok(if all_ended && !told { Outcome::Nothing } else { Outcome::Done })
}
