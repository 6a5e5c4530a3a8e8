//! Numbers as people read them: three significant digits and a unit.

/// A duration in microseconds, e.g. `9.81 ms`, `182 ms` or `1.20 s`.
pub(crate) fn micros(micros: f64) -> String {
    if micros < 999.5 {
        format!("{} µs", significant(micros))
    } else if micros < 999_500.0 {
        format!("{} ms", significant(micros / 1e3))
    } else {
        format!("{} s", significant(micros / 1e6))
    }
}

/// Two durations in microseconds in the unit of the larger one, e.g. `9.52–10.1 ms`.
pub(crate) fn micros_range(low: f64, high: f64) -> String {
    let text = micros(high);
    let scale = match text.rsplit_once(' ') {
        Some((_, "ms")) => 1e3,
        Some((_, "s")) => 1e6,
        Some(_) | None => 1.0,
    };
    format!("{}–{text}", significant(low / scale))
}

/// A size in bytes with decimal units, e.g. `69.1 MB`.
pub(crate) fn bytes(bytes: u64) -> String {
    let count = count(bytes);
    if bytes < 1000 { format!("{count} B") } else { format!("{count}B") }
}

/// A count with decimal multiples, e.g. `17.4 M`.
pub(crate) fn count(count: u64) -> String {
    // Three digits are shown: that f64 rounds above 2^53 does not matter.
    let value = count as f64;
    if count < 1000 {
        count.to_string()
    } else if value < 999_500.0 {
        format!("{} k", significant(value / 1e3))
    } else if value < 999_500_000.0 {
        format!("{} M", significant(value / 1e6))
    } else {
        format!("{} G", significant(value / 1e9))
    }
}

/// A browser with the first two parts of its version, e.g. `chromium 156.0`.
pub(crate) fn browser(name: &str, version: &str) -> String {
    let short: Vec<&str> = version.split('.').take(2).collect();
    format!("{name} {}", short.join(".")).trim_end().to_owned()
}

/// A backend with its finer description, e.g. `wasm relaxed-simd`. Those of backends with several devices begin with the
/// backend: `webgpu swiftshader`.
pub(crate) fn backend(name: &str, detail: &str) -> String {
    if detail.starts_with(name) {
        detail.to_owned()
    } else {
        format!("{name} {detail}").trim_end().to_owned()
    }
}

/// A count of things, e.g. `1 file` or `3 files`.
pub(crate) fn plural(count: usize, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

/// The size of a relative effect without its sign, e.g. `4.2 %` for −0.042.
pub(crate) fn percent(effect: f64) -> String {
    let percent = 100.0 * effect.abs();
    if percent < 9.95 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

/// A relative effect with its sign, e.g. `−4.2 %`.
pub(crate) fn signed_percent(effect: f64) -> String {
    format!("{}{}", if effect < 0.0 { "−" } else { "+" }, percent(effect))
}

/// Three significant digits for values up to 999, without an exponent.
pub(crate) fn significant(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude < 9.995 {
        format!("{value:.2}")
    } else if magnitude < 99.95 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

#[cfg(test)]
mod tests;
