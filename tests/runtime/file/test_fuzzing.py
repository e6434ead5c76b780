"""Random input ends in a sound bundle or a HyraxError, never in anything else."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hyrax_runtime.errors import HyraxError
from hyrax_runtime.manifest_encoding import decode_manifest, encode_manifest

from tests.runtime.file.forge import Forge, pack
from tests.runtime.file.fuzzing import WAYS, seeds, try_way

QUICK = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary()
VALUES = st.recursive(LEAVES, lambda one: st.lists(one, max_size=4) | st.dictionaries(st.text(), one, max_size=4))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fuzz.hyrax"


@pytest.mark.parametrize("way", range(WAYS), ids=["file", "manifest", "graph", "text"])
@QUICK
@given(data=st.binary(max_size=2000))
def test_bytes_from_nowhere_are_refused(way: int, data: bytes, path: Path) -> None:
    try_way(way, data, path)


@pytest.mark.parametrize("way", range(WAYS), ids=["file", "manifest", "graph", "text"])
@QUICK
@given(changes=st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(max_size=9), st.integers(0, 9)), max_size=6))
def test_sound_input_cut_and_pasted_is_accepted_or_refused(
    way: int, changes: list[tuple[int, bytes, int]], path: Path
) -> None:
    data = seeds()[way][1:]
    for position, inserted, removed in changes:
        at = position % (len(data) + 1)
        data = data[:at] + inserted + data[at + removed :]
    accepted = try_way(way, data, path)
    if way == 0:
        assert accepted == (data == seeds()[0][1:])


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [way] if way else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return found + [place for key, item in items for place in places(item, (*way, key))]


PLACES = places(Forge().plain)


@QUICK
@given(place=st.sampled_from(PLACES), value=VALUES)
def test_any_value_anywhere_in_a_manifest_is_accepted_or_refused(
    place: tuple[Any, ...], value: Any, path: Path
) -> None:
    plain = Forge().plain
    target: Any = plain
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    try:
        data = pack(plain)
    except UnicodeEncodeError:  # a lone surrogate: no msgpack library writes one
        return
    try_way(1, data, path)


@QUICK
@given(value=VALUES)
def test_what_is_encoded_is_decoded_to_the_same(value: Any) -> None:
    try:
        data = encode_manifest({"x-a": value})
    except HyraxError:
        return
    assert decode_manifest(data, "fuzz") == {"x-a": value}


@QUICK
@given(data=st.binary(max_size=300))
def test_what_is_decoded_has_one_encoding(data: bytes) -> None:
    body = b"\x81\xa3x-a" + data
    try:
        plain = decode_manifest(body, "fuzz")
    except HyraxError:
        return
    assert msgpack.packb(plain) == body == encode_manifest(plain)


FIELDS = st.tuples(st.integers(0, 30), st.sampled_from([0, 1, 2, 2, 2, 3, 5]), st.binary(max_size=40))


def as_protobuf(fields: list[tuple[int, int, bytes]]) -> bytes:
    """Fields with plausible numbers and wire types, one in another."""
    out = b""
    for number, wire, content in fields:
        tag = bytes([number << 3 & 0x7F | wire])
        if wire == 0:
            out += tag + bytes([len(content)])
        elif wire == 2:
            out += tag + bytes([len(content)]) + content
        else:
            out += tag + struct.pack("<Q", number)[: 8 if wire == 1 else 4]
    return out


@QUICK
@given(outer=st.lists(FIELDS, max_size=5), inner=st.lists(FIELDS, max_size=5))
def test_plausible_protobuf_is_accepted_or_refused(
    outer: list[tuple[int, int, bytes]], inner: list[tuple[int, int, bytes]], path: Path
) -> None:
    try_way(2, as_protobuf([*outer, (7, 2, as_protobuf(inner)[:127])]), path)
