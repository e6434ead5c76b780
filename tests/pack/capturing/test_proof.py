"""The text, alone in a fresh process without torch, gives what the live function gives, and does nothing else."""

import hashlib

import numpy as np
import pytest

from hyrax_pack.capturing import Captured, capture, prove
from hyrax_pack.errors import ProofError

RNG = np.random.default_rng(7)
IMAGES = RNG.random((80, 4, 6), dtype=np.float32) * 100
ROWS = range(80)


def data_dict(rows):
    """Rows in list form, as a data set gives them."""
    return {
        "data": {
            "image": [IMAGES[row] for row in rows],
            "mag": [np.float32(row) for row in rows],
            "curve": [IMAGES[row].ravel()[: 3 + row % 5] for row in rows],
            "name": [f"source {row}" for row in rows],
            "label": [np.int64(row % 3) for row in rows],
            "object_id": [np.int64(row) for row in rows],
        },
        "object_id": [np.int64(row) for row in rows],
    }


def refusal(proof, body, **settings) -> str:
    with pytest.raises(ProofError) as caught:
        proof(body, **settings)
    assert caught.value.code == "capture/proof"
    assert str(caught.value).startswith("to_tensor (stamps.py:3) run alone in a fresh process: ")
    return str(caught.value)


def test_a_sound_function_is_proven(proof):
    found = proof("return np.log1p(np.asarray(data_dict['data']['image']))")
    assert found.batch == "independent"
    assert found.fields_read == {"data/image"}
    assert not found.mutates_input
    assert found.returns == "array"
    assert found.batch_sizes == (1, 2, 3, 17, 64, 1024)
    assert found.greatest_difference == 0.0
    assert found.notes == ()


def test_a_tuple_with_an_absent_label_is_proven(proof):
    def without_labels(rows):
        batch = data_dict(rows)
        del batch["data"]["label"]
        return batch

    found = proof("d = data_dict['data']\nreturn np.asarray(d['image']), d.get('label', [])", make_batch=without_labels)
    assert found.returns == "tuple"
    assert found.fields_read == {"data/image"}


def test_the_forms_of_the_fields_are_recorded(proof):
    def mixed(rows):
        batch = data_dict(rows)
        batch["data"]["image"] = np.stack(batch["data"]["image"])
        batch["data"]["mag"] = {"values": np.array(batch["data"]["mag"])}
        return batch

    found = proof("return data_dict['data']['image']", make_batch=mixed)
    assert found.forms["data/image"] == "stacked"
    assert found.forms["data/curve"] == "list"
    assert found.forms["data/mag"] == "collated"
    assert found.forms["object_id"] == "list"


def refusal_of_text(body: str) -> str:
    """Prove a text against a live function that gives the magnitudes."""
    text = f"def to_tensor(d):\n{body}"
    captured = Captured(text, hashlib.sha256(text.encode()).hexdigest(), "stamps.py:3", (), ())
    with pytest.raises(ProofError) as caught:
        prove(captured, lambda batch: np.asarray(batch["data"]["mag"]), data_dict, ROWS)
    return str(caught.value)


# what is refused


def test_torch_is_not_there():
    message = refusal_of_text("    import torch\n    return torch.ones(3).numpy()\n")
    assert "to_tensor.py:2: on 1 row, ModuleNotFoundError: torch is not there where the text runs" in message
    assert "in `import torch`" in message


def test_a_required_module_that_imports_torch_when_it_is_called_is_refused(load, folder, monkeypatch):
    """The module stands where only this process looks, as packages of one user do."""
    package, information = folder / "own" / "sneaky", folder / "own" / "sneaky-1.0.dist-info"
    package.mkdir(parents=True)
    information.mkdir()
    body = "    import torch\n    return ones(n)\n"
    code = f"import numpy\n\ndef ones(n):\n    return numpy.ones(n)\n\ndef torch_ones(n):\n{body}"
    (package / "__init__.py").write_text(code)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: sneaky\nVersion: 1.0\n")
    (information / "RECORD").write_text("sneaky/__init__.py,,\n")
    monkeypatch.syspath_prepend(str(folder / "own"))
    text = "def to_tensor(d):\n    import sneaky\n    return sneaky.ones(len(d['object_id']))\n"
    function, other = load(text).to_tensor, load(text.replace("ones(", "torch_ones("), "other.py").to_tensor
    captured = capture(function, requires=["sneaky"])
    assert [(one.distribution, one.version) for one in captured.requirements] == [("sneaky", "1.0")]
    assert prove(captured, function, data_dict, ROWS).batch == "independent"
    with pytest.raises(ProofError, match="torch is not there where the text runs in `return sneaky"):
        prove(capture(other, requires=["sneaky"]), function, data_dict, ROWS)


