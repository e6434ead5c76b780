"""A row gives the same alone and in any company, or the batch is joint and the reason is told."""

import numpy as np
import pytest

from hyrax_pack.capturing.coupling import measure_coupling, plan_batches

RNG = np.random.default_rng(7)
IMAGES = RNG.random((80, 4, 6), dtype=np.float32) * 100
MAGS = RNG.random(80, dtype=np.float32) * 30


def batch_of(rows):
    return {
        "image": IMAGES[list(rows)],
        "mag": MAGS[list(rows)],
        "curve": [IMAGES[row].ravel()[: 3 + row % 5] for row in rows],
    }


def measure(function, rows=range(80), make_batch=batch_of, crowds=(1024,)):
    """Run a function, which gives one array or a tuple of slots, on every batch of the plan."""
    plan = plan_batches(rows, make_batch, crowds)

    def call(data_dict, rows):
        result = function(data_dict)
        return result if isinstance(result, tuple) else (result,)

    results, more = ([call(batch.data_dict, 0) for batch in batches] for batches in (plan.batches, plan.crowds))
    return measure_coupling(plan, results, list(zip(plan.crowds, more, strict=True)), call)


INDEPENDENT = {
    "a mean over the pixels": lambda d: d["image"] - d["image"].mean(axis=(1, 2), keepdims=True),
    "a product with a matrix": lambda d: d["image"].reshape(len(d["image"]), -1) @ np.ones((24, 3), "f4"),
    "a product in half precision": lambda d: (d["image"].astype("f2") / 100).sum(axis=(1, 2)),
    "a choice by spread": lambda d: np.where(d["image"].std(axis=(1, 2)) > 1, 1, 0),
    "a transform row by row": lambda d: np.asarray([np.fft.fft2(image).real.sum() for image in d["image"]]),
    "whole numbers": lambda d: np.asarray([len(curve) for curve in d["curve"]]),
    "NaN and infinity where they belong": lambda d: np.stack([np.log(d["mag"] - 15), d["mag"] / 0], 1),
    "what cancels out": lambda d: (
        (d["image"].reshape(len(d["image"]), -1) - d["image"].mean(axis=(1, 2))[:, None])
        @ np.polynomial.legendre.legvander(np.linspace(-1, 1, 24), 3).astype("f4")
    ),
    "what cancels out, in double precision": lambda d: (
        (d["image"].reshape(len(d["image"]), -1).astype("f8") - d["image"].mean(axis=(1, 2), dtype="f8")[:, None])
        @ np.polynomial.legendre.legvander(np.linspace(-1, 1, 24), 3)
    ),
    "a slot that is absent": lambda d: (d["mag"], None, np.empty(0)),
}


@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")
@pytest.mark.parametrize("function", INDEPENDENT.values(), ids=INDEPENDENT)
def test_functions_that_treat_each_row_alone_are_independent(function):
    found = measure(function)
    assert found.independent, found.notes
    assert found.notes == ()


def padded(d):
    longest = max(map(len, d["curve"]))
    return np.stack([np.pad(curve, (0, longest - len(curve))) for curve in d["curve"]])


CHANGES = "a row's result changes with the rows beside it, by "
JOINT = {
    "the mean of the batch": (lambda d: d["image"] - d["image"].mean(axis=0), CHANGES),
    "the greatest of the batch": (lambda d: d["mag"] / d["mag"].max(), CHANGES),
    "the size of the batch": (lambda d: d["image"] / len(d["image"]), CHANGES),
    "the place in the batch": (lambda d: d["mag"] + np.arange(len(d["mag"])), CHANGES),
    "the order in the batch": (lambda d: np.argsort(d["mag"]), CHANGES),
    "a neighbour, at every size but one": (lambda d: d["mag"] + (len(d["mag"]) > 1) * np.roll(d["mag"], 1), CHANGES),
    "a neighbour, hardly": (
        lambda d: d["mag"].astype("f8") + 1e-13 * np.roll(d["mag"], 1) * (len(d["mag"]) > 1),
        CHANGES,
    ),
    "a rule from many rows on": (lambda d: d["mag"] - (len(d["mag"]) >= 200) * d["mag"].mean(), CHANGES),
    "a tiny flux beside a large number": (
        lambda d: np.stack([d["mag"] * 1e5, (d["mag"] - d["mag"].mean()) * 1e-20], 1),
        CHANGES,
    ),
    "a flag beside a large number": (
        lambda d: np.stack([d["mag"] * 1e9, d["mag"] > np.median(d["mag"])], 1).astype("f4"),
        CHANGES,
    ),
    "a number that becomes NaN": (lambda d: np.where(len(d["mag"]) > 2, np.nan, d["mag"]), CHANGES + "inf"),
    "a truth": (lambda d: d["mag"] > d["mag"].mean(), CHANGES + "inf"),
    "padding to the longest": (
        padded,
        "a row has shape (3,) in one batch and (4,) in another, as when padded together",
    ),
    "another dtype for many": (
        lambda d: d["mag"] if len(d["mag"]) < 17 else d["mag"].astype("f8"),
        "the dtype is float32 in one batch and float64 in another",
    ),
    "a slot for few": (
        lambda d: (d["mag"], None if len(d["mag"]) > 2 else d["mag"]),
        "a slot is there in one batch and not in another",
    ),
}


