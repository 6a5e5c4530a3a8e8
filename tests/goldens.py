#!/usr/bin/env python3
"""Makes agent/goldens/*.json: what ONNX Runtime computes for the zoo, on inputs anybody can rebuild.

    python3 -m venv venv
    venv/bin/pip install onnxruntime==1.32.0 numpy==2.4.6 tokenizers==0.23.3 pillow==13.0.0
    cargo run -p tabpool -- model fetch --test-data    # fills the cache
    venv/bin/python tests/goldens.py [MODEL...]        # all models without arguments

The runtime executes each graph as written: one thread, no graph optimisation. `session.x64quantprecision` keeps
8-bit products exact on CPUs without VNNI, where the default kernels saturate.

Floats and integers of a `uniform` fill come from xorshift32 (shifts 13, 17, 5). Outputs keep every `stride`-th element,
rounded to 9 significant digits. `max_abs_ratio` is max|a-b| over the golden's range. Every case is also run on a
disturbed input, and the outputs must then leave the limits by far: a case that any input passes proves nothing.
"""

import hashlib
import json
import os
import sys
import tomllib
import wave
from pathlib import Path

import numpy as np
import onnxruntime
import tokenizers
from PIL import Image

TESTS = Path(__file__).resolve().parent
GOLDENS = TESTS.parent / "agent" / "goldens"
ZOO = tomllib.loads((TESTS.parent / "agent" / "models.toml").read_text())
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tabpool" / "models"

# The most values kept of one output.
MAX_VALUES = 1024
# A disturbed input must move the outputs this many times further than the limit allows.
MIN_DISTURBANCE = 10

# f32 models: kernels only differ in the order of their sums.
F32 = {"max_abs_ratio": 1e-4, "cosine": 0.99999}
# The detector's map is nearly binary: at the edges of letters its sigmoid is steepest.
STEEP_F32 = {"max_abs_ratio": 5e-4, "cosine": 0.99999}
# Activations are quantised at run time: a sum that differs in its last bit can fall on the other side of a rounding
# step, and T5's outliers make one step worth up to 3 % of the output's range (seen between ONNX Runtime and the ONNX
# reference evaluator, both exact in integers).
DYNAMIC_INT8 = {"max_abs_ratio": 0.05, "cosine": 0.995}

SENTENCE = "A man is playing a guitar on the stage while people are listening."
PARAGRAPH = (
    "The library opens at nine in the morning and closes at six in the evening, except on Sundays. Visitors may borrow "
    "up to ten books for three weeks. Magazines, maps and rare prints stay in the reading room on the second floor, "
    "where quiet work is possible all day long. Children find picture books, games and puzzles beside the entrance. "
    "Every Thursday somebody from the town reads a story aloud, and on the first Saturday of each month local "
    "musicians play in the courtyard. The staff can order titles from other towns; this usually takes about four "
    "days, sometimes longer before the holidays, when many people travel and the post is slow."
)
SHELL_SCRIPT = b'#!/bin/sh\nset -eu\nfor file in "$@"; do\n    gzip -9 -c "$file" > "$file.gz"\n    rm -f "$file"\ndone\n'
RUST_SOURCE = (
    b"use std::collections::BTreeMap;\n\npub fn count(words: &[&str]) -> BTreeMap<String, usize> {\n"
    b"    let mut counts = BTreeMap::new();\n    for word in words {\n"
    b"        *counts.entry((*word).to_owned()).or_insert(0) += 1;\n    }\n    counts\n}\n"
)
STEP = "summarize agent step: Install dependencies, build the project, and deploy it to the staging server."


def cached(entry_id):
    """Path of a model or asset, its hash checked."""
    entry = next(e for e in ZOO["model"] + ZOO["asset"] if e["id"] == entry_id)
    path = CACHE / entry["sha256"]
    if hashlib.sha256(path.read_bytes()).hexdigest() != entry["sha256"]:
        sys.exit(f"{path} does not have the hash that names it")
    return path


