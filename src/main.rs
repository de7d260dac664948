//! The `sordini` program: the command line, and the only place that knows every room.

mod serve;

use clap::Parser;
use std::process::ExitCode;

#[derive(Parser)]
enum Command {
    /// Run the broker.
    Serve(serve::ServeArgs),
}

fn main() -> ExitCode {
    let env = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(env).with_writer(std::io::stderr).init();
    let Command::Serve(args) = Command::parse();
    match serve::run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sordini: {error:#}");
            ExitCode::FAILURE
        }
    }
}
