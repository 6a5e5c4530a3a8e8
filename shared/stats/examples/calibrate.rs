//! Measures how often the conclusions are wrong on simulated series, and prints the tables of `docs/statistics.md`.
//!
//!     cargo run --release -p tabpool-stats --example calibrate > docs/statistics.md
//!     python3 tests/regression.py target/ab report >> docs/statistics.md
#![expect(clippy::print_stdout, reason = "the output of this program is its purpose")]

use stats::interval::median_ratio;
use stats::{
    Bootstrap, Change, Comparison, ComparisonConfig, Contrast, DetectorConfig, History, Method, Random,
    Sample, Spread, StatsError, Warning, benjamini_hochberg, detect, drift, paired, warnings,
};

/// Repetitions behind each number: the standard error of a rate of 1 % is 0.2 percentage points.
const N_REPEATS: usize = 2_000;

/// Repetitions of what takes little time.
const N_QUICK: usize = 50_000;

/// Kinds of noise, each with a standard deviation near 1.
#[derive(Clone, Copy)]
enum Noise {
    White,
    Ar1(f64),
    Bimodal,
    Spikes,
    LogNormal,
    HeavyTails,
}

const NOISES: [(&str, Noise); 7] = [
    ("white", Noise::White),
    ("AR(1), φ = 0.3", Noise::Ar1(0.3)),
    ("AR(1), φ = 0.6", Noise::Ar1(0.6)),
    ("bimodal, ± 1 sd", Noise::Bimodal),
    ("3 % spikes of 5 to 15 sd", Noise::Spikes),
    ("log-normal, σ = 0.8", Noise::LogNormal),
    ("Student's t, 3 degrees", Noise::HeavyTails),
];

/// Draws n values of noise.
fn draw(random: &mut Random, noise: Noise, n: usize) -> Vec<f64> {
    let mut state = random.normal();
    let mut next = || match noise {
        Noise::White => random.normal(),
        Noise::Ar1(persistence) => {
            state = persistence * state + (1.0 - persistence * persistence).sqrt() * random.normal();
            state
        }
        Noise::Bimodal => 0.3 * random.normal() + if random.uniform() < 0.5 { 0.95 } else { -0.95 },
        Noise::Spikes => {
            let spike = if random.uniform() < 0.03 { 5.0 + 10.0 * random.uniform() } else { 0.0 };
            random.normal() + spike
        }
        Noise::LogNormal => libm::exp(0.8 * random.normal()) - 1.0,
        Noise::HeavyTails => {
            let squares: f64 = (0..3).map(|_| random.normal()).map(|value| value * value).sum();
            random.normal() / squares.sqrt()
        }
    };
    (0..n).map(|_| next()).collect()
}

/// A series around 100 with the relative noise; the level is multiplied from `place` on.
fn series(random: &mut Random, noise: Noise, cv: f64, n: usize, place: usize, factor: f64) -> Vec<f64> {
    let level = |index: usize| if index < place { 100.0 } else { 100.0 * factor };
    draw(random, noise, n)
        .iter()
        .enumerate()
        .map(|(index, noise)| level(index) * libm::exp(cv * noise))
        .collect()
}

fn sample(random: &mut Random, noise: Noise, cv: f64, n: usize) -> Result<Sample, StatsError> {
    Sample::new(&series(random, noise, cv, n, 0, 1.0))
}

/// Share of repetitions, in percent, in which something happens.
fn percent(
    n_repeats: usize,
    mut happens: impl FnMut(usize) -> Result<bool, StatsError>,
) -> Result<String, StatsError> {
    let mut count = 0;
    for repeat in 0..n_repeats {
        count += usize::from(happens(repeat)?);
    }
    Ok(format!("{:.1} %", 100.0 * count as f64 / n_repeats as f64))
}

fn heading(title: &str, text: &str, columns: &[&str]) {
    println!("\n## {title}\n\n{text}\n");
    println!("| {} |", columns.join(" | "));
    println!("|{}", " --- |".repeat(columns.len()));
}

fn row(cells: &[String]) {
    println!("| {} |", cells.join(" | "));
}

