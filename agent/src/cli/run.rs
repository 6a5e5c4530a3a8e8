//! Arguments of `run`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use wire::Backend;

use super::{DbArgs, WwwArgs};
use crate::fleet::operator::Switch;

/// What a line of input looks like.
const AFTER_HELP: &str = "\
Each line of input is one job, a JSON object. A pipeline takes its one parameter:
  {\"texts\": [\"…\", \"…\"]}   {\"text\": \"…\"}   {\"image\": \"page.png\"}   {\"audio\": \"voice.wav\"}   {\"bytes\": \"any.file\"}
and a model takes its tensors by name:
  {\"input_ids\": {\"dtype\": \"int64\", \"dims\": [1, 3], \"data\": [101, 7592, 102]}, …}

Each job has one line of output, in the order in which they end; `index` counts the lines of the input from 0.
Blank lines are skipped. Exit code 1: some jobs failed. Ctrl-C: what is done is kept, the rest is cancelled.";

/// Arguments of `run`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct RunArgs {
    /// Model or pipeline, as `tabpool model list` names it
    #[arg(value_name = "MODEL|PIPELINE")]
    pub(crate) model: String,
    /// File with one job a line; - is standard input
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    pub(crate) input: PathBuf,
    /// File for one result a line; - is standard output
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    pub(crate) output: PathBuf,
    /// Keep what succeeded in the output of an earlier run, and run the rest
    #[arg(long)]
    pub(crate) resume: bool,
    /// Browsers, separated by commas, named as `tabpool doctor` does; more than one of a kind take turns
    /// [default: all on this machine]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) browser: Vec<String>,
    /// How many browsers to run [default: as many as are named]
    #[arg(long, value_name = "N", conflicts_with_all = ["min", "max"], value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) browsers: Option<u32>,
    /// Fewest browsers; more are opened while jobs wait
    #[arg(long, value_name = "N", default_value_t = 1, requires = "max", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) min: u32,
    /// Most browsers; with --min the pool chooses how many run
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) max: Option<u32>,
    /// Workers in each browser, each with its own copy of the model
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) workers: u32,
    /// Backend; auto lets the pool choose among those that a browser has
    #[arg(long, value_name = "NAME", default_value = "wasm", value_parser = backends())]
    pub(crate) backend: Backends,
    /// How long a job may take, tries and waiting included, e.g. 30s, 5m, 1h
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = time)]
    pub(crate) deadline: Duration,
    /// Most jobs of equal shapes that a model runs together; jobs of a batch that fails are tried alone
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) batch: u32,
    /// How long the first job of a batch waits for company, e.g. 5ms; 0ms takes what waits when a worker is free
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = delay)]
    pub(crate) batch_delay: Duration,
    /// Memory that all browsers may take together, e.g. 800MB, 4GB; from 80 % of it on the pool closes browsers down to
    /// --min, then unloads models [default: the machine's]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) memory_limit: Option<u64>,
    /// Try a job in a second browser when it takes longer than 19 of 20 of its kind; at most 5 % of the calls
    #[arg(long)]
    pub(crate) hedge: bool,
    /// Take breakers into your own hands, e.g. firefox/webgpu=forced-open,loader=disabled. Modes: automatic, forced-open
    /// (never used), disabled (always used), metrics-only (always used, and watched)
    #[arg(long, value_name = "NAME=MODE", value_delimiter = ',', value_parser = str::parse::<Switch>)]
    pub(crate) breaker: Vec<Switch>,
    /// Words to find this run by
    #[arg(long, value_name = "TEXT")]
    pub(crate) label: Option<String>,
    #[command(flatten)]
    pub(crate) www: WwwArgs,
    #[command(flatten)]
    pub(crate) db: DbArgs,
}

/// Which backends may run the jobs; `None`: whichever there are.
pub(crate) type Backends = Option<Backend>;

fn backends() -> impl TypedValueParser<Value = Backends> {
    let names = Backend::ALL.map(Backend::as_str).into_iter().chain(["auto"]);
    PossibleValuesParser::new(names)
        .map(|name| Backend::ALL.into_iter().find(|backend| backend.as_str() == name))
}

/// A whole number and a unit: `s`, `m` or `h`.
fn time(text: &str) -> Result<Duration, String> {
    let wrong = || "a time is a whole number from 1 on and s, m or h, e.g. 30s".to_owned();
    let seconds_per_unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some(_) | None => return Err(wrong()),
    };
    let count: u32 = text[..text.len() - 1].parse().map_err(|_not_a_number| wrong())?;
    if count == 0 { Err(wrong()) } else { Ok(Duration::from_secs(u64::from(count) * seconds_per_unit)) }
}

/// A whole number of milliseconds.
fn delay(text: &str) -> Result<Duration, String> {
    let count = text.strip_suffix("ms").and_then(|count| count.parse::<u32>().ok());
    let wrong = || "a delay is a whole number of milliseconds, e.g. 5ms".to_owned();
    count.map(|count| Duration::from_millis(count.into())).ok_or_else(wrong)
}

/// A whole number and a unit: `MB` or `GB`. In bytes.
fn size(text: &str) -> Result<u64, String> {
    let wrong = || "a size is a whole number from 1 on and MB or GB, e.g. 800MB".to_owned();
    let units = [("MB", 1_000_000), ("GB", 1_000_000_000)];
    let (count, unit_bytes) =
        units.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes))).ok_or_else(wrong)?;
    let count: u32 = count.parse().map_err(|_not_a_number| wrong())?;
    if count == 0 { Err(wrong()) } else { Ok(u64::from(count) * unit_bytes) }
}

#[cfg(test)]
mod tests;
