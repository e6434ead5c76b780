"""From what to_tensor returned to tensors, and the check against what the bundle records."""

import numpy as np
import pytest
from hyrax_runtime.errors import ReplayError, ResultError
from hyrax_runtime.manifest import Slot
from hyrax_runtime.replay import as_slots, check_slots


def refusal(result, rows=3) -> str:
    with pytest.raises(ResultError) as caught:
        as_slots(result, rows=rows)
    assert caught.value.code == "replay/result"
    assert isinstance(caught.value, ReplayError)
    return str(caught.value)


def test_one_array_is_one_slot_and_is_not_copied():
    array = np.ones((3, 2), "f4")
    slots, returns = as_slots(array, rows=3)
    assert returns == "array"
    assert slots[0] is array


def test_a_tuple_keeps_its_places():
    slots, returns = as_slots((np.ones((3, 2)), None, np.arange(3), np.empty(0), []), rows=3)
    assert returns == "tuple"
    assert slots[1] is None
    assert [None if slot is None else slot.shape for slot in slots] == [(3, 2), None, (3,), (0,), (0,)]


def test_a_tuple_of_one_is_a_tuple():
    assert as_slots((np.ones(3),), rows=3).returns == "tuple"


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=">f4").reshape(3, 2),
        np.arange(6, dtype="f4").reshape(2, 3).T,
        np.arange(12, dtype="f4").reshape(3, 4)[:, ::-2],
        np.asfortranarray(np.arange(6, dtype=">i2").reshape(3, 2)),
        np.ma.getdata(np.ma.array(np.arange(6.0).reshape(3, 2))),
        np.arange(6.0).view(np.recarray).reshape(3, 2),
    ],
    ids=["foreign bytes", "transposed", "strided backwards", "both", "data of a masked array", "a subclass"],
)
def test_byte_order_strides_and_subclasses_are_repaired(array):
    ((slot,), _) = as_slots(array, rows=3)
    np.testing.assert_array_equal(slot, array)
    assert type(slot) is np.ndarray
    assert slot.dtype.isnative
    assert slot.flags.c_contiguous


def test_labels_passed_through_as_a_list_become_an_array():
    slots, _ = as_slots((np.ones(3), [np.int64(1), np.int64(2), np.int64(3)], [True, False, True]), rows=3)
    assert [slot.dtype.name for slot in slots] == ["float64", "int64", "bool"]


class Tensor:
    """Stands in for torch's: only where it comes from is looked at."""

    __module__ = "torch"


REFUSED = {
    "nothing": (None, "to_tensor returned None; end it with `return` and the array"),
    "a list": ([np.ones(2)] * 3, "to_tensor returned a list as its result; return np.asarray(...) for one array"),
    "a dict": ({"x": 1}, "to_tensor returned builtins.dict as its result; return a numpy array"),
    "a number": (1.0, "a number without batch axis"),
    "a numpy number": (np.float32(1), "a number without batch axis"),
    "an array without axis": (np.array(1.0), "a number without batch axis"),
    "an empty tuple": ((), "to_tensor returned a tuple as its result"),
    "a torch tensor": (Tensor(), "a torch tensor as its result; return numpy (torch is not there at inference)"),
    "a torch tensor in a slot": ((np.ones(3), Tensor()), "a torch tensor as slot 1"),
    "objects": (np.array([[1], [2, 3], []], dtype=object), "dtype object as its result; rows of one shape stack"),
    "strings": (np.array(["a", "b", "c"]), "dtype <U1 as its result; tensors hold numbers"),
    "complex numbers": (np.ones(3, "c8"), "give real and imaginary part as channels"),
    "dates": (np.zeros(3, "M8[s]"), "tensors hold numbers"),
    "records": (np.zeros(3, [("a", "f4")]), "tensors hold numbers"),
    "long doubles": (np.zeros(3, "g"), "tensors hold numbers"),
    "a masked array": (np.ma.array([1.0, 2.0, 3.0]), "a masked array as its result; fill it: np.ma.filled(x, value)"),
    "too few rows": (
        np.ones((2, 3)),
        "shape (2, 3) as its result for 3 rows; the first axis must be the rows",
    ),
    "a lost axis": (np.ones((8, 8)), "squeeze() without an axis, or a transposed result, loses it"),
    "no rows": (np.empty((0, 3)), "returned shape (0, 3) as its result for 3 rows"),
    "a list of ragged rows in a slot": ((np.ones(3), [[1], [2, 3], [4]]), "a list as slot 1 whose rows do not stack"),
    "strings in a slot": ((np.ones(3), ["a", "b", "c"]), "dtype <U1 as slot 1"),
    "a number in a slot": ((np.ones(3), 2.0), "a number without batch axis as slot 1"),
    "a tuple in a slot": ((np.ones(3), (np.ones(3),)), "a tuple as slot 1"),
    "nothing in every slot": ((None, np.empty(0)), "every slot of its tuple is None or empty"),
}


@pytest.mark.parametrize(("result", "says"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_batch_of_tensors_is_refused(result, says):
    assert says in refusal(result)


def test_where_the_rows_are_unknown_the_slots_must_agree():
    assert len(as_slots((np.ones(4), np.ones((4, 2)), None), rows=None).slots) == 3
    assert "slots of [2, 4] rows" in refusal((np.ones(4), np.ones(2)), rows=None)


def test_no_rows_give_no_rows():
    assert as_slots(np.empty((0, 3)), rows=0).slots[0].shape == (0, 3)


RECORDED = (
    Slot("tensor", "float32", ("N", 3, "flux.2"), "image"),
    Slot("none", "", (), None),
    Slot("empty", "float64", ("N",), None),
)
SOUND = (np.ones((2, 3, 7), "f4"), None, np.empty(0))


def test_slots_as_recorded_pass():
    check_slots(SOUND, RECORDED, 2)
    check_slots((np.ones((0, 3, 1), "f4"), None, np.empty(0)), RECORDED, 0)


@pytest.mark.parametrize(
    ("slots", "says"),
    [
        (SOUND[:2], "returned 2 slots; the bundle records 3"),
        ((np.ones((2, 3, 7)), *SOUND[1:]), "float64 (2, 3, 7) in slot 0; the bundle records float32 (N, 3, flux.2)"),
        ((np.ones((2, 4, 7), "f4"), *SOUND[1:]), "float32 (2, 4, 7) in slot 0"),
        ((np.ones((2, 3), "f4"), *SOUND[1:]), "float32 (2, 3) in slot 0"),
        ((np.ones((5, 3, 7), "f4"), *SOUND[1:]), "and 2 rows went in"),
        ((None, *SOUND[1:]), "returned None in slot 0"),
        ((SOUND[0], np.ones(2), SOUND[2]), "float64 (2,) in slot 1; the bundle records None"),
        ((SOUND[0], None, np.ones(2)), "float64 (2,) in slot 2; the bundle records no rows"),
        ((SOUND[0], None, None), "returned None in slot 2; the bundle records no rows"),
    ],
)
def test_other_slots_than_recorded_are_refused(slots, says):
    with pytest.raises(ResultError) as caught:
        check_slots(slots, RECORDED, 2)
    assert says in str(caught.value)