fn main() -> Result<(), StatsError> {
    println!("# Calibration\n");
    println!(
        "Made by `cargo run --release -p tabpool-stats --example calibrate`: simulated series with known truth,"
    );
    println!("{N_REPEATS} repetitions behind each rate, fixed seeds, so the numbers repeat exactly.");
    change_point_alarms()?;
    change_point_power()?;
    hard_cases()?;
    drift_alarms()?;
    comparison_alarms()?;
    comparison_power()?;
    campaign_alarms()?;
    campaign_power()?;
    launches()?;
    coverage()?;
    doubts()
}

fn change_point_alarms() -> Result<(), StatsError> {
    heading(
        "Change points: false alarms",
        "Share of series without a change that give any report, by length; relative noise 1, 3 and 8 % in turn. The \
         nominal rate is 1 % for a series of 240.",
        &["noise", "60 values", "120 values", "240 values", "alarms per 1,000 values"],
    );
    for (name, noise) in NOISES {
        let mut random = Random::new(101);
        let (mut cells, mut n_alarms, mut n_values) = (vec![name.to_owned()], 0, 0);
        for n in [60, 120, 240] {
            cells.push(percent(N_REPEATS, |repeat| {
                let cv = [0.01, 0.03, 0.08][repeat % 3];
                let changes = detect(&series(&mut random, noise, cv, n, 0, 1.0), DetectorConfig::default())?;
                n_alarms += changes.len();
                n_values += n;
                Ok(!changes.is_empty())
            })?);
        }
        cells.push(format!("{:.3}", 1_000.0 * n_alarms as f64 / n_values as f64));
        row(&cells);
    }
    Ok(())
}

/// The first change within five values of the place.
fn found_at(values: &[f64], place: usize) -> Result<Option<Change>, StatsError> {
    let changes = detect(values, DetectorConfig::default())?;
    Ok(changes.into_iter().find(|change| change.index.abs_diff(place) <= 5))
}

fn change_point_power() -> Result<(), StatsError> {
    heading(
        "Change points: power",
        "Share of steps after 60 values of white noise that are reported within five values of their place, by size \
         and by the values seen after the step.",
        &["step", "noise", "3 after", "5 after", "10 after", "20 after", "40 after", "100 after"],
    );
    for (step, cv) in
        [(0.02, 0.01), (0.03, 0.03), (0.05, 0.03), (0.1, 0.03), (0.2, 0.03), (0.1, 0.08), (0.2, 0.08)]
    {
        let mut cells = vec![format!("{:.0} %", 100.0 * step), format!("{:.0} %", 100.0 * cv)];
        for n_after in [3, 5, 10, 20, 40, 100] {
            let mut random = Random::new(103);
            cells.push(percent(N_REPEATS, |_| {
                let values = series(&mut random, Noise::White, cv, 60 + n_after, 60, 1.0 + step);
                Ok(found_at(&values, 60)?.is_some())
            })?);
        }
        row(&cells);
    }
    Ok(())
}

fn hard_cases() -> Result<(), StatsError> {
    heading(
        "Change points and drift: named cases",
        "A tripled latency inside one day of 24 hourly values, from the 17th on; and 2 % in 60 values with 1 % noise, as \
         a drift (test at 1 %) and as a step in the middle.",
        &["case", "noise", "found"],
    );
    let mut random = Random::new(107);
    for cv in [0.05, 0.1, 0.2] {
        let found = percent(N_REPEATS, |_| {
            Ok(found_at(&series(&mut random, Noise::White, cv, 24, 16, 3.0), 16)?.is_some())
        })?;
        row(&["three times slower within a day".to_owned(), format!("{:.0} %", 100.0 * cv), found]);
    }
    for (kind, noise) in [("white", Noise::White), ("AR(1), φ = 0.6", Noise::Ar1(0.6))] {
        let found = percent(N_REPEATS, |_| {
            let values = series(&mut random, noise, 0.01, 60, 0, 1.0);
            let drifting = values.iter().enumerate().map(|(i, value)| value * (1.0 + 0.02 * i as f64 / 59.0));
            drifts(&drifting.collect::<Vec<_>>())
        })?;
        row(&["drift of 2 % over 60 values".to_owned(), format!("1 %, {kind}"), found]);
    }
    let found = percent(N_REPEATS, |_| {
        Ok(found_at(&series(&mut random, Noise::White, 0.01, 60, 30, 1.02), 30)?.is_some())
    })?;
    row(&["step of 2 % after 30 of 60 values".to_owned(), "1 %, white".to_owned(), found]);
    Ok(())
}

