"""Files that must be refused, each with the code it must be refused with.

A case is made when it is asked for. `ALL` is what the tests, the fuzzer's corpus and the benchmark walk through.
"""

from __future__ import annotations

from tests.runtime.file.hostile.archives import ARCHIVES
from tests.runtime.file.hostile.cases import Case
from tests.runtime.file.hostile.graphs import GRAPHS
from tests.runtime.file.hostile.manifests import MANIFESTS
from tests.runtime.file.hostile.others import OTHERS
from tests.runtime.file.hostile.sources import SOURCES

__all__ = ["ALL", "Case"]

ALL: tuple[Case, ...] = (*ARCHIVES, *MANIFESTS, *GRAPHS, *SOURCES, *OTHERS)
