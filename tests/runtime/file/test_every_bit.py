"""Every bit of a bundle is covered: no flip, truncation, byte before or after goes unseen."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from hyrax_runtime.bundle import open_bundle
from hyrax_runtime.errors import HyraxError

from tests.runtime.file import protobuf
from tests.runtime.file.forge import Forge, floats


def small_bundle() -> bytes:
    """A bundle whose weights stand in the graph: no alignment to 16 KiB, so that every bit can be tried quickly."""
    weight, bias = protobuf.floats("weight", (4, 3), *range(12)), protobuf.floats("bias", (3,), 1, 2, 3)
    nodes = [protobuf.node("MatMul", ["x", "weight"], ["p"]), protobuf.node("Add", ["p", "bias"], ["scores"])]
    inputs, outputs = protobuf.value_info("x", 1, "N", 4), protobuf.value_info("scores", 1, "N", 3)
    forge = Forge().remove("weights.bin")
    forge.put("model.onnx", protobuf.model(protobuf.graph(nodes, [inputs], [outputs], [weight, bias])))
    return forge.put("golden/output-0.bin", floats(*range(6))).data()


def undetected(path: Path, data: bytes, positions: Iterable[int]) -> list[tuple[int, int]]:
    """Flip each bit at `positions` in the file at `path`, in place, and list those that opening does not see."""
    unseen = []
    descriptor = os.open(path, os.O_WRONLY)
    try:
        for position in positions:
            for bit in range(8):
                os.pwrite(descriptor, bytes([data[position] ^ 1 << bit]), position)
                try:
                    with open_bundle(path) as bundle:
                        bundle.weights(stamp=False)
                    unseen.append((position, bit))
                except HyraxError:
                    pass
            os.pwrite(descriptor, data[position : position + 1], position)
    finally:
        os.close(descriptor)
    with open_bundle(path):
        return unseen


def test_a_flipped_bit_anywhere_is_refused(tmp_path: Path) -> None:
    path, data = tmp_path / "small.hyrax", small_bundle()
    path.write_bytes(data)
    assert undetected(path, data, range(len(data))) == []


def test_a_flipped_bit_in_or_around_the_weights_is_refused(bundle_file: Path) -> None:
    data = bundle_file.read_bytes()
    weights_at = data.index(bytes(64) + floats(1.0, 0.0, 2.0, 0.0)) + 64
    assert undetected(bundle_file, data, range(weights_at - 8, weights_at + 80)) == []


@pytest.mark.slow
def test_a_flipped_bit_anywhere_is_refused_padding_and_weights_included(bundle_file: Path) -> None:
    data = bundle_file.read_bytes()
    assert undetected(bundle_file, data, range(len(data))) == []


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    path, data = tmp_path / "small.hyrax", small_bundle()
    path.write_bytes(data)
    for size in range(len(data) - 1, -1, -1):
        os.truncate(path, size)
        with pytest.raises(HyraxError) as caught:
            open_bundle(path)
        assert caught.value.code in ("container/size", "container/magic"), size


@pytest.mark.parametrize("byte", [b"\0", b"P", b"\n"], ids=["zero", "letter", "line end"])
def test_a_byte_before_or_after_is_refused(tmp_path: Path, byte: bytes) -> None:
    path, data = tmp_path / "small.hyrax", small_bundle()
    for changed in (byte + data, data + byte):
        path.write_bytes(changed)
        with pytest.raises(HyraxError):
            open_bundle(path)
