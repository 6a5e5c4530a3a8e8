//! The command line, as clap reads it.

mod run;

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use stats::Severity;
use wire::{Backend, PeerEngine, PoolEvent};

use crate::analysis::severity_name;
use crate::commands::gate::{Baseline, SEVERITIES};
use crate::commands::model::parse_dimension;
use crate::exit::Exit;
use crate::store::{Dimension, Metric, NEWEST_SCHEMA};

pub(crate) use run::RunArgs;

/// Where to begin, and what [`crate::exit::Exit`] means.
const AFTER_HELP: &str = "\
Begin with `tabpool doctor` to see what works here, then `tabpool bench` to measure it.

Exit codes: 0 done, 1 finding (output outside its limits, failed case, regression), 2 usage,
3 environment (missing browser, port in use, unreadable file), 4 internal, 5 not enough data (gate)";

/// The variants that the history says are the fastest.
pub(crate) const TUNED: &str = "tuned";

/// Runs AI models in a pool of browser contexts and keeps an honest history of how they did.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Cli {
    /// Print one JSON document instead of tables
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Find out which browsers, drivers, adapters and backends work here
    Doctor(DoctorArgs),
    /// Measure models in real browsers and check their outputs
    Bench(BenchArgs),
    /// Find the fastest WebGPU kernels for each adapter, and remember them
    Tune(TuneArgs),
    /// Run a batch of jobs on a fleet of browsers
    Run(RunArgs),
    /// Look at what was measured before
    History(HistoryArgs),
    /// See how the times of each series of comparable runs went
    Trends(TrendArgs),
    /// Say what got slower or faster, since when, and by how much; exit code 1 when something is slower now
    Regressions(RegressionArgs),
    /// Compare a campaign with a baseline; exit code 1 when it is slower
    Gate(GateArgs),
    /// Say which browser and backend should run a model, and how sure that is
    Recommend(RecommendArgs),
    /// Write runs as rows for other programs
    Export(ExportArgs),
    /// Serve the pages, the models and the place that records go to
    Serve(ServeArgs),
    /// List and fetch models, and add your own
    #[command(subcommand)]
    Model(ModelCommand),
    /// Run a program and end its whole process group when standard input closes
    #[command(hide = true)]
    Leash(LeashArgs),
}

/// Where the history is.
#[derive(Debug, Args)]
pub(crate) struct DbArgs {
    /// History file [default: ~/.local/share/tabpool/history.sqlite]
    #[arg(long, value_name = "FILE")]
    pub(crate) db: Option<PathBuf>,
}

