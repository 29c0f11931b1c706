//! The program `metergate`.
use std::process::ExitCode;

fn main() -> ExitCode {
    metergate_gateway::cli::main()
}
