//! What the system says of a process, and of this one.

use super::*;

#[test]
fn status_is_read() {
    let status = "Name:\tchromium\nPPid:\t42\nVmPeak:\t  900 kB\nVmRSS:\t     700 kB\n";
    assert_eq!(parse(status), (42, 700 * 1024));
    assert_eq!(parse("Name:\tkthreadd\nPPid:\t0\n"), (0, 0));
}

#[cfg(target_os = "linux")]
#[test]
fn memory_that_is_taken_is_seen() {
    let mut watch = Watch::start(std::process::id()).expect("the system tells");
    let taken = vec![1_u8; 64 << 20];
    watch.sample();
    assert!(watch.peak_over_rest_bytes() > 32 << 20, "{watch:?}");
    let own = proportional_bytes(std::process::id()).expect("the system tells");
    assert!(own > 64 << 20 && own <= watch.rest_bytes + watch.peak_bytes, "{own} beside {watch:?}");
    drop(taken);
}
