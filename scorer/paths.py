"""What lies on the way from the root to each node of trees: of which TreeSHAP is made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scorer.links import Floats
from scorer.nodes import Nodes, Truths, Whole


@dataclass(frozen=True)
class Paths:
    """For each node. An earlier node is one above it that splits on the same feature.

    `parent` (-1 of a root), `is_right` child of it, and `level` from 0; `features` different ones on the way, its own
    among them. `split` the row's feature already: there is an earlier node. `share`: of the training rows that take these
    earlier nodes' turns towards the node, each where it stands. A row takes them too where its value is above `low`
    (NaN: any is) up to `high`, a missing value where `takes_missing`.
    """

    parent: Whole
    is_right: Truths
    level: Whole
    features: Whole
    split: Truths
    share: Floats
    low: Floats
    high: Floats
    takes_missing: Truths


def paths(nodes: Nodes) -> Paths:
    size = len(nodes.left)
    parent, is_right = np.full(size, -1), np.zeros(size, dtype=bool)
    for children, right in ((nodes.left, False), (nodes.right, True)):
        inner = np.flatnonzero(children >= 0)
        parent[children[inner]], is_right[children[inner]] = inner, right
    levels = _levels(nodes, np.flatnonzero(parent < 0))
    earlier, turned_right = _earlier(nodes, parent, is_right)
    found = Paths(
        parent=parent,
        is_right=is_right,
        level=np.zeros(size, dtype=np.intp),
        features=np.ones(size, dtype=np.intp),
        split=earlier >= 0,
        share=np.ones(size),
        low=np.full(size, np.nan),
        high=np.full(size, np.inf),
        takes_missing=np.ones(size, dtype=bool),
    )
    for number, level in enumerate(levels):
        found.level[level] = number
        if number:
            found.features[level] = found.features[parent[level]] + ~found.split[level]
        again = level[found.split[level]]
        _narrow(nodes, found, again, earlier[again], turned_right[again])
    return found


def _levels(nodes: Nodes, roots: Whole) -> list[Whole]:
    levels = [roots]
    while len(levels[-1]):
        children = np.concatenate([nodes.left[levels[-1]], nodes.right[levels[-1]]])
        levels.append(children[children >= 0])
    return levels[:-1]


def _earlier(nodes: Nodes, parent: Whole, is_right: Truths) -> tuple[Whole, Truths]:
    """The next node above that splits on the same feature, or -1; and whether the way goes right there."""
    earlier, turned_right = np.full(len(parent), -1), np.zeros(len(parent), dtype=bool)
    still = at = np.arange(len(parent))
    while len(still):
        above, right = parent[at], is_right[at]
        inside = above >= 0
        still, above, right = still[inside], above[inside], right[inside]
        same = nodes.feature[above] == nodes.feature[still]
        earlier[still[same]], turned_right[still[same]] = above[same], right[same]
        still, at = still[~same], above[~same]
    return earlier, turned_right


def _narrow(nodes: Nodes, found: Paths, at: Whole, earlier: Whole, right: Truths) -> None:
    """From what an earlier node takes to what its child on that side does."""
    counts, cut = nodes.counts[:, earlier], nodes.threshold[earlier]
    found.share[at] = found.share[earlier] * np.where(right, counts[1], counts[0]) / counts.sum(axis=0)
    found.low[at] = np.where(right, np.fmax(found.low[earlier], cut), found.low[earlier])
    found.high[at] = np.where(right, found.high[earlier], np.minimum(found.high[earlier], cut))
    found.takes_missing[at] = found.takes_missing[earlier] & (nodes.default_left[earlier] != right)
