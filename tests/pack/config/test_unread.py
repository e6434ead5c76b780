"""Tables that no name leads to: a slip is refused, what may be meant is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from hyrax_pack.config import load_config
from hyrax_pack.errors import ConfigError

NET = """
class Net(Base):
    def __init__(self, config, data_sample):
        self.settings = config["model"]["Basis"]
"""
HEAD = '[model]\nname = "net.py:Clipped"\n'
DATA = '[data_request.train.data]\ndataset_class = "RandomDataset"\n'


def read(folder: Path, text: str) -> list[str]:
    (folder / "net.py").write_text(NET)
    (folder / "run.toml").write_text(text)
    return load_config(folder / "run.toml").unread_tables()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(
            HEAD + "[model.Cliped]\nwidth = 1\n", r"model\.Cliped: .* mean \[model\.Clipped\]\?", id="a model"
        ),
        pytest.param(
            DATA + "[data_set.RandomDatset]\nrows = 5\n",
            r"data_set\.RandomDatset: .* mean \[data_set\.RandomDataset\]\?",
            id="a data set",
        ),
        pytest.param(
            '[optimizer]\nname = "torch.optim.Adam"\n[torch.optim.Adam]\nlr = 0.5\n',
            r'torch\.optim\.Adam: .* in quotes: \["torch\.optim\.Adam"\]',
            id="quotes that were forgotten",
        ),
        pytest.param(
            '[optimizer]\nname = "torch.optim.Adam"\n[torch.optim.Adm]\nlr = 0.5\n',
            r'torch\.optim\.Adm: .* in quotes: \["torch\.optim\.Adam"\]',
            id="quotes that were forgotten around a slip",
        ),
    ],
)
def test_a_table_that_is_a_slip_is_refused_with_the_nearest(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(HEAD + "[model.Clipped]\nwidth = 1\n", [], id="of the class"),
        pytest.param('[model]\nname = "net.py:Net"\n[model.Basis]\nwidth = 1\n', [], id="that the class reads"),
        pytest.param(
            '[model]\nname = "net.py:NetV2"\n[model.NetV1]\nwidth = 1\n', ["[model.NetV1]"], id="of a version"
        ),
        pytest.param(HEAD + "[model.Transformer]\nwidth = 1\n", ["[model.Transformer]"], id="of another class"),
        pytest.param(
            '["torch.optim.Adam"]\nlr = 0.5\n', ['["torch.optim.Adam"]'], id="of an optimizer that is not named"
        ),
        pytest.param('["torch.optim.SGD"]\nlr = 0.5\n', [], id="of the default optimizer"),
    ],
)
def test_a_table_that_no_name_leads_to_is_said(tmp_path: Path, text: str, said: list[str]) -> None:
    assert read(tmp_path, text) == [f"{table} is not read: no name in the settings leads to it." for table in said]
