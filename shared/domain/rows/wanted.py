"""What a caller wants: the shape of the answer, and what stands in it beside the results."""

from __future__ import annotations

from typing import Literal, NamedTuple

from shared.domain.errors import InvalidInput

AnswerShape = Literal["result", "list", "csv"]
CONTENT_TYPES: dict[AnswerShape, str] = {
    "result": "application/json",
    "list": "application/json",
    "csv": "text/csv",
}


def answer_shape(shape: str, accept: str) -> AnswerShape:
    """`?shape=` wins; else CSV for whoever accepts text/csv, else `result`. Raises InvalidInput."""
    if shape:
        if shape not in CONTENT_TYPES:
            raise InvalidInput(
                f"There is no answer shape {shape[:40]!r}.",
                remedy="Use shape=result, shape=list or shape=csv.",
                code="unknown-shape",
                field="shape",
            )
        return shape
    return "csv" if accept.partition(",")[0].partition(";")[0].strip().lower() == "text/csv" else "result"


class Wanted(NamedTuple):
    """`demanded`: the request itself asks for the probabilities, so that an answer without them is none."""

    probabilities: bool = False
    demanded: bool = False
    explain: bool = False

    @property
    def needs_script(self) -> bool:
        """Whether a deployment that answers results alone can't answer this."""
        return self.demanded or self.explain


#: Results alone, as nearly all callers want them.
PLAIN = Wanted()


def wanted_of(proba: str, explain: str, shape: AnswerShape, *, usual: bool) -> Wanted:
    """Of the query's `proba` and `explain`, empty where they are not given; `usual` stands in for the first.

    The bare list stays one unless the request itself asks for more. Raises InvalidInput.
    """
    demanded = truth("proba", proba)
    probabilities = usual and shape != "list" if demanded is None else demanded
    return Wanted(probabilities, bool(demanded), bool(truth("explain", explain)))


def truth(name: Literal["proba", "explain"], text: str) -> bool | None:
    """Of a parameter of the query; None where it is not given. Raises InvalidInput."""
    if not text:
        return None
    lower = text.lower()
    if lower not in ("true", "false"):
        raise InvalidInput(
            f"The parameter {name} is {text[:40]!a}; it takes true or false.",
            remedy="Leave it out for the usual answer.",
            code="invalid-parameter",
            field=name,
        )
    return lower == "true"