/// Where the pages are.
#[derive(Debug, Args)]
pub(crate) struct WwwArgs {
    /// Folder of the pages [default: www in this folder, or the checkout's]
    #[arg(long, value_name = "DIR", env = "TABPOOL_WWW", hide_env_values = true)]
    pub(crate) www: Option<PathBuf>,
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Port to listen on; 0 takes any free one
    #[arg(long, default_value_t = 8600)]
    pub(crate) port: u16,
    /// Address to listen on; any but 127.0.0.1 lets the network in, without a password
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) host: IpAddr,
    #[command(flatten)]
    pub(crate) www: WwwArgs,
    #[command(flatten)]
    pub(crate) db: DbArgs,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Seconds to wait for each browser
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: u64,
    #[command(flatten)]
    pub(crate) www: WwwArgs,
    #[command(flatten)]
    pub(crate) db: DbArgs,
}

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Models to run all cases of, separated by commas [default: the first case of each in the zoo]
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(crate) model: Vec<String>,
    /// Length of a dimension that your own model only names; a first dimension (the batch) is 1 unless given here
    #[arg(long, value_name = "NAME=N", value_parser = length)]
    pub(crate) dim: Vec<(String, u32)>,
    /// Browsers, separated by commas, named as `tabpool doctor` does [default: all on this machine]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) browser: Vec<String>,
    /// Backends, separated by commas
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "wasm", value_parser = backend())]
    pub(crate) backend: Vec<Backend>,
    /// Measured runs of each case
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) runs: u32,
    /// Runs after the cold one that are recorded but not summarised
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub(crate) warmup: u32,
    /// Engine to run beside ours, run by run in turns, and to print the ratio to
    #[arg(long, value_name = "ENGINE", value_delimiter = ',', value_parser = peer())]
    pub(crate) peer: Vec<PeerEngine>,
    /// More launches of each browser in which a case is only loaded and run once, each engine alone: for cold starts and
    /// the memory that they take
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "ab", value_parser = clap::value_parser!(u16).range(0..=200))]
    pub(crate) cold: u16,
    /// Print which kernels take the time of a run, from the adapter's clock or the engine's
    #[arg(long, conflicts_with = "ab")]
    pub(crate) profile: bool,
    /// Profile, and write all kernels of one run of each case as a Chrome trace
    #[arg(long, value_name = "FILE", conflicts_with = "ab")]
    pub(crate) trace: Option<PathBuf>,
    /// WebGPU kernel variants to use wherever they can be, separated by commas, named as `tabpool tune` does; or tuned: those
    /// that the history says are the fastest on the adapter
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = variant)]
    pub(crate) webgpu_variant: Vec<String>,
    /// Words to find this campaign by
    #[arg(long, value_name = "TEXT")]
    pub(crate) label: Option<String>,
    /// Branch that is measured [default: the one that this folder's checkout is on]
    #[arg(long, value_name = "NAME")]
    pub(crate) branch: Option<String>,
    /// Keep this campaign out of trends and baselines; `gate --campaign` judges it all the same
    #[arg(long)]
    pub(crate) experiment: bool,
    /// Compare two builds (folders like www/pkg, the old one first) whose runs take turns in the same browser, so that
    /// what the machine does cancels; judged and exits like `gate`, and kept out of trends
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"], conflicts_with = "peer")]
    pub(crate) ab: Vec<PathBuf>,
    /// Launches of each browser for --ab: how they differ tells the noise
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(3..=200))]
    pub(crate) launches: u16,
    /// Seconds without a sign of life until the browser is killed and its case has failed
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: u64,
    #[command(flatten)]
    pub(crate) www: WwwArgs,
    #[command(flatten)]
    pub(crate) db: DbArgs,
    #[command(flatten, next_help_heading = "Verdict of --ab")]
    pub(crate) verdict: VerdictArgs,
}

/// Arguments of `tune`.
#[derive(Debug, Args)]
pub(crate) struct TuneArgs {
    /// Models whose kernels to measure at the shapes of their cases, separated by commas [default: the first case of each
    /// in the zoo]
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(crate) model: Vec<String>,
    /// Browsers, separated by commas, named as `tabpool doctor` does [default: all on this machine]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) browser: Vec<String>,
    /// Seconds after which no further variant is tried, for each case
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub(crate) budget: u32,
    /// Seconds without a sign of life until the browser is killed and its case has failed
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: u64,
    #[command(flatten)]
    pub(crate) www: WwwArgs,
    #[command(flatten)]
    pub(crate) db: DbArgs,
}

/// Which runs count.
#[derive(Debug, Args)]
pub(crate) struct FilterArgs {
    /// Models or pipelines [default: all]
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(crate) model: Vec<String>,
    /// Browsers [default: all]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) browser: Vec<String>,
    /// Backends [default: all]
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = backend())]
    pub(crate) backend: Vec<Backend>,
    #[command(flatten)]
    pub(crate) db: DbArgs,
}

