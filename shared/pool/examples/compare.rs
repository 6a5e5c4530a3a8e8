//! Prints how the pool compares with other policies in simulated fleets: `cargo run --release -p tabpool-pool --example compare`.

/// The parts of the tests' simulator that a comparison needs.
#[expect(dead_code, reason = "what only tests simulate")]
#[path = "../tests/sim"]
mod sim {
    pub(crate) mod baselines;
    pub(crate) mod brain;
    pub(crate) mod compare;
    pub(crate) mod physics;
    pub(crate) mod rng;
    pub(crate) mod scenario;
    pub(crate) mod world;
}

use std::io::{self, Write};

use sim::compare::{Contestant, Metric, compare, even, faulty, pick, saturated};

const N_SEEDS: u64 = 30;

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "SIMULATED fleets of 12 workers in 3 browsers; mean ± 95 % confidence over {N_SEEDS} seeds."
    )?;
    for (title, rows) in [
        ("equal workers, faults and a lost browser, 15 % load", compare(even, N_SEEDS)),
        ("mixed backends, faults and outages, 35 % load", compare(faulty, N_SEEDS)),
        ("mixed backends, no faults, one caller per worker", compare(saturated, N_SEEDS)),
    ] {
        writeln!(out, "\n{title}")?;
        write!(out, "{:42}", "")?;
        for contestant in Contestant::ALL {
            write!(out, " | {:>26}", contestant.title())?;
        }
        writeln!(out)?;
        for metric in Metric::ALL {
            write!(out, "{:42}", metric.title())?;
            for contestant in Contestant::ALL {
                let figure = pick(&rows, contestant, metric);
                write!(out, " | {:>14.2} ± {:>9.2}", figure.mean, figure.margin)?;
            }
            writeln!(out)?;
        }
    }
    Ok(())
}
