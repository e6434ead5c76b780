"""What travels with the function, and that the text stays as it was written."""

import ast
import hashlib
import textwrap

import numpy as np
import pytest
from hyrax_runtime.replay import compile_function

from hyrax_pack.capturing import capture, captured_before, same_code
from hyrax_pack.capturing.modules import requirements_of

ROWS = {"data": {"image": [np.full(2, 3.0), np.full(2, 5.0)]}}


def lines(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


def test_imports_inside_the_body_are_the_rule_and_give_the_function_alone(load):
    module = load(
        """
        class StampNet:
            @staticmethod
            def to_tensor(data_dict):
                import numpy as np
                return np.asarray(data_dict["data"]["image"])
        """
    )
    captured = capture(module.StampNet)
    assert captured.text == lines(
        """
        def to_tensor(data_dict):
            import numpy as np
            return np.asarray(data_dict["data"]["image"])
        """
    )
    assert captured.sha256 == hashlib.sha256(captured.text.encode()).hexdigest()
    assert captured.origin == "stamps.py:3"
    assert captured.notes == ()


def test_imports_constants_and_helpers_of_the_file_come_along_as_written(load):
    module = load(
        """
        from __future__ import annotations

        import os
        import math
        import numpy as num
        import numpy.linalg
        from numpy import sqrt as root, hypot
        from numpy.lib.stride_tricks import sliding_window_view

        UNUSED = 1
        SCALE = -65535.0  # counts
        BANDS, DEPTH = ("g", "r"), 2
        TABLE = {
            "g": [1, 2],  # of 2021
            "r": [3, 4],
        }
        LIMIT: float = 1e-3


        # Compress the bright end.
        def stretch(x, k=2.0):
            return num.arcsinh(shift(x) / k)


        def shift(x):
            return x + LIMIT


        class StampNet:
            @staticmethod
            def to_tensor(data_dict):
                x = num.asarray(data_dict["data"]["image"]) / SCALE
                n = len(BANDS) * DEPTH + len(TABLE) + math.pi + numpy.linalg.norm([3.0, 4.0])
                return root(abs(stretch(x))) * hypot(3, 4) * n
        """
    )
    captured = capture(module.StampNet)
    assert captured.text == lines(
        """
        from __future__ import annotations

        from numpy import hypot
        from numpy import sqrt as root
        import math
        import numpy
        import numpy as num
        import numpy.linalg

        SCALE = -65535.0  # counts
        BANDS = ("g", "r")
        DEPTH = 2
        TABLE = {
            "g": [1, 2],  # of 2021
            "r": [3, 4],
        }
        LIMIT = 1e-3


        # Compress the bright end.
        def stretch(x, k=2.0):
            return num.arcsinh(shift(x) / k)


        def shift(x):
            return x + LIMIT


        def to_tensor(data_dict):
            x = num.asarray(data_dict["data"]["image"]) / SCALE
            n = len(BANDS) * DEPTH + len(TABLE) + math.pi + numpy.linalg.norm([3.0, 4.0])
            return root(abs(stretch(x))) * hypot(3, 4) * n
        """
    )
    np.testing.assert_array_equal(captured.compile()(ROWS), module.StampNet.to_tensor(ROWS))
    assert [requirement.module for requirement in captured.requirements] == ["math", "numpy", "numpy.linalg"]


def test_comments_and_multi_line_strings_survive_the_move_to_the_left_margin(load):
    module = load(
        '''
        class Outer:
            class StampNet:
                # above the decorator
                @staticmethod
                # below the decorator
                def to_tensor(data_dict):  # beside
                    """First line.

                        Deeper line.
                    """
                    text = """one
            two
                        three"""  # é, after a string
                    joined = f"""{text
                    }    four
                    """ + "a\\
                    b"
                    return [
              text, joined, r\'\'\'
                    five\'\'\',
                  # less indented
                    ]
                    # the last word

            after = 1
        '''
    )
    captured = capture(module.Outer.StampNet)
    assert captured.compile()({}) == module.Outer.StampNet.to_tensor({})
    assert captured.text.startswith(
        "# above the decorator\n# below the decorator\ndef to_tensor(data_dict):  # beside\n"
    )
    assert (
        captured.text.endswith("    # less indented\n    ]\n    # the last word\n")
        or "# less indented" in captured.text
    )
    assert captured.text.endswith("    # the last word\n")
    assert '"""  # é, after a string\n' in captured.text


def test_tabs_and_one_liners_move_too(load):
    module = load("class StampNet:\n\t@staticmethod\n\tdef to_tensor(data_dict): return data_dict['data']\n")
    assert capture(module.StampNet).text == "def to_tensor(data_dict): return data_dict['data']\n"


def test_a_function_under_another_name_is_captured_as_to_tensor(load):
    module = load(
        """
        class StampNet:
            @staticmethod
            def prepare_inputs(data_dict):
                return data_dict["data"]["image"]

        def make_inputs(data): return data["data"]["image"]
        """
    )
    captured = capture(module.StampNet)
    assert captured.text == 'def to_tensor(data_dict):\n    return data_dict["data"]["image"]\n'
    assert captured.notes == ("stamps.py:3: prepare_inputs is captured under the name to_tensor",)
    assert capture(module.make_inputs).text == 'def to_tensor(data): return data["data"]["image"]\n'


def test_the_first_of_our_words_wins_and_another_can_be_asked_for(load):
    module = load(
        """
        class StampNet:
            @staticmethod
            def prepare_inputs(data_dict): return 1
            @staticmethod
            def to_tensor(data_dict): return 2
            @staticmethod
            def for_tests(data_dict): return 3
        """
    )
    assert "return 2" in capture(module.StampNet).text
    assert "return 3" in capture(module.StampNet, name="for_tests").text


def test_a_function_assigned_to_the_class_later_is_captured_from_where_it_is_defined(load):
    load("SCALE = 4\ndef prepare(data):\n    return data['data']['image'][0] * SCALE\n", "preparing.py")
    module = load(
        """
        import preparing

        class Base:
            @staticmethod
            def to_tensor(data_dict):
                return data_dict["data"]["image"]

        class Heir(Base):
            pass

        class Alias:
            to_tensor = Base.to_tensor

        class Later:
            pass

        Later.to_tensor = preparing.prepare

        class StaticLater:
            pass

        StaticLater.to_tensor = staticmethod(preparing.prepare)
        """
    )
    texts = [capture(owner).text for owner in (module.Base, module.Heir, module.Alias)]
    assert len(set(texts)) == 1
    captured = capture(module.Later)
    assert captured == capture(module.StaticLater)
    assert captured.origin == "preparing.py:2"
    assert captured.text.startswith("SCALE = 4\n")
    np.testing.assert_array_equal(captured.compile()(ROWS), [12.0, 12.0])


def test_annotations_that_name_outside_things_stay_behind(load):
    module = load(
        """
        import numpy as np
        import torch
        from numpy.typing import NDArray

        class StampNet:
            @staticmethod
            def to_tensor(
                data_dict: dict[str, list | None],
                scale: (
                    torch.Tensor  # a comment inside
                ) = 2,
                /,
                *rest: "torch.Tensor",
                axis: dict[str, NDArray] = 0, deep: int = 1,
                **more: torch.device,
            ) -> tuple[np.ndarray, torch.Tensor]:  # what it gives
                table: torch.Tensor = data_dict["data"]["image"]
                def inner(x: int) -> "torch.Tensor":
                    return x
                return inner(table)
        """
    )
    captured = capture(module.StampNet)
    assert captured.text == lines(
        """
        def to_tensor(
            data_dict: dict[str, list | None],
            scale = 2,
            /,
            *rest: "torch.Tensor",
            axis = 0, deep: int = 1,
            **more,
        ):  # what it gives
            table: torch.Tensor = data_dict["data"]["image"]
            def inner(x: int) -> "torch.Tensor":
                return x
            return inner(table)
        """
    )
    assert captured.requirements == ()
    assert captured.notes[0] == (
        "stamps.py:10: the annotation `torch.Tensor` stays behind; it would be evaluated where the text runs"
    )
    assert len(captured.notes) == 4


def test_annotations_stay_where_a_future_import_keeps_them_from_being_evaluated(load):
    module = load(
        """
        from __future__ import annotations
        import torch
        class StampNet:
            @staticmethod
            def to_tensor(data_dict: torch.Tensor) -> torch.Tensor:
                def inner(x: torch.Tensor) -> torch.Tensor: return x
                return inner(data_dict)
        """
    )
    captured = capture(module.StampNet)
    assert captured.text.startswith(
        "from __future__ import annotations\n\n\ndef to_tensor(data_dict: torch.Tensor) -> torch.Tensor:\n"
    )
    assert captured.compile()(3) == 3


LOOKED_UP = [
    "return [n for n in range(len(data_dict['data']))]",
    "return (lambda x, *y, z=len('abc'): x + z)(1)",
    "return {k: v for k, v in sorted(data_dict.items())}",
    "return f'{len(data_dict):>{SCALE}}'",
    "class Local:\n    SCALE = SCALE\n    x: int = SCALE\nreturn Local.SCALE",
    "def inner(n=SCALE):\n    def deep():\n        return n + SCALE\n    return deep()\nreturn inner()",
    "sum = 3\nreturn sum",
    "for i in range(SCALE):\n    pass\nelse:\n    return i",
    "with np.errstate(all='ignore'):\n    return np.arange(SCALE).tolist()",
    "try:\n    return data_dict['nothing']\nexcept KeyError as error:\n    return str(error)",
    "match len(data_dict):\n    case 1:\n        return SCALE\n    case n:\n        return n",
    "return [y := SCALE, y + 1]",
    "assert SCALE == 7, 'odd'\nreturn SCALE",
    "return sorted({'b', 'a'})",
    "x = {'a'}\nreturn 'a' in x",
    "import numpy.fft\nreturn numpy.fft.fft([1, SCALE]).real.tolist()",
    "import io, gzip\nreturn gzip.decompress(gzip.compress(b'x', mtime=0)) + io.BytesIO(b'y').read()",
    "def rows():\n    yield SCALE\nreturn list(rows())",
]


@pytest.mark.parametrize("body", LOOKED_UP)
def test_names_are_found_wherever_python_looks_them_up(load, body):
    above = "import numpy as np\nSCALE = 7\nclass StampNet:\n    @staticmethod\n    def to_tensor(data_dict):\n"
    module = load(above + textwrap.indent(body, " " * 8) + "\n")
    assert capture(module.StampNet).compile()(ROWS) == module.StampNet.to_tensor(ROWS)


def test_names_are_found_in_the_helper_that_calls_itself(load):
    module = load(
        """
        def depth(n):
            return 0 if n == 0 else 1 + depth(n - 1)

        def prepare(data_dict, n=3):
            return depth(3) if n == 0 else prepare(data_dict, n - 1)
        """
    )
    assert capture(module.prepare).compile()({}) == 3


def test_a_star_import_is_carried_by_the_names_that_are_used(load):
    module = load(
        """
        from math import *
        class StampNet:
            @staticmethod
            def to_tensor(data_dict):
                return sqrt(pi)
        """
    )
    assert capture(module.StampNet).text.startswith("from math import pi\nfrom math import sqrt\n")


def test_a_required_module_is_allowed_and_recorded_with_its_version(load):
    module = load(
        """
        class StampNet:
            @staticmethod
            def to_tensor(data_dict):
                import json, numpy as np
                import scipy.ndimage
                from scipy import signal
                from scipy.special import expit
                return expit(np.asarray(data_dict["data"]["image"]))
        """
    )
    captured = capture(module.StampNet, requires=["SciPy>=1.10"])
    found = {one.module: (one.distribution, one.version) for one in captured.requirements}
    import scipy

    assert found == {
        "json": (None, None),
        "numpy": ("numpy", np.__version__),
        "scipy.ndimage": ("scipy", scipy.__version__),
        "scipy.signal": ("scipy", scipy.__version__),
        "scipy.special": ("scipy", scipy.__version__),
    }


def test_a_distribution_of_another_name_than_its_module_is_recorded_and_may_be_required_by_either():
    (requirement,) = requirements_of(["sklearn.metrics"])
    assert requirement.distribution == "scikit-learn"
    from hyrax_pack.capturing.modules import refused_module

    assert refused_module("sklearn.metrics", requires=["scikit-learn"], home="stamps") is None
    assert refused_module("sklearn.metrics", requires=["sklearn"], home="stamps") is None
    assert "[model] requires" in str(refused_module("sklearn.metrics", requires=[], home="stamps"))


def test_nothing_makes_torch_or_random_numbers_travel():
    from hyrax_pack.capturing.modules import refused_module

    for module in ("torch", "torchvision.transforms", "random", "time"):
        assert refused_module(module, requires=[module], home="stamps")


def test_the_text_of_every_captured_function_is_a_captured_text(load):
    module = load("class StampNet:\n    @staticmethod\n    def to_tensor(d): return d\n")
    assert compile_function(capture(module.StampNet).text)(5) == 5


def test_two_texts_are_the_same_code_when_only_comments_and_layout_differ():
    one = "def to_tensor(d):\n    # why\n    return (d)\n"
    assert same_code(one, "def to_tensor(d): return d\n")
    assert not same_code(one, "def to_tensor(d): return d + 0\n")


def test_the_tree_of_the_text_is_the_tree_of_the_file(load, folder):
    module = load(
        """
        class StampNet:
            @staticmethod
            def to_tensor(data_dict):
                x = '''
                a'''
                return x
        """
    )
    tree = ast.parse((folder / "stamps.py").read_text())
    (found,) = ast.parse(capture(module.StampNet).text).body
    assert ast.dump(found.body[0]) == ast.dump(tree.body[0].body[0].body[0])


def test_a_text_of_an_earlier_run_is_taken_up_with_its_requirements(load):
    module = load(
        """
        from __future__ import annotations
        import numpy.linalg
        class StampNet:
            @staticmethod
            def to_tensor(data_dict):
                import math
                from scipy import ndimage
                return numpy.linalg.norm(ndimage.label(data_dict["data"]["image"])[0]) * math.pi
        """
    )
    captured = capture(module.StampNet, requires=["scipy"])
    assert captured_before(captured.text, captured.origin) == captured


def test_helpers_may_call_helpers_a_thousand_deep(load):
    chain = "".join(f"def f{n}(x):\n    return f{n - 1}(x) + 1\n\n" for n in range(1, 1000))
    module = load(f"def f0(x):\n    return x\n\n{chain}def prepare(d):\n    return f999(d) if d else f500(d)\n")
    assert capture(module.prepare).compile()(0) == 500


CHANGED_INSIDE = {
    "a copy of a list of the file": "x = list(BANDS)\nx[0] = 'z'\nx.append('y')\nx += ['u']",
    "a parameter of the same name": "def f(BANDS):\n    BANDS[0] = 'z'\nf(['a'])",
    "a number out of a table": "low, high = LIMITS['g']\nlow += 1\nfor name, n in LIMITS.items():\n    n *= 2",
    "an array made of a list": "import numpy as np\nx = np.asarray(BANDS)\nx[0] = 'z'\nx.sort()\nx.shape = (2, 1)",
    "an argument of the function": "data_dict['data']['new'] = 1\ndata_dict.update({'a': BANDS[0]})",
    "a list made in the function": "def add(to, band):\n    to.append(band)\nfound = []\nadd(found, BANDS[0])",
    "a class made in the function": "class Norm:\n    seen = 0\nNorm.seen += len(BANDS)\nnorm = Norm()\nnorm.x = BANDS",
    "a dict of lists made in the function": "found = {}\nfor b in BANDS:\n    found.setdefault(b, []).append(b)",
    "what numpy names like a method of a list": "import numpy as np\nnp.sort(BANDS)\nnp.append(BANDS, 'z')",
}


@pytest.mark.parametrize("body", CHANGED_INSIDE.values(), ids=CHANGED_INSIDE)
def test_what_does_not_outlive_the_call_may_be_changed(load, body):
    above = "BANDS = ['g', 'r']\nLIMITS = {'g': (0.0, 1.0), 'r': (1.0, 2.0)}\n\ndef to_tensor(data_dict):\n"
    capture(load(above + textwrap.indent(f"{body}\nreturn data_dict, BANDS, LIMITS", "    ")).to_tensor)


IN_NO_ORDER = {
    "any": "x = any(b in 'gri' for b in {'g', 'r'})",
    "sorted, of a comprehension": "x = sorted(v for v in set(data_dict['data']))",
    "a set of a set": "bands = {'g', 'r'}\nx = {b.upper() for b in bands}",
    "the greatest": "x = max(set([1, 2])), min({3, 4}), len({5})",
    "a count": "x = sum(1 for b in {'g', 'r'} if b in data_dict)",
    "a name that is a list in the end": "bands = {'g', 'r'}\nbands = sorted(bands)\nx = [b for b in bands]",
    "the last of a list": "x = data_dict['data']['curve'].pop()",
    "the union of tables of bits": "x = list(data_dict['data']['a'] | data_dict['data']['b'])",
}


@pytest.mark.parametrize("body", IN_NO_ORDER.values(), ids=IN_NO_ORDER)
def test_what_order_does_not_matter_to_is_carried(load, body):
    capture(load("def to_tensor(data_dict):\n" + textwrap.indent(f"{body}\nreturn x", "    ")).to_tensor)


OF_NO_PROCESS = {
    "warnings that are silenced for the call": "import warnings\nwith warnings.catch_warnings():\n"
    "    warnings.simplefilter('ignore', RuntimeWarning)\n    x = 1",
    "silenced as they are caught": "import warnings\nwith warnings.catch_warnings(action='ignore'):\n    x = 1",
    "errors that numpy is told to raise": "import numpy as np\nwith np.errstate(divide='raise'):\n    try:\n"
    "        x = np.log(0)\n    except FloatingPointError:\n        x = 0",
    "errors of Python": "try:\n    x = 1 / 0\nexcept (ZeroDivisionError, ValueError):\n    x = 0",
    "everything that may go wrong": "try:\n    x = 1 / 0\nexcept Exception:\n    x = 0",
    "words for a time where no time is made": "x = data_dict['data'].get('now'), 'today' in data_dict",
    "a time in a zone that is named": "import datetime as dt\n"
    "x = dt.datetime.fromtimestamp(0, dt.timezone.utc).astimezone(dt.timezone.utc).strftime('%Y-%m-%d')",
    "bytes that are unpacked": "import gzip, io\nx = gzip.GzipFile(fileobj=io.BytesIO(b''))",
    "windows of a spectrum": "import numpy as np\nx = np.lib.stride_tricks.sliding_window_view(np.ones(9), 3)",
    "windows by their own name": "from numpy.lib.stride_tricks import sliding_window_view as w\nx = w([1, 2, 3], 2)",
    "columns of a record array": "import numpy as np\nx = np.lib.recfunctions.structured_to_unstructured(np.ones(2))",
    "a percentage": "x = f'{0.5:.1%}'",
}


@pytest.mark.parametrize("body", OF_NO_PROCESS.values(), ids=OF_NO_PROCESS)
def test_what_every_process_does_alike_is_carried(load, body):
    capture(load("def to_tensor(data_dict):\n" + textwrap.indent(f"{body}\nreturn x", "    ")).to_tensor)


def test_a_helper_may_be_a_generator(load):
    module = load(
        """
        def windows(values, length):
            for start in range(0, len(values), length):
                yield values[start : start + length]

        class StampNet:
            @staticmethod
            def to_tensor(data_dict):
                return [sum(window) for window in windows(data_dict["data"]["image"], 2)]
        """
    )
    captured = capture(module.StampNet)
    assert captured.compile()({"data": {"image": [1, 2, 3]}}) == [3, 3]


OVER_LINES = {
    "annotated": ('VALUE: str = ("abc"\n    "def")', "abcdef"),
    "chained": ('VALUE = OTHER = (\n    "abc"  # of 2021\n"def"\n)', "abcdef"),
    "in a tuple": ("VALUE, OTHER = (\n    -\n    1.5, 3)", -1.5),
    "annotated, with brackets of its own": ("VALUE: list = [\n    1,\n  2]", [1, 2]),
    "annotated, a string of several lines": ('VALUE: str = """a\n  b\n c"""', "a\n  b\n c"),
    "annotated, a tuple without brackets": ("VALUE: tuple = 1, 2", (1, 2)),
    "annotated, a line that goes on": ("VALUE: str = 'a' \\\n    'b'", "ab"),
}


@pytest.mark.parametrize(("statement", "value"), OVER_LINES.values(), ids=OVER_LINES)
def test_a_constant_over_several_lines_keeps_its_value(load, statement, value):
    module = load(
        statement + "\nclass StampNet:\n    @staticmethod\n    def to_tensor(data_dict):\n        return VALUE\n"
    )
    assert capture(module.StampNet).compile()({}) == value
