#!/usr/bin/env python3
"""Makes tests/goldens/*.json: what each pipeline must answer, from implementations that share nothing with ours.

    venv/bin/pip install magika==1.0.3 rapidocr-onnxruntime==1.4.4    # after those of goldens.py
    venv/bin/pip install --no-deps silero-vad==6.2.3
    venv/bin/python tests/pipeline_goldens.py

similar-sentences and write-title: ONNX Runtime with the `tokenizers` package, greedy decoding. read-text: RapidOCR.
detect-speech: the `silero-vad` package's sequence front-end. identify-file: the `magika` package.
wake-word: ONNX Runtime, windows as in the `openwakeword` package.
"""

import json
import sys
from unittest import mock

import magika
import numpy as np
import tokenizers
from rapidocr_onnxruntime import RapidOCR

from goldens import RUST_SOURCE, SHELL_SCRIPT, TESTS, cached, read_wav, session, wake_word_scores

# The package imports torch, which its sequence front-end does not use.
with mock.patch.dict(sys.modules, torch=mock.MagicMock(), torchaudio=mock.MagicMock()):
    from silero_vad.sequence_vad import SileroVADSequence, get_speech_timestamps_sequence

TEXTS = [
    "A man is playing a guitar.",
    "Someone plays music on a stringed instrument.",
    "The cat sits on the window sill.",
    "A kitten is resting by the window.",
    "The stock market fell sharply today.",
    "Share prices dropped a lot this afternoon.",
]
FILES = {
    "shell": SHELL_SCRIPT,
    "rust": RUST_SOURCE,
    "python": b"import sys\n\n\ndef main():\n    for line in sys.stdin:\n        print(line.rstrip()[::-1])\n\n\n"
    b"if __name__ == '__main__':\n    main()\n",
    "html": b"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Opening hours</title>\n"
    b"<link rel=\"stylesheet\" href=\"style.css\">\n</head>\n<body>\n<h1>Opening hours</h1>\n<ul>\n"
    b"<li><a href=\"/mon\">Monday</a> 9 to 18</li>\n<li>Tuesday 9 to 18</li>\n</ul>\n</body>\n</html>\n",
    "json": b'{\n  "name": "tabpool",\n  "version": "0.1.0",\n  "private": true,\n  "keywords": [\n    "models",\n    "browser"\n  ],\n'
    b'  "limits": {\n    "workers": 4,\n    "memory": null,\n    "retries": 3\n  }\n}\n',
    "ini": b"[server]\nhost = 127.0.0.1\nport = 8080\n\n[log]\nlevel = info\nfile = /var/log/server.log\n",
}
STEPS = [
    "Install dependencies, build the project, and deploy it to the staging server.",
    "The user asked to rename the configuration file and update every import that mentions it.",
    "Run the unit tests again after fixing the off-by-one error in the date parser.",
    "Read the log files of the web server to find out why requests time out.",
]
# A title only counts when no step of its decoding was close: the best two logits differ by more than this, so that
# a rounding step in the quantised layers cannot change it.
MIN_MARGIN = 0.25
# Where a margin above that was not enough: the title when everything around the 8-bit steps is computed in double
# precision (`model::reference`). ONNX Runtime's own float rounding flips steps of the encoder there.
EXACT = {"Read the log files of the web server to find out why requests time out.": "Read web source files"}
MAX_TOKENS = 32
END_TOKEN = 1


def similar_sentences():
    """Cosine similarities of TEXTS, each text run alone."""
    tokenizer = tokenizers.Tokenizer.from_file(str(cached("minilm-tokenizer")))
    tokenizer.no_padding()
    model = session("minilm-l3")
    rows = []
    for text in TEXTS:
        ids = np.array([tokenizer.encode(text).ids], np.int64)
        rows.append(model.run(["461"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0][0])
    rows = np.stack(rows) / np.linalg.norm(rows, axis=1, keepdims=True)
    return {"texts": TEXTS, "similarities": rounded(rows @ rows.T)}


def read_text():
    """Lines of the printed page, from the top."""
    lines, _ = RapidOCR()(str(cached("page-png")))
    return {"lines": [{"text": text, "score": round(float(score), 3), "box": box} for box, text, score in lines]}


def detect_speech():
    """Probability per 32 ms, and segments, of one second of silence, the recording, one second of silence."""
    audio = np.pad(read_wav(cached("speech-wav")).astype(np.float32) / 32768, 16000)
    detector = SileroVADSequence(cached("silero-vad"))
    segments = get_speech_timestamps_sequence(audio, detector)
    return {"probabilities": rounded(detector.audio_forward(audio)), "segment_samples": segments}


def identify_file():
    """Label and score of each of FILES."""
    identifier = magika.Magika()
    files = []
    for expected, content in FILES.items():
        result = identifier.identify_bytes(content)
        if str(result.output.label) != expected:
            sys.exit(f"magika says {result.output.label} of the {expected} file, choose another")
        files.append({"content": content.decode(), "label": expected, "score": round(result.score, 4)})
    return {"files": files}


def wake_word():
    """Highest score of "alexa" (synthetic voice), of somebody reading, and of silence, each between silences."""
    speech = read_wav(cached("speech-wav"))
    samples = {"alexa": read_wav(TESTS / "data" / "alexa.wav"), "speech": speech, "silence": np.zeros(16000, np.int16)}
    return {name: round(max(wake_word_scores(np.pad(audio, (24000, 16000)))[0]), 6) for name, audio in samples.items()}


def write_title():
    """A title for each of STEPS, decoded greedily."""
    tokenizer = tokenizers.Tokenizer.from_file(str(cached("t5-tokenizer")))
    encoder, decoder = session("t5-title-encoder"), session("t5-title-decoder")
    titles = []
    for text in STEPS:
        ids = np.array([tokenizer.encode("summarize agent step: " + text).ids], np.int64)
        mask = np.ones_like(ids)
        states = encoder.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        tokens, margin = [0], np.inf
        while tokens[-1] != END_TOKEN and len(tokens) <= MAX_TOKENS:
            inputs = {"input_ids": np.array([tokens]), "encoder_hidden_states": states, "encoder_attention_mask": mask}
            logits = decoder.run(None, inputs)[0][0, -1]
            second, best = np.argsort(logits)[-2:]
            margin = min(margin, logits[best] - logits[second])
            tokens.append(int(best))
        title = tokenizer.decode(tokens, skip_special_tokens=True)
        print(f"  {margin:.2f} {title}")
        if margin > MIN_MARGIN:
            titles.append({"text": text, "title": title, "exact": EXACT.get(text, title)})
    return {"titles": titles}


def rounded(array):
    """Nested lists with 6 decimals."""
    return np.round(np.asarray(array, np.float64), 6).tolist()


def main():
    """Writes one file per pipeline."""
    for make in (similar_sentences, read_text, detect_speech, identify_file, wake_word, write_title):
        name = make.__name__.replace("_", "-")
        print(name)
        (TESTS / "goldens").mkdir(exist_ok=True)
        (TESTS / "goldens" / f"{name}.json").write_text(json.dumps(make(), indent=1) + "\n")


if __name__ == "__main__":
    main()
