"""The text is what is running, or nothing is captured."""

import linecache
import sys
import types

import pytest

from hyrax_pack.capturing import capture
from hyrax_pack.capturing.syntax_age import newer_syntax
from hyrax_pack.errors import CaptureError

SOURCE = """class StampNet:
    @staticmethod
    def to_tensor(data_dict):
        return data_dict["data"]["image"]
"""


def refusal_of(owner) -> str:
    with pytest.raises(CaptureError) as caught:
        capture(owner)
    return str(caught.value)


def test_a_function_without_a_file_is_refused(folder):
    namespace = {}
    exec("def to_tensor(data_dict):\n    return data_dict\n", namespace)
    message = refusal_of(namespace["to_tensor"])
    assert "<string>:1: no source text" in message
    assert "put the function in a .py file or a notebook cell" in message


def test_a_function_whose_file_is_gone_is_refused(load, folder):
    module = load(SOURCE)
    (folder / "stamps.py").unlink()
    linecache.clearcache()
    assert "stamps.py:2: no source text" in refusal_of(module.StampNet)


def test_an_edit_after_the_import_is_refused(load, folder):
    module = load(SOURCE)
    (folder / "stamps.py").write_text(SOURCE.replace('["image"]', '["image"] * 2'))
    message = refusal_of(module.StampNet)
    assert "stamps.py:2: what runs is not what the file says: it was edited after it was imported" in message
    assert "start again" in message


def test_an_edit_of_one_constant_is_refused(load, folder):
    module = load(SOURCE.replace('["image"]', '["image"] * 1'))
    (folder / "stamps.py").write_text(SOURCE.replace('["image"]', '["image"] * True'))
    assert "what runs is not what the file says" in refusal_of(module.StampNet)


def test_an_edit_that_moves_a_line_out_of_a_try_is_refused(load, folder):
    source = SOURCE.replace(
        """        return data_dict["data"]["image"]
""",
        """        try:
            x = data_dict["data"]["image"]
            y = x[0]
        except ValueError:
            y = 0
        return y
""",
    )
    module = load(source)
    line = "            y = x[0]\n"
    edited = source.replace(line, "").replace("        return y\n", f"        else:\n{line}        return y\n")
    (folder / "stamps.py").write_text(edited)
    assert "what runs is not what the file says" in refusal_of(module.StampNet)


def test_a_function_that_has_left_the_file_is_refused(load, folder):
    module = load(SOURCE)
    (folder / "stamps.py").write_text("x = 1\n")
    assert "the file holds no function 'to_tensor' any more" in refusal_of(module.StampNet)


def test_a_file_that_no_longer_parses_is_refused(load, folder):
    module = load(SOURCE)
    (folder / "stamps.py").write_text(SOURCE + "\ndef broken(:\n")
    message = refusal_of(module.StampNet)
    assert "stamps.py:6: the file no longer parses" in message
    assert "mend it and start again" in message


def test_an_edit_of_comments_or_of_other_lines_passes_and_changes_only_the_digest(load, folder):
    module = load(SOURCE)
    before = capture(module.StampNet)
    edited = "# a new first line\nimport math\n\n" + SOURCE.replace("return", "# why\n        return")
    (folder / "stamps.py").write_text(edited)
    after = capture(module.StampNet)
    assert "# why" in after.text
    assert (before.origin, after.origin) == ("stamps.py:3", "stamps.py:6")
    assert before.sha256 != after.sha256


def test_of_two_definitions_the_one_that_runs_is_meant(load):
    module = load(
        """
        class StampNet:
            @staticmethod
            def to_tensor(data_dict):
                return 1
            @staticmethod
            def to_tensor(data_dict):
                return 2
        """
    )
    captured = capture(module.StampNet)
    assert "return 2" in captured.text
    assert captured.notes == ("stamps.py:6: to_tensor is also defined on line 3; this one is meant",)


def test_of_two_equal_definitions_in_an_edited_file_none_is_meant(load, folder):
    source = "def prepare(data_dict):\n    return 1\n\n\ndef prepare(data_dict):\n    return 1\n"
    module = load(source)
    (folder / "stamps.py").write_text("# new\n" + source)
    assert "the file defines it on lines 2 and 6, and it was edited since; keep one" in refusal_of(module.prepare)


DECIDED_BY_THE_MACHINE = {
    "if and else": """
        import sys
        if sys.platform:
            def prepare(d): return 1
        else:
            def prepare(d): return 2
        """,
    "try and except": """
        try:
            import nosuch
            prepare = nosuch.f
        except ImportError:
            def prepare(d): return 2
        """,
    "replaced under a condition": """
        import sys
        def prepare(d): return 1
        if sys.platform == 'none':
            def prepare(d): return 2
        """,
}


@pytest.mark.parametrize("source", DECIDED_BY_THE_MACHINE.values(), ids=DECIDED_BY_THE_MACHINE)
def test_definitions_among_which_the_machine_decides_are_refused(load, source):
    message = refusal_of(load(source).prepare)
    assert "'prepare' is bound on lines" in message
    assert "under a condition: which one is meant depends on the machine; keep one" in message


def test_a_single_definition_under_a_condition_is_meant(load):
    module = load("import sys\nif sys.platform:\n    def prepare(d):\n        return 1\n")
    assert capture(module.prepare).text == "def to_tensor(d):\n    return 1\n"


def test_code_that_was_replaced_is_refused(load):
    module = load(SOURCE + "\n\ndef other(data_dict):\n    return 2\n")
    module.StampNet.to_tensor.__code__ = module.other.__code__
    message = refusal_of(module.StampNet)
    assert "stamps.py:7: what runs under the name 'StampNet.to_tensor' is the code of 'other'" in message
    assert "write the function that is meant and use that" in message


