"""While a user's file is loaded, `hyrax.models` answers with our decorator; nothing of it stays."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hyrax_pack import hyrax_model
from hyrax_pack.errors import ResolveError
from hyrax_pack.resolving import load_class_file

Write = Callable[[str, str], Path]

IMPORTS = [
    "from hyrax.models import hyrax_model as found",
    "from hyrax.models.model_registry import hyrax_model as found",
    "import hyrax.models\nfound = hyrax.models.hyrax_model",
    "import hyrax.models.model_registry as registry\nfound = registry.hyrax_model",
    "import hyrax\nfound = hyrax.models.hyrax_model",
    "from hyrax import models\nfound = models.hyrax_model",
    "from hyrax.models import model_registry\nfound = model_registry.hyrax_model",
]


@pytest.fixture
def installed(write: Write, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that looks like Hyrax, installed."""
    write("site/hyrax/__init__.py", "from hyrax.models import hyrax_model\nversion = 'real'\n")
    write(
        "site/hyrax/models/__init__.py",
        "from hyrax.models.model_registry import hyrax_model, MODELS\nclass Zoo: pass\n",
    )
    write(
        "site/hyrax/models/model_registry.py",
        "MODELS = {}\ndef hyrax_model(cls):\n    MODELS[1] = cls\n    return cls\n",
    )
    write("site/hyrax/models/cnn.py", "class CNN: pass\n")
    folder = write("site/hyrax/data_sets.py", "class HyraxDataset: pass\n").parent.parent
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.mark.parametrize("imports", IMPORTS)
def test_the_decorator_is_ours_where_hyrax_is_not_installed(write: Write, imports: str) -> None:
    assert load_class_file(write("net.py", imports)).found is hyrax_model


@pytest.mark.parametrize("imports", IMPORTS)
def test_the_decorator_is_ours_where_hyrax_is_installed(write: Write, installed: Path, imports: str) -> None:
    assert load_class_file(write("net.py", imports)).found is hyrax_model


@pytest.mark.parametrize("imports", IMPORTS)
def test_the_decorator_is_ours_where_hyrax_was_imported_before(write: Write, installed: Path, imports: str) -> None:
    import hyrax.models  # type: ignore[import-not-found, unused-ignore]

    real = hyrax.models.hyrax_model
    assert load_class_file(write("net.py", imports)).found is hyrax_model
    assert hyrax.models.hyrax_model is real
    assert sys.modules["hyrax.models"].hyrax_model is real


def test_nothing_stays_behind_where_hyrax_is_not_installed(write: Write) -> None:
    finders = list(sys.meta_path)
    load_class_file(write("net.py", IMPORTS[0]))
    assert not [name for name in sys.modules if name.split(".")[0] == "hyrax"]
    assert sys.meta_path == finders


def test_nothing_stays_behind_after_a_file_that_fails(write: Write) -> None:
    finders = list(sys.meta_path)
    with pytest.raises(ResolveError):
        load_class_file(write("net.py", IMPORTS[0] + "\n1 / 0\n"))
    assert not [name for name in sys.modules if name.split(".")[0] == "hyrax"]
    assert sys.meta_path == finders


def test_hyrax_is_not_imported_for_the_decorator_alone(write: Write, installed: Path) -> None:
    load_class_file(write("net.py", IMPORTS[0]))
    assert "hyrax.data_sets" not in sys.modules
    assert "hyrax" not in sys.modules


@pytest.mark.parametrize(
    ("imports", "words"),
    [
        ("from hyrax.data_sets import HyraxDataset", "hyrax.data_sets comes from Hyrax itself"),
        ("from hyrax import data_sets", "hyrax.data_sets comes from Hyrax itself"),
        ("import hyrax.data_sets", "hyrax.data_sets comes from Hyrax itself"),
        ("from hyrax.models import Zoo", "hyrax.models.Zoo comes from Hyrax itself"),
        ("import hyrax\nhyrax.version", "hyrax.version comes from Hyrax itself"),
        ("from hyrax.models.cnn import CNN", "hyrax.models.cnn comes from Hyrax itself"),
    ],
)
def test_another_name_of_hyrax_that_is_not_installed_is_a_named_error(write: Write, imports: str, words: str) -> None:
    with pytest.raises(ResolveError) as caught:
        load_class_file(write("net.py", imports))
    assert words in str(caught.value)
    assert "which is not installed here" in str(caught.value)
    assert "net.py, line" in str(caught.value)


@pytest.mark.parametrize(
    "imports",
    [
        "from hyrax.data_sets import HyraxDataset as found",
        "from hyrax import version as found",
        "from hyrax.models import Zoo as found",
        "from hyrax.models.cnn import CNN as found",
        "from hyrax.models.model_registry import MODELS as found",
        "from hyrax.models import hyrax_model\nfrom hyrax.data_sets import HyraxDataset as found",
    ],
)
def test_another_name_of_hyrax_comes_from_hyrax_where_it_is_installed(
    write: Write, installed: Path, imports: str
) -> None:
    module = load_class_file(write("net.py", imports))
    assert module.found is not None
    import hyrax
    import hyrax.models

    assert hyrax.models.hyrax_model is not hyrax_model
    assert hyrax.version == "real"


def test_a_file_may_try_hyrax_and_go_on_without_it(write: Write) -> None:
    text = "try:\n    from hyrax.data_sets import HyraxDataset\nexcept ImportError:\n    HyraxDataset = object\n"
    assert load_class_file(write("net.py", text)).HyraxDataset is object


def test_a_module_that_a_users_file_imports_is_answered_too(write: Write) -> None:
    write("zoo_of_models.py", IMPORTS[0])
    assert load_class_file(write("net.py", "from zoo_of_models import found")).found is hyrax_model
