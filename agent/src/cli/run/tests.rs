//! Times and sizes are read, and nothing else.

use super::*;

#[test]
fn times() {
    assert_eq!(time("30s"), Ok(Duration::from_secs(30)));
    assert_eq!(time("2h"), Ok(Duration::from_secs(7200)));
    for wrong in ["", "s", "0s", "30", "1.5m", "-1s", "3d", "1é"] {
        time(wrong).unwrap_err();
    }
}

#[test]
fn delays() {
    assert_eq!(delay("5ms"), Ok(Duration::from_millis(5)));
    assert_eq!(delay("0ms"), Ok(Duration::ZERO));
    for wrong in ["", "5", "ms", "-5ms", "1s"] {
        delay(wrong).unwrap_err();
    }
}

#[test]
fn sizes() {
    assert_eq!(size("800MB"), Ok(800_000_000));
    assert_eq!(size("4GB"), Ok(4_000_000_000));
    for wrong in ["", "MB", "0MB", "800", "1.5GB", "4GiB", "4 GB"] {
        size(wrong).unwrap_err();
    }
}