def session(model_id):
    """A deterministic CPU session."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.x64quantprecision", "1")
    return onnxruntime.InferenceSession(str(cached(model_id)), options, providers=["CPUExecutionProvider"])


def read_wav(path):
    """Mono 16 kHz samples as int16."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (1, 16000, 2), path
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def tensor(dtype, dims, **fill):
    """One input: `values`, `uniform` or `constant`."""
    return {"dtype": dtype, "dims": list(dims), "fill": fill}


def values(dtype, array, digits=None):
    """An input given in full; floats are rounded so that the file stays small."""
    flat = np.asarray(array).ravel().tolist()
    return tensor(dtype, np.shape(array), values=[round(x, digits) for x in flat] if digits is not None else flat)


def uniform(dtype, dims, seed, low, high):
    """A generated input."""
    return tensor(dtype, dims, uniform={"seed": seed, "low": low, "high": high})


def constant(dtype, dims, value):
    """An input of one value."""
    return tensor(dtype, dims, constant=value)


def filled(spec, disturb=False):
    """The array of an input spec; `disturb` gives a different one of the same kind."""
    dtype, dims, fill = np.dtype(spec["dtype"]), spec["dims"], spec["fill"]
    if "values" in fill:
        array = np.array(fill["values"], dtype).reshape(dims)
        return np.roll(array, 3, axis=-1) if disturb else array
    if "constant" in fill:
        return np.full(dims, fill["constant"], dtype)
    state, low, high = fill["uniform"]["seed"] + disturb, fill["uniform"]["low"], fill["uniform"]["high"]
    array = np.empty(int(np.prod(dims)), np.float64 if dtype.kind == "f" else np.int64)
    for index in range(array.size):
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFFFFFF
        array[index] = low + (high - low) * ((state >> 8) / 2**24) if dtype.kind == "f" else low + state % (high - low)
    return array.astype(dtype).reshape(dims)


def token_ids(tokenizer_id, text, length=None):
    """Ids and mask, [1, length]; padded with 0 or cut when a length is given."""
    ids = tokenizers.Tokenizer.from_file(str(cached(tokenizer_id)))
    ids.no_padding()
    ids.no_truncation()
    ids = ids.encode(text).ids
    length = length or len(ids)
    if len(ids) > length:
        ids = ids[: length - 1] + ids[-1:]
    mask = [1] * len(ids) + [0] * (length - len(ids))
    return values("int64", [ids + [0] * (length - len(ids))]), values("int64", [mask])


def minilm_inputs(n_batch, length, with_types):
    """Real tokens for one row, generated ids for more."""
    if n_batch == 1:
        ids, mask = token_ids("minilm-tokenizer", SENTENCE if length < 64 else PARAGRAPH, length)
    else:
        ids, mask = uniform("int64", [n_batch, length], 11, 1000, 30000), constant("int64", [n_batch, length], 1)
    types = {"token_type_ids": constant("int64", [n_batch, length], 0)} if with_types else {}
    return {"input_ids": ids, "attention_mask": mask} | types


def speech_rows(n_rows):
    """Silero's rows around the onset of speech: 64 samples of context before 512 new ones."""
    samples = read_wav(cached("speech-wav")) / 32768
    onset = int(np.argmax(np.abs(samples) > 0.1)) // 512 * 512 - 1024
    return np.stack([samples[onset + 512 * row - 64 :][:576] for row in range(n_rows)])


def page_crop(box, size=None):
    """Part of the printed page, in the OCR models' range of -1 to 1, [1, 3, h, w]."""
    with Image.open(cached("page-png")) as page:
        crop = page.convert("L").crop(box)
    crop = crop.resize(size, Image.Resampling.BILINEAR) if size else crop
    return np.repeat((np.asarray(crop, np.float64) / 127.5 - 1)[None, None], 3, axis=1)


def magika_features(content):
    """First and last 1,024 bytes, padded with 256 after and before."""
    head, tail = list(content.lstrip()[:1024]), list(content.rstrip()[-1024:])
    return head + [256] * (1024 - len(head)) + [256] * (1024 - len(tail)) + tail


