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
#: Ranges of media types that CSV and JSON are asked for by.
_CONSIDERED = frozenset({"text/csv", "application/json", "application/*", "*/*"})


def answer_shape(shape: str, accept: str) -> AnswerShape:
    """`?shape=` wins; else CSV for whoever would rather have text/csv than JSON, else `result`. Raises InvalidInput."""
    if shape:
        if shape not in CONTENT_TYPES:
            raise InvalidInput(
                f"There is no answer shape {shape[:40]!r}.",
                remedy="Use shape=result, shape=list or shape=csv.",
                code="unknown-shape",
                field="shape",
            )
        return shape
    return "csv" if "csv" in accept.lower() and _likes_csv(accept.lower()) else "result"


def _likes_csv(accept: str) -> bool:
    """Whether of JSON and CSV the latter has the higher q, or stands first: https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1."""
    most, found = 0.0, ""
    for part in accept.split(","):
        media, *parameters = (each.strip() for each in part.split(";"))
        q = next((_quality(each[2:]) for each in parameters if each.startswith("q=")), 1.0)
        if media in _CONSIDERED and q > most:
            most, found = q, media
    return found == "text/csv"


def _quality(text: str) -> float:
    """What is no number between 0 and 1 says nothing."""
    try:
        value = float(text)
    except ValueError:
        return 1.0
    return value if 0 <= value <= 1 else 1.0


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
