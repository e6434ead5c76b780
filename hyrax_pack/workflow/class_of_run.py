"""The class of a run, also where it was registered by a script or notebook that is not running now."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from hyrax_pack.config import Config
from hyrax_pack.errors import ResolveError, TrainingError
from hyrax_pack.model import model_class
from hyrax_pack.resolving import register_class, resolve_class
from hyrax_pack.run import Run


def class_of_run(run: Run, config: Config, *, goes_on: bool = False) -> type:
    """Return the class that a run trained, by the name in its settings; else from the file that it stood in then.

    Parameters
    ----------
    goes_on : bool
        Whether the run is to go on; else it is exported. For the cure where the class is not to be had here.

    Raises
    ------
    ResolveError, ModelError
        The name leads nowhere, or the class breaks the contract.
    TrainingError
        The class stood in a notebook, or in a script that cannot be imported without running it.
    """
    try:
        return model_class(config)
    except ResolveError as error:
        origin = run.facts.get("class_from")
        if not isinstance(origin, dict) or "." in str(config.get("model.name")):
            raise
        name, file = origin["name"], origin.get("file")
        here = f'Export there: hyrax_pack.export("{run.path}", "model.hyrax")'
        if goes_on:
            here = f'Go on there: hyrax_pack.train(None, resume="{run.path}")'
        if file is None:
            raise TrainingError(f"{run.path.name}: {name} was defined in a notebook. {here}") from error
        if not Path(file).is_file():
            raise TrainingError(f"{run.path.name}: {name} stood in {file}, which is not there any more") from error
        line = runs_when_imported(Path(file))
        if line is not None:
            cure = f'{here}; or put what runs under if __name__ == "__main__":'
            raise TrainingError(
                f"{run.path.name}: {name} stands in {file}, and importing that would run its line {line}. {cure}"
            ) from error
        found = resolve_class(f"{file}:{name}", config.base_dir)
        _register_neighbours(found)
        return found


def _register_neighbours(cls: type) -> None:
    """Make the other classes of the script known, such as its data set: the settings have their bare names."""
    for value in vars(sys.modules[cls.__module__]).values():
        if isinstance(value, type) and value.__module__ == cls.__module__:
            register_class(value)


def runs_when_imported(file: Path) -> int | None:
    """The first line of a script that would do something when it is imported; None where it defines and no more."""
    tree = ast.parse(file.read_bytes())
    return next((node.lineno for node in tree.body if isinstance(node, ast.Expr) and _calls(node.value)), None) or next(
        (node.lineno for node in tree.body if isinstance(node, ast.For | ast.While | ast.With)), None
    )


def _calls(node: ast.expr) -> bool:
    return any(isinstance(inner, ast.Call) for inner in ast.walk(node))
