//! The `qorpus` command: arguments, the library, what people see. It holds no logic of its own.

mod cli;
mod progress;
mod render;
mod run;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).without_time().with_target(false).init();
    match run::run(cli::Arguments::parse().command) {
        Ok(code) => code,
        Err(run::Failure::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(failure) => {
            render::error(&failure);
            ExitCode::from(failure.status())
        }
    }
}
