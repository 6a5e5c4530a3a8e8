//! `GET /metrics`: the history for a monitoring system, as OpenMetrics or as the older Prometheus text.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;

use crate::server::App;
use crate::server::metrics::blocking;
use crate::server::rejection::Rejection;
use crate::store::{BOUNDS_MICROS, Meter, StoreError};

/// The two formats. Only OpenMetrics has exemplars, which carry the id of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    OpenMetrics,
    Prometheus,
}

impl Format {
    fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// `GET /metrics`. Everything is counted from the history, so that runs of `bench` count too; retention, which removes
/// runs, looks like a restart of the counters.
pub(super) async fn metrics(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Rejection> {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_open = accept.contains("application/openmetrics-text");
    let format = if is_open { Format::OpenMetrics } else { Format::Prometheus };
    let read = move || Ok::<_, StoreError>((app.store.meters()?, app.store.n_bytes()?));
    let (meters, n_bytes) = blocking(read).await?;
    Ok(([(header::CONTENT_TYPE, format.content_type())], render(&meters, n_bytes, format)))
}

fn render(meters: &[Meter], n_bytes: i64, format: Format) -> String {
    let mut text = String::new();
    let is_open = format == Format::OpenMetrics;
    let family = |text: &mut String, name: &str, kind: &str, unit: &str, help: &str| {
        // A counter's family is called without `_total` in OpenMetrics, and with it in the older text.
        let name = if kind == "counter" && !is_open { format!("{name}_total") } else { name.to_owned() };
        *text += &format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
        if is_open && !unit.is_empty() {
            *text += &format!("# UNIT {name} {unit}\n");
        }
    };
    family(&mut text, "tabpool_runs", "counter", "", "Runs in the history, by outcome.");
    for meter in meters {
        let labels = labels(meter);
        // Writing to a string cannot fail.
        writeln!(text, "tabpool_runs_total{{{labels},outcome=\"ok\"}} {}", meter.n_succeeded).ok();
        for (category, n) in &meter.n_failed {
            writeln!(text, "tabpool_runs_total{{{labels},outcome=\"{}\"}} {n}", escape(category)).ok();
        }
    }
    let name = "tabpool_warm_run_seconds";
    family(&mut text, name, "histogram", "seconds", "Computing time of warm runs that succeeded.");
    for meter in meters.iter().filter(|meter| meter.n_warm > 0) {
        let labels = labels(meter);
        let mut below = 0.0;
        let buckets = BOUNDS_MICROS.iter().map(|bound| *bound as f64).zip(meter.n_up_to.iter().copied());
        for (bound, n) in buckets.chain([(f64::INFINITY, meter.n_warm)]) {
            let edge = if bound.is_finite() { (bound / 1e6).to_string() } else { "+Inf".to_owned() };
            let exemplar = match &meter.latest {
                Some((id, micros, started)) if is_open && *micros > below && *micros <= bound => {
                    let id: String = escape(id).chars().take(120).collect();
                    let (seconds, time) = (micros / 1e6, *started as f64 / 1e6);
                    format!(" # {{run=\"{id}\"}} {seconds} {time}")
                }
                Some(_) | None => String::new(),
            };
            writeln!(text, "{name}_bucket{{{labels},le=\"{edge}\"}} {n}{exemplar}").ok();
            below = bound;
        }
        writeln!(text, "{name}_sum{{{labels}}} {}", meter.warm_micros / 1e6).ok();
        writeln!(text, "{name}_count{{{labels}}} {}", meter.n_warm).ok();
    }
    let name = "tabpool_last_run_timestamp_seconds";
    family(&mut text, name, "gauge", "seconds", "Start of the latest warm run, since the Unix epoch.");
    for meter in meters {
        if let Some((_, _, started)) = &meter.latest {
            writeln!(text, "{name}{{{}}} {}", labels(meter), *started as f64 / 1e6).ok();
        }
    }
    family(&mut text, "tabpool_history_bytes", "gauge", "bytes", "Size of the history.");
    writeln!(text, "tabpool_history_bytes {n_bytes}").ok();
    if is_open {
        text += "# EOF\n";
    }
    text
}

fn labels(meter: &Meter) -> String {
    let series = &meter.series;
    [
        ("model", &series.model),
        ("case", &series.case),
        ("precision", &series.precision),
        ("browser", &series.browser),
        ("backend", &series.backend),
        ("adapter", &series.adapter),
        ("host", &series.host),
        ("cpu", &series.cpu_model),
        // Two files of one model differ in nothing else.
        ("file", &series.model_sha256.chars().take(12).collect()),
    ]
    .map(|(name, value)| format!("{name}=\"{}\"", escape(value)))
    .join(",")
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests;
