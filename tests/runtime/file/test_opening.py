"""Opening a sound bundle: what it answers, and what it costs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hyrax_runtime.bundle import open_bundle
from hyrax_runtime.errors import UnreadableError

from tests.runtime.file.forge import SOURCE, Forge, linear_weights


def test_a_sound_bundle_answers_its_parts(bundle_file: Path, forge: Forge) -> None:
    with open_bundle(bundle_file) as bundle:
        assert bundle.source == SOURCE
        assert bundle.source_sha256 == hashlib.sha256(SOURCE.encode()).hexdigest()
        assert bundle.graph == forge.contents["model.onnx"]
        assert bundle.contract.fields[0].path == "data/flux"
        assert bundle.manifest.outputs[0].classes == ("star", "galaxy", "quasar")
        assert all(bundle.read(name) == data for name, data in forge.contents.items())


def test_the_bundle_id_is_the_digest_of_the_manifest(bundle_file: Path, forge: Forge) -> None:
    with open_bundle(bundle_file) as bundle:
        assert bundle.id == "sha256:" + hashlib.sha256(forge.manifest()).hexdigest()


def test_weights_are_mapped_read_only_and_outlive_the_bundle(bundle_file: Path) -> None:
    with open_bundle(bundle_file) as bundle:
        weights = bundle.weights()
    assert weights is not None and weights.readonly
    assert bytes(weights) == linear_weights()


def test_a_bundle_that_was_closed_says_so(bundle_file: Path) -> None:
    bundle = open_bundle(bundle_file)
    bundle.close()
    with pytest.raises(UnreadableError, match="was closed; open it again"):
        bundle.read("model.onnx")
