//! The `sordini` program: the command line, and the only place that knows every room.
//!
//! | module | what |
//! |---|---|
//! | [`cli`] | the table of commands and their options; help and completion are made of it |
//! | [`serve`] | the broker, composed of its rooms |
//! | [`client`] | a small Kafka client for the commands that talk to a broker |
//! | [`topic`], [`produce`], [`consume`] | those commands |
//! | [`bench`] | loads on any broker, and the machine's limits beside them |
//! | [`dump`], [`check`] | a data directory, printed and verified |
//! | [`sim`] | the simulator: scenarios, swarms, replays |
//! | [`output`] | tables, sizes and progress as people see them |
//!
//! A command returns an error with its whole story as context; here it is printed, and becomes the exit
//! code: 0 done, 1 failed, 2 not understood (for `sim` also a scenario that cannot be read).

mod bench;
mod check;
mod cli;
mod client;
mod consume;
mod cpu;
mod dump;
mod output;
mod produce;
mod serve;
mod sim;
mod topic;

use clap::Parser;
use std::process::ExitCode;

/// Frames of some kilobytes live and die in any order, which the C library's allocator pays for with searches.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    if let Some(command) = cli.sim() {
        return sim::run(command);
    }
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has seen enough: `sordini consume t | head`.
        Err(error) if output::reader_left(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sordini: {}", output::story(&error));
            ExitCode::FAILURE
        }
    }
}
