"""A change of a model's code is noticed wherever it stands, and only where it means something."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hyrax_pack.capturing.model_code import ModelCode, code_differences, code_sha256, describe_code, from_plain
from hyrax_pack.config import load_config
from hyrax_pack.model import build_model, describe_model
from hyrax_pack.resolving import resolve_class

MODEL = '''
import functools

import torch
from torch import nn

import neighbour
from hyrax_pack import hyrax_model

SCALE = 2.0
TABLE = {"a": (1, 2.5)}
OFFSET = torch.tensor([1.0, 2.0])
halve = lambda x: x / 2  # noqa: E731
third = functools.partial(torch.div, other=3.0)
unused = 7


def squash(x, *, power=2):
    """Compress."""
    return torch.tanh(x) * SCALE + OFFSET[0] + TABLE["a"][1]


def noisy(x):
    return x + torch.randn_like(x)


def counted(function):
    def wrapper(*args):
        return function(*args) * 1.0
    return wrapper


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        return self.linear(x)


class Base(nn.Module):
    slope = 0.5

    @property
    def bias(self):
        return 0.25


class Focal(nn.Module):
    def forward(self, scores, label):
        return scores.sum()


@hyrax_model
class Net(Base):
    """A network."""

    def __init__(self, config, data_sample):
        super().__init__()
        self.block = Block()
        self.head = neighbour.Head()

    @counted
    def forward(self, batch):
        # compress, then decide
        x = third(halve(squash(self.block(batch)))) * self.slope + self.bias
        return self.head(x) + self.shared(x)

    def shared(self, x):
        return x.mean(dim=1, keepdim=True)

    def train_step(self, batch):
        return {"loss": self.criterion(noisy(self(batch)), None)}

    def validate_batch(self, batch):
        return {"loss": self.criterion(self(batch), None)}

    @staticmethod
    def to_tensor(data_dict):
        import numpy as np
        return np.asarray(data_dict["data"]["x"])
'''

NEIGHBOUR = """
from torch import nn

GAIN = 3.0


def amplify(x):
    return x * GAIN


def not_used(x):
    return x


class Head(nn.Module):
    def forward(self, x):
        return amplify(x)
