"""The demo's data: the public bank-marketing file where it can be reached, else a made-up one of the same schema."""

from __future__ import annotations

import csv
import hashlib
import math
import random
from dataclasses import dataclass
from pathlib import Path

import requests

URL = "https://automlsamplenotebookdata.blob.core.windows.net/automl-sample-notebook-data/bankmarketing_train.csv"
SHA256 = "8486deac8524001363f4257f3ece9cb6126beac8070b6b4b8c6e63713217a502"
ROWS = 8000
JOBS = "admin. blue-collar technician services management retired entrepreneur self-employed housemaid student".split()
MONTHS = "mar apr may jun jul aug sep oct nov dec".split()
EDUCATION = "basic.4y basic.6y basic.9y high.school professional.course university.degree unknown".split()
#: (emp.var.rate, cons.price.idx, cons.conf.idx, euribor3m, nr.employed) of a calm, a falling and a low economy.
ECONOMY = [
    (1.4, 93.9, -41.0, 4.96, 5228.1),
    (-0.1, 93.2, -42.0, 4.15, 5195.8),
    (-1.8, 92.9, -46.2, 1.3, 5099.1),
]
COLUMNS = (
    "age job marital education default housing loan contact month day_of_week duration campaign pdays previous "
    "poutcome emp.var.rate cons.price.idx cons.conf.idx euribor3m nr.employed y"
).split()


@dataclass(frozen=True)
class Sample:
    path: Path
    synthetic: bool


def obtain(cache: Path) -> Sample:
    """The public file, downloaded once and checked against its hash; a synthetic one when it can't be had."""
    real = cache / "bankmarketing_train.csv"
    if real.is_file() and hashlib.sha256(real.read_bytes()).hexdigest() == SHA256:
        return Sample(real, synthetic=False)
    cache.mkdir(parents=True, exist_ok=True)
    try:
        answer = requests.get(URL, timeout=(3.05, 30))
        answer.raise_for_status()
        if hashlib.sha256(answer.content).hexdigest() == SHA256:
            real.write_bytes(answer.content)
            return Sample(real, synthetic=False)
    except requests.RequestException:
        pass  # no network: the synthetic file below is the documented way on
    return Sample(write_synthetic(cache / "bankmarketing_synthetic.csv"), synthetic=True)


def write_synthetic(path: Path, rows: int = ROWS, seed: int = 7) -> Path:
    """A file with the bank-marketing columns whose label follows a noisy rule, about one `yes` in nine."""
    rng = random.Random(seed)
    with path.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(COLUMNS)
        for _ in range(rows):
            writer.writerow(_row(rng))
    return path


def _row(rng: random.Random) -> list[object]:
    duration = int(rng.lognormvariate(5.2, 0.85))
    economy = rng.choices(ECONOMY, (6, 2, 2))[0]
    seen = rng.random() < 0.1
    poutcome = rng.choice(["success", "failure"]) if seen else "nonexistent"
    pdays = rng.randint(2, 15) if poutcome == "success" else 999
    month, job = rng.choice(MONTHS), rng.choice(JOBS)
    contact = rng.choices(["cellular", "telephone"], (64, 36))[0]
    score = -5.4 + 1.25 * (math.log(duration + 1) - 5.2) * 1.6 - 0.75 * economy[0]
    score += (
        2.0 * (poutcome == "success") + 0.5 * (contact == "cellular") + 0.6 * (month in ("mar", "sep", "oct"))
    )
    score += 0.5 * (job in ("student", "retired")) + 1.5
    label = "yes" if rng.random() < 1 / (1 + math.exp(-score)) else "no"
    jitter = round(economy[3] + rng.gauss(0, 0.05), 3)
    return [
        min(90, max(18, int(rng.gauss(40, 11)))),
        job,
        rng.choices(["married", "single", "divorced"], (6, 3, 1))[0],
        rng.choice(EDUCATION),
        rng.choices(["no", "unknown"], (8, 2))[0],
        rng.choice(["yes", "no"]),
        rng.choices(["no", "yes"], (84, 16))[0],
        contact,
        month,
        rng.choice("mon tue wed thu fri".split()),
        duration,
        1 + int(rng.expovariate(0.6)),
        pdays,
        int(seen),
        poutcome,
        economy[0],
        economy[1],
        economy[2],
        jitter,
        economy[4],
        label,
    ]