def test_what_the_text_raises_names_its_line_and_the_rows(proof):
    message = refusal(proof, "x = np.asarray(data_dict['data']['image'])\nreturn x[:, [i for i in range(9)]]")
    assert "the live function, on 1 row:" in message
    assert "IndexError" in message


def test_a_missing_label_names_the_key_and_shows_get(proof):
    def without_labels(rows):
        batch = data_dict(rows)
        del batch["data"]["label"]
        return batch

    message = refusal(proof, "return np.asarray(data_dict['data']['label'])", make_batch=without_labels)
    assert "KeyError: 'label'" in message
    assert "where rows may come without it, write `.get('label')`, which gives None" in message


def test_a_batch_of_one_that_loses_its_axis_is_refused(proof):
    message = refusal(proof, "return np.asarray(data_dict['data']['image']).squeeze()")
    assert "returned shape (4, 6) as its result for 1 rows; the first axis must be the rows" in message
    assert "squeeze()" in message


def test_a_function_that_keeps_state_is_refused():
    message = refusal_of_text(
        "    import numpy as np\n"
        "    to_tensor.calls = getattr(to_tensor, 'calls', 0) + 1\n"
        "    return np.asarray(d['data']['mag']) + to_tensor.calls\n"
    )
    assert "`to_tensor.calls` is another after a call than before, and lives on; make it inside" in message


def test_a_text_that_gives_something_else_than_the_live_function_is_refused(load):
    module = load(
        """
        def to_tensor(data_dict):
            import numpy as np
            return np.asarray(data_dict["data"]["mag"])
        """
    )

    def live(batch):
        return np.asarray(batch["data"]["mag"]) + np.float32(0.5)

    with pytest.raises(ProofError) as caught:
        prove(capture(module.to_tensor), live, data_dict, ROWS)
    assert "the text gives something else than the live function (1 row, slot 0: 0.5 and 0.0)" in str(caught.value)


def test_minus_zero_is_not_zero(load):
    module = load("def to_tensor(d):\n    import numpy as np\n    return np.zeros(len(d['object_id']))\n")
    with pytest.raises(ProofError, match=r"-0\.0 and 0\.0"):
        prove(capture(module.to_tensor), lambda d: -np.zeros(len(d["object_id"])), data_dict, ROWS)


def test_what_it_prints_is_shown():
    message = refusal_of_text("    print('so far so good')\n    return __import__('numpy').asarray(d['data']['mag'])\n")
    assert "it prints ('so far so good') at every call; remove that" in message


MARKS = {
    "a file of numpy": ("import numpy as np\n    np.save('left.npy', np.zeros(3))", "it writes the file left.npy"),
    "a file of C": ("import numpy as np\n    np.zeros(3, 'u1').tofile('left.bin')", "it writes the file left.bin"),
    "a file that is hidden by try": (
        "try:\n        open('left', 'w')\n    except OSError:\n        pass",
        "it writes the file left",
    ),
    "a folder": ("import os\n    os.mkdir('left')", "it makes a folder"),
    "a program": ("import os\n    os.system('true')", "it starts a program"),
    "a connection": ("import socket\n    socket.socket().connect(('127.0.0.1', 9))", "it opens a connection"),
}


