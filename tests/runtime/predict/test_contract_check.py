"""What the contract repairs, and what it refuses with the cure."""

from __future__ import annotations

import enum
import pickle
from array import array
from collections import defaultdict
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from hyrax_runtime.contract import FieldContract, InputContract
from hyrax_runtime.contract_check import InputCheck, prepare
from hyrax_runtime.errors import FieldsError


def field(path: str = "data/x", dtype: str = "float32", shape: tuple[Any, ...] = (), **more: Any) -> FieldContract:
    settings = {"kind": "array", "form": "list", "element": "array" if shape else "scalar", "read": True}
    return FieldContract(path=path, dtype=dtype, shape=shape, **(settings | more))


def contract(*fields: FieldContract) -> InputContract:
    return InputContract(fields, "independent")


def given_as(values: Any, one: FieldContract) -> Any:
    """What to_tensor meets where the caller gives `values` for the field `one`."""
    return prepare(contract(one), {"data": {"x": values}}).data_dict["data"]["x"]


def refusal(values: Any, one: FieldContract) -> str:
    with pytest.raises(FieldsError) as caught:
        prepare(contract(one), {"data": {"x": values}})
    assert caught.value.code == "input/fields"
    return str(caught.value)


IMAGE = field(shape=(2, 3))
TEXT = field(dtype="str", kind="string", element="python")


@pytest.mark.parametrize(
    ("one", "values", "kind"),
    [
        pytest.param(IMAGE, np.ones((4, 2, 3), "f4"), np.ndarray, id="rows of a stacked array"),
        pytest.param(IMAGE, [[[1, 2, 3], [4, 5, 6]]] * 4, np.ndarray, id="nested lists as arrays"),
        pytest.param(field(), np.ones(4, "f4"), np.float32, id="numpy scalars of an array"),
        pytest.param(field(), [1.5, 2.5], np.float32, id="numpy scalars of plain floats"),
        pytest.param(field(dtype="int64"), [np.int32(3)], np.int64, id="a wider integer of a narrow one"),
        pytest.param(field(dtype="float64", element="python"), np.ones(3, "f8"), float, id="plain floats of an array"),
        pytest.param(field(dtype="int64", element="python"), [np.int64(1)], int, id="plain ints of numpy ints"),
        pytest.param(field(dtype="float64", element="python", shape=(2,)), np.ones((3, 2)), list, id="plain lists"),
        pytest.param(field(element="array"), [np.float32(1)], np.ndarray, id="arrays without axes"),
        pytest.param(TEXT, np.array(["a", "bc"]), str, id="plain text of a text array"),
        pytest.param(TEXT, [np.str_("a")], str, id="plain text of numpy text"),
        pytest.param(replace(TEXT, element="scalar"), ["a"], np.str_, id="numpy text of plain text"),
        pytest.param(field(dtype="bytes", kind="bytes", element="python"), [bytearray(b"a")], bytes, id="bytes"),
        pytest.param(field(kind="ragged", shape=("x.1",)), [[1.0], np.ones(3, "f4")], np.ndarray, id="ragged rows"),
        pytest.param(
            field(kind="ragged", shape=("x.1",), element="python", dtype="float64"),
            [np.ones(2)],
            list,
            id="ragged lists",
        ),
    ],
)
def test_rows_get_the_elements_that_training_saw(one: FieldContract, values: Any, kind: type) -> None:
    rows = given_as(values, one)
    assert type(rows) is list and len(rows) == len(values)
    assert all(type(row) is kind for row in rows)
    if kind is np.ndarray or (issubclass(kind, np.generic) and one.kind == "array"):
        assert all(row.dtype == one.dtype for row in rows)


@pytest.mark.parametrize("form", ["stacked", "collated"])
def test_rows_are_stacked_where_training_stacked_them(form: Any) -> None:
    one = replace(IMAGE, form=form)
    stacked = given_as([np.ones((2, 3), "f4"), np.zeros((2, 3), ">f4")], one)
    assert stacked.shape == (2, 2, 3) and stacked.dtype == np.float32 and stacked.dtype.isnative
    assert given_as([], one).shape == (0, 2, 3)


def test_stacked_text_is_a_text_array() -> None:
    assert given_as(["a", "bcd"], replace(TEXT, form="stacked")).dtype == "<U3"


