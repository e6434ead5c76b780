"""Refusals that need more than one file, or something done to a module after its import."""

import types

import numpy as np
import pytest

from hyrax_pack.capturing import Captured, capture, prove
from hyrax_pack.errors import CaptureError, ProofError

USING = "class StampNet:\n    @staticmethod\n    def to_tensor(data_dict):\n        return stretch(data_dict)\n"


def refusal_of(owner, **settings) -> str:
    with pytest.raises(CaptureError) as caught:
        capture(owner, **settings)
    return str(caught.value)


def test_a_relative_import_of_the_file_is_refused(load):
    load("", "lenses/__init__.py")
    load("def stretch(x):\n    return x\n", "lenses/stretching.py")
    module = load("from .stretching import stretch\n" + USING, "lenses/model.py")
    assert (
        "model.py:5: `stretch`: `from .stretching import stretch` has no package where it runs; "
        "move what you need into the same file"
    ) in refusal_of(module.StampNet)


def test_a_function_of_another_file_under_a_name_of_its_own_is_refused_by_its_place(load):
    load("def other(x):\n    return x\n", "stretching.py")
    module = load("import stretching\nstretch = stretching.other\n" + USING)
    assert "stamps.py:6: `stretch`: a function of another file (stretching.py:1); move it into this one" in refusal_of(
        module.StampNet
    )


def test_an_import_that_was_replaced_since_is_refused(load):
    module = load("from math import sqrt as stretch\n" + USING)
    module.stretch = len
    assert "`stretch`: is no longer what `from math import sqrt` gives; use the imported one" in refusal_of(
        module.StampNet
    )


def test_a_module_that_was_replaced_since_is_refused(load):
    module = load("import math as stretch\n" + USING)
    module.stretch = types.ModuleType("math")
    assert "`stretch`: a module object that `import math` does not give; import a real module" in refusal_of(
        module.StampNet
    )


def test_a_name_imported_under_a_condition_is_refused(load):
    module = load("import sys\nif sys.platform:\n    from math import sqrt as stretch\n" + USING)
    assert "`stretch`: imported under a condition (stamps.py:3)" in refusal_of(module.StampNet)


def test_a_module_of_the_file_needs_the_same_leave_as_one_inside(load):
    module = load("import scipy.ndimage\n" + USING.replace("stretch", "scipy.ndimage.label"))
    assert "`scipy`: scipy may be missing where it runs" in refusal_of(module.StampNet)
    assert capture(module.StampNet, requires=["scipy"]).text.startswith("import scipy\nimport scipy.ndimage\n")


def test_a_helper_that_was_edited_is_refused_with_its_own_line(load, folder):
    source = "def stretch(x):\n    return x\n\n" + USING
    module = load(source)
    (folder / "stamps.py").write_text(source.replace("return x\n", "return x * 2\n"))
    assert "stamps.py:1: what runs is not what the file says" in refusal_of(module.StampNet)


def test_a_file_that_is_no_longer_utf8_is_refused(load, folder):
    module = load(USING)
    (folder / "stamps.py").write_bytes(b"# \xe9\n" + USING.encode())
    assert "stamps.py: the file is not UTF-8" in refusal_of(module.StampNet)


def test_a_closure_that_holds_nothing_yet_is_refused(load):
    module = load(
        """
        def make():
            def to_tensor(data_dict):
                return later
            yield to_tensor
            later = 1
        """
    )
    assert "stamps.py:3: `later` comes from the function around it (a closure)" in refusal_of(next(module.make()))


def test_callables_given_directly_are_refused_by_where_they_are_defined(load):
    module = load(
        """
        import functools

        class Stretch:
            def __call__(self, data_dict):
                return data_dict

            def method(self, data_dict):
                return data_dict

        def base(scale, data_dict):
            return data_dict

        class Dispatcher:
            def __init__(self, function):
                self.py_func = function

            def __call__(self, data_dict):
                return self.py_func(data_dict)

        compiled = Dispatcher(base)
        compiled.__class__.__module__ = "numba.core"
        bound = functools.partial(base, 3)
        """
    )
    assert "stamps.py:4: a callable object (Stretch), whose state has no text" in refusal_of(module.Stretch())
    assert "stamps.py:7: a method of a Stretch object; write a function" in refusal_of(module.Stretch().method)
    assert "stamps.py:10: a functools.partial of base" in refusal_of(module.bound)
    assert "wrapped by numba (base), which would not travel; remove the decorator" in refusal_of(module.compiled)


# the proof


def prove_text(body: str, live) -> str:
    captured = Captured(f"def to_tensor(d):\n    import numpy as np\n    {body}\n", "", "stamps.py:3", (), ())
    with pytest.raises(ProofError) as caught:
        prove(captured, live, lambda rows: {"data": {"x": [np.float32(row) for row in rows]}}, range(4))
    return str(caught.value)


def magnitudes(batch):
    return np.asarray(batch["data"]["x"])


OTHER_FORMS = {
    "a tuple of one": ("return (x,)", magnitudes, "1 row: array of 1 and tuple of 1"),
    "another dtype": ("return x.astype('f8')", magnitudes, "1 row, slot 0: float32 (1,) and float64 (1,)"),
    "an absent slot": ("return x, None", lambda d: (magnitudes(d),) * 2, "1 row, slot 1: float32 (1,) and None"),
}