/// Arguments of `history`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct HistoryArgs {
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Only runs of the last while, e.g. 90m, 12h, 30d, 8w
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub(crate) since: Option<Duration>,
    /// What the runs of a line have in common, separated by commas [default: model, shapes, browser,
    /// browser_version, backend, engine]
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = dimension())]
    pub(crate) group_by: Vec<Dimension>,
    /// How many of the latest runs to list
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) limit: u32,
    /// How to print
    #[arg(long, value_enum, default_value_t = TableFormat::Table)]
    pub(crate) format: TableFormat,
    /// Look at something else, or care for the history.
    #[command(subcommand)]
    pub(crate) command: Option<HistoryCommand>,
}

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableFormat {
    /// Aligned columns
    Table,
    /// One document, as --json prints it
    Json,
    /// Comma-separated values with a header
    Csv,
}

/// Subcommands of `history`.
#[derive(Debug, Subcommand)]
pub(crate) enum HistoryCommand {
    /// List what pools did: breakers, recoveries, connections, scaling
    Events {
        /// Only these kinds, separated by commas
        #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = PossibleValuesParser::new(PoolEvent::KINDS))]
        kind: Vec<String>,
        #[command(flatten)]
        of: LogArgs,
    },
    /// Say how often each strategy helped against each fault, and how fast
    Recoveries {
        #[command(flatten)]
        of: LogArgs,
    },
    /// List launches of browsers: when they were ready, how they ended, what they could do
    Sessions {
        #[command(flatten)]
        of: LogArgs,
    },
    /// Check the file; exit code 1 when something is wrong with it
    Check {
        #[command(flatten)]
        db: DbArgs,
    },
    /// Write a consistent copy, while others may go on writing
    Backup {
        /// Where to; must not exist
        #[arg(value_name = "FILE")]
        to: PathBuf,
        #[command(flatten)]
        db: DbArgs,
    },
    /// Replace old runs by their roll-ups now, and give the space back; those of campaigns with a label stay
    Prune {
        /// Older than this, e.g. 30d, 8w [default: as `history retention` says]
        #[arg(long, value_name = "AGE", value_parser = age)]
        older_than: Option<Duration>,
        #[command(flatten)]
        db: DbArgs,
    },
    /// Show or set how long runs are kept before daily roll-ups replace them; `bench` and `serve` see to it once a day
    Retention {
        /// An age, e.g. 30d, 8w, or off [at first: 30d]
        #[arg(value_name = "AGE|off", value_parser = keep)]
        keep: Option<Keep>,
        #[command(flatten)]
        db: DbArgs,
    },
    /// Take the file back to an older schema, for an older tabpool; this one takes it up again when it opens it
    Migrate {
        /// Version of the schema
        #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(u32).range(1..=i64::from(NEWEST_SCHEMA)))]
        to: u32,
        #[command(flatten)]
        db: DbArgs,
    },
}

/// Which events or launches are listed.
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// Only these browsers, separated by commas [default: all]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) browser: Vec<String>,
    /// Only those of the last while, e.g. 90m, 12h, 30d, 8w
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub(crate) since: Option<Duration>,
    /// How many of the latest to list
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) db: DbArgs,
}

/// Arguments of `trends`.
#[derive(Debug, Args)]
pub(crate) struct TrendArgs {
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// How far to look back, e.g. 90m, 12h, 30d, 8w
    #[arg(long, value_name = "AGE", value_parser = age, default_value = "30d")]
    pub(crate) since: Duration,
    /// Warm runs, or cold starts (load and first run) [default: both]
    #[arg(long, value_name = "METRIC", value_parser = metric())]
    pub(crate) metric: Option<Metric>,
}

/// Arguments of `regressions`.
#[derive(Debug, Args)]
pub(crate) struct RegressionArgs {
    #[command(flatten)]
    pub(crate) trend: TrendArgs,
    /// Print the evidence below each sentence
    #[arg(long, short)]
    pub(crate) verbose: bool,
}

/// Arguments of `recommend`.
#[derive(Debug, Args)]
pub(crate) struct RecommendArgs {
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// How far to look back, e.g. 90m, 12h, 30d, 8w
    #[arg(long, value_name = "AGE", value_parser = age, default_value = "30d")]
    pub(crate) since: Duration,
}

