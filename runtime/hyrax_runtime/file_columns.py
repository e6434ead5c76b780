"""The columns of a file: which of those that are read holds what, and what stands beside the outputs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from unicodedata import normalize

from hyrax_runtime.contract import OBJECT_ID, InputContract
from hyrax_runtime.contract_check import ASKED_ABSENT
from hyrax_runtime.errors import DataFileError, Problem, describe
from hyrax_runtime.nearest import nearest_name
from hyrax_runtime.outputs import Outputs

ERROR_COLUMN = "error"


def choose_columns(path: Path, names: Sequence[str], contract: InputContract, ids: str | None) -> dict[str, str]:
    """Return which column holds what: path of a field, or `object_id`, to column name.

    Raises
    ------
    DataFileError
        Fields that `to_tensor` reads are missing or there twice, or so is the column of ids that was asked for; or
        there are fields that it asks for and that were not there when it was proven.
    """
    short = [field.field for field in contract.fields if field.path != OBJECT_ID]
    taken = [field.path for field in contract.read]
    id_column = _id_column(names, contract, ids)
    chosen: dict[str, str] = {}
    problems: list[Problem] = []
    for field in contract.read:
        ways = [field.path, *([field.field] if short.count(field.field) == 1 else [])]
        if field.path == OBJECT_ID:
            ways = [id_column]
        found = [name for name in names if name in ways]
        if len(found) == 1:
            chosen[field.path] = found[0]
        elif found:
            problems.append(Problem(field.path, f"stands in the file {_twice(found)}; keep the one that is meant"))
        elif field.path != OBJECT_ID or ids is None:
            problems.append(Problem(field.path, _missing_column(ways, names, taken)))
    held = names.count(id_column)
    if held == 0 and ids is not None:
        problems.append(Problem("ids", _missing_column([ids], names)))
    elif len(inside := _inside(names, contract)) > 1 and id_column in inside and ids is None:
        problems.append(Problem("ids", f"stand in the file {_twice(inside)}; say which are meant with --ids"))
    elif held > 1 and OBJECT_ID not in taken:
        problems.append(Problem("ids", f"{id_column!r} stands in the file {held} times; keep the one that is meant"))
    elif held == 1:
        chosen.setdefault(OBJECT_ID, id_column)
    problems += [Problem(asked, ASKED_ABSENT) for asked in contract.asked_absent if _has_column(names, asked, short)]
    if problems:
        raise DataFileError(describe(str(path), problems))
    return chosen


def _has_column(names: Sequence[str], path: str, taken: Sequence[str]) -> bool:
    """Whether a column stands for what is no field of the contract, or for a data set of that name."""
    short = path.rpartition("/")[2]
    return any(name in (path, short) or name.startswith(f"{path}/") for name in names if name not in taken)


def _id_column(names: Sequence[str], contract: InputContract, asked: str | None) -> str:
    """The column of ids: the one asked for, else the field that training took them from, else `object_id`.

    Where none of them is there, `object_id` of a data set counts, as it does in a `data_dict`.
    """
    if asked is not None:
        return asked
    trained = contract.id_field or OBJECT_ID
    beside = (trained, trained.rpartition("/")[2], OBJECT_ID)
    return next((name for name in (*beside, *_inside(names, contract)) if name in names), OBJECT_ID)


def _inside(names: Sequence[str], contract: InputContract) -> list[str]:
    """The columns that are `object_id` of a data set."""
    friendly = dict.fromkeys(field.friendly for field in contract.fields if field.friendly is not None)
    return [name for name in (f"{each}/{OBJECT_ID}" for each in friendly) if name in names]


def _twice(found: Sequence[str]) -> str:
    return f"as {' and as '.join(map(repr, found))}"


def _missing_column(ways: Sequence[str], names: Sequence[str], taken: Iterable[str] = ()) -> str:
    free = [name for name in names if name not in set(taken)]
    for way, name in ((way, name) for way in ways for name in free if _is_written_otherwise(way, name)):
        return f"no column {way!r}; {name!r} is in the file by other code points: rename {name!a} to {way!a}"
    near = next(filter(None, (nearest_name(way, free) for way in reversed(ways))), None)
    hint = f"did you mean {near!r}?" if near else f"the file has {', '.join(names) or 'no columns'}"
    return f"no column {' or '.join(map(repr, ways))}; {hint}"


def error_texts(outputs: Outputs, rows: int) -> list[str]:
    """Return why each row was refused, in one line; empty where it was not."""
    return [str(outputs.errors[row]).replace("\n", " ") if row in outputs.errors else "" for row in range(rows)]


def _is_written_otherwise(one: str, other: str) -> bool:
    """Whether two names look the same and differ in their code points, as those of files and of keyboards do."""
    return one != other and normalize("NFC", one) == normalize("NFC", other)
