"""Whatever user code raises becomes an error of ours, which a command line turns into an exit code."""

import pytest

from hyrax_pack.errors import DataError
from hyrax_pack.resolving import user_code


class Stop(BaseException):
    """Not even an Exception."""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("seven is no number"), "ValueError: seven is no number"),
        (SystemExit(0), "SystemExit: 0"),
        (Stop("here"), "Stop: here"),
    ],
    ids=["an exception", "the end of the program", "what is no Exception"],
)
def test_whatever_is_raised_is_told_as_one_error(error, words):
    with pytest.raises(DataError, match=f"reading row 7: {words}") as caught, user_code("reading row 7", DataError):
        raise error
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), DataError("ours")], ids=["Ctrl-C", "an error of ours"])
def test_what_is_not_the_user_s_passes_unchanged(error):
    with pytest.raises(type(error)) as caught, user_code("reading row 7", DataError):
        raise error
    assert caught.value is error