/// Arguments of `export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Only runs of the last while, e.g. 90m, 12h, 30d, 8w
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub(crate) since: Option<Duration>,
    /// How to write rows
    #[arg(long, value_enum, default_value_t = ExportFormat::Csv)]
    pub(crate) format: ExportFormat,
    /// File to write; replaced when it exists [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Print the JSON Schema of a row instead
    #[arg(long)]
    pub(crate) schema: bool,
}

/// How exported rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// Comma-separated values with a header
    Csv,
    /// One JSON object a line
    Json,
    /// Parquet, for DuckDB, pandas and their like; needs --output
    Parquet,
}

/// Arguments of `gate`.
#[derive(Debug, Args)]
pub(crate) struct GateArgs {
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Number of the campaign to judge, or several of the same build, separated by commas [default: the latest]
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(crate) campaign: Vec<i64>,
    /// What to compare with: good (up to ten that did not fail, and the first ten), last, branch:NAME (the latest ten),
    /// label:NAME, commit:HASH, campaign:ID or window:AGE
    #[arg(long, value_name = "BASELINE", default_value = "good")]
    pub(crate) baseline: Baseline,
    /// Call the campaign good, whatever the verdict is: later ones are compared with it and those after it
    #[arg(long)]
    pub(crate) accept: bool,
    #[command(flatten)]
    pub(crate) verdict: VerdictArgs,
}

/// What becomes of a comparison.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct VerdictArgs {
    /// Least severity that fails: minor (any size), moderate (5 %), severe (15 %), critical (more than 25 %)
    #[arg(long, value_name = "SEVERITY", default_value = "moderate", value_parser = severity())]
    pub(crate) fail_on: Severity,
    /// Exit code when nothing fails, and a regression of that size is not excluded
    #[arg(long, value_name = "CODE", default_value = "5", value_parser = not_enough_data())]
    pub(crate) not_enough_data: Exit,
    /// How to print the verdict
    #[arg(long, value_enum, default_value_t = GateFormat::Text)]
    pub(crate) format: GateFormat,
}

/// How a verdict is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GateFormat {
    /// A sentence and a table
    Text,
    /// One document, as --json prints it
    Json,
    /// For a pull request
    Markdown,
    /// JUnit XML
    Junit,
    /// SARIF 2.1.0
    Sarif,
}

/// Arguments of the hidden `leash`.
#[derive(Debug, Args)]
pub(crate) struct LeashArgs {
    /// Folder to remove at the end
    #[arg(long, value_name = "DIR")]
    pub(crate) remove: Option<PathBuf>,
    /// Program and its arguments
    #[arg(required = true, last = true, value_name = "PROGRAM")]
    pub(crate) command: Vec<OsString>,
}

/// Subcommands of `model`.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Download models into the cache and verify them; without IDs all of the zoo
    Fetch {
        /// Models, assets or pipelines
        #[arg(value_name = "ID")]
        ids: Vec<String>,
        /// Also fetch the files that only tests need
        #[arg(long)]
        test_data: bool,
    },
    /// Add your own ONNX file
    Add {
        /// Path, or http(s) address
        #[arg(value_name = "FILE|URL")]
        from: String,
        /// Name of the model [default: the file's name]
        #[arg(long)]
        id: Option<String>,
    },
    /// List models and pipelines, and whether they are here
    List,
    /// Show what is inside an ONNX file: contract, operators, weights
    Inspect {
        /// Name of a model, or path of a file
        #[arg(value_name = "ID|FILE")]
        model: String,
    },
    /// Show what a backend does to run a model on inputs of given shapes: steps, costs, memory
    Plan {
        /// Name of a model, or path of a file
        #[arg(value_name = "ID|FILE")]
        model: String,
        /// Lengths of the dimensions that the file leaves open, e.g. batch=1,sequence=128
        #[arg(long, value_name = "NAME=LENGTH", value_delimiter = ',', value_parser = parse_dimension)]
        shape: Vec<(String, usize)>,
        /// Backend whose plan it is
        #[arg(long, value_name = "NAME", default_value = "wasm", value_parser = backend())]
        backend: Backend,
    },
}

