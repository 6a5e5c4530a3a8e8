//! Which kernels come first, and what a trace holds.

use super::*;

fn run() -> BrowserRun {
    let span = |kernel: &str, start_micros, micros, n_flops| Span {
        kernel: kernel.to_owned(),
        node: format!("/{kernel}"),
        start_micros,
        micros,
        n_flops,
    };
    let spans =
        vec![span("norm", 0.0, 10.0, 0), span("matmul", 10.0, 30.0, 100), span("norm", 40.0, 15.0, 0)];
    let profile = Profile { clock: "timestamp-query".to_owned(), spans };
    BrowserRun { profiles: BTreeMap::from([("m/1x16/webgpu".to_owned(), profile)]), ..BrowserRun::default() }
}

#[test]
fn kernels_with_most_time_come_first() {
    let sums = sums(&run().profiles["m/1x16/webgpu"].spans);
    let expected = [
        ("matmul".to_owned(), Sum { n_calls: 1, micros: 30.0, n_flops: 100 }),
        ("norm".to_owned(), Sum { n_calls: 2, micros: 25.0, n_flops: 0 }),
    ];
    assert_eq!(sums, expected);
}

#[test]
fn a_trace_names_processes_and_threads_and_has_every_call() {
    let trace = trace(&[run()]);
    let events = trace["traceEvents"].as_array().unwrap();
    let phases: Vec<&str> = events.iter().filter_map(|event| event["ph"].as_str()).collect();
    assert_eq!(phases, ["M", "M", "X", "X", "X"]);
    assert_eq!(
        (&events[3]["name"], &events[3]["ts"], &events[3]["dur"]),
        (&json!("matmul"), &json!(10.0), &json!(30.0))
    );
}
