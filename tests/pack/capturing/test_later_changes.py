"""What the text brings along is what the file means for good, or the function that changes it later is named."""

import textwrap

import pytest

from hyrax_pack.capturing import capture
from hyrax_pack.errors import CaptureError

SOURCE = """
import sys
import numpy as np

CLIP = 1000.0
TABLE = {"g": [1.0], "r": [2.0]}


def stretch(x):
    return np.arcsinh(x / CLIP)


class StampNet:
    def __init__(self, config):
        self.config = config
        #here

    @staticmethod
    def to_tensor(data_dict):
        return stretch(np.stack(data_dict["data"]["image"])) * TABLE["g"][0]
"""


def load_with(load, statements: str):
    lines = textwrap.indent(textwrap.dedent(statements).strip(), " " * 8).strip()
    return load(SOURCE.replace("#here", lines))


CHANGED = {
    "a constant, by global": ("CLIP", "global CLIP\nCLIP = config['clip']"),
    "a constant, added to": ("CLIP", "global CLIP\nCLIP += 1"),
    "a constant, in a loop of a function inside": ("CLIP", "def f():\n    global CLIP\n    for CLIP in (1, 2): pass"),
    "a constant, through the module": ("CLIP", "sys.modules[__name__].CLIP = 5.0"),
    "a constant, through setattr": ("CLIP", "setattr(sys.modules[__name__], 'CLIP', 5.0)"),
    "a constant, through an import of the file": ("CLIP", "import stamps\nstamps.CLIP = 5.0"),
    "a constant, through globals": ("CLIP", "globals()['CLIP'] = 5.0"),
    "constants, through globals": ("CLIP", "globals().update(CLIP=5.0)"),
    "an item": ("TABLE", "TABLE['g'] = config['g']"),
    "an item of an item": ("TABLE", "TABLE['g'][0] += 1"),
    "an item that is taken away": ("TABLE", "del TABLE['r']"),
    "a list in a dict": ("TABLE", "TABLE['g'].append(3.0)"),
    "a dict": ("TABLE", "TABLE.update(config)"),
    "in a lambda": ("TABLE", "self.fill = lambda: TABLE.clear()"),
    "a helper": ("stretch", "global stretch\nstretch = np.sqrt"),
    "a function of a module": ("np", "np.arcsinh = np.sqrt"),
}


@pytest.mark.parametrize(("name", "statements"), CHANGED.values(), ids=CHANGED)
def test_what_a_function_of_the_file_changes_later_is_refused_where_it_does(load, name, statements):
    module = load_with(load, statements)
    line = max(number for number, text in enumerate(SOURCE.splitlines(), 1) if "#here" in text) - 1
    places = [f"stamps.py:{line + number}" for number in range(len(statements.splitlines()))]
    with pytest.raises(CaptureError) as caught:
        capture(module.StampNet)
    (problem,) = caught.value.problems
    assert problem.where in places
    assert f"`{name}` is changed here, and to_tensor, captured before, keeps what it was" in problem.what


LET_BE = {
    "reading by global": "global CLIP\nself.clip = CLIP",
    "an attribute of the model": "self.CLIP = CLIP\nself.TABLE = {**TABLE}\nself.TABLE['g'] = 3.0",
    "a variable of the same name": "CLIP = 5.0\nTABLE = {}\nTABLE['g'] = CLIP",
    "a parameter of the same name": "def fill(TABLE):\n    TABLE['g'] = 3.0",
    "a variable of the function around": "TABLE = {}\ndef fill():\n    TABLE['g'] = 3.0",
    "functions of a module with such names": "self.x = np.sort(np.append(np.insert(CLIP, 0, 1), 2))",
    "another constant": "global SEEN\nSEEN = 3",
    "an attribute of something else": "config.CLIP = 5.0\nsetattr(config, 'CLIP', 5.0)",
}


@pytest.mark.parametrize("statements", LET_BE.values(), ids=LET_BE)
def test_what_changes_nothing_of_the_text_is_let_be(load, statements):
    assert "CLIP = 1000.0" in capture(load_with(load, statements).StampNet).text