@pytest.mark.parametrize(
    "values", [np.arange(6, dtype=">f4").reshape(1, 2, 3), [np.arange(6, dtype=">f4").reshape(2, 3)]]
)
def test_byte_order_is_repaired_by_value(values: Any) -> None:
    (row,) = given_as(values, IMAGE)
    assert row.dtype.isnative and row.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_strided_and_fortran_rows_become_contiguous() -> None:
    wide = np.arange(24, dtype="f4").reshape(2, 2, 6)[:, :, ::2]
    rows = given_as([np.asfortranarray(wide[0]), wide[1]], IMAGE)
    assert all(row.flags.c_contiguous for row in rows)
    assert np.array_equal(np.stack(rows), wide)


def test_rows_that_fit_already_are_passed_on_untouched() -> None:
    rows = [np.ones((2, 3), "f4")]
    assert given_as(rows, IMAGE) is rows


def test_the_input_is_never_written_to() -> None:
    values = np.arange(6, dtype=">f8").reshape(1, 2, 3)
    values.flags.writeable = False
    given_as(values, replace(IMAGE, dtype="float64"))
    assert values.dtype == ">f8"


@pytest.mark.parametrize(
    ("one", "values", "words"),
    [
        pytest.param(IMAGE, np.ones((2, 2, 3)), "pass .astype('float32')", id="narrowing"),
        pytest.param(field(), np.arange(3), "dtype int64 where float32 is recorded; convert", id="another kind"),
        pytest.param(field(dtype="int64"), [1.5], "float where int64 is recorded", id="plain floats for integers"),
        pytest.param(field(dtype="int8"), [300], "does not fit into int8", id="plain ints out of range"),
        pytest.param(field(), ["1.5"], "where float32 is recorded", id="text for numbers"),
        pytest.param(IMAGE, np.ones((2, 3, 2), "f4"), "(3, 2) where (2, 3) is recorded; the axes", id="axes swapped"),
        pytest.param(IMAGE, np.ones((2, 3), "f4"), "an axis is missing", id="a single record"),
        pytest.param(IMAGE, np.ones((2, 6), "f4"), "the row is flattened: reshape it", id="flattened rows"),
        pytest.param(IMAGE, [np.ones((2, 3), "f4"), np.ones((2, 4), "f4")], "data/x row 1: row shape", id="a row"),
        pytest.param(field(), [np.float32(1), None], "data/x row 1: no value (None)", id="a row without a value"),
        pytest.param(field(), np.float32(1), "give a list of rows", id="a scalar"),
        pytest.param(field(), "abc", "a str is no column", id="text for a column"),
        pytest.param(field(), np.array(1.0, "f4"), "no batch axis", id="an array without axes"),
        pytest.param(field(dtype="uint8"), [1, np.int64(300)], "dtype int64 where uint8", id="a wide integer behind"),
        pytest.param(replace(IMAGE, dtype="uint8"), [[[0, 0, 0], np.array([300, -1, 256])]], "dtype int64 where uint8",
                     id="a wide array behind plain numbers"),
        pytest.param(field(), [True, False], "bool where float32 is recorded", id="plain truth for numbers"),
        pytest.param(field(), [1.5, True], "bool and float where float32 is recorded", id="truth among numbers"),
        pytest.param(field(dtype="bool"), [1, 0], "int where bool is recorded", id="numbers for truth"),
        pytest.param(field(), [16777217, 0.5], "more digits than float32 holds", id="and beside a fraction"),
        pytest.param(field(dtype="float64"), [2**53 + 1, 0.5], "more digits than float64 holds", id="a wide one too"),
        pytest.param(field(dtype="uint64"), [2**64, 5], "does not fit into uint64", id="beyond the widest integers"),
        pytest.param(field(dtype="float64", shape=(2,)), [[np.float32(0.1), np.float64(0.1)]], "digits are lost",
                     id="a narrow float beside a wide one"),
        pytest.param(field(dtype="float64", shape=(2,)), [[np.int64(1), np.float64(0.1)]], "dtype int64 where float64",
                     id="a numpy integer beside a float"),
        pytest.param(field(dtype="float64", shape=(2,)), [[True, np.float64(0.1)]], "bool where float64",
                     id="truth beside a numpy float"),
        pytest.param(field(), [16777217], "more digits than float32 holds", id="a whole number that floats round"),
        pytest.param(field(dtype="int64", element="python"), [2**70], "does not fit into int64", id="a huge number"),
        pytest.param(field(shape=(2,)), [[1.0, None]], "data/x row 0: None is no number", id="None inside a row"),
        pytest.param(IMAGE, [[np.ma.masked_less([1, 2, 9], 2).astype("f4")] * 2], ".filled(np.nan)",
                     id="masked values inside a row"),
        pytest.param(TEXT, [b"a"], "bytes; decode it before the call", id="bytes for text"),
        pytest.param(TEXT, [3], "int where str is recorded", id="a number for text"),
        pytest.param(field(), np.ma.masked_less([1, 2], 2).astype("f4"), ".filled(np.nan)", id="masked values"),
        pytest.param(IMAGE, [[[1, 2, 3], [4, 5]]], "nested lists of differing length", id="a crooked nested list"),
        pytest.param(replace(IMAGE, form="stacked", shape=("x.1", 3)), [np.ones((1, 3), "f4"), np.ones((2, 3), "f4")],
                     "one batch is one array", id="unlike rows in one stacked batch"),
    ],
)  # fmt: skip
def test_what_would_lose_something_is_refused_with_its_cure(one: FieldContract, values: Any, words: str) -> None:
    text = refusal(values, one)
    assert text.startswith("input: data/x")
    assert words in text
    assert "\n" not in text


