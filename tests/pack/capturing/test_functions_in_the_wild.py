"""What users write is captured and gives the same bits; the list of styles is that of public code."""

from pathlib import Path

import pytest
from hyrax_runtime.input_guard import copy_input
from hyrax_runtime.replay import as_slots, check_text

from hyrax_pack.capturing import capture, prove
from hyrax_pack.capturing.fresh_process import is_same
from hyrax_pack.resolving.loading import load_class_file

MODULE = load_class_file(Path(__file__).parent / "functions_in_the_wild.py")
OWNERS = {name: value for name, value in vars(MODULE).items() if isinstance(value, type) and hasattr(value, "rows")}
PROVEN = [
    "ClippedAndLogged",
    "SixSlots",
    "SeveralDataSets",
    "InPlace",
    "RowByRow",
    "Magnitudes",
    "ZippedStamps",
    "Everything",
    "SkyTakenOff",
    "Clipped",
    "Luptitudes",
    "TimesAndDifferences",
    "Season",
    "Profile",
    "Flags",
]


def some_rows(values, rows):
    """The rows of a data_dict, whatever the form of its fields."""
    if isinstance(values, dict):
        return {key: some_rows(value, rows) for key, value in values.items()}
    return [values[row] for row in rows] if isinstance(values, list) else values[list(rows)]


def live_function(owner):
    return getattr(owner, "to_tensor", None) or owner.prepare_inputs


@pytest.mark.parametrize("owner", OWNERS.values(), ids=OWNERS)
def test_the_text_gives_the_same_bits_as_the_live_function(owner):
    captured = capture(owner)
    check_text(captured.text, "to_tensor.py")
    function = captured.compile()
    for count in (1, 2, 17):
        batch = some_rows(owner.rows, range(count))
        found, wanted = (one(copy_input(batch)) for one in (function, live_function(owner)))
        assert is_same(found, wanted)
        as_slots(found, rows=count)


@pytest.mark.parametrize("owner", OWNERS.values(), ids=OWNERS)
def test_the_lines_of_the_text_know_their_places_in_the_file(owner):
    captured = capture(owner)
    written, lines = captured.text.splitlines(), Path(MODULE.__file__).read_text().splitlines()
    body = next(number for number, line in enumerate(written, 1) if line.startswith("def to_tensor")) + 1
    for number, line in enumerate(written, 1):
        file, _, there = captured.place(number).rpartition(":")
        if file.endswith("functions_in_the_wild.py") and line[:1] == " ":
            assert line.strip() == lines[int(there) - 1].strip()
        elif number > body:  # nothing begins here
            assert file == "to_tensor.py"
    assert any(number >= body for number in captured.places)


@pytest.mark.parametrize("name", PROVEN)
def test_the_text_is_proven(name):
    owner = OWNERS[name]
    proof = prove(capture(owner), live_function(owner), lambda rows: some_rows(owner.rows, rows), range(17))
    assert proof.batch == "independent", proof.notes
    assert proof.mutates_input == getattr(owner, "mutates", False)
    assert proof.fields_read == {
        f"{name}/{field}" for name, fields in owner.rows.items() if isinstance(fields, dict) for field in fields
    }
