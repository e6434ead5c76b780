"""The check of a caller's `data_dict` against the input contract, before anything of the bundle sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from hyrax_runtime.column_forms import as_recorded, count_if_recorded
from hyrax_runtime.columns import ColumnFault, Rows, read_rows
from hyrax_runtime.contract import OBJECT_ID, FieldContract, InputContract
from hyrax_runtime.errors import FieldsError, Problem, RowProblem
from hyrax_runtime.nearest import nearest_name
from hyrax_runtime.object_ids import find_ids

ROWS_NAMED = 5  # of a field with many refused rows, so that a million bad rows are not a million lines

ASKED_ABSENT = (
    "to_tensor asks for this, and it was not there when the bundle was made, so the bundle answers as if it were not "
    "given; leave it out, or export with a data set that has it"
)

DataDict = dict[str, Any]


_NONE_REFUSED: Mapping[int, FieldsError] = MappingProxyType({})


class Prepared(NamedTuple):
    """A batch that fits the contract.

    Attributes
    ----------
    rows : int
        The rows that the caller gave.
    data_dict : dict
        The fields that `to_tensor` reads, in the recorded form; refused rows are not in it.
    object_id : sequence or None
        A copy of the ids as the caller gave them, one for each of `rows`.
    refused : dict of int to FieldsError
        By row number; empty unless rows may be masked.
    """

    rows: int
    data_dict: DataDict
    object_id: Any = None
    refused: Mapping[int, FieldsError] = _NONE_REFUSED

    @property
    def kept(self) -> list[int]:
        """The numbers of the rows that are in `data_dict`, in order."""
        return [row for row in range(self.rows) if row not in self.refused]


class InputCheck:
    """A contract made ready to check one batch after another; holds nothing of any batch."""

    def __init__(self, contract: InputContract) -> None:
        self.contract = contract
        groups: dict[str, list[tuple[str, Callable[[Any], int]]]] = {}
        top: list[tuple[str, Callable[[Any], int]]] = []
        for known in contract.fields:
            place = top if known.friendly is None else groups.setdefault(known.friendly, [])
            if known.read:
                place.append((known.field, count_if_recorded(known)))
        self._groups = tuple((friendly, tuple(tests)) for friendly, tests in groups.items())
        self._top = tuple(top)
        self._asked_absent = contract.asked_absent

    def prepare(self, data_dict: Mapping[str, Any], *, mask: bool = False) -> Prepared:
        """Check one batch and give it the recorded form.

        With `mask`, a row at fault is left out and stands in `refused`; a fault of a whole column is an error either
        way.

        Raises
        ------
        FieldsError
            Every problem at once: missing and misnamed fields, dtypes, shapes, row counts, refused rows; or fields that
            were not there when `to_tensor` was proven, and that it asks for.
        """
        if self._asked_absent:
            check_absent(self._asked_absent, data_dict)
        return self._as_given(data_dict) or self._converted(data_dict, mask)

    def _as_given(self, data_dict: Mapping[str, Any]) -> Prepared | None:
        """Pass a batch on that stands in the recorded form already; None sends it the thorough way."""
        if type(data_dict) is not dict:
            return None
        try:
            made: DataDict = {}
            rows = -1
            for friendly, tests in self._groups:
                group = data_dict[friendly]
                if type(group) is not dict:  # some make up what they lack, and a misspelt field would have no rows
                    return None
                inner = made[friendly] = {}
                for name, count in tests:
                    inner[name] = values = group[name]
                    counted = count(values)
                    if counted != rows or counted < 0:
                        if rows != -1 or counted < 0:
                            return None
                        rows = counted
            for name, count in self._top:
                made[name] = values = data_dict[name]
                counted = count(values)
                if counted < 0 or (rows != -1 and counted != rows):
                    return None
                rows = counted
            if rows == -1:
                return None
            ids = find_ids(data_dict, self.contract.id_field)
            if ids is not None and len(ids) != rows:
                return None
        except (KeyError, IndexError, TypeError, AttributeError, ColumnFault):
            return None
        return Prepared(rows, made, ids)

    def _converted(self, data_dict: Mapping[str, Any], mask: bool) -> Prepared:
        if not isinstance(data_dict, Mapping):
            raise FieldsError([Problem("", f"data_dict is a {type(data_dict).__name__}, not a dict of fields")])
        if strange := [Problem(friendly, _no_dict(data_dict[friendly])) for friendly in self._strange(data_dict)]:
            raise FieldsError(strange)
        problems: list[Problem] = []
        columns: dict[str, Rows] = {}
        faults: dict[str, dict[int, str]] = {}
        for known in self.contract.read:
            try:
                values = _pick(data_dict, known)
                columns[known.path], faults[known.path] = read_rows(known, values)
            except _MissingFieldError:
                problems.append(Problem(known.path, _missing(data_dict, self.contract, known)))
            except ColumnFault as fault:
                problems.append(Problem(known.path, str(fault)))
        ids = None
        try:
            ids = find_ids(data_dict, self.contract.id_field)
        except ColumnFault as fault:
            problems.append(Problem(OBJECT_ID, str(fault)))
        rows = _row_count(columns, ids, problems)
        if not mask:
            problems.extend(_row_problems(faults, rows))
        if problems:
            raise FieldsError(problems)
        refused = {
            row: FieldsError([RowProblem(path, text, row) for path, text in found])
            for row, found in sorted(_by_row(faults).items())
        }
        return Prepared(rows, self._recorded(columns, refused), ids, refused)

    def _strange(self, data_dict: Mapping[str, Any]) -> list[str]:
        """Data sets that are there, but are no dict of fields."""
        return [name for name, _ in self._groups if name in data_dict and not isinstance(data_dict[name], Mapping)]

    def _recorded(self, columns: Mapping[str, Rows], refused: Mapping[int, Any]) -> DataDict:
        made: DataDict = {friendly: {} for friendly, _ in self._groups}
        for known in self.contract.read:
            rows = columns[known.path]
            if refused:
                rows = take_rows(rows, [row for row in range(len(rows)) if row not in refused])
            place = made if known.friendly is None else made[known.friendly]
            place[known.field] = as_recorded(known, rows)
        return made


class _MissingFieldError(Exception):
    """The field, or its data set, is not in the data_dict."""


def prepare(contract: InputContract, data_dict: Mapping[str, Any]) -> Prepared:
    """Check one batch against a contract; see `InputCheck`, which is quicker for more than one."""
    return InputCheck(contract).prepare(data_dict)


def check_absent(asked_absent: Sequence[str], data_dict: Mapping[str, Any]) -> None:
    """Refuse a field that `to_tensor` asks for and has never been given: with it, it would be another function.

    Raises
    ------
    FieldsError
        Names every such field that is there and not None.
    """
    if given := [path for path in asked_absent if _is_given(path, data_dict)]:
        raise FieldsError([Problem(path, ASKED_ABSENT) for path in given])


def _is_given(path: str, data_dict: Any) -> bool:
    for key in path.split("/"):
        data_dict = data_dict.get(key) if isinstance(data_dict, Mapping) else None
    return data_dict is not None


def nest(columns: Mapping[str, Any]) -> DataDict:
    """Turn `{"data/flux": values}` into `{"data": {"flux": values}}`; a path without a slash stays at the top."""
    nested: DataDict = {}
    for path, values in columns.items():
        friendly, slash, name = path.partition("/")
        if slash:
            nested.setdefault(friendly, {})[name] = values
        else:
            nested[path] = values
    return nested


def take_rows(values: Any, rows: Sequence[int]) -> Any:
    """Return some rows of a column: a list of a list, an array of an array."""
    return [values[row] for row in rows] if isinstance(values, (list, tuple)) else values[list(rows)]


def slice_rows(data_dict: DataDict, start: int, stop: int) -> DataDict:
    """Return consecutive rows of a batch in the recorded form; arrays are views."""
    return {
        name: slice_rows(values, start, stop) if isinstance(values, dict) else values[start:stop]
        for name, values in data_dict.items()
    }


def _no_dict(group: Any) -> str:
    cure = "; pass .to_dict('list')" if hasattr(group, "to_dict") else ""
    return f"a {type(group).__name__} where a dict of field to values is expected{cure}"


def _pick(data_dict: Mapping[str, Any], known: FieldContract) -> Any:
    group = data_dict if known.friendly is None else data_dict.get(known.friendly)
    if not isinstance(group, Mapping) or known.field not in group:
        raise _MissingFieldError
    return group[known.field]


def _given_paths(data_dict: Mapping[str, Any]) -> Iterator[str]:
    for key, value in data_dict.items():
        if isinstance(value, Mapping):
            yield from (f"{key}/{name}" for name in value)
        else:
            yield str(key)


def _missing(data_dict: Mapping[str, Any], contract: InputContract, known: FieldContract) -> str:
    given = list(_given_paths(data_dict))
    flat = next((path for path in (known.path, known.field) if path in data_dict), None)
    if known.friendly is not None and flat is not None:
        nested = f"{{{known.friendly!r}: {{{known.field!r}: ...}}}}"
        return f"missing; {flat!r} stands at the top level, give it as {nested}"
    recorded = {other.path for other in contract.fields}
    strange = [path for path in given if path not in recorded]
    same_name = [path for path in strange if path.rpartition("/")[2] == known.field]
    near = same_name[0] if same_name else nearest_name(known.path, strange)
    if near:
        return f"missing; did you mean it by {near!r}?"
    return f"missing; given are {', '.join(map(repr, given)) or 'no fields at all'}"


def _row_count(columns: Mapping[str, Rows], ids: Any, problems: list[Problem]) -> int:
    counts = {path: len(rows) for path, rows in columns.items()}
    if ids is not None:
        counts.setdefault(OBJECT_ID, len(ids))
    by_count: dict[int, list[str]] = {}
    for path, count in counts.items():
        by_count.setdefault(count, []).append(path)
    if len(by_count) > 1:
        listed = "; ".join(f"{count} in {', '.join(paths)}" for count, paths in by_count.items())
        problems.append(Problem("rows", f"the fields differ in their number of rows: {listed}"))
    if not by_count and not problems:
        problems.append(Problem("rows", f"no field says how many rows there are; give {OBJECT_ID!r}"))
    return next(iter(by_count), 0)


def _row_problems(faults: Mapping[str, Mapping[int, str]], count: int) -> Iterator[Problem]:
    for path, rows in faults.items():
        if len(rows) == count > 1 and len(set(rows.values())) == 1:
            yield Problem(path, f"every row: {rows[0]}")
            continue
        for row in list(rows)[:ROWS_NAMED]:
            yield RowProblem(path, rows[row], row)
        if len(rows) > ROWS_NAMED:
            yield Problem(path, f"{len(rows) - ROWS_NAMED} more rows are refused")


def _by_row(faults: Mapping[str, Mapping[int, str]]) -> dict[int, list[tuple[str, str]]]:
    rows: dict[int, list[tuple[str, str]]] = {}
    for path, found in faults.items():
        for row, text in found.items():
            rows.setdefault(row, []).append((path, text))
    return rows
