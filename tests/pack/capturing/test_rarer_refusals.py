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