class Quantity(np.ndarray):
    """An array that carries its unit, as astropy's does."""

    unit = "mJy"


def test_an_array_in_another_unit_is_refused() -> None:
    flux = field(unit="nJy")
    assert ".to('nJy').value" in refusal(np.ones(2, "f4").view(Quantity), flux)
    assert ".to('nJy').value" in refusal(list(np.ones((2, 3), "f4").view(Quantity)), replace(flux, shape=(3,)))
    assert ".to('nJy').value" in refusal([[*np.ones((2, 3), "f4").view(Quantity)]], replace(flux, shape=(2, 3)))
    assert len(given_as(np.ones(2, "f4").view(Quantity), replace(flux, unit="mJy"))) == 2


class Masked(np.ndarray):
    """An array with a mask beside its values, as astropy's: no np.ma.MaskedArray."""

    @property
    def mask(self) -> Any:
        return self == -999


@pytest.mark.parametrize("shape", [(), (2,)])
def test_masked_values_are_refused_whatever_masks_them(shape: tuple[int, ...]) -> None:
    for sort in (Masked, np.ma.MaskedArray):
        values = np.ones((3, *shape), "f4").view(sort)
        values[1] = np.ma.masked if sort is np.ma.MaskedArray else -999
        for held in (values, [*values] if shape else values[:2]):
            assert "fill them before the call" in refusal(held, field(shape=shape))
        given_as(values[:1], field(shape=shape))


def test_a_unit_is_found_where_a_library_keeps_it() -> None:
    flux = field(unit="nJy")
    lengths = np.ones(2, "f4").view(type("Lengths", (np.ndarray,), {"units": "km"}))
    assert "in km where nJy is recorded" in refusal(lengths, flux)
    labelled = type("Labelled", (), {"attrs": {"units": "mJy"}, "__array__": lambda *_, **__: np.ones(2, "f4")})()
    assert "in mJy where nJy is recorded" in refusal(labelled, flux)
    assert len(given_as(labelled, replace(flux, unit="mJy"))) == 2


def test_whole_numbers_up_to_the_widest_are_taken_beside_small_ones() -> None:
    assert given_as([2**63 + 1, 5], field(dtype="uint64")) == [2**63 + 1, 5]
    assert given_as([[2**63 + 1, 5]], field(dtype="uint64", shape=(2,)))[0].tolist() == [2**63 + 1, 5]
    assert given_as([[np.float32(0.5), 0.25]], field(shape=(2,)))[0].tolist() == [0.5, 0.25]


def test_every_problem_is_listed_at_once() -> None:
    both = contract(field("data/flux"), field("data/mag"), field("other/image", shape=(2,)))
    with pytest.raises(FieldsError) as caught:
        prepare(both, {"data": {"flx": [1.0], "mag": np.ones(3)}, "other": {"image": np.ones((4, 3), "f4")}})
    assert [problem.where for problem in caught.value.problems] == ["data/flux", "data/mag", "other/image"]
    assert str(caught.value).splitlines() == [
        "input: 3 problems",
        "  - data/flux: missing; did you mean it by 'data/flx'?",
        "  - data/mag: dtype float64 where float32 is recorded, and a cast could lose digits; pass .astype('float32')",
        "  - other/image: every row: row shape (3,) where (2,) is recorded",
    ]