fn backend() -> impl TypedValueParser<Value = Backend> {
    PossibleValuesParser::new(Backend::ALL.map(Backend::as_str)).map(|name| {
        // The parser lets only these names through.
        Backend::ALL.into_iter().find(|backend| backend.as_str() == name).unwrap_or(Backend::Wasm)
    })
}

fn dimension() -> impl TypedValueParser<Value = Dimension> {
    PossibleValuesParser::new(Dimension::ALL.map(Dimension::as_str)).map(|name| {
        // The parser lets only these names through.
        Dimension::ALL.into_iter().find(|dimension| dimension.as_str() == name).unwrap_or(Dimension::Model)
    })
}

fn severity() -> impl TypedValueParser<Value = Severity> {
    PossibleValuesParser::new(SEVERITIES.map(severity_name)).map(|name| {
        // The parser lets only these names through.
        SEVERITIES.into_iter().find(|severity| severity_name(*severity) == name).unwrap_or(Severity::Moderate)
    })
}

fn not_enough_data() -> impl TypedValueParser<Value = Exit> {
    PossibleValuesParser::new(["0", "1", "5"]).map(|code| match code.as_str() {
        "0" => Exit::Done,
        "1" => Exit::Finding,
        _ => Exit::NotEnoughData,
    })
}

fn metric() -> impl TypedValueParser<Value = Metric> {
    PossibleValuesParser::new(Metric::ALL.map(Metric::as_str)).map(|name| {
        // The parser lets only these names through.
        Metric::ALL.into_iter().find(|metric| metric.as_str() == name).unwrap_or(Metric::Warm)
    })
}

/// A variant's name, or `tuned`.
fn variant(name: &str) -> Result<String, String> {
    let known = || name.parse::<model::webgpu::Variant>().map_err(|error| error.to_string());
    if name == TUNED { Ok(name.to_owned()) } else { known().map(|variant| variant.to_string()) }
}

fn peer() -> impl TypedValueParser<Value = PeerEngine> {
    PossibleValuesParser::new(PeerEngine::ALL.map(PeerEngine::as_str)).map(|name| {
        // The parser lets only these names through.
        PeerEngine::ALL.into_iter().find(|peer| peer.as_str() == name).unwrap_or(PeerEngine::OrtWeb)
    })
}

/// A name and a whole number.
fn length(text: &str) -> Result<(String, u32), String> {
    let (name, length) = text.rsplit_once('=').ok_or("it has the form NAME=N, e.g. sequence=16")?;
    match length.parse() {
        Ok(length @ 1..) => Ok((name.to_owned(), length)),
        Ok(0) | Err(_) => Err("the length is a whole number from 1 on".to_owned()),
    }
}

/// How long runs are kept; `None`: for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keep(pub(crate) Option<Duration>);

fn keep(text: &str) -> Result<Keep, String> {
    if text == "off" { Ok(Keep(None)) } else { age(text).map(Some).map(Keep) }
}

/// A whole number and a unit: `m`, `h`, `d` or `w`.
pub(crate) fn age(text: &str) -> Result<Duration, String> {
    let seconds_per_unit = match text.chars().last() {
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        Some('w') => 604_800,
        Some(_) | None => return Err("an age ends in m, h, d or w, e.g. 30d".to_owned()),
    };
    let count: u64 = text[..text.len() - 1]
        .parse()
        .map_err(|_not_a_number| "an age is a whole number and a unit, e.g. 30d".to_owned())?;
    count
        .checked_mul(seconds_per_unit)
        .map(Duration::from_secs)
        .ok_or_else(|| "that is too long ago".to_owned())
}

#[cfg(test)]
mod tests;