def test_code_that_was_patched_under_its_own_name_is_refused(load):
    module = load(SOURCE)
    function = module.StampNet.to_tensor
    function.__code__ = function.__code__.replace(co_consts=(None, "data", "other"))
    assert "or something has rewritten the function (a coverage tool, a patched __code__)" in refusal_of(
        module.StampNet
    )


def test_a_function_that_pytest_has_rewritten_is_refused_with_a_hint():
    def to_tensor(data_dict):
        assert data_dict
        return data_dict

    assert "pytest has rewritten its assert statements" in refusal_of(to_tensor)


def test_a_function_of_this_test_module_is_captured_where_nothing_was_rewritten():
    def to_tensor(data_dict):
        return data_dict["data"]

    assert capture(to_tensor).text == 'def to_tensor(data_dict):\n    return data_dict["data"]\n'


def test_a_file_in_another_encoding_is_refused(folder):
    path = folder / "stamps.py"
    path.write_bytes(b"# -*- coding: latin-1 -*-\n" + SOURCE.encode())
    code = compile(path.read_bytes(), str(path), "exec")
    namespace = {"__name__": "stamps", "__file__": str(path)}
    exec(code, namespace)
    assert "stamps.py: the file declares the encoding 'iso-8859-1'; save it as UTF-8" in refusal_of(
        namespace["StampNet"].to_tensor
    )


def test_a_byte_order_mark_is_no_part_of_the_text(folder, load):
    module = load("\ufeff" + SOURCE)
    assert capture(module.StampNet).text.startswith("def to_tensor")


def test_windows_line_ends_give_the_same_digest(folder, load):
    first = capture(load(SOURCE).StampNet)
    (folder / "copy.py").write_bytes(SOURCE.replace("\n", "\r\n").encode())
    module = load((folder / "copy.py").read_bytes().decode(), "crlf.py")
    (folder / "crlf.py").write_bytes(SOURCE.replace("\n", "\r\n").encode())
    assert capture(module.StampNet).sha256 == first.sha256


def test_a_module_inside_a_zip_file_is_found(folder, monkeypatch):
    import zipfile

    with zipfile.ZipFile(folder / "models.zip", "w") as archive:
        archive.writestr("zipped_stamps.py", SOURCE)
    monkeypatch.syspath_prepend(str(folder / "models.zip"))
    import zipped_stamps

    try:
        assert capture(zipped_stamps.StampNet).text.startswith("def to_tensor")
    finally:
        del sys.modules["zipped_stamps"]


def test_a_function_made_by_another_function_is_captured_where_it_closes_over_nothing(load):
    module = load(
        """
        def make():
            def to_tensor(data_dict):
                return data_dict["data"]["image"]
            return to_tensor
        """
    )
    assert capture(module.make()).text.startswith("def to_tensor(data_dict):\n    return")


def test_a_mixed_up_module_is_no_obstacle_to_a_plain_function_object(load):
    module = load(SOURCE)
    copy = types.FunctionType(module.StampNet.to_tensor.__code__, vars(module), "to_tensor")
    copy.__qualname__ = "StampNet.to_tensor"
    assert capture(copy).text == capture(module.StampNet).text


def test_syntax_newer_than_the_oldest_supported_python_is_named():
    text = "def to_tensor(d):\n    try:\n        pass\n    except* ValueError:\n        pass\n"
    assert newer_syntax(text) is None
    assert str(newer_syntax(text, (3, 10))).startswith("syntax that Python 3.10 does not read (Exception groups are")


NEWER = {
    "its own quote inside an f-string": """return f"{d["x"]}\"""",
    "a backslash inside an f-string": """return f"{'\\n'.join(d)}\"""",
    "a comment inside an f-string": 'return f"""{\n        d  # why\n    }"""',
    "an f-string in an f-string of the same quote": "return f'{f'{d}'}'",
    "type parameters": "def inner[T](x: T) -> T: return x\n    return inner(d)",
    "a type statement": "type X = int\n    return d",
}


@pytest.mark.parametrize("body", NEWER.values(), ids=NEWER)
def test_syntax_of_python_3_12_is_refused_by_every_python(body):
    assert "Python 3.11 does not read" in str(newer_syntax(f"def to_tensor(d):\n    {body}\n"))


OLDER = {
    "another quote inside an f-string": """return f"{d['x']!r:>{10}} {{}} \\n\"""",
    "an f-string in an f-string": """return f"{f'{d}'}" f'{d}'""",
    "a triple quote": """return f\'\'\'{d["x"]} {f"{d}"} \'\'\'""",
    "a raw one": """return rf"\\d{d}\"""",
}


@pytest.mark.parametrize("body", OLDER.values(), ids=OLDER)
def test_f_strings_of_python_3_11_pass_everywhere(body):
    assert newer_syntax(f"def to_tensor(d):\n    {body}\n") is None


def test_a_class_inside_the_function_may_move_to_another_line(load, folder):
    source = SOURCE.replace("return", "class Local: pass\n        return")
    module = load(source)
    (folder / "stamps.py").write_text("# new\n" + source)
    assert "class Local: pass" in capture(module.StampNet).text


@pytest.mark.filterwarnings("ignore:.*invalid escape")
def test_an_odd_escape_in_a_string_is_captured_without_another_warning(load, recwarn):
    module = load(SOURCE.replace("return", '"""In units of \\mu Jy."""\n        return'))
    recwarn.clear()
    assert r"units of \mu Jy" in capture(module.StampNet).text
    assert not recwarn.list