@pytest.mark.parametrize(("body", "live", "says"), OTHER_FORMS.values(), ids=OTHER_FORMS)
def test_another_form_of_the_same_values_is_told_from_the_live_one(body, live, says):
    message = prove_text(f"x = np.asarray(d['data']['x'])\n    {body}", live)
    assert f"something else than the live function ({says})" in message


def test_a_text_that_does_not_end_is_ended(monkeypatch):
    monkeypatch.setattr("hyrax_pack.capturing.running.TIMEOUT_S", 1)
    message = prove_text("while True: pass", magnitudes)
    assert "did not end within 1 s; give it fewer or smaller rows" in message


def test_a_file_that_c_code_makes_unheard_is_found_in_the_folder():
    body = "import ctypes\n    ctypes.CDLL(None).creat(b'left', 0o600)\n    return np.asarray(d['data']['x'])"
    assert "it leaves files behind: left; remove that" in prove_text(body, magnitudes)


# what stands under the name of a module, or of what is taken from one


CHANGED_MODULES = {
    "a function": ("np.nan_to_num = lambda v: v * 0", "return np.nan_to_num(x)", "numpy.nan_to_num"),
    "a function below": ("np.linalg.norm = lambda x, axis: x", "return np.linalg.norm(x, axis=1)", "numpy.linalg.norm"),
    "a function that looks like the old one": (
        "import functools\n_old = np.clip\n@functools.wraps(_old)\ndef clip(*a): return _old(*a)\nnp.clip = clip",
        "return np.clip(x, 0, 1)",
        "numpy.clip",
    ),
    "a value": ("np.pi = 3.0", "return x * np.pi", "numpy.pi"),
    "a name that is there no more": ("np.float = float", "return x.astype(np.float)", "numpy.float"),
    "a name imported by itself": (
        "import math\nmath.tau = 6.0",
        "from math import tau\n    return x * tau",
        "math.tau",
    ),
}


@pytest.mark.parametrize(("above", "body", "name"), CHANGED_MODULES.values(), ids=CHANGED_MODULES)
def test_what_a_project_has_put_in_the_place_of_a_module_s_own_is_refused(load, monkeypatch, above, body, name):
    import importlib

    owner = importlib.import_module(name.rpartition(".")[0])
    attribute = name.rpartition(".")[2]
    monkeypatch.setattr(owner, attribute, getattr(owner, attribute, None), raising=False)  # put back afterwards
    text = f"import numpy as np\n{above}\n\ndef to_tensor(data_dict):\n    import numpy as np\n"
    module = load(f"{text}    x = np.ones((len(data_dict['data']['x']), 2))\n    {body}\n")
    with pytest.raises(ProofError) as caught:
        prove(capture(module.to_tensor), module.to_tensor, lambda rows: {"data": {"x": [1.0 for _ in rows]}}, [0])
    assert f"`{name}` is " in str(caught.value)
    assert "give your own another name" in str(caught.value)


def test_what_nobody_has_changed_is_the_same_in_every_process(load):
    text = (
        "from __future__ import annotations\nimport numpy as np\nimport scipy.ndimage\nfrom math import pi\n"
        "from numpy.lib.stride_tricks import sliding_window_view\n\n"
        "def to_tensor(data_dict):\n    import collections.abc\n    import datetime as dt\n"
        "    from decimal import Decimal\n"
        "    x = np.stack(data_dict['data']['x']) * np.float32(pi) + dt.datetime.min.year\n"
        "    np.ma.masked_invalid(x), np.linalg.norm(x), np.char.upper('a'), np.add.reduce(x), np.newaxis, np.r_[1]\n"
        "    return scipy.ndimage.gaussian_filter1d(x, 1, axis=1)\n"
    )
    module = load(text)
    captured = capture(module.to_tensor, requires=["scipy"])
    rows = [np.full(3, row, "f4") for row in range(9)]
    assert prove(captured, module.to_tensor, lambda ids: {"data": {"x": [rows[i] for i in ids]}}, range(9))


def test_a_file_of_one_s_own_that_hides_a_module_of_python_is_refused(load, folder, monkeypatch):
    import sys

    (folder / "colorsys.py").write_text("def rgb_to_hls(*x):\n    return x\n")
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    monkeypatch.syspath_prepend(str(folder))
    message = refusal_of(load("def to_tensor(d):\n    import colorsys\n    return colorsys.rgb_to_hls(d)\n").to_tensor)
    assert "colorsys is your own file colorsys.py, which hides Python's own" in message
    assert "rename it" in message


def test_a_file_of_one_s_own_that_hides_an_installed_module_is_refused(load, folder, monkeypatch):
    (folder / "xdist.py").write_text("def f(x):\n    return x\n")
    monkeypatch.setitem(__import__("sys").modules, "xdist", types.ModuleType("xdist"))
    monkeypatch.delitem(__import__("sys").modules, "xdist")
    monkeypatch.syspath_prepend(str(folder))
    function = load("def to_tensor(d):\n    import xdist\n    return xdist.f(d)\n").to_tensor
    assert "xdist is your own file xdist.py, which hides that of pytest-xdist" in refusal_of(
        function, requires=["xdist"]
    )
