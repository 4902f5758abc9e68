"""Which form of a model serves: the compiled one where there is one, else MLflow's, else the pickled estimator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from scorer.answer import CompiledModel, Served
from scorer.compiled import CompiledScorer
from scorer.errors import CompiledFormError, NoModelError
from scorer.folder import PICKLE, pickles
from scorer.trees import TreeLibraryError

Say = Callable[[str], None]


def load_form(folder: Path, say: Say) -> Served:
    """The quickest form that loads; `say` is told which it is, why, and what was unpickled for it."""
    try:
        model = CompiledModel(CompiledScorer(folder))
    except CompiledFormError as error:
        say(f"No compiled form: {error}")
    except (TreeLibraryError, OSError, ValueError, KeyError) as error:
        say(f"The compiled form cannot be read ({type(error).__name__}: {error}); another one serves.")
    else:
        say(f"The compiled form in {folder / 'dropml'} serves; nothing is unpickled.")
        return model
    from scorer.loaders import load_mlflow, load_pickle

    say(f"Unpickling, which runs the code put into it: {'; '.join(pickles(folder)) or 'nothing'}")
    if (folder / "MLmodel").is_file():
        try:
            loaded = load_mlflow(folder)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "mlflow":
                raise
            if not (folder / PICKLE).is_file():
                raise NoModelError(f"MLflow is not installed, and {folder} holds no {PICKLE}.") from None
            say(f"MLflow is not installed; {PICKLE} in {folder} is taken without it.")
        else:
            say(f"MLflow's model in {folder} serves.")
            return loaded
    pickled = load_pickle(folder)
    say(f"{PICKLE} in {folder} serves.")
    return pickled
