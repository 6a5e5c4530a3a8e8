//! Times are read, and nothing else.

use super::*;

#[test]
fn times() {
    assert_eq!(time("30s"), Ok(Duration::from_secs(30)));
    assert_eq!(time("2h"), Ok(Duration::from_secs(7200)));
    for wrong in ["", "s", "0s", "30", "1.5m", "-1s", "3d", "1é"] {
        time(wrong).unwrap_err();
    }
}