@pytest.mark.parametrize("given", [np.ones((3, 2)), [1.0], {"data": np.ones(3)}, {"data": [1.0]}, None])
def test_anything_but_a_dict_of_dicts_is_refused_in_words(given: Any) -> None:
    with pytest.raises(FieldsError, match=r"not a dict of fields|where a dict of field to values is expected"):
        prepare(contract(field()), given)


def test_a_table_in_the_place_of_a_dict_is_named() -> None:
    class Table:
        def to_dict(self, orient: str) -> Any: ...

    with pytest.raises(FieldsError, match=r"data: a Table where a dict of field .*\.to_dict\('list'\)"):
        prepare(contract(field()), {"data": Table()})


class Survey(str, enum.Enum):  # noqa: UP042 - a StrEnum prints what it equals
    ZTF = "ztf"


def test_a_text_is_what_it_equals_and_not_what_it_prints() -> None:
    (row,) = given_as([Survey.ZTF], TEXT)
    assert (type(row), row) == (str, "ztf")


SHORT = np.ones(5, "f4")


@pytest.mark.parametrize(
    ("one", "rows", "refused"),
    [
        pytest.param(IMAGE, [None, None], {0, 1}, id="no row has a value"),
        pytest.param(IMAGE, [SHORT], {0}, id="the only row is of another shape"),
        pytest.param(IMAGE, [SHORT, SHORT, SHORT], {0, 1, 2}, id="every row is of another shape"),
        pytest.param(IMAGE, np.ones((3, 5), "f4"), {0, 1, 2}, id="a stacked array of another shape"),
        pytest.param(replace(IMAGE, form="stacked"), np.ones((3, 5), "f4"), {0, 1, 2}, id="so, where rows are stacked"),
        pytest.param(
            field(shape=("x.1",), form="stacked"), [np.ones(3, "f4"), SHORT, SHORT], {0}, id="the first is odd"
        ),
        pytest.param(TEXT, [None, None], {0, 1}, id="no text has a value"),
        pytest.param(IMAGE, [np.ones((2, 3)), np.ones((2, 3), "f4")], {0}, id="one row of another dtype"),
    ],
)
def test_masking_does_not_depend_on_how_many_rows_are_at_fault(
    one: FieldContract, rows: Any, refused: set[int]
) -> None:
    found = InputCheck(contract(one)).prepare({"data": {"x": rows}}, mask=True)
    assert set(found.refused) == refused and len(found.kept) == len(rows) - len(refused)


@pytest.mark.parametrize("rows", [[np.ones((2, 3))] * 2, [np.ones((2, 3)), None, np.ones((2, 3))], np.ones((2, 2, 3))])
def test_a_column_of_another_dtype_is_refused_with_mask_too(rows: Any) -> None:
    with pytest.raises(FieldsError, match="dtype float64 where float32 is recorded"):
        InputCheck(contract(IMAGE)).prepare({"data": {"x": rows}}, mask=True)


def with_ids(data_dict: Any, id_field: str | None = None) -> Any:
    both = InputContract((field("data/x"), field("other/x")), "independent", id_field)
    full = {
        "data": {"x": [1.0, 2.0]} | data_dict.get("data", {}),
        "other": {"x": [1.0, 2.0]} | data_dict.get("other", {}),
    }
    return prepare(both, full | {key: value for key, value in data_dict.items() if key == "object_id"}).object_id


def test_ids_are_those_beside_the_data_sets_or_of_the_field_of_training_or_the_only_ones() -> None:
    inner = {"data": {"object_id": [1, 2], "candid": [7, 8]}, "other": {"object_id": [1, 2]}}
    assert with_ids(inner | {"object_id": ["a", "b"]}) == ["a", "b"]
    assert with_ids(inner, "data/candid") == [7, 8]
    assert with_ids(inner) == [1, 2]
    assert with_ids({"data": MappingProxyType({"object_id": np.array([5, 6])})}).tolist() == [5, 6]
    assert with_ids({}) is None


@pytest.mark.parametrize(
    ("data_dict", "id_field", "words"),
    [
        (
            {"data": {"object_id": [1, 2]}, "other": {"object_id": [2, 1]}},
            None,
            "row 0 is 1 in data/object_id and 2 in",
        ),
        ({"data": {"object_id": [1, 2]}, "other": {"object_id": [1]}}, None, "1 ids in other/object_id and 2 in"),
        (
            {"object_id": [1, 9], "data": {"candid": [1, 2]}},
            "data/candid",
            "row 1 is 9 in object_id and 2 in data/candid",
        ),
        ({"object_id": "ab"}, None, "a str where one id for each row"),
        ({"object_id": {1, 2}}, None, "a set where one id for each row"),
        ({"object_id": 7}, None, "a int where one id for each row"),
    ],
)
def test_ids_that_contradict_one_another_or_are_no_column_are_refused(
    data_dict: Any, id_field: str | None, words: str
) -> None:
    with pytest.raises(FieldsError) as caught:
        with_ids(data_dict, id_field)
    assert words in str(caught.value)


