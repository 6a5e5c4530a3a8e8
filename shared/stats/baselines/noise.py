"""Times small workloads on this machine and writes labelled series for `score.py`: real noise, real truth for steps.

    python3 shared/stats/baselines/noise.py > noise.jsonl

Each run of a workload gives two series: as measured (`null`), and with a step multiplied in. The machine's own shifts
count as false alarms of every detector alike.
"""

import hashlib
import json
import random
import time

N_VALUES = 240
N_REPEATS = 8
STEPS = [1.05, 1.1, 1.2, 0.9, 1.4, 0.8]

numbers = [random.random() for _ in range(4000)]
block = b"x" * 400_000
WORKLOADS = [
    lambda: sum(i * i for i in range(12_000)),
    lambda: sorted(numbers),
    lambda: hashlib.sha256(block).digest(),
    lambda: {i: str(i) for i in range(4000)},
    lambda: [bytearray(4096) for _ in range(1500)],
]


def measure(workload):
    """Milliseconds of each run, with short random pauses between them."""
    values = []
    for _ in range(N_VALUES):
        started = time.perf_counter()
        workload()
        values.append(1000 * (time.perf_counter() - started))
        time.sleep(random.choice([0, 0, 0.001, 0.004]))
    return values


for repeat in range(N_REPEATS):
    for index, workload in enumerate(WORKLOADS):
        values = measure(workload)
        print(json.dumps({"kind": "null", "values": values, "cps": []}), flush=True)
        place, factor = random.randrange(20, N_VALUES - 20), STEPS[(repeat + index) % len(STEPS)]
        stepped = values[:place] + [value * factor for value in values[place:]]
        print(json.dumps({"kind": "step", "values": stepped, "cps": [place]}), flush=True)