def wake_word_scores(samples):
    """Score of each 16 embeddings in a row, and all embeddings, [n, 96]; windows as in the `openwakeword` package."""
    mel = session("oww-mel").run(None, {"input": samples[None].astype(np.float32)})[0].reshape(-1, 32) / 10 + 2
    windows = np.stack([mel[start : start + 76] for start in range(0, len(mel) - 75, 8)])[..., None]
    rows = session("oww-embedding").run(None, {"input_1": windows})[0].reshape(-1, 96)
    head = session("oww-alexa")
    return [head.run(None, {"onnx::Flatten_0": rows[None, i : i + 16]})[0].item() for i in range(len(rows) - 15)], rows


def alexa_embeddings():
    """The 16 embeddings of tests/data/alexa.wav where the sigmoid is steepest, [1, 16, 96]."""
    scores, rows = wake_word_scores(np.pad(read_wav(TESTS / "data" / "alexa.wav"), (24000, 16000)))
    start = int(np.argmin(np.abs(np.array(scores) - 0.5)))
    return rows[None, start : start + 16]


def cases():
    """Model id → [(case id, inputs, outputs to keep, limits)]."""
    vad_state = {"h": constant("float32", [1, 1, 128], 0), "c": constant("float32", [1, 1, 128], 0)}
    step_ids, step_mask = token_ids("t5-tokenizer", STEP)
    n_step = step_ids["dims"][1]
    return {
        "minilm-l3": [
            ("1x16", minilm_inputs(1, 16, False), ["onnx::Shape_422", "461"], F32),
            ("1x128", minilm_inputs(1, 128, False), ["461"], F32),
            ("8x128", minilm_inputs(8, 128, False), ["461"], F32),
        ],
        "minilm-l6-int8": [
            ("1x16", minilm_inputs(1, 16, True), ["last_hidden_state"], F32),
            ("1x128", minilm_inputs(1, 128, True), ["last_hidden_state"], F32),
        ],
        "minilm-l6": [
            ("1x16", minilm_inputs(1, 16, True), ["last_hidden_state"], F32),
            ("1x128", minilm_inputs(1, 128, True), ["last_hidden_state"], F32),
            ("8x128", minilm_inputs(8, 128, True), ["last_hidden_state"], F32),
        ],
        "efficientnet-lite0": [
            ("1x3x224x224", {"image": uniform("float32", [1, 3, 224, 224], 111, -1, 1)}, ["logits"], F32),
        ],
        "silero-vad": [
            ("8x576-speech", {"input": values("float32", speech_rows(8), 4)} | vad_state, ["speech_probs", "hn", "cn"], F32),
            ("64x576", {"input": uniform("float32", [64, 576], 21, -0.3, 0.3)} | vad_state, ["speech_probs", "hn", "cn"], F32),
        ],
        "ppocr-det": [
            ("1x3x64x160-page", {"x": values("float32", page_crop((0, 0, 160, 64)), 1)}, ["sigmoid_0.tmp_0"], STEEP_F32),
            # Only loud noise looks like text to the detector.
            ("1x3x320x320", {"x": uniform("float32", [1, 3, 320, 320], 31, -100, 100)}, ["sigmoid_0.tmp_0"], STEEP_F32),
        ],
        "ppocr-cls": [
            ("6x3x48x192", {"x": uniform("float32", [6, 3, 48, 192], 41, -1, 1)}, ["save_infer_model/scale_0.tmp_1"], F32),
        ],
        "ppocr-rec": [
            ("1x3x48x120-word", {"x": values("float32", page_crop((6, 11, 66, 35), (120, 48)), 2)}, ["softmax_11.tmp_0"], F32),
            ("1x3x48x320", {"x": uniform("float32", [1, 3, 48, 320], 51, -1, 1)}, ["softmax_11.tmp_0"], F32),
        ],
        "magika": [
            ("1x2048-shell", {"bytes": values("int32", [magika_features(SHELL_SCRIPT)])}, ["target_label"], F32),
            ("1x2048-rust", {"bytes": values("int32", [magika_features(RUST_SOURCE)])}, ["target_label"], F32),
            ("8x2048", {"bytes": uniform("int32", [8, 2048], 61, 0, 257)}, ["target_label"], F32),
        ],
        "oww-mel": [
            ("1x16000", {"input": uniform("float32", [1, 16000], 71, -8000, 8000)}, ["output"], F32),
        ],
        "oww-embedding": [
            ("1x76x32x1", {"input_1": uniform("float32", [1, 76, 32, 1], 81, -4, 4)}, ["conv2d_19"], F32),
            ("4x76x32x1", {"input_1": uniform("float32", [4, 76, 32, 1], 82, -4, 4)}, ["conv2d_19"], F32),
        ],
        "oww-alexa": [
            ("1x16x96-alexa", {"onnx::Flatten_0": values("float32", alexa_embeddings(), 4)}, ["13"], F32),
            ("1x16x96", {"onnx::Flatten_0": uniform("float32", [1, 16, 96], 91, -20, 20)}, ["13"], F32),
        ],
        "t5-title-encoder": [
            (f"1x{n_step}", {"input_ids": step_ids, "attention_mask": step_mask}, ["last_hidden_state"], DYNAMIC_INT8),
        ],
        "t5-title-decoder": [
            (
                "1x6",
                {
                    "input_ids": values("int64", [[0, 7057, 4921, 2210, 930, 6549]]),
                    "encoder_hidden_states": uniform("float32", [1, 24, 512], 101, -0.3, 0.3),
                    "encoder_attention_mask": constant("int64", [1, 24], 1),
                },
                ["logits"],
                DYNAMIC_INT8,
            ),
        ],
    }