@pytest.mark.parametrize("held_by", ["list", "numpy", "pandas", "arrow", "chunked", "array"])
def test_ids_are_copied_so_that_a_buffer_that_serves_again_changes_nothing(held_by: str) -> None:
    buffer: Any = np.array([1, 2])
    ids: Any = buffer
    if held_by == "list":
        ids = buffer = [1, 2]
    elif held_by == "pandas":
        ids = pytest.importorskip("pandas").Series(buffer, copy=False)
    elif held_by in ("arrow", "chunked"):
        pa = pytest.importorskip("pyarrow")
        ids = pa.array(buffer)
        ids = pa.chunked_array([ids]) if held_by == "chunked" else ids
    elif held_by == "array":
        ids = buffer = array("q", [1, 2])
    found = with_ids({"object_id": ids})
    buffer[0] = 99
    assert np.asarray(found).tolist() == [1, 2]


def test_two_columns_of_ids_are_compared_whatever_they_hold() -> None:
    pairs = np.array([[1, 2], [3, 4]])
    assert with_ids({"data": {"object_id": pairs}, "other": {"object_id": pairs.copy()}}).tolist() == pairs.tolist()
    unknown = pytest.importorskip("pandas").NA
    assert with_ids({"data": {"object_id": ["a", unknown]}, "other": {"object_id": ["a", unknown]}})[1] is unknown
    with pytest.raises(FieldsError, match="row 1 is <NA> in data/object_id and 'b' in other/object_id"):
        with_ids({"data": {"object_id": ["a", unknown]}, "other": {"object_id": ["a", "b"]}})


def test_ids_that_no_array_holds_are_kept_as_they_are() -> None:
    pa = pytest.importorskip("pyarrow")
    times = pa.array([1, 3], pa.time64("ns"))  # finer than Python's times
    assert with_ids({"object_id": times}).equals(times)


def test_ids_that_cannot_be_copied_are_refused() -> None:
    with pytest.raises(FieldsError, match=r"a memoryview of ids cannot be copied .*give a list"):
        with_ids({"object_id": memoryview(np.array([1, 2]))})


@pytest.mark.parametrize(
    ("data_dict", "words"),
    [
        pytest.param({"flux": [1.0]}, "give it as {'data': {'flux': ...}}", id="one level too few"),
        pytest.param({"data/flux": [1.0]}, "'data/flux' stands at the top level, give it as {'data'", id="a flat path"),
        pytest.param({"date": {"flux": [1.0]}}, "did you mean it by 'date/flux'", id="friendly name misspelt"),
        pytest.param({}, "no fields at all", id="nothing"),
        pytest.param({"data": {"brightness": [1.0]}}, "given are 'data/brightness'", id="nothing like it"),
    ],
)
def test_a_missing_field_is_named_with_the_nearest(data_dict: Any, words: str) -> None:
    with pytest.raises(FieldsError, match="data/flux: missing") as caught:
        prepare(contract(field("data/flux")), data_dict)
    assert words in str(caught.value)


@pytest.mark.parametrize("mask", [False, True])
def test_a_mapping_that_makes_up_what_it_lacks_gives_no_rows_of_nothing(mask: bool) -> None:
    batch: Any = defaultdict(lambda: defaultdict(list))
    batch["data"]["fluxx"].append(1.0)
    with pytest.raises(FieldsError, match="data/flux: missing; did you mean it by 'data/fluxx'"):
        InputCheck(contract(field("data/flux"))).prepare(batch, mask=mask)
    assert dict(batch["data"]) == {"fluxx": [1.0]}
    with pytest.raises(FieldsError, match="date/flux: missing"):
        InputCheck(contract(field("date/flux"))).prepare(batch, mask=mask)
    assert list(batch) == ["data"]


