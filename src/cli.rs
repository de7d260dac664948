//! The table of commands: parser, help and completion are made of it.

use crate::client::Address;
use crate::{bench, check, consume, dump, produce, serve, sim, topic};
use anyhow::Result;
use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "sordini",
    version,
    about = "A Kafka-wire-compatible broker, and the tools to talk to any such broker",
    after_help = "`sordini COMMAND --help` shows the options of a command, with examples.",
    disable_help_subcommand = true
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run the broker
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(serve::ServeArgs),
    /// Create, list, describe, alter and delete topics
    #[command(subcommand, after_help = TOPIC_EXAMPLES)]
    Topic(topic::TopicCommand),
    /// Write records, one for each line of the input
    #[command(after_help = PRODUCE_EXAMPLES)]
    Produce(produce::ProduceArgs),
    /// Read records and print them
    #[command(after_help = CONSUME_EXAMPLES)]
    Consume(consume::ConsumeArgs),
    /// Measure a broker, and this machine's limits beside it
    #[command(after_help = BENCH_EXAMPLES)]
    Bench(bench::BenchArgs),
    /// Print a file of a data directory for people
    #[command(after_help = DUMP_EXAMPLES)]
    Dump(dump::DumpArgs),
    /// Verify the data directory of a stopped broker
    #[command(after_help = CHECK_EXAMPLES)]
    Check(check::CheckArgs),
    /// Break the broker in a simulated world, and repeat what was found
    #[command(subcommand, after_help = SIM_EXAMPLES)]
    Sim(sim::SimCommand),
    /// Print a completion script for a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Which broker to ask.
#[derive(Args, Clone, Debug)]
pub struct BrokerArg {
    /// Any broker of the cluster; the others are found through it
    #[arg(long, short, value_name = "HOST:PORT", default_value = "127.0.0.1:9092", global = true)]
    pub broker: Address,
}

impl Cli {
    /// The command of the simulator, which has exit codes of its own.
    pub fn sim(&self) -> Option<&sim::SimCommand> {
        match &self.command {
            Command::Sim(command) => Some(command),
            _ => None,
        }
    }

    /// Runs the command.
    pub fn run(self) -> Result<()> {
        match self.command {
            Command::Serve(args) => serve::run(&args),
            Command::Topic(command) => topic::run(command),
            Command::Produce(args) => produce::run(args),
            Command::Consume(args) => consume::run(args),
            Command::Bench(args) => bench::run(&args),
            Command::Dump(args) => dump::run(&args),
            Command::Check(args) => check::run(&args),
            Command::Sim(_) => unreachable!("it has exit codes of its own, see `Cli::sim`"),
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Cli::command(), "sordini", &mut script);
                Ok(crate::output::print(&String::from_utf8_lossy(&script))?)
            }
        }
    }
}

const SERVE_EXAMPLES: &str = "\
Examples:
  sordini serve                                            on 127.0.0.1:9092, data in ./sordini-data
  sordini serve --listen 0.0.0.0:9092 --advertise broker1.example:9092 --data /var/lib/sordini
  sordini serve --listen 127.0.0.1:0 --data $(mktemp -d)   a free port for a test; the line printed names it
  sordini serve --set num.partitions=4 --set log.retention.ms=86400000
  sordini serve --config sordini.toml
  sordini serve --record /var/tmp/life                     what happens can be replayed: sordini sim replay /var/tmp/life

SIGTERM and Ctrl-C finish what is under way and end. Standard output says one line when the broker is ready;
logs go to standard error. Unknown keys are refused, keys of Kafka's without effect here are named in the log.";

const TOPIC_EXAMPLES: &str = "\
Examples:
  sordini topic create orders --partitions 12 --config retention.ms=604800000
  sordini topic list
  sordini topic describe orders
  sordini topic alter orders --partitions 24 --set cleanup.policy=compact --unset retention.ms
  sordini topic delete orders";

const PRODUCE_EXAMPLES: &str = "\
Examples:
  echo hello | sordini produce greetings
  sordini produce orders --file orders.txt --key-separator : --compression zstd
  sordini produce orders --header source=import --idempotent < orders.txt";

const CONSUME_EXAMPLES: &str = "\
Examples:
  sordini consume orders                                   everything there is, one value a line
  sordini consume orders --from end --follow               what comes from now on
  sordini consume orders --from -10                        the last ten of each partition
  sordini consume orders --from @2026-11-20T18:00:00Z --count 5 --json
  sordini consume orders --partition 3 --from 1000 --format '%o %k: %v\\n'";

const BENCH_EXAMPLES: &str = "\
Examples:
  sordini bench small --limits .                          64 x 4 KiB, and what disk and loopback could do
  sordini bench latency --limits .                        one durable record of 1 KiB at a time
  sordini bench small --rate 5000 --connections 200       open loop: latency counts from when a request was due
  sordini bench consume --connections 2 --limits .        reads what is in the page cache, checks every CRC
  sordini bench large --broker 127.0.0.1:9093 --json      any broker that speaks Kafka

The load runs on topics of its own, which are deleted in the end. It should have a processor of its own: one
thread drives all connections. All partitions must be led by the broker that is named.";

const DUMP_EXAMPLES: &str = "\
Examples:
  sordini dump sordini-data/orders-0/00000000000000000000.log      a line for each batch
  sordini dump sordini-data/journal/00000001.journal               groups and what they hold
  sordini dump sordini-data/checkpoint/current";

const CHECK_EXAMPLES: &str = "\
Examples:
  sordini check /var/lib/sordini

Reads everything and changes nothing. DAMAGE means that records are lost or the broker would not start, and exit
code 1; a remark is put right by the next start.";

const SIM_EXAMPLES: &str = "\
Examples:
  sordini sim run scenarios/storage/power_loss.toml        as many seeds as the scenario says
  sordini sim run scenarios --jobs 2                       every scenario below a folder
  sordini sim swarm --seeds 0..10000 --time 60s --jobs 2   each seed draws its own faults, loads and sizes
  sordini sim replay swarm --seed 7 --log                  one of those again, a line for everything that happens
  sordini sim shrink swarm --seed 7 > small.toml           a run that fails, as the few lines that it needs to fail
  sordini sim check-determinism --seeds 0..100             each seed in two processes, hash by hash
  sordini sim list                                         faults, loads, checks and marks

Exit codes: 0 everything held, 1 a check failed (with the seed and the command that repeats it), 2 a scenario could
not be read (with file, line and what was expected).";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  sordini completions bash > ~/.local/share/bash-completion/completions/sordini
  sordini completions zsh > ~/.zfunc/_sordini
  sordini completions fish > ~/.config/fish/completions/sordini.fish";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_commands_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples() {
        for command in Cli::command().get_subcommands() {
            // Those of the simulator are all at its head.
            let parts = command.get_subcommands().filter(|_| command.get_name() != "sim");
            for command in std::iter::once(command).chain(parts) {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("Examples:\n"), "{} has none", command.get_name());
            }
        }
    }

    #[test]
    fn every_command_and_option_is_explained() {
        fn explained(command: &clap::Command, path: &str) {
            assert!(command.get_about().is_some(), "{path} has no description");
            for arg in command.get_arguments() {
                assert!(arg.get_help().is_some(), "{path}: {} has no help", arg.get_id());
            }
            for sub in command.get_subcommands() {
                explained(sub, &format!("{path} {}", sub.get_name()));
            }
        }
        explained(&Cli::command(), "sordini");
    }
}
