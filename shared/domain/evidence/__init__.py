"""What the gate saw, kept: where the two models differ, and enough to judge again by other terms. Pure."""

from shared.domain.evidence.diff import Diff, Flip, Scored, diff_of
from shared.domain.evidence.kept import Evidence, kept, rejudged
from shared.domain.evidence.segments import Segment

__all__ = ["Diff", "Evidence", "Flip", "Scored", "Segment", "diff_of", "kept", "rejudged"]
