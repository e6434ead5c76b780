"""From `[data_request]` and `[split]` to groups of rows."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hyrax_pack.config import Config
from hyrax_pack.config.checking import nearest
from hyrax_pack.config.keys import GROUPS
from hyrax_pack.data.group import Group, Plan
from hyrax_pack.data.joining import join_rows
from hyrax_pack.data.protocol import open_data_set
from hyrax_pack.data.sameness import has_same_rows, where_from
from hyrax_pack.data.source import Source, open_source
from hyrax_pack.data.splitting import DEFAULT_FRACTIONS, REST, split_rows
from hyrax_pack.errors import DataError

log = logging.getLogger(__name__)

_DEFAULT_LABELS = ["label"]


class DataProvider:
    """The data of one configuration; a data set is opened when a group that needs it is first asked for.

    A group with a request of its own has all rows of it, unless that is the training data in other words: such groups,
    and those without a request, share the training data out by `[split]`, so that no row is in two of them. The same
    class and place are the training data; where the settings of the data set differ, as those of augmentation do, its
    ids decide.
    `infer` gets all rows unless `[split] infer` is set.

    Parameters
    ----------
    config : Config
        The settings.
    form : str
        `list` or `stacked`, as `describe_model(cls).form` says.
    """

    def __init__(self, config: Config, form: Literal["list", "stacked"] = "list") -> None:
        self.config = config
        self.form = form
        self._requests = {group: tuple(config.table(f"data_request.{group}")) for group in GROUPS}
        self._data_sets: dict[tuple[str | None, ...], Any] = {}
        self._sources: dict[str, tuple[Source, ...]] = {}
        self._joined: dict[str, dict[str, NDArray[np.int64] | None]] = {}
        self._groups: dict[str, Group] = {}
        self._own_data: dict[str, bool] = {}
        self._split: dict[str, NDArray[np.int64]] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return DataProvider, (self.config, self.form)

    def has_group(self, name: str) -> bool:
        """Whether there are rows for a group."""
        return name in self._groups or self._rows_from(name) is not None

    def group(self, name: str) -> Group:
        """Return a group: `train`, `validate`, `test`, `infer`, or `rest`, the rows that `[split]` gives to nobody.

        Raises
        ------
        DataError
            The configuration gives it no rows, or its data cannot be read.
        """
        if name not in self._groups:
            self._groups[name] = self._open_group(name)
        return self._groups[name]

    def held_out(self) -> Group | None:
        """Return rows that training does not see: the validate group, else test, else what the split leaves."""
        return next((self.group(name) for name in ("validate", "test", REST) if self.has_group(name)), None)

    def _open_group(self, name: str) -> Group:
        owner = self._rows_from(name)
        if owner is None:
            raise DataError(self._no_group(name))
        sources = self._open_sources(owner)
        primary = _primary(sources)
        split = self._shares_split(name)
        rows = self._split_rows()[name] if split else np.arange(len(primary), dtype=np.int64)
        return Group(
            self, name, primary, rows, self._joined[owner], (self._plan(name, sources), self._infer_plan(sources))
        )

    def _rows_from(self, name: str) -> str | None:
        """The group whose request a group reads; None where there are no rows for it."""
        if self._requests.get(name):
            owns = name == "train" or not self._shares_split(name) or name in self._split_rows()
            return name if owns else None
        if not self._requests["train"]:
            return None
        if name == "infer":
            return "train"
        return "train" if name in self._split_rows() else None

    def _shares_split(self, name: str) -> bool:
        """Whether a group's rows are its part of the training data, and not all rows of its own."""
        if name == "infer" and self.config.get("split.infer") is None:
            return False
        return name == "train" or not self.has_own_data(name)

    def has_own_data(self, name: str) -> bool:
        """Whether a group's request asks for other rows than those of the training data."""
        if name not in self._own_data:
            self._own_data[name] = self._asks_for_other_rows(name)
        return self._own_data[name]

    def _asks_for_other_rows(self, name: str) -> bool:
        if not self._requests.get(name):
            return False
        if not self._requests["train"]:
            return True
        mine, of_training = (self._primary_request(group) for group in (name, "train"))
        if where_from(self.config, mine) != where_from(self.config, of_training):
            return True
        if mine.get("dataset_config", {}) == of_training.get("dataset_config", {}):
            return False
        return not has_same_rows(*(_primary(self._open_sources(group)) for group in (name, "train")))

    def _primary_request(self, group: str) -> dict[str, Any]:
        requests = {friendly: self._request(group, friendly) for friendly in self._requests[group]}
        return requests[_primary_name(requests)]

    def _split_rows(self) -> dict[str, NDArray[np.int64]]:
        if self._split is None:
            fractions = {group: self.config.get(f"split.{group}") for group in GROUPS}
            separate = frozenset(group for group in GROUPS if group != "train" and self.has_own_data(group))
            for group in separate:
                if fractions[group] is not None:
                    log.warning("split.%s is not used: [data_request.%s] has data of its own", group, group)
            count = len(_primary(self._open_sources("train")))
            seed = self.config.get("split.rng_seed")
            self._split = split_rows(count, fractions, seed, separate=separate)
        return self._split

    def _no_group(self, name: str) -> str:
        if name not in (*GROUPS, REST):
            return f"there is no group '{name}'; {nearest(name, GROUPS)}"
        if not self._requests["train"]:
            return f"{self.config.source}: no data for {name}; write [data_request.{name}.<friendly name>]"
        why = "its data is the training data" if self._requests.get(name) else f"there is no [data_request.{name}]"
        words = f"{self.config.source}: {name} gets no rows: [split] gives it none, and {why}"
        share = DEFAULT_FRACTIONS.get(name)
        return words + (f"; set split.{name} = {share}" if share else "")

    def _request(self, group: str, friendly: str) -> dict[str, Any]:
        return self.config.table(f"data_request.{group}.{friendly}")

    def _open_sources(self, group: str) -> tuple[Source, ...]:
        if group not in self._sources:
            sources = tuple(self._open_source(group, friendly) for friendly in self._requests[group])
            primary = _primary(sources)
            others = [source for source in sources if source is not primary]
            self._joined[group] = join_rows(primary, others)
            self._sources[group] = sources
            if group == "train":
                self._check_labels(sources)
        return self._sources[group]

    def _open_source(self, group: str, friendly: str) -> Source:
        request = self._request(group, friendly)
        where = f"data_request.{group}.{friendly}"
        settings = json.dumps(request.get("dataset_config", {}), sort_keys=True, default=str)
        key = (friendly, *where_from(self.config, request), settings)
        if key not in self._data_sets:
            self._data_sets[key] = open_data_set(self.config, where, request, friendly)
        return open_source(self.config, where, friendly, request, dataset=self._data_sets[key], form=self.form)

    def _labels(self) -> list[str]:
        labels: list[str] = self.config.get("model.labels")
        return labels

    def _check_labels(self, sources: Sequence[Source]) -> None:
        """A label under a name that no data set has would stay an input of the exported graph."""
        known = [
            name for source in sources for field in source.available for name in (field, f"{source.friendly}/{field}")
        ]
        for label in self._labels():
            if label not in known and label not in _DEFAULT_LABELS:
                raise DataError(
                    f"model.labels: no data set of data_request.train has '{label}'; {nearest(label, known)}"
                )

    def _without_labels(self, source: Source, fields: Sequence[str]) -> tuple[str, ...]:
        labels = self._labels()
        return tuple(field for field in fields if not {field, f"{source.friendly}/{field}"} & set(labels))

    def _plan(self, name: str, sources: Sequence[Source]) -> Plan:
        if name == "infer":
            plan = self._infer_plan(sources)
            if isinstance(plan, DataError):
                raise plan
            return plan
        return tuple((source, source.fields) for source in sources)

    def _infer_plan(self, sources: Sequence[Source]) -> Plan | DataError:
        """What is read at inference; an error is kept for whoever asks for it, since training does not."""
        here = {source.friendly: source for source in sources}
        if not self._requests["infer"]:
            return tuple((source, self._without_labels(source, source.fields)) for source in sources)
        plan = []
        for friendly in self._requests["infer"]:
            source = here.get(friendly)
            if source is None:
                return DataError(
                    f"data_request.infer.{friendly}: no data set of this name here; {nearest(friendly, here)}"
                )
            listed = self._request("infer", friendly).get("fields")
            fields = self._without_labels(source, source.fields) if listed is None else tuple(listed)
            try:
                for field in fields:
                    source.check_field(field)
            except DataError as error:
                return error
            plan.append((source, fields))
        return tuple(plan)


def _primary(sources: Sequence[Source]) -> Source:
    """The data set whose rows are the rows: the one with primary_id_field, else the first that joins nothing."""
    by_name = {source.friendly: source for source in sources}
    requests = {
        name: {"primary_id_field": source.is_primary, "join_field": source.join_field}
        for name, source in by_name.items()
    }
    return by_name[_primary_name(requests)]


def _primary_name(requests: Mapping[str, Mapping[str, Any]]) -> str:
    for key, wanted in (("primary_id_field", True), ("join_field", False)):
        for name, request in requests.items():
            if bool(request.get(key)) is wanted:
                return name
    return next(iter(requests))
