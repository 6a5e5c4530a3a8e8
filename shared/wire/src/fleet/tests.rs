//! Frames survive the way, and damaged ones are refused.

use super::*;
use crate::Request;

fn command() -> FleetCommand {
    let request = EngineRequest { id: 7, request: Request::Ping };
    FleetCommand::Engine { worker: 1, request, is_refetch: false, decode: Some(Media::Image) }
}

#[track_caller]
fn check_refused(body: &[u8], expected: &BundleError) {
    assert_eq!(&decode_frame::<FleetCommand>(body).unwrap_err(), expected);
}

#[test]
fn frames_round_trip() {
    let buffers: [&[u8]; 3] = [b"abc", b"", &[0, 255]];
    let body = encode_frame(&command(), &buffers);
    assert_eq!(decode_frame(&body), Ok((command(), buffers.to_vec())));
    let alone = encode_frame(&FleetReport::Pong, &[]);
    assert_eq!(&alone[4..], br#"{"message":{"kind":"pong"},"sizes":[]}"#);
}

#[test]
fn damaged_frames_are_refused() {
    let body = encode_frame(&command(), &[b"abc"]);
    let n = body.len();
    check_refused(&body[..2], &BundleError::Truncated { needed: 4, actual: 2 });
    check_refused(&body[..n - 1], &BundleError::Truncated { needed: n, actual: n - 1 });
    check_refused(&[body.as_slice(), b"!"].concat(), &BundleError::TrailingBytes(1));
    let pong = encode_frame(&FleetReport::Pong, &[]);
    assert!(matches!(decode_frame::<FleetCommand>(&pong), Err(BundleError::Header(_))));
}