/// Whether there is a drift at 1 %.
fn drifts(values: &[f64]) -> Result<bool, StatsError> {
    Ok(drift(&Sample::new(values)?, 0.95)?.p_value < 0.01)
}

fn drift_alarms() -> Result<(), StatsError> {
    heading(
        "Drift: false alarms",
        "Share of series without a change that drift at 1 %, by length; relative noise 3 %.",
        &["noise", "15 values", "30 values", "60 values", "120 values", "240 values"],
    );
    for (name, noise) in NOISES {
        let mut random = Random::new(151);
        let mut cells = vec![name.to_owned()];
        for n in [15, 30, 60, 120, 240] {
            cells.push(percent(N_REPEATS, |_| drifts(&series(&mut random, noise, 0.03, n, 0, 1.0)))?);
        }
        row(&cells);
    }
    Ok(())
}

/// The comparison's p-value; few resamples, because its intervals are not looked at.
fn p_value(baseline: &Sample, candidate: &Sample) -> Result<f64, StatsError> {
    let bootstrap = Bootstrap { resamples: 100, seed: 1 };
    let config = ComparisonConfig { bootstrap, ..ComparisonConfig::default() };
    Ok(Comparison::new(baseline, candidate, config)?.rank_test.p_value)
}

fn comparison_alarms() -> Result<(), StatsError> {
    heading(
        "Comparisons: false alarms",
        "Share of comparisons of two equal samples with p < 1 %; in the last column, share of families of 20 comparisons \
         of 30 values each with any adjusted p < 1 % (Benjamini and Hochberg; 200 families).",
        &["noise", "10 a side", "30 a side", "100 a side", "family of 20"],
    );
    for (name, noise) in NOISES {
        let mut random = Random::new(109);
        let mut compare = |n: usize| {
            let (baseline, candidate) =
                (sample(&mut random, noise, 0.03, n)?, sample(&mut random, noise, 0.03, n)?);
            p_value(&baseline, &candidate)
        };
        let mut cells = vec![name.to_owned()];
        for n in [10, 30, 100] {
            cells.push(percent(N_REPEATS, |_| Ok(compare(n)? < 0.01))?);
        }
        cells.push(percent(200, |_| {
            let p_values = (0..20).map(|_| compare(30)).collect::<Result<Vec<f64>, _>>()?;
            Ok(benjamini_hochberg(&p_values).iter().any(|&p_value| p_value < 0.01))
        })?);
        row(&cells);
    }
    Ok(())
}

fn comparison_power() -> Result<(), StatsError> {
    heading(
        "Comparisons: power",
        "Share of comparisons with p < 1 % in white noise, by the difference in standard deviations and the values on \
         each side.",
        &["difference", "5", "10", "20", "50", "100"],
    );
    for effect in [0.25, 0.5, 1.0, 1.5, 2.0, 3.0] {
        let mut cells = vec![format!("{effect} sd")];
        for n in [5, 10, 20, 50, 100] {
            let mut random = Random::new(113);
            cells.push(percent(N_REPEATS, |_| {
                let baseline = sample(&mut random, Noise::White, 0.03, n)?;
                let factor = libm::exp(0.03 * effect);
                let candidate = Sample::new(&series(&mut random, Noise::White, 0.03, n, 0, factor))?;
                Ok(p_value(&baseline, &candidate)? < 0.01)
            })?);
        }
        row(&cells);
    }
    Ok(())
}

/// Cases in a family of campaigns.
const N_CASES: usize = 10;

/// What a candidate is compared with.
struct Plan {
    title: &'static str,
    n_baseline: usize,
    /// Campaigns whose noise is known.
    n_history: usize,
    n_candidate: usize,
}

