"""docs/bundle-format.md is enough to write a reader: the one it shows reads and refuses what ours does."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hyrax_runtime import container
from hyrax_runtime.errors import BundleError, GraphError, TrustError

from tests.runtime.file.forge import Forge
from tests.runtime.file.hostile import ALL
from tests.runtime.file.hostile.archives import ARCHIVES

PAGE = (Path(__file__).parents[3] / "docs" / "bundle-format.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def read_bundle() -> Callable[[bytes], dict[str, bytes]]:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, object] = {}
    exec(code, names)
    return names["read_bundle"]  # type: ignore[return-value]


def test_the_reader_on_the_page_reads_a_bundle(read_bundle: Callable[[bytes], dict[str, bytes]]) -> None:
    forge = Forge()
    manifest = forge.manifest()
    expected = {"hyrax": container.head_bytes(manifest), "manifest.msgpack": manifest, **forge.contents}
    assert read_bundle(forge.data()) == expected


def test_the_reader_on_the_page_refuses_random_damage(read_bundle: Callable[[bytes], dict[str, bytes]]) -> None:
    data, chance = Forge().data(), random.Random(5)
    for _ in range(300):
        position = chance.randrange(len(data))
        broken = data[:position] + bytes([data[position] ^ 1 << chance.randrange(8)]) + data[position + 1 :]
        with pytest.raises(ValueError):
            read_bundle(broken)


def test_the_reader_on_the_page_refuses_every_broken_archive(read_bundle: Callable[[bytes], dict[str, bytes]]) -> None:
    said_by_the_manifest = ("manifest/schema", "manifest/encoding")
    for case in ARCHIVES:
        if case.code not in said_by_the_manifest and case.title != "something in the padding between tensors":
            with pytest.raises((ValueError, KeyError)):
                read_bundle(case.make())


def test_the_page_names_every_code_that_refuses_a_file() -> None:
    families = {"container", "manifest", "trust"}
    kinds = [kind for family in (BundleError, GraphError, TrustError) for kind in family.__subclasses__()]
    codes = {kind.code for kind in kinds if kind.code.split("/")[0] in families or issubclass(kind, GraphError)}
    assert [code for code in sorted(codes | {case.code for case in ALL}) if f"`{code}`" not in PAGE] == []


def test_the_manifest_stands_where_the_page_says() -> None:
    assert container.manifest_at() == 192
    assert container.HEAD_AT == 35