@pytest.mark.parametrize(("function", "reason"), JOINT.values(), ids=JOINT)
def test_functions_whose_rows_touch_one_another_are_joint_and_say_why(function, reason):
    found = measure(function)
    assert not found.independent
    assert any(note.startswith("rows touch one another: slot ") and reason in note for note in found.notes), found.notes


def test_a_feature_is_measured_by_its_own_scale_and_not_by_its_neighbour_s():
    def function(d):
        return np.stack([np.full(len(d["mag"]), 1e12), d["mag"] - 1e-3 * len(d["mag"])], axis=1)

    assert not measure(function).independent


LEVEL = (1e4 + RNG.normal(0, 30, (80, 4, 6))).astype("f4")
LEVEL[:, 0, 0] += RNG.random(80, dtype="f4") * 400


def above_the_level(rows):
    return {"image": LEVEL[list(rows)], "object_id": [10**12 + row for row in rows]}


@pytest.mark.parametrize("part", [1.0, 0.1, 0.03], ids=["all", "a tenth", "a thirtieth"])
def test_what_neighbours_add_is_no_rounding_of_a_high_level_or_of_an_id(part):
    def function(d):
        above = d["image"] - np.median(d["image"], axis=(1, 2), keepdims=True)
        return above - np.float32(part) * above.mean()

    assert not measure(function, make_batch=above_the_level).independent


def test_the_plan_holds_every_row_alone_and_every_size_together_permuted_and_in_other_company():
    plan = plan_batches(range(100, 180), lambda rows: {"data": {"row": list(rows)}})
    lengths = [len(batch.rows) for batch in plan.batches]
    assert lengths == [1] * 64 + [2, 3, 17, 64] * 2 + [17, 64]
    assert plan.batches[plan.largest].data_dict["data"]["row"] == list(range(100, 164))
    assert all(batch.data_dict["data"]["row"] == [100 + row for row in batch.rows] for batch in plan.batches)


def test_crowds_hold_the_same_rows_again_without_reading_them_again():
    asked = []

    def make_batch(rows):
        asked.append(len(rows))
        return {"data": {"row": list(rows), "stacked": np.asarray(rows)}, "object_id": list(rows)}

    plan = plan_batches(range(100, 180), make_batch, [512, 3, 1024, 512, 2**40])
    assert [len(batch.rows) for batch in plan.crowds] == [512, 1024]
    for batch in plan.crowds:
        assert batch.data_dict["data"]["row"] == [100 + row for row in batch.rows] == batch.data_dict["object_id"]
        np.testing.assert_array_equal(batch.data_dict["data"]["stacked"], batch.data_dict["data"]["row"])
    assert max(asked) == 64


def test_crowds_of_what_a_collate_function_makes_are_made_by_it():
    plan = plan_batches(range(100, 180), lambda rows: {"data": {"row": tuple(rows)}}, [128])
    (crowd,) = plan.crowds
    assert crowd.data_dict["data"]["row"] == tuple(100 + row for row in crowd.rows)


def test_the_rows_come_from_all_over_a_large_data_set():
    plan = plan_batches(range(10**9), lambda rows: {"data": {"row": list(rows)}})
    rows = plan.batches[plan.largest].data_dict["data"]["row"]
    assert (rows[0], len(set(rows))) == (0, 64)
    assert rows[-1] > 0.98e9