const PLANS: [Plan; 6] = [
    Plan { title: "1 (no history)", n_baseline: 1, n_history: 0, n_candidate: 1 },
    Plan { title: "1 of 3", n_baseline: 1, n_history: 3, n_candidate: 1 },
    Plan { title: "3 of 3", n_baseline: 3, n_history: 3, n_candidate: 1 },
    Plan { title: "10 of 10", n_baseline: 10, n_history: 10, n_candidate: 1 },
    Plan { title: "10 of 30", n_baseline: 10, n_history: 30, n_candidate: 1 },
    Plan { title: "10 of 30, measured twice", n_baseline: 10, n_history: 30, n_candidate: 2 },
];

/// Whether any case of a candidate is significant at 1 % in its family and consistent. Noise between campaigns is 0.4 to 8 %
/// unless `sd` says so, and the first case takes `factor` times as long.
fn finds_change(
    random: &mut Random,
    noise: Noise,
    plan: &Plan,
    sd: Option<f64>,
    factor: f64,
) -> Result<bool, StatsError> {
    let n_earlier = plan.n_history.max(plan.n_baseline);
    let (mut levels, mut histories) = (Vec::new(), Vec::new());
    for _ in 0..N_CASES {
        let sd = sd.unwrap_or_else(|| 0.004 * libm::pow(20.0, random.uniform()));
        let case = series(random, noise, sd, n_earlier + plan.n_candidate, 0, 1.0);
        histories.push(History::of(&case[..plan.n_history])?);
        levels.push(case);
    }
    let (mut p_values, mut consistent) = (Vec::new(), Vec::new());
    for (index, case) in levels.iter().enumerate() {
        let others = histories.iter().enumerate().filter(|(other, _)| *other != index);
        let similar: Vec<History> = others.map(|(_, history)| *history).collect();
        let mut campaign = |level: f64| {
            let runs: Vec<f64> = (0..15).map(|_| level * libm::exp(0.02 * random.normal())).collect();
            Sample::new(&runs)
        };
        let factor = if index == 0 { factor } else { 1.0 };
        let baseline = case[n_earlier - plan.n_baseline..n_earlier].iter().map(|level| campaign(*level));
        let baseline = baseline.collect::<Result<Vec<Sample>, _>>()?;
        let candidate = case[n_earlier..].iter().map(|level| campaign(level * factor));
        let candidate = candidate.collect::<Result<Vec<Sample>, _>>()?;
        let spread = Spread::of(&histories[index], &similar);
        let contrast = Contrast::between(&baseline, &candidate, spread, 0.95)?;
        p_values.push(contrast.p_value);
        consistent.push(contrast.is_consistent);
    }
    let adjusted = benjamini_hochberg(&p_values);
    let mut found =
        adjusted.iter().zip(consistent).map(|(&p_value, is_consistent)| is_consistent && p_value < 0.01);
    Ok(if factor == 1.0 { found.any(|is_found| is_found) } else { found.next() == Some(true) })
}

