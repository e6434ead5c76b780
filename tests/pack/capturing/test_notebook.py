"""A class written in notebook cells is captured like one in a file: a real notebook, a real kernel."""

import json

import nbclient
import nbformat
import pytest

CELLS = [
    "import numpy as np\nfrom numpy import sqrt as root\nfrom hyrax_pack.capturing import capture, prove\n"
    "from hyrax_pack.errors import CaptureError",
    "SCALE = 2.0  # counts\nDEPTH: int = 3",
    "# compress\ndef stretch(x):\n    return root(x) * DEPTH",
    "%precision 3\n"
    "class StampNet:\n"
    "    @staticmethod\n"
    "    def to_tensor(data_dict):\n"
    "        text = '''a\n"
    "    b'''  # exact\n"
    "        return stretch(np.asarray(data_dict['data']['image'])) / SCALE + len(text)\n"
    "    # the end\n",
    "import json\n"
    "captured = capture(StampNet)\n"
    "rows = np.random.default_rng(0).random((9, 4), dtype='f4')\n"
    "proof = prove(captured, StampNet.to_tensor, lambda ids: {'data': {'image': [rows[i] for i in ids]}}, range(9))\n"
    "print(json.dumps([captured.text, captured.origin, proof.batch, sorted(proof.fields_read)]))",
    "SCALE *= 2",
    "def refusal(owner):\n"
    "    try:\n"
    "        capture(owner)\n"
    "    except CaptureError as error:\n"
    "        return str(error)\n"
    "print(json.dumps(refusal(StampNet)))",
    "SCALE = 5.0",
    "print(json.dumps(capture(StampNet).text))",
    "class StampNet:\n    @staticmethod\n    def to_tensor(data_dict):\n        return data_dict['data'][display]",
    "print(json.dumps(refusal(StampNet)))",
    "namespace = {}\nexec('def to_tensor(d): return d', namespace)\nprint(json.dumps(refusal(namespace['to_tensor'])))",
    "%%time\ndef timed(data_dict):\n    return data_dict['data']['image']",
    "print(json.dumps(refusal(timed)))",
]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """What each cell printed."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
    folder = tmp_path_factory.mktemp("notebook")
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    printed = ["".join(output.get("text", "") for output in cell.outputs) for cell in notebook.cells]
    return [json.loads(text.splitlines()[-1]) if text.strip().startswith(("[", '"')) else text for text in printed]


def test_what_stands_in_other_cells_comes_along(outputs):
    text, origin, batch, fields_read = outputs[4]
    assert text == (
        "from numpy import sqrt as root\nimport numpy as np\n\nSCALE = 2.0  # counts\nDEPTH = 3\n\n\n"
        "# compress\ndef stretch(x):\n    return root(x) * DEPTH\n\n\n"
        "def to_tensor(data_dict):\n    text = '''a\n    b'''  # exact\n"
        "    return stretch(np.asarray(data_dict['data']['image'])) / SCALE + len(text)\n"
    )
    assert origin == "notebook cell 4:4"
    assert (batch, fields_read) == ("independent", ["data/image"])


def test_a_constant_that_another_cell_has_changed_is_refused_by_cell_and_line(outputs):
    assert outputs[6] == (
        "StampNet.to_tensor cannot be captured: notebook cell 4:7: "
        "`SCALE`: is 4.0 now, and 2.0 in notebook cell 2:1; write it inside"
    )


def test_a_constant_that_a_later_cell_gives_anew_is_the_later_one(outputs):
    assert "SCALE = 5.0\n" in outputs[8]


def test_a_name_that_only_notebooks_have_is_refused(outputs):
    assert "notebook cell 10:4: `display`: is not defined; define it inside, or mend the spelling" in outputs[10]


def test_a_function_made_by_exec_is_refused_in_a_notebook_too(outputs):
    assert "no source text" in outputs[11]


def test_a_cell_that_is_timed_keeps_no_source_and_the_cure_is_told(outputs):
    assert outputs[13].endswith(
        "a cell that begins with %%time keeps no source text; remove %%time and run the cell again"
    )
