// Small files of many kinds, made in the page, for the file identifier.

import { encodeWav } from "../audio/wav.js";
import { drawSamplePicture } from "./picture.js";
import { SAMPLE_RATE, synthesizeRecording } from "./voice.js";

const RUST = `use std::collections::BTreeMap;

/// Counts how often each word occurs.
pub fn count_words(text: &str) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for word in text.split_whitespace() {
        *counts.entry(word).or_insert(0) += 1;
    }
    counts
}
`;

const SHELL = `#!/bin/sh
set -eu
for file in "$@"; do
  if [ ! -r "$file" ]; then
    echo "cannot read $file" >&2
    exit 1
  fi
  wc -l < "$file"
done
`;

const CSV = `day,low tide,high tide,water
Monday,06:42,12:58,17.1
Tuesday,07:31,13:49,17.3
Wednesday,08:24,14:41,17.0
Thursday,09:20,15:36,16.8
`;

async function png() {
  const canvas = document.createElement("canvas");
  drawSamplePicture(canvas);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

/** Each sample's name, as a person would call it, and how to make it. */
export const SAMPLE_FILES = [
  { name: "Rust source", make: async () => new Blob([RUST]) },
  { name: "Shell script", make: async () => new Blob([SHELL]) },
  { name: "Table of values", make: async () => new Blob([CSV]) },
  { name: "Picture", make: png },
  { name: "Sound", make: async () => encodeWav(synthesizeRecording(), SAMPLE_RATE) },
  { name: "This page", make: async () => new Blob([document.documentElement.outerHTML]) },
];