def difference(actual, golden):
    """(max|a-b| over the golden's range, cosine), as the agent computes them."""
    actual, golden = actual.astype(np.float64).ravel(), golden.astype(np.float64).ravel()
    scale = np.ptp(golden) or np.abs(golden).max()
    cosine = actual @ golden / (np.linalg.norm(actual) * np.linalg.norm(golden))
    return np.abs(actual - golden).max() / scale, cosine


def golden_case(runtime, case_id, inputs, names, limits):
    """One case of a golden file, with its disturbed twin run as a check."""
    arrays = runtime.run(names, {name: filled(spec) for name, spec in inputs.items()})
    disturbed = runtime.run(names, {name: filled(spec, disturb=True) for name, spec in inputs.items()})
    outputs = []
    for name, array, other in zip(names, arrays, disturbed):
        stride = -(-array.size // MAX_VALUES)
        while np.gcd(stride, array.size) != 1:
            stride += 1
        kept = array.ravel()[::stride]
        ratio, _ = difference(other.ravel()[::stride], kept)
        print(f"  {case_id:18} {name:32} {str(array.shape):16} {kept.min():.4g}..{kept.max():.4g} disturbed {ratio:.3g}")
        if not np.isfinite(array).all() or ratio < MIN_DISTURBANCE * limits["max_abs_ratio"]:
            sys.exit(f"{case_id} {name}: the output hardly depends on the input, choose another")
        rounded = [float(f"{x:.9g}") for x in kept.tolist()]
        dtype = str(array.dtype)
        outputs.append({"name": name, "dtype": dtype, "dims": list(array.shape), "stride": stride, "values": rounded})
    named = [{"name": name} | spec for name, spec in inputs.items()]
    return {"id": case_id, "inputs": named, "outputs": outputs, "limits": limits}


def main(wanted):
    """Writes one file per model."""
    GOLDENS.mkdir(parents=True, exist_ok=True)
    for model_id, model_cases in cases().items():
        if wanted and model_id not in wanted:
            continue
        print(model_id)
        runtime = session(model_id)
        golden = {
            "model": model_id,
            "sha256": cached(model_id).name,
            "made_by": f"tests/goldens.py, onnxruntime {onnxruntime.__version__} on CPU, graph as written",
            "cases": [golden_case(runtime, *case) for case in model_cases],
        }
        (GOLDENS / f"{model_id}.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
