//! From probabilities to segments, and the frames that the model sees.

use super::*;

/// Probabilities as text: `#` speech, `-` undecided, `.` silence, one per frame; segments in frames of 512 samples.
#[track_caller]
fn check(probabilities: &str, expected: &[(f64, f64)]) {
    let values: Vec<f32> = probabilities
        .chars()
        .map(|frame| match frame {
            '#' => 0.9,
            '-' => 0.4,
            _ => 0.1,
        })
        .collect();
    let in_frames = |sample: usize| sample as f64 / FRAME as f64;
    let segments = segments(&values, values.len() * FRAME);
    let segments: Vec<(f64, f64)> =
        segments.into_iter().map(|(start, end)| (in_frames(start), in_frames(end))).collect();
    assert_eq!(segments, expected, "{probabilities}");
}

/// Padding, in frames.
const PAD: f64 = PADDING as f64 / FRAME as f64;

#[test]
fn speech_between_silences() {
    check("", &[]);
    check("..........", &[]);
    check("....##########......", &[(4.0 - PAD, 14.0 + PAD)]);
    check("##########......", &[(0.0, 10.0 + PAD)]);
    // Speech that goes on to the end of the recording.
    check("....##########", &[(4.0 - PAD, 14.0)]);
}

#[test]
fn short_speech_and_short_silence_do_not_count() {
    check("....#######......", &[]);
    check("....#####...#####......", &[(4.0 - PAD, 17.0 + PAD)]);
    check("....#####-----------#####......", &[(4.0 - PAD, 25.0 + PAD)]);
}

#[test]
fn segments_do_not_grow_into_each_other() {
    check("##########.....##########......", &[(0.0, 10.0 + PAD), (15.0 - PAD, 25.0 + PAD)]);
    let mut close = [(0, 1000), (1100, 2000)];
    pad(&mut close, 2100);
    assert_eq!(close, [(0, 1050), (1050, 2100)]);
}

#[test]
fn frames_repeat_the_end_of_the_one_before() {
    let samples: Vec<f32> = (1..=600_u16).map(f32::from).collect();
    let first: Vec<f32> = frame_with_context(&samples, 0).collect();
    assert_eq!(first.len(), CONTEXT + FRAME);
    assert_eq!((first[CONTEXT - 1], first[CONTEXT], first[CONTEXT + FRAME - 1]), (0.0, 1.0, 512.0));
    let second: Vec<f32> = frame_with_context(&samples, 1).collect();
    assert_eq!(
        (second[0], second[CONTEXT], second[CONTEXT + 87], second[CONTEXT + 88]),
        (449.0, 513.0, 600.0, 0.0)
    );
}
