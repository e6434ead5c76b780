"""Which method plays which part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from torch import nn

from hyrax_pack.errors import ModelError
from hyrax_pack.model import ModelSpec, describe_model
from hyrax_pack.model.default_input import to_tensor as default_to_tensor


class Least(nn.Module):
    """Nothing but what is required."""

    def __init__(self, config: Any, data_sample: Any) -> None:
        super().__init__()

    def forward(self, batch: Any) -> Any:
        return batch

    def train_step(self, batch: Any) -> dict[str, float]:
        return {"loss": 0.0}


class Upstream(nn.Module):
    """The later upstream words, and every optional hook."""

    def __init__(self, config: Any, shape: Any) -> None:
        super().__init__()

    def forward(self, batch: Any) -> Any: ...
    def train_batch(self, batch: Any) -> Any: ...
    def infer_batch(self, batch: Any) -> Any: ...
    def validate_batch(self, batch: Any) -> Any: ...
    def test_batch(self, batch: Any) -> Any: ...
    def log_epoch_metrics(self) -> Any: ...
    def train_post_epoch(self) -> Any: ...
    def validate_post_epoch(self) -> Any: ...
    def save(self, path: Any) -> Any: ...
    def load(self, path: Any) -> Any: ...

    @staticmethod
    def prepare_inputs(data: Any) -> Any:
        return data


def test_a_class_with_the_least_has_the_defaults() -> None:
    spec = describe_model(Least)
    assert spec == ModelSpec(
        cls=Least,
        train_hook="train_step",
        infer_hook="forward",
        validate_hook=None,
        test_hook=None,
        tensor_function=default_to_tensor,
        tensor_name=None,
        form="list",
        init_takes="data_sample",
        log_epoch_metrics=None,
        train_post_epoch=None,
        validate_post_epoch=None,
        save=None,
        load=None,
    )
    assert spec.name == "Least"


def test_a_class_in_the_later_words_is_described_in_them() -> None:
    assert describe_model(Upstream) == ModelSpec(
        cls=Upstream,
        train_hook="train_batch",
        infer_hook="infer_batch",
        validate_hook="validate_batch",
        test_hook="test_batch",
        tensor_function=Upstream.prepare_inputs,
        tensor_name="prepare_inputs",
        form="stacked",
        init_takes="shape",
        log_epoch_metrics="log_epoch_metrics",
        train_post_epoch="train_post_epoch",
        validate_post_epoch="validate_post_epoch",
        save="save",
        load="load",
    )


def test_our_word_counts_where_a_class_has_both() -> None:
    class Both(Upstream):
        def train_step(self, batch: Any) -> Any: ...

        @staticmethod
        def to_tensor(data_dict: Any) -> Any: ...

    spec = describe_model(Both)
    assert (spec.train_hook, spec.tensor_name, spec.form) == ("train_step", "to_tensor", "list")
    assert spec.tensor_function is Both.to_tensor


def test_a_function_that_is_assigned_to_the_class_later_is_the_one_that_counts() -> None:
    class Late(Least):
        pass

    def make(data_dict: Any) -> Any: ...

    Late.to_tensor = staticmethod(make)  # type: ignore[attr-defined]
    assert describe_model(Late).tensor_function is make


def test_a_function_that_is_assigned_without_staticmethod_is_refused() -> None:
    class Late(Least):
        pass

    Late.to_tensor = lambda data_dict: data_dict  # type: ignore[attr-defined]
    with pytest.raises(ModelError, match="is not static"):
        describe_model(Late)


def test_a_class_that_was_never_decorated_is_checked() -> None:
    with pytest.raises(ModelError, match="train_step: missing"):
        describe_model(type("Net", (nn.Module,), {"__init__": Least.__init__, "forward": Least.forward}))


def test_the_default_gives_images_and_labels() -> None:
    rows = {"data": {"image": [np.zeros((2, 2)), np.ones((2, 2))], "label": [np.int64(3), np.int64(4)]}}
    image, label = default_to_tensor(rows)
    assert image.shape == (2, 2, 2)
    assert label.tolist() == [3, 4]


def test_the_default_gives_no_label_at_inference() -> None:
    image, label = default_to_tensor({"data": {"image": [np.zeros((2, 2))]}})
    assert image.shape == (1, 2, 2)
    assert label is None


def test_the_default_stands_on_its_own_as_text() -> None:
    import inspect

    namespace: dict[str, Any] = {}
    exec(inspect.getsource(default_to_tensor), namespace)
    assert namespace["to_tensor"]({"data": {"image": [1.0, 2.0]}})[0].tolist() == [1.0, 2.0]
