"""What is missing or misspelt is named when the class is decorated."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from hyrax_pack import hyrax_model
from hyrax_pack.errors import ModelError
from hyrax_pack.resolving import resolve_class


def methods(*, without: tuple[str, ...] = (), **others: Any) -> type:
    """A class that keeps the contract, less some methods and plus others."""
    body: dict[str, Any] = {
        "__init__": lambda self, config, data_sample: nn.Module.__init__(self),
        "forward": lambda self, batch: batch,
        "train_step": lambda self, batch: {"loss": 0.0},
        "to_tensor": staticmethod(lambda data_dict: data_dict),
    }
    body |= others
    return type("Net", (nn.Module,), {name: value for name, value in body.items() if name not in without})


def problems_of(cls: type) -> str:
    with pytest.raises(ModelError) as caught:
        hyrax_model(cls)
    return str(caught.value)


def test_a_class_that_keeps_the_contract_is_returned_as_it_is_and_known_by_name(tmp_path: Path) -> None:
    cls = methods()
    assert hyrax_model(cls) is cls
    assert resolve_class("Net", tmp_path) is cls


@pytest.mark.parametrize("name", ["__init__", "forward", "train_step"])
def test_a_missing_method_is_named_with_how_to_write_it(name: str) -> None:
    words = problems_of(methods(without=(name,)))
    assert words.startswith(f"@hyrax_model Net: {name}: missing; write def {name}(self, ")


def test_the_later_upstream_words_are_as_good_as_ours() -> None:
    aliased = methods(
        without=("train_step", "to_tensor"), train_batch=lambda self, batch: {}, prepare_inputs=staticmethod(id)
    )
    hyrax_model(aliased)


def test_a_class_without_to_tensor_is_allowed() -> None:
    hyrax_model(methods(without=("to_tensor",)))


def test_methods_of_a_base_class_count() -> None:
    hyrax_model(type("Child", (methods(),), {}))


@pytest.mark.parametrize(
    ("missing", "written", "meant"),
    [
        ("forward", "foward", "forward"),
        ("forward", "Forward", "forward"),
        ("train_step", "training_step", "train_step or train_batch"),
        ("train_step", "train_stp", "train_step or train_batch"),
        ("train_step", "trainbatch", "train_step or train_batch"),
        ("to_tensor", "prepare_data", "to_tensor or prepare_inputs"),
        ("to_tensor", "to_tenser", "to_tensor or prepare_inputs"),
        ("to_tensor", "totensor", "to_tensor or prepare_inputs"),
        ("to_tensor", "to_tensors", "to_tensor or prepare_inputs"),
        ("to_tensor", "prepare_input", "to_tensor or prepare_inputs"),
        ("infer_batch", "infer_bach", "infer_batch"),
        ("validate_batch", "validate_step", "validate_batch"),
        ("test_batch", "test_step", "test_batch"),
        ("log_epoch_metrics", "log_epoch_metric", "log_epoch_metrics"),
        ("train_post_epoch", "train_post_epochs", "train_post_epoch"),
    ],
)
def test_a_near_miss_is_named_with_what_it_was_meant_to_be(missing: str, written: str, meant: str) -> None:
    words = problems_of(methods(without=(missing,), **{written: lambda self, batch: batch}))
    assert f"{written}: is this meant to be {meant}" in words


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("infer", "infer_batch"),
        ("inference_batch", "infer_batch"),
        ("predict_batch", "infer_batch"),
        ("validation_step", "validate_batch"),
        ("validate", "validate_batch"),
        ("val_batch", "validate_batch"),
        ("validation_batch", "validate_batch"),
    ],
)
def test_a_word_of_another_framework_is_named_with_ours(written: str, meant: str) -> None:
    assert f"{written}: is this meant to be {meant}" in problems_of(methods(**{written: lambda self, batch: batch}))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("post_epoch", "train_post_epoch"),
        ("train_epoch_end", "train_post_epoch"),
        ("on_validation_epoch_end", "validate_post_epoch"),
        ("log_metrics", "log_epoch_metrics"),
    ],
)
def test_a_word_for_what_follows_an_epoch_is_named_with_ours(written: str, meant: str) -> None:
    assert f"{written}: is this meant to be {meant}" in problems_of(methods(**{written: lambda self: None}))


@pytest.mark.parametrize(
    ("name", "own"),
    [
        pytest.param("validate", lambda self, loader, device: None, id="with other arguments"),
        pytest.param("log_metrics", lambda self, step, values: None, id="with arguments where the hook has none"),
        pytest.param("infer", lambda self, batch: batch, id="that forward calls"),
    ],
)
def test_a_word_of_another_framework_may_be_the_classs_own(name: str, own: Any) -> None:
    others = {"forward": lambda self, batch: self.infer(batch)} if name == "infer" else {}
    hyrax_model(methods(**{name: own}, **others))


@pytest.mark.parametrize(
    "own", ["to_tensors", "_infer_bach", "encode", "prepare_outputs", "train_head", "test_time_mean"]
)
def test_a_method_of_the_classs_own_is_no_near_miss(own: str) -> None:
    hyrax_model(methods(**{own: lambda self, batch: batch}))


@pytest.mark.parametrize("name", ["to_tensor", "prepare_inputs"])
def test_a_function_of_data_dict_has_to_be_static(name: str) -> None:
    cls = methods(without=("to_tensor",))
    setattr(cls, name, lambda self, data_dict: data_dict)
    words = problems_of(cls)
    assert f"{name}: is not static; write @staticmethod def {name}(data_dict), without self" in words


def test_a_classmethod_is_not_static() -> None:
    assert "to_tensor: is a classmethod" in problems_of(
        methods(to_tensor=classmethod(lambda cls, data_dict: data_dict))
    )


def test_to_tensor_takes_data_dict_alone() -> None:
    words = problems_of(methods(to_tensor=staticmethod(lambda self, data_dict: data_dict)))
    assert "to_tensor: has the signature (self, data_dict); expected to_tensor(data_dict)" in words


@pytest.mark.parametrize(
    ("name", "method", "expected"),
    [
        ("__init__", lambda self: None, "def __init__(self, config, data_sample)"),
        ("__init__", lambda self, config: None, "def __init__(self, config, data_sample)"),
        ("forward", lambda self, image, label: None, "def forward(self, batch)"),
    ],
)
def test_a_method_with_other_arguments_is_named(name: str, method: Any, expected: str) -> None:
    words = problems_of(methods(**{name: method}))
    assert f"{name}: has the signature (self" in words
    assert expected in words


def test_everything_that_is_wrong_is_listed_at_once() -> None:
    cls = type("Net", (nn.Module,), {"foward": lambda self, batch: batch, "to_tensor": lambda self: None})
    with pytest.raises(ModelError) as caught:
        hyrax_model(cls)
    assert [problem.where for problem in caught.value.problems] == ["__init__", "foward", "train_step", "to_tensor"]


def test_a_class_that_is_no_module_is_refused() -> None:
    with pytest.raises(ModelError, match=r"Plain\(object\): is no torch\.nn\.Module"):
        hyrax_model(type("Plain", (), {}))


def test_something_that_is_no_class_is_refused() -> None:
    with pytest.raises(ModelError, match="it decorates a class"):
        hyrax_model(methods)  # type: ignore[type-var]


def test_a_refused_class_is_not_known_by_name(tmp_path: Path) -> None:
    problems_of(methods(without=("forward",)))
    with pytest.raises(Exception, match="no class has this name"):
        resolve_class("Net", tmp_path)


def test_the_contract_is_read_without_torch() -> None:
    probe = "import sys, hyrax_pack.model; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0