def test_rows_are_counted_across_fields_and_ids() -> None:
    two = contract(field("data/a"), field("data/b"))
    with pytest.raises(FieldsError, match="2 in data/a, data/b; 3 in object_id"):
        prepare(two, {"data": {"a": [1.0, 2.0], "b": [1.0, 2.0]}, "object_id": [1, 2, 3]})
    with pytest.raises(FieldsError, match="2 in data/a; 1 in data/b"):
        prepare(two, {"data": {"a": np.ones(2, "f4"), "b": np.ones(1, "f4")}})


def test_fields_that_are_not_read_are_optional_and_ignored() -> None:
    known = contract(field("data/a"), field("data/label", "int64", read=False), field("sky/dec", read=False))
    for extra in ({}, {"label": "nonsense"}):
        prepared = prepare(known, {"data": {"a": [1.0], **extra}})
        assert prepared.data_dict == {"data": {"a": [np.float32(1)]}, "sky": {}}


def test_ids_come_from_beside_the_data_sets_or_from_within_one() -> None:
    one = contract(field("data/a"))
    assert prepare(one, {"data": {"a": [1.0]}, "object_id": ["x"]}).object_id == ["x"]
    assert prepare(one, {"data": {"a": [1.0], "object_id": ["y"]}}).object_id == ["y"]
    assert prepare(one, {"data": {"a": [1.0]}}).object_id is None


@pytest.mark.parametrize(
    "given",
    [{"data": {"x": [1.0], "ivar": [2.0]}}, {"data": {"x": [1.0]}, "spectra": {"y": [1.0]}}],
    ids=["a field", "a data set"],
)
def test_what_was_asked_for_and_not_there_is_refused(given: dict[str, Any]) -> None:
    asking = replace(contract(field()), asked_absent=("data/ivar", "spectra"))
    with pytest.raises(FieldsError, match="asks for this, and it was not there"):
        prepare(asking, given)
    assert prepare(asking, {"data": {"x": [1.0], "ivar": None, "else": [3.0]}}).rows == 1


def test_many_bad_rows_are_a_few_lines() -> None:
    text = refusal([np.ones(3, "f4")] * 10 + [np.ones((2, 3), "f4")], IMAGE)
    assert len(text.splitlines()) == 7
    assert "data/x: 5 more rows are refused" in text


def test_masking_leaves_the_bad_rows_out_and_says_why() -> None:
    check = InputCheck(contract(field("data/a"), replace(IMAGE, path="data/x")))
    images = [np.ones((2, 3), "f4"), np.ones(3, "f4"), np.zeros((2, 3), "f4")]
    prepared = check.prepare({"data": {"a": [1.0, 2.0, 3.0], "x": images}}, mask=True)
    assert prepared.rows == 3 and prepared.kept == [0, 2]
    assert prepared.data_dict["data"]["a"] == [1.0, 3.0]
    assert "data/x row 1: row shape (3,)" in str(prepared.refused[1])


def test_the_error_crosses_to_another_process_whole() -> None:
    with pytest.raises(FieldsError) as caught:
        prepare(contract(field("data/a")), {})
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value) and again.problems == caught.value.problems


@given(
    hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0, max_dims=3, max_side=4)),
    st.sampled_from(["list", "stacked"]),
)
def test_any_array_is_either_given_the_recorded_form_by_value_or_refused(values: Any, form: Any) -> None:
    one = replace(IMAGE, form=form)
    try:
        rows = given_as(values, one)
    except FieldsError:
        assert values.shape[1:] != (2, 3) or values.dtype.newbyteorder("=") != np.float32
        return
    assert len(rows) == len(values)
    assert all(row.dtype == np.float32 and row.dtype.isnative for row in rows)
    np.testing.assert_array_equal(np.stack(rows) if len(rows) else rows, values.astype("f4") if len(rows) else rows)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=12))
def test_any_python_value_is_taken_or_refused_with_an_input_error(values: Any) -> None:
    for one in (field(), IMAGE, TEXT, field(kind="ragged", shape=("x.1",))):
        try:
            given_as(values, one)
        except FieldsError as error:
            assert error.problems


@pytest.mark.parametrize("form", ["list", "stacked"])
@pytest.mark.parametrize("dtype", ["bool", "int8", "int16", "uint16", "float16", "float64"])
def test_another_kind_and_lost_digits_are_refused_although_the_cast_would_be_safe(dtype: str, form: Any) -> None:
    for values in (np.ones((4, 2, 3), dtype), list(np.ones((4, 2, 3), dtype))):
        with pytest.raises(FieldsError, match=f"{dtype} where float32 is recorded"):
            given_as(values, replace(IMAGE, form=form))
