"""Which rows go to which group, and several data sets put together."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyrax_pack.data import DataProvider
from hyrax_pack.data.sameness import rows_in_both
from hyrax_pack.data.splitting import split_rows
from hyrax_pack.errors import DataError
from tests.pack.data.conftest import Configure, Stars

TRAIN = {"data": {"dataset_class": "Stars", "dataset_config": {"rows": 100}}}
OTHER = {"data": {"dataset_class": "Stars", "dataset_config": {"rows": 7}}}


def sizes(provider: DataProvider) -> dict[str, int]:
    names = ("train", "validate", "test", "infer", "rest")
    return {name: len(provider.group(name)) for name in names if provider.has_group(name)}


def test_without_fractions_the_rows_are_dealt_out_eight_to_one_to_one(configure: Configure) -> None:
    provider = DataProvider(configure(Stars, requests={"train": TRAIN}))
    assert sizes(provider) == {"train": 80, "validate": 10, "test": 10, "infer": 100}


def test_no_row_is_in_two_groups_and_none_is_lost(configure: Configure) -> None:
    provider = DataProvider(configure(Stars, requests={"train": TRAIN}, split={"validate": 0.25, "test": 0.5}))
    ids = [provider.group(name).ids(range(len(provider.group(name)))) for name in ("train", "validate", "test")]
    assert sorted(itertools.chain(*ids)) == list(range(100, 200))


def test_the_same_seed_gives_the_same_split_on_any_machine() -> None:
    rows = split_rows(20, {"validate": 0.2, "test": 0.2}, seed=1)
    assert rows["validate"].tolist() == [3, 6, 10, 16]
    assert rows["test"].tolist() == [2, 4, 14, 17]
    assert split_rows(20, {"validate": 0.2, "test": 0.2}, seed=2)["test"].tolist() != [2, 4, 14, 17]


def test_what_no_group_gets_is_the_rest(configure: Configure) -> None:
    provider = DataProvider(configure(Stars, requests={"train": TRAIN}, split={"train": 0.5, "test": 0.2}))
    assert sizes(provider) == {"train": 50, "test": 20, "infer": 100, "rest": 30}


def test_a_small_share_still_gets_a_row() -> None:
    assert {group: len(rows) for group, rows in split_rows(4, {}, seed=0).items()} == {
        "validate": 1,
        "test": 1,
        "train": 2,
    }


@pytest.mark.parametrize("count", [5, 14, 15, 1794, 1797])
def test_shares_that_make_a_whole_leave_no_row_to_nobody_however_they_round(count: int) -> None:
    rows = split_rows(count, {"train": 0.7, "validate": 0.2, "test": 0.1}, seed=0)
    assert sum(map(len, rows.values())) == count
    assert "rest" not in rows


def test_too_few_rows_are_refused_with_the_counts() -> None:
    with pytest.raises(DataError, match=r"split: 2 rows leave none for train \(validate 1, test 1, train 0\)"):
        split_rows(2, {}, seed=0)


def test_a_group_with_data_of_its_own_takes_no_share_and_has_all_its_rows(configure: Configure) -> None:
    provider = DataProvider(configure(Stars, requests={"train": TRAIN, "validate": OTHER}))
    assert sizes(provider) == {"train": 90, "validate": 7, "test": 10, "infer": 100}


def test_a_fraction_for_a_group_with_data_of_its_own_is_said_to_be_unused(
    configure: Configure, caplog: pytest.LogCaptureFixture
) -> None:
    config = configure(Stars, requests={"train": TRAIN, "validate": OTHER}, split={"validate": 0.5})
    assert sizes(DataProvider(config)) == {"train": 100, "validate": 7, "infer": 100}
    assert "split.validate is not used" in caplog.text


def test_a_group_that_names_the_training_data_again_gets_its_share_of_it(configure: Configure) -> None:
    provider = DataProvider(configure(Stars, requests={"train": TRAIN, "validate": TRAIN}))
    assert sizes(provider)["validate"] == 10
    seen = set(provider.group("train").ids(range(80))) & set(provider.group("validate").ids(range(10)))
    assert not seen


def test_a_group_that_names_the_training_data_without_a_share_is_refused(configure: Configure) -> None:
    config = configure(Stars, requests={"train": TRAIN, "validate": TRAIN}, split={"test": 0.5})
    assert not DataProvider(config).has_group("validate")
    with pytest.raises(
        DataError, match=r"validate gets no rows: .* its data is the training data; set split\.validate"
    ):
        DataProvider(config).group("validate")


def test_a_group_without_rows_says_why(configure: Configure) -> None:
    config = configure(Stars, requests={"train": TRAIN}, split={"test": 0.5})
    with pytest.raises(DataError, match=r"there is no \[data_request\.validate\]; set split\.validate = 0\.1"):
        DataProvider(config).group("validate")
    with pytest.raises(DataError, match=r"no data for train; write \[data_request\.train\."):
        DataProvider(configure(Stars, requests={"infer": TRAIN})).group("train")
    with pytest.raises(DataError, match="there is no group 'validation'; did you mean 'validate'"):
        DataProvider(config).group("validation")


@pytest.mark.parametrize(
    ("split", "name"),
    [({}, "validate"), ({"test": 0.5}, "test"), ({"train": 0.5}, "rest")],
)
def test_held_out_rows_are_those_that_training_does_not_see(configure: Configure, split: Any, name: str) -> None:
    held_out = DataProvider(configure(Stars, requests={"train": TRAIN}, split=split)).held_out()
    assert held_out is not None
    assert held_out.name == name


def test_there_may_be_no_held_out_rows(configure: Configure) -> None:
    assert DataProvider(configure(Stars, requests={"train": TRAIN}, split={"train": 1.0})).held_out() is None


class Catalogue:
    """Distances of stars, in another order, with more rows than there are stars."""

    def __init__(self, ids: list[Any]) -> None:
        self._ids = ids

    def __len__(self) -> int:
        return len(self._ids)

    def get_star(self, row: int) -> Any:
        return self._ids[row]

    def get_distance(self, row: int) -> Any:
        return np.float32(int(self._ids[row]) * 10)


def joined(configure: Configure, ids: list[Any], **image: Any) -> DataProvider:
    requests = {
        "train": {
            "image": {"dataset_class": "Stars", "primary_id_field": "object_id", "fields": ["cutout"], **image},
            "meta": {
                "dataset_class": "Catalogue",
                "join_field": "star",
                "fields": ["distance"],
                "dataset_config": {"ids": ids},
            },
        }
    }
    return DataProvider(configure(Stars, Catalogue, requests=requests))


def test_data_sets_are_joined_by_id_and_rows_without_a_partner_are_left_out(configure: Configure) -> None:
    provider = joined(configure, [999, *range(109, 99, -1)])
    for name in ("train", "validate", "test"):
        group = provider.group(name)
        data_dict = group.data_dict(range(len(group)))
        assert list(data_dict) == ["image", "meta", "object_id"]
        assert data_dict["meta"]["distance"] == [10 * object_id for object_id in data_dict["object_id"]]


def test_an_id_that_is_not_found_is_counted_and_named(configure: Configure) -> None:
    with pytest.raises(DataError, match=r"2 of 10 ids of image/object_id are not in meta/star, such as 108, 109"):
        joined(configure, list(range(100, 108))).group("train")


def test_an_id_that_stands_twice_is_refused(configure: Configure) -> None:
    with pytest.raises(DataError, match=r"meta/star .*: 1 rows repeat an id, such as 104; ids must be unique"):
        joined(configure, [*range(100, 110), 104]).group("train")


def test_an_id_that_is_a_fraction_is_refused(configure: Configure) -> None:
    with pytest.raises(DataError, match=r"meta/star .*row 0: 1\.5 cannot be an id"):
        joined(configure, [1.5]).group("train")


def test_ids_that_the_request_names_are_unique_without_a_join_too(configure: Configure) -> None:
    class Twins(Stars):
        def get_object_id(self, row: int) -> Any:
            return row // 2

    requests = {"train": {"data": {"dataset_class": "Twins", "primary_id_field": "object_id"}}}
    with pytest.raises(DataError, match="5 rows repeat an id, such as 0, 1, 2, …"):
        DataProvider(configure(Twins, requests=requests)).group("train")


def test_data_sets_without_a_join_stand_side_by_side(configure: Configure) -> None:
    requests = {"train": {"one": {"dataset_class": "Stars"}, "two": {"dataset_class": "Stars"}}}
    data_dict = DataProvider(configure(Stars, requests=requests)).group("train").data_dict([0])
    assert list(data_dict) == ["one", "two", "object_id"]
    assert data_dict["one"]["name"] == data_dict["two"]["name"]


def beside(configure: Configure, ids: list[Any], field: str = "object_id") -> DataProvider:
    """Ten stars beside ten rows of a catalogue, with no word on how they belong together."""
    cls = type("Beside", (Catalogue,), {f"get_{field}": lambda self, row: self._ids[row]})
    second = {"dataset_class": "Beside", "dataset_config": {"ids": ids}, "fields": [field]}
    return DataProvider(configure(Stars, cls, requests={"train": {"one": {"dataset_class": "Stars"}, "two": second}}))


def test_rows_that_stand_beside_another_id_are_not_paired_in_silence(configure: Configure) -> None:
    words = (
        r"data_request\.train\.two: 10 of 10 rows stand beside another id: row 0 is 100 in one/object_id and 109 in "
        r'two/object_id\. To join by id, set primary_id_field = "object_id" for one and join_field = '
    )
    with pytest.raises(DataError, match=words):
        beside(configure, list(range(109, 99, -1))).group("train")


@pytest.mark.parametrize(
    ("ids", "field"),
    [
        pytest.param([np.int64(100 + row) for row in range(10)], "object_id", id="the same ids in the same order"),
        pytest.param([f"2026a{row}" for row in range(10)], "object_id", id="ids of another kind"),
        pytest.param([row + 0.5 for row in range(10)], "object_id", id="ids that nobody could join by"),
        pytest.param(list(range(10)), "number", id="no ids"),
    ],
)
def test_rows_whose_ids_contradict_nothing_are_paired_by_position(configure: Configure, ids: Any, field: str) -> None:
    data_dict = beside(configure, ids, field).group("train").data_dict([3])
    assert len(data_dict["two"][field]) == 1


def test_data_sets_of_different_length_need_a_join(configure: Configure) -> None:
    requests = {"train": {"one": {"dataset_class": "Stars"}, "two": OTHER["data"]}}
    with pytest.raises(
        DataError, match=r"two has 7 rows and one has 10; give one a primary_id_field and two a join_field"
    ):
        DataProvider(configure(Stars, requests=requests)).group("train")


@pytest.mark.parametrize(
    ("request_keys", "words"),
    [
        (
            {"fields": ["cutuot"]},
            r"data_request\.train\.data\.fields: Stars has no field 'cutuot'; did you mean 'cutout'\?",
        ),
        ({"primary_id_field": "id"}, r"data\.primary_id_field: Stars has no field 'id'; known: cutout, flux"),
        ({"dataset_config": {"row": 3}}, r"data\.dataset_config\.row: Stars does not take it; did you mean 'rows'\?"),
        ({"dataset_config": {"rows": 0}}, r"data_request\.train\.data: Stars has no rows; check data_location"),
        ({"dataset_class": "Star"}, "Star: no class has this name"),
    ],
)
def test_a_request_that_cannot_be_met_is_one_clear_line(configure: Configure, request_keys: Any, words: str) -> None:
    requests = {"train": {"data": {"dataset_class": "Stars", **request_keys}}}
    with pytest.raises(Exception, match=words) as caught:
        DataProvider(configure(Stars, requests=requests)).group("train")
    assert "\n" not in str(caught.value)


def test_the_older_words_of_a_data_set_class_are_filled_in(configure: Configure, tmp_path: Any) -> None:
    class Older(Stars):
        def __init__(self, config: dict[str, Any], data_location: str) -> None:
            super().__init__(config["data_set"]["Older"]["size"])
            self.location = data_location
            config.clear()

    request = {"dataset_class": "Older", "data_location": "stamps", "dataset_config": {"size": 12}}
    config = configure(Older, requests={"train": {"data": request}}, split={"train": 1.0})
    group = DataProvider(config).group("train")
    assert len(group) == 12
    assert group.plan()[0][0].dataset.location == str(tmp_path / "stamps")
    assert config.get("train.epochs") == 10


def test_settings_of_a_data_set_class_are_below_those_of_the_request(configure: Configure) -> None:
    tables = {"data_set": {"Stars": {"rows": 30, "first_id": 5}}, "split": {"train": 1.0}}
    group = DataProvider(configure(Stars, requests={"train": OTHER}, **tables)).group("train")
    assert group.ids(range(len(group))) == list(range(5, 12))


def test_an_argument_that_nobody_gives_is_named(configure: Configure) -> None:
    class Asking(Stars):
        def __init__(self, cfg: Any) -> None: ...

    with pytest.raises(
        DataError, match=r"Asking\.__init__ asks for 'cfg'; it can have config, data_location, friendly"
    ):
        DataProvider(configure(Asking)).group("train")


def test_a_class_without_fields_or_length_is_refused(configure: Configure) -> None:
    class Empty:
        def __len__(self) -> int:
            return 3

        def get_everything(self) -> int:
            return 3

    class Endless:
        def get_flux(self, row: int) -> float:
            return 0.0

    with pytest.raises(DataError, match=r"Empty has no field; a data set has a method get_<field>\(row\)"):
        DataProvider(configure(Empty)).group("train")
    with pytest.raises(DataError, match="Endless has no __len__"):
        DataProvider(configure(Endless)).group("train")


def test_one_data_set_is_opened_once_for_all_groups(configure: Configure) -> None:
    opened = []

    class CountedStars(Stars):
        def __init__(self) -> None:
            super().__init__()
            opened.append(1)

    request = {"data": {"dataset_class": "CountedStars"}}
    provider = DataProvider(configure(CountedStars, requests={"train": request, "validate": request, "infer": request}))
    assert len(sizes(provider)) == 4
    assert opened == [1]


class Augmented(Stars):
    """The same stars, each time another cutout."""

    def __init__(self, augment: bool = False, first_id: int = 100) -> None:
        super().__init__(rows=100, first_id=first_id)
        self._random = np.random.default_rng(1) if augment else None

    def get_cutout(self, row: int) -> Any:
        noise = 0 if self._random is None else self._random.normal()
        return super().get_cutout(row) + np.float32(noise)


class Unnamed:
    """Rows without ids: those of one half of a survey."""

    def __init__(self, half: str = "first", augment: bool = False) -> None:
        self._first = 0 if half == "first" else 50
        self._random = np.random.default_rng(1) if augment else None

    def __len__(self) -> int:
        return 50

    def get_flux(self, row: int) -> Any:
        return np.float32(self._first + row + (0 if self._random is None else self._random.normal()))

    def get_label(self, row: int) -> int:
        return (self._first + row) // 3


def archive(folder: Path) -> None:
    random = np.random.default_rng(0)
    np.savez(folder / "rows.npz", flux=random.random(100), object_id=np.arange(100) + 5000)
    (folder / "link.npz").symlink_to(folder / "rows.npz")


NPZ = {"dataset_class": "NpzDataset", "data_location": "rows.npz"}
AUGMENTED = {"dataset_class": "Augmented", "dataset_config": {"augment": True}}


@pytest.mark.parametrize(
    ("of_train", "of_validate"),
    [
        pytest.param(NPZ, NPZ | {"data_location": "./rows.npz"}, id="another spelling of the path"),
        pytest.param(NPZ, NPZ | {"data_location": "{folder}/rows.npz"}, id="an absolute path"),
        pytest.param(NPZ, NPZ | {"data_location": "link.npz"}, id="a link"),
        pytest.param(NPZ, NPZ | {"dataset_class": "hyrax_pack.data.datasets.NpzDataset"}, id="a dotted class"),
        pytest.param(AUGMENTED, {"dataset_class": "Augmented"}, id="augmentation in training alone"),
        pytest.param(
            {"dataset_class": "Unnamed", "dataset_config": {"augment": True}},
            {"dataset_class": "Unnamed"},
            id="augmentation, without ids",
        ),
    ],
)
def test_the_training_data_in_other_words_is_still_dealt_out(
    configure: Configure, tmp_path: Path, of_train: Any, of_validate: Any
) -> None:
    archive(tmp_path)
    location = str(of_validate.get("data_location", "")).format(folder=tmp_path)
    of_validate = of_validate | ({"data_location": location} if location else {})
    requests = {"train": {"data": of_train}, "validate": {"data": of_validate}}
    provider = DataProvider(configure(Augmented, Unnamed, requests=requests))
    assert not provider.has_own_data("validate")
    train, validate = provider.group("train"), provider.group("validate")
    assert len(validate) == (len(train) + len(validate) + len(provider.group("test"))) // 10
    seen = set(train.ids(range(len(train))))
    assert not seen & set(validate.ids(range(len(validate))))


@pytest.mark.parametrize(
    ("of_train", "of_validate"),
    [
        pytest.param({"first_id": 100}, {"first_id": 900}, id="other ids"),
        pytest.param({"half": "first"}, {"half": "second"}, id="other values, without ids"),
    ],
)
def test_settings_of_a_data_set_that_choose_other_rows_make_data_of_its_own(
    configure: Configure, of_train: Any, of_validate: Any
) -> None:
    name = "Unnamed" if "half" in of_train else "Augmented"
    requests = {
        group: {"data": {"dataset_class": name, "dataset_config": settings}}
        for group, settings in (("train", of_train), ("validate", of_validate))
    }
    provider = DataProvider(configure(Augmented, Unnamed, requests=requests))
    assert provider.has_own_data("validate")
    assert len(provider.group("validate")) == (50 if name == "Unnamed" else 100)


@pytest.mark.parametrize(
    ("settings", "shared"),
    [
        pytest.param({"first_id": 150}, None, id="ids that count other rows"),
        pytest.param({"first_id": 900}, None, id="other ids"),
        pytest.param({"rows": 40}, 40, id="a part of the same rows"),
    ],
)
def test_rows_of_other_data_that_training_has_too_are_counted(
    configure: Configure, settings: Any, shared: int | None
) -> None:
    class Copy(Stars):
        pass

    requests = {
        "train": {"data": {"dataset_class": "Stars", "dataset_config": {"rows": 100}}},
        "validate": {"data": {"dataset_class": "Copy", "dataset_config": {"rows": 60} | settings}},
    }
    provider = DataProvider(configure(Stars, Copy, requests=requests, split={"train": 1.0}))
    found = rows_in_both(provider.group("validate"), provider.group("train"))
    assert (None if found is None else found.count) == shared


class Slow(Stars):
    """Stars without ids, each in a file of its own that takes its time."""

    get_object_id = None  # type: ignore[assignment]

    def get_cutout(self, row: int) -> Any:
        time.sleep(0.002)
        return super().get_cutout(row)


FLUX = np.random.default_rng(3).normal(size=(300, 5))
CODES = np.random.default_rng(4).integers(0, 5, size=300)


@pytest.mark.parametrize(
    ("train", "test", "count"),
    [
        pytest.param(FLUX, FLUX, 300, id="a copy"),
        pytest.param(FLUX, FLUX[::-1], 300, id="a copy in another order"),
        pytest.param(FLUX[:200], FLUX[150:], 50, id="files that overlap"),
        pytest.param(FLUX[:200], FLUX[200:], None, id="other rows"),
        pytest.param(FLUX, FLUX.astype("f4"), None, id="other values"),
        pytest.param(CODES[:200], CODES[200:], None, id="a few values that come again and again"),
    ],
)
@pytest.mark.parametrize("ids_of", [(), ("train",), ("train", "test")], ids=["no ids", "ids of one", "ids that count"])
def test_rows_without_ids_are_known_by_their_values(
    configure: Configure, tmp_path: Path, train: Any, test: Any, count: int | None, ids_of: tuple[str, ...]
) -> None:
    requests = {}
    for group, flux in (("train", train), ("test", test)):
        own = 0 if len(ids_of) == 2 else 7000
        ids = {"object_id": np.arange(len(flux)) + own} if group in ids_of else {}
        np.savez(tmp_path / f"{group}.npz", flux=flux, **ids)
        requests[group] = {"data": {"dataset_class": "NpzDataset", "data_location": f"{group}.npz"}}
    provider = DataProvider(configure(requests=requests, split={"train": 1.0}))
    found = rows_in_both(provider.group("test"), provider.group("train"))
    assert (None if found is None else found.count) == count


def test_a_copy_is_known_in_a_moment_although_its_rows_are_read_slowly(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hyrax_pack.data.sameness._ROWS_PATIENCE_S", 0.2)

    class Again(Slow):
        pass

    requests = {
        group: {"data": {"dataset_class": name, "dataset_config": {"rows": 50_000}}}
        for group, name in (("train", "Slow"), ("test", "Again"))
    }
    provider = DataProvider(configure(Slow, Again, requests=requests))
    groups = [provider.group(name) for name in ("test", "train")]
    began = time.monotonic()
    found = rows_in_both(*groups)
    assert time.monotonic() - began < 5
    assert found is not None
    assert found.count > 10