"""

Describe = Callable[..., ModelCode]


@pytest.fixture
def describe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Describe]:
    """The code of the model, written with some replacements into a folder of its own."""
    import torch

    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "path", [*sys.path])
    number = iter(range(100))

    def write(changes: dict[str, str] | None = None, after: Callable[[Path], None] | None = None) -> ModelCode:
        folder = tmp_path / f"project{next(number)}"
        folder.mkdir()
        model, other = MODEL, NEIGHBOUR
        for old, new in (changes or {}).items():
            assert (model + other).count(old) == 1, old
            model, other = model.replace(old, new), other.replace(old, new)
        (folder / "net.py").write_text(model)
        (folder / "neighbour.py").write_text(other)
        sys.modules.pop("neighbour", None)
        sys.path.insert(0, str(folder))
        cls = resolve_class(f"{folder / 'net.py'}:Net", folder)
        config = load_config(tables={"criterion": {"name": f"{folder / 'net.py'}:Focal"}})
        made = build_model(cls, config, torch.zeros(1, 4))
        if after is not None:
            after(folder)
        code = describe_code(describe_model(cls), made)
        return from_plain({name: part.to_plain() for name, part in code.items()})

    yield write
    sys.modules.pop("neighbour", None)


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        pytest.param("self.block(batch)", "self.block(batch * 2)", "Net.forward", id="forward, in a decorator"),
        pytest.param("* 1.0", "* 1.5", "Net.forward", id="a decorator"),
        pytest.param("x.mean(dim=1", "x.sum(dim=1", "Net.shared", id="a method that forward calls"),
        pytest.param("self.block = Block()", "self.block = nn.Identity()", "Net.__init__", id="a layer"),
        pytest.param("slope = 0.5", "slope = 0.6", "Base.slope", id="an attribute of a base class"),
        pytest.param("return 0.25", "return 0.26", "Base.bias", id="a property"),
        pytest.param("return self.linear(x)", "return -self.linear(x)", "Block.forward", id="a class of the file"),
        pytest.param("torch.tanh(x)", "torch.sin(x)", "net.squash", id="a function of the file"),
        pytest.param("power=2", "power=3", "net.squash", id="a default"),
        pytest.param("SCALE = 2.0", "SCALE = 3.0", "net.SCALE", id="a constant"),
        pytest.param("(1, 2.5)", "(1, 2.6)", "net.TABLE", id="a constant inside a table"),
        pytest.param("[1.0, 2.0]", "[1.0, 2.1]", "net.OFFSET", id="a constant tensor"),
        pytest.param("x / 2", "x / 4", "net.halve", id="a lambda"),
        pytest.param("other=3.0", "other=4.0", "net.third", id="an argument of partial"),
        pytest.param("GAIN = 3.0", "GAIN = 4.0", "neighbour.GAIN", id="a constant of another file"),
        pytest.param("return x * GAIN", "return x + GAIN", "neighbour.amplify", id="a function of another file"),
        pytest.param("class Net(Base)", "class Net(nn.Module)", "Net", id="a base class"),
    ],
)
def test_a_change_of_what_inference_runs_is_noticed(describe: Describe, old: str, new: str, part: str) -> None:
    before = describe()
    now = describe({old: new, **({"self.slope": "2", "self.bias": "3"} if part == "Net" else {})})
    changed = code_differences(before, now, inference=True)
    assert any(line.startswith((f"{part} ", f"{part},")) for line in changed)
    assert code_sha256(before) != code_sha256(now)


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        pytest.param('{"loss": self.criterion(noisy', '{"loss": 2 * self.criterion(noisy', "Net.train_step", id="step"),
        pytest.param("x + torch.randn_like(x)", "x", "net.noisy", id="what only the step calls"),
        pytest.param("scores.sum()", "scores.mean()", "Focal.forward", id="the criterion"),
    ],
)
def test_a_change_of_training_alone_is_one_of_training(describe: Describe, old: str, new: str, part: str) -> None:
    before, now = describe(), describe({old: new})
    assert [line.partition(" ")[0] for line in code_differences(before, now, inference=False)] == [part]
    assert code_differences(before, now, inference=True) == []
    assert code_sha256(before) == code_sha256(now)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"# compress, then decide": "# decide"}, id="a comment"),
        pytest.param({'"""A network."""': '"""The network."""', '"""Compress."""': ""}, id="docstrings"),
        pytest.param({"def shared(self, x):\n": "def shared(\n        self,\n        x,\n    ):\n"}, id="layout"),
        pytest.param({"unused = 7": "unused = 8"}, id="what is not used"),
        pytest.param({"def not_used(x):\n    return x": "def not_used(x):\n    return -x"}, id="there too"),
        pytest.param({'data_dict["data"]["x"]': 'data_dict["data"]["y"]'}, id="to_tensor, whose text is kept whole"),
        pytest.param({}, id="another folder"),
    ],
)
def test_what_means_the_same_is_no_change(describe: Describe, changes: dict[str, str]) -> None:
    assert code_differences(describe(), describe(changes), inference=False) == []


def test_a_method_of_validation_counts_where_forward_calls_it(describe: Describe) -> None:
    calling = {"return self.head(x)": "self.validate_batch\n        return self.head(x)"}
    changed = calling | {'return {"loss": self.criterion(self(': 'return {"loss": 2 * self.criterion(self('}
    (line,) = code_differences(describe(calling), describe(changed), inference=True)
    assert line.startswith("Net.validate_batch (net.py:")


def test_a_difference_says_where_and_what(describe: Describe) -> None:
    (line,) = code_differences(describe(), describe({"torch.tanh(x)": "torch.sin(x)"}), inference=True)
    assert line == (
        "net.squash (net.py:18) has changed: was `return torch.tanh(x) * SCALE + OFFSET[0] + TABLE['a'][1]`, "
        "is `return torch.sin(x) * SCALE + OFFSET[0] + TABLE['a'][1]`"
    )
    gone = describe(
        {" + self.shared(x)": "", "def shared(self, x):\n        return x.mean(dim=1, keepdim=True)": "shared = 1"}
    )
    assert any(line.startswith("Net.shared") for line in code_differences(describe(), gone, inference=True))


def test_a_file_edited_while_the_old_code_runs_does_not_pass_for_it(describe: Describe) -> None:
    """Who goes on editing while training starts must not get the new text recorded as what trained."""

    def edit(folder: Path) -> None:
        file = folder / "net.py"
        file.write_text(file.read_text().replace("torch.tanh(x)", "torch.sin(x)"))

    trained = describe(after=edit)
    assert code_differences(trained, describe({"torch.tanh(x)": "torch.sin(x)"}), inference=True)


def test_libraries_are_no_parts(describe: Describe) -> None:
    assert {name.partition(".")[0] for name in describe()} == {
        "Base",
        "Block",
        "Focal",
        "Head",
        "Net",
        "neighbour",
        "net",
    }