@pytest.mark.parametrize(("body", "says"), MARKS.values(), ids=MARKS)
def test_a_mark_that_it_leaves_is_refused_with_its_line(folder, body, says):
    message = refusal_of_text(f"    {body}\n    import numpy\n    return numpy.asarray(d['data']['mag'])\n")
    assert says in message
    assert "to_tensor.py:" in message
    assert "remove that" in message
    assert list(folder.iterdir()) == []


def test_rows_that_cannot_leave_the_process_are_refused(proof):
    def with_lambda(rows):
        return {**data_dict(rows), "function": [lambda: 0 for _ in rows]}

    with pytest.raises(ProofError, match="the rows hold what cannot leave this process"):
        proof("return np.asarray(data_dict['data']['mag'])", make_batch=with_lambda)


def test_no_rows_prove_nothing(proof):
    with pytest.raises(ProofError, match="there are no rows to prove it on"):
        proof("return np.asarray(data_dict['data']['mag'])", rows=[])


@pytest.mark.parametrize("code", [0, 3])
def test_an_end_of_the_program_is_told_like_any_other_error(code):
    message = refusal_of_text(f"    raise SystemExit({code})\n")
    assert f"to_tensor.py:2: on 1 row, SystemExit: {code} in `raise SystemExit({code})`" in message


def test_an_end_of_the_process_is_told():
    assert "the fresh process ended with 3: nothing was said" in refusal_of_text("    import os\n    os._exit(3)\n")


# what is recorded


def test_a_change_of_the_input_is_recorded_and_the_function_is_run_on_a_copy(proof):
    before = IMAGES.copy()
    found = proof("x = data_dict['data']['image']\nfor row in x:\n    row *= 2\nreturn np.asarray(x)")
    assert found.mutates_input
    assert found.notes == ("to_tensor changes its input (data/image); it is always given a copy",)
    np.testing.assert_array_equal(IMAGES, before)


@pytest.mark.parametrize(
    "body",
    [
        "data_dict['data']['new'] = 1\nreturn np.asarray(data_dict['data']['mag'])",
        "data_dict['data'].pop('name')\nreturn np.asarray(data_dict['data']['mag'])",
        "data_dict['data']['mag'].append(1)\nreturn np.asarray(data_dict['data']['mag'][:-1])",
        "data_dict['data'] = data_dict['data']['mag']\nreturn np.asarray(data_dict['data'])",
    ],
)
def test_every_kind_of_change_is_seen(proof, body):
    assert proof(body).mutates_input


def test_warnings_are_notes_with_their_line(proof):
    found = proof("return np.log(np.asarray(data_dict['data']['image']) * 0)")
    assert found.notes == ("to_tensor warns (stamps.py:5): RuntimeWarning: divide by zero encountered in log",)


def test_few_rows_are_repeated(proof):
    found = proof("return np.asarray(data_dict['data']['mag']) * 2", rows=[3])
    assert found.batch == "independent"
    assert found.batch_sizes == (1, 2, 3, 17, 64, 1024)


def test_huge_rows_are_tried_in_smaller_batches(proof, monkeypatch):
    monkeypatch.setattr("hyrax_pack.capturing.coupling._MEMORY_BYTES", 20_000)
    found = proof("return np.asarray(data_dict['data']['image'])")
    assert found.batch_sizes == (1, 2, 3, 17)
    assert found.notes == ("rows are large: batches of up to 17 were tried",)


def test_rows_that_touch_one_another_make_the_batch_joint(proof):
    found = proof("x = np.asarray(data_dict['data']['mag'])\nreturn x - x.mean()")
    assert found.batch == "joint"
    assert found.greatest_difference > 1
    (note,) = found.notes
    assert note.startswith("rows touch one another: slot 0, batch of 2: a row's result changes with the rows beside it")


# the process


def test_the_process_sees_no_python_settings_of_the_user(proof, monkeypatch, folder):
    (folder / "numpy.py").write_text("raise RuntimeError('the current folder was searched')\n")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    assert proof("return np.asarray(data_dict['data']['mag'])").batch == "independent"


def test_nothing_is_left_in_the_temporary_folder(proof, monkeypatch, tmp_path_factory):
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    proof("return np.asarray(data_dict['data']['mag'])")
    assert list(folder.iterdir()) == []