fn columns(first: &[&'static str]) -> Vec<&'static str> {
    first.iter().copied().chain(PLANS.iter().map(|plan| plan.title)).collect()
}

fn campaign_alarms() -> Result<(), StatsError> {
    heading(
        "Campaigns: false alarms",
        &format!(
            "Share of families of {N_CASES} unchanged cases with any adjusted p < 1 %, by the kind of noise between campaigns \
             (relative standard deviation 0.4 to 8 %, another for each case; 15 runs a campaign, 2 % apart), and by the \
             campaigns of the baseline and of the history. One campaign that is off as a whole (the last three rows; \
             spikes are off by 5 to 15 standard deviations) cannot be told from a regression of that size: who finds \
             the one finds the other. Two can: a change must show in both (`gate --campaign 7,8`)."
        ),
        &columns(&["noise between campaigns"]),
    );
    for (name, noise) in NOISES {
        let mut cells = vec![name.to_owned()];
        for plan in &PLANS {
            let mut random = Random::new(139);
            cells.push(percent(N_REPEATS, |_| finds_change(&mut random, noise, plan, None, 1.0))?);
        }
        row(&cells);
    }
    Ok(())
}

fn campaign_power() -> Result<(), StatsError> {
    heading(
        "Campaigns: power",
        &format!(
            "Share of candidates whose only changed case of {N_CASES} is found, by the change and the noise between campaigns \
             (white)."
        ),
        &columns(&["change", "noise"]),
    );
    for (change, sd) in
        [(0.05, 0.01), (0.1, 0.01), (0.2, 0.01), (0.1, 0.03), (0.2, 0.03), (0.3, 0.03), (0.5, 0.03)]
    {
        let mut cells = vec![format!("{:.0} %", 100.0 * change), format!("{:.0} %", 100.0 * sd)];
        for plan in &PLANS {
            let mut random = Random::new(149);
            let found = |_| finds_change(&mut random, Noise::White, plan, Some(sd), 1.0 + change);
            cells.push(percent(N_REPEATS, found)?);
        }
        row(&cells);
    }
    Ok(())
}

fn launches() -> Result<(), StatsError> {
    heading(
        "Two builds in turns",
        "Share of comparisons of so many launches with p < 1 %, by the true difference in standard deviations of one \
         launch's ratio; 0 is the share of false alarms (50,000 repetitions).",
        &["difference", "3 launches", "5", "10", "20"],
    );
    for effect in [0.0, 0.5, 1.0, 2.0, 4.0, 8.0] {
        let mut cells = vec![format!("{effect} sd")];
        for n in [3, 5, 10, 20] {
            let mut random = Random::new(137);
            cells.push(percent(N_QUICK, |_| {
                let ratios: Vec<f64> = (0..n).map(|_| 0.01 * (effect + random.normal())).collect();
                Ok(paired(&Sample::new(&ratios)?, 0.95)?.test.p_value < 0.01)
            })?);
        }
        row(&cells);
    }
    Ok(())
}

fn coverage() -> Result<(), StatsError> {
    heading(
        "Intervals: coverage",
        "Share of 95 % intervals of the ratio of medians of two equal samples that cover 1 (500 resamples).",
        &["noise", "method", "10 a side", "20 a side", "50 a side"],
    );
    for (name, noise) in NOISES {
        for (title, is_bootstrap) in [("bootstrap", true), ("Student's t", false)] {
            let mut random = Random::new(127);
            let mut cells = vec![name.to_owned(), title.to_owned()];
            for n in [10, 20, 50] {
                cells.push(percent(N_REPEATS, |repeat| {
                    let bootstrap = Bootstrap { resamples: 500, seed: repeat as u64 };
                    let method = if is_bootstrap { Method::Bootstrap(bootstrap) } else { Method::StudentT };
                    let (first, second) =
                        (sample(&mut random, noise, 0.03, n)?, sample(&mut random, noise, 0.03, n)?);
                    let interval = median_ratio(&first, &second, 0.95, method)?;
                    Ok(interval.low <= 1.0 && 1.0 <= interval.high)
                })?);
            }
            row(&cells);
        }
    }
    Ok(())
}

fn doubts() -> Result<(), StatsError> {
    heading(
        "Warnings: how often they are raised",
        "Share of samples of 30 and 100 values; uniform values are the hardest case with one cluster.",
        &["noise", "autocorrelated, 30", "autocorrelated, 100", "multimodal, 30", "multimodal, 100"],
    );
    let kinds: [fn(&Warning) -> bool; 2] = [
        |warning| matches!(warning, Warning::Autocorrelated { .. }),
        |warning| matches!(warning, Warning::Multimodal { .. }),
    ];
    let uniform =
        |random: &mut Random, n: usize| (0..n).map(|_| 1.0 + random.uniform()).collect::<Vec<f64>>();
    for (name, noise) in
        NOISES.map(|(name, noise)| (name, Some(noise))).into_iter().chain([("uniform", None)])
    {
        let mut random = Random::new(131);
        let mut cells = vec![name.to_owned()];
        for kind in kinds {
            for n in [30, 100] {
                cells.push(percent(N_REPEATS, |_| {
                    let values = match noise {
                        Some(noise) => series(&mut random, noise, 0.03, n, 0, 1.0),
                        None => uniform(&mut random, n),
                    };
                    Ok(warnings(&Sample::new(&values)?).iter().any(kind))
                })?);
            }
        }
        row(&cells);
    }
    Ok(())
}
