"""Configurations that somebody puts beside a file: as yaml, as metadata, as bytes."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.attack.bombs import gzip_bomb
from tests.attack.drawn import drawn
from tests.attack.files import Drop, Verdict
from tests.attack.names import FEW
from tests.support.live_stack import small_table

LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
)
MERGES = "a: &a {k: 1}\n" + "".join(
    f"b{i}: &{'b' + str(i)} {{<<: [{', '.join(['*a' if i == 0 else '*b' + str(i - 1)] * 9)}]}}\n"
    for i in range(9)
)
REFUSED: dict[str, bytes] = {
    "zeros": b"timeout_minutes: 1" + b"0" * 400,
    "far-date": b"label: 9999999-01-01\n",
    "bad-date": b"label: 2026-13-45\n",
    "infinite": b"timeout_minutes: .inf\n",
    "not-a-number": b"gate: {margin: .nan}\n",
    "negative": b"timeout_minutes: -1\n",
    "hex": b"max_trials: 0x" + b"f" * 400,
    "laughs": LAUGHS.encode(),
    "merges": MERGES.encode(),
    "python-object": b"label: !!python/object/apply:os.system ['id']\n",
    "unknown-tag": b"label: !secret y\n",
    "deep": b"label: " + b"[" * 20_000,
    "deep-map": b"{a: " * 5_000,
    "binary": bytes(range(256)),
    "nul": b"label: y\x00\n",
    "tabs": b"\tlabel:\ty\n",
    "list": b"- label\n- y\n",
    "word": b"label\n",
    "two-documents": b"label: y\n---\nlabel: a\n",
    "unknown-key": b"lable: y\n",
    "other-type": b"label: {y: 1}\n",
    "recursive": b"&a [*a]\n",
    "utf16": "label: y\n".encode("utf-16-be"),
    "half-character": b'label: "\\ud800"\n',
    "sexagesimal": b"max_trials: 190:20:30\n",
    "large": b"# " + b"x" * 2_000_000 + b"\nlabel: y\n",
}
WHATEVER: dict[str, bytes] = {
    "nothing": b"",
    "comment": b"# nothing\n",
    "null": b"null\n",
    "doubled": b"label: y\nlabel: y\n",
    "mark": b"\xef\xbb\xbflabel: y\n",
}


def listed_configs() -> list[Drop]:
    """A wrong configuration quarantines its file; what could be meant well may be taken."""
    bomb = gzip_bomb(300, line=b"########")
    return [
        *(Drop(f"yaml-{name}.csv", small_table(), sidecar=text) for name, text in REFUSED.items()),
        *(Drop(f"yaml-{name}.csv", FEW, sidecar=text) for name, text in WHATEVER.items()),
        Drop("yaml-gzip-bomb.csv", FEW, sidecar=bomb, sidecar_encoding="gzip"),
        *(Drop(f"meta-{i}.csv", small_table(), metadata=found) for i, found in enumerate(METADATA)),
    ]


METADATA = [
    {"dropml_timeout_minutes": "1" + "0" * 400},
    {"dropml_timeout_minutes": "nan"},
    {"dropml_max_trials": "-1"},
    {"dropml_label": "nobody"},
    {"dropml_task": "__import__('os')"},
    {"dropml_unknown": "x"},
    {"dropml_gate_margin": "1e999"},
    {"dropml_blocked_algorithms": "[[[[["},
]


def generated_configs(count: int, number: int) -> list[Drop]:
    """Yaml of any shape beside a file that is refused in any case, so that nothing is trained."""
    scalar = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
    keys = st.sampled_from(
        ["label", "task", "timeout_minutes", "max_trials", "gate", "imbalance", "encoding", "<<", "approval"]
    )
    tree = st.recursive(
        scalar, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3)
    )
    text = st.dictionaries(keys, tree, max_size=4).map(
        lambda found: "\n".join(f"{k}: {v!r}" for k, v in found.items())
    )
    raw = st.binary(max_size=80) | text.map(lambda one: one.encode("utf-8", "replace"))
    return [
        Drop(f"drawn-yaml-{number}-{i}.csv", FEW, Verdict.QUARANTINED, sidecar=one)
        for i, one in enumerate(drawn(raw, count, number))
    ]
