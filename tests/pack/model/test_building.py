"""A model with criterion, optimizer and scheduler from the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from hyrax_pack.config import Config, load_config
from hyrax_pack.errors import ConfigError, ModelError, ResolveError
from hyrax_pack.model import build_model, model_class

SAMPLE = (torch.zeros(1, 3, 4), None)


class Net(nn.Module):
    """Keeps what it was given."""

    def __init__(self, config: dict[str, Any], data_sample: Any) -> None:
        super().__init__()
        self.config, self.given = config, data_sample
        self.layer = nn.Linear(4, 2)

    def forward(self, batch: Any) -> Any:
        return self.layer(batch)

    def train_step(self, batch: Any) -> dict[str, float]:
        return {"loss": 0.0}


class OlderNet(Net):
    def __init__(self, config: dict[str, Any], shape: Any) -> None:
        super().__init__(config, shape)


class OwnNet(Net):
    def __init__(self, config: dict[str, Any], data_sample: Any) -> None:
        super().__init__(config, data_sample)
        self.criterion = nn.L1Loss()
        self.optimizer = torch.optim.Adagrad(self.parameters(), lr=0.25)


class WithoutParameters(Net):
    def __init__(self, config: dict[str, Any], data_sample: Any) -> None:
        super().__init__(config, data_sample)
        self.layer = nn.Identity()  # type: ignore[assignment]


class Failing(Net):
    def __init__(self, config: dict[str, Any], data_sample: Any) -> None:
        super().__init__(config, data_sample)
        self.layer(torch.zeros(1, 5))


def settings(**tables: Any) -> Config:
    return load_config(tables=tables)


def test_the_sample_arrives_as_it_is() -> None:
    assert build_model(Net, settings(), SAMPLE).given is SAMPLE


def test_an_older_class_gets_the_shape_of_one_row() -> None:
    assert build_model(OlderNet, settings(), SAMPLE).given == (3, 4)
    assert build_model(OlderNet, settings(), torch.zeros(1, 7)).given == (7,)


def test_the_defaults_are_cross_entropy_and_sgd_and_no_scheduler() -> None:
    model = build_model(Net, settings(), SAMPLE)
    assert type(model.criterion) is nn.CrossEntropyLoss
    assert type(model.optimizer) is torch.optim.SGD
    assert model.scheduler is None


def test_every_other_key_is_an_argument_of_the_constructor() -> None:
    config = settings(
        criterion={"name": "torch.nn.MSELoss", "reduction": "sum"},
        optimizer={"name": "torch.optim.Adam", "lr": 0.5, "betas": [0.5, 0.75]},
        scheduler={"name": "torch.optim.lr_scheduler.StepLR", "step_size": 3},
    )
    model = build_model(Net, config, SAMPLE)
    assert model.criterion.reduction == "sum"
    assert model.optimizer.defaults["lr"] == 0.5
    assert tuple(model.optimizer.defaults["betas"]) == (0.5, 0.75)
    assert model.scheduler.step_size == 3
    assert model.scheduler.optimizer is model.optimizer


def test_arguments_may_stand_in_a_table_called_as_the_class() -> None:
    config = settings(**{"optimizer": {"name": "torch.optim.SGD"}, "torch.optim.SGD": {"lr": 0.5, "momentum": 0.25}})
    defaults = build_model(Net, config, SAMPLE).optimizer.defaults
    assert (defaults["lr"], defaults["momentum"]) == (0.5, 0.25)


def test_the_optimizer_holds_the_models_parameters() -> None:
    model = build_model(Net, settings(), SAMPLE)
    (group,) = model.optimizer.param_groups
    assert [id(each) for each in group["params"]] == [id(each) for each in model.parameters()]


def test_a_list_becomes_a_tensor_where_the_constructor_asks_for_one() -> None:
    config = settings(criterion={"name": "torch.nn.CrossEntropyLoss", "weight": [1, 2]})
    weight = build_model(Net, config, SAMPLE).criterion.weight
    assert weight.dtype == torch.float32
    assert weight.tolist() == [1.0, 2.0]


def test_what_the_class_made_itself_stays() -> None:
    config = settings(scheduler={"name": "torch.optim.lr_scheduler.StepLR", "step_size": 3})
    model = build_model(OwnNet, config, SAMPLE)
    assert type(model.criterion) is nn.L1Loss
    assert type(model.optimizer) is torch.optim.Adagrad
    assert model.scheduler.optimizer is model.optimizer


def test_not_set_means_none() -> None:
    model = build_model(Net, settings(criterion={"name": None}, optimizer={"name": None}), SAMPLE)
    assert model.criterion is None
    assert model.optimizer is None
    assert model.scheduler is None


def test_a_model_without_parameters_has_no_optimizer() -> None:
    assert build_model(WithoutParameters, settings(), SAMPLE).optimizer is None


def test_what_a_class_does_to_its_config_leaks_nowhere() -> None:
    class Vandal(Net):
        def __init__(self, config: dict[str, Any], data_sample: Any) -> None:
            super().__init__(config, data_sample)
            config["optimizer"]["lr"] = 99.0
            config["model"]["labels"].append("image")
            config.clear()

    config = settings(optimizer={"lr": 0.5})
    before = config.digest()
    model = build_model(Vandal, config, SAMPLE)
    assert model.optimizer.defaults["lr"] == 0.5
    assert config.digest() == before


def test_a_class_that_fails_is_named_with_its_line() -> None:
    with pytest.raises(ModelError) as caught:
        build_model(Failing, settings(), SAMPLE)
    assert str(caught.value).startswith("Failing.__init__: RuntimeError: mat1 and mat2 shapes cannot be multiplied")
    assert "test_building.py, line" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_argument_that_the_constructor_does_not_take_is_named() -> None:
    with pytest.raises(ModelError, match=r"\[optimizer\] torch\.optim\.SGD\(momentun=0\.9\): TypeError: .*'momentun'"):
        build_model(Net, settings(optimizer={"momentun": 0.9}), SAMPLE)


def test_a_class_that_does_not_exist_is_named_with_the_nearest() -> None:
    with pytest.raises(ResolveError, match="has no Adan; did you mean 'Adam'"):
        build_model(Net, settings(optimizer={"name": "torch.optim.Adan"}), SAMPLE)


@pytest.mark.parametrize("name", ["torch.nn.MSELoss", "nn.MSELoss", "MSELoss"])
def test_classes_of_torch_are_found_by_the_names_that_code_has_for_them(name: str) -> None:
    assert type(build_model(Net, settings(criterion={"name": name}), SAMPLE).criterion) is nn.MSELoss


@pytest.mark.parametrize("name", ["nn.MSELos", "MSELos"])
def test_a_name_that_leads_nowhere_is_named_with_its_table_and_the_nearest(name: str) -> None:
    with pytest.raises(ResolveError, match=rf'criterion\.name = {name}: .*did you mean "torch\.nn\.MSELoss"\?'):
        build_model(Net, settings(criterion={"name": name}), SAMPLE)


def test_arguments_for_a_class_of_torch_that_there_is_not_are_refused() -> None:
    config = settings(optimizer={"name": "torch.optim.Adam"}, **{"torch.optim.Adm": {"lr": 0.5}})
    with pytest.raises(ConfigError, match=r'\["torch\.optim\.Adm"\] holds arguments .*did you mean \'Adam\'\?'):
        build_model(Net, config, SAMPLE)


def test_the_class_is_found_by_the_name_in_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "from torch import nn\nfrom hyrax.models import hyrax_model\n"
        "@hyrax_model\nclass Net(nn.Module):\n"
        "    def __init__(self, config, shape): super().__init__()\n"
        "    def forward(self, batch): return batch\n"
        "    def train_batch(self, batch): return {'loss': 0}\n"
    )
    (tmp_path / "run.toml").write_text('[model]\nname = "net.py:Net"\n')
    assert model_class(load_config(tmp_path / "run.toml")).__name__ == "Net"


def test_a_configuration_without_a_model_says_how_to_name_one() -> None:
    with pytest.raises(ConfigError, match=r"model\.name is not set; write \[model\] name = "):
        model_class(load_config())
