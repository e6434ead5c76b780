"""Functions that nobody wrote: what lowers is right on rows that lowering did not try, and nothing but that happens."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyrax_pack.lowering import Lowered, Refusal
from hyrax_pack.lowering.proving.gate import Promise, check_graph
from hyrax_pack.lowering.proving.noise import ShakenFunction
from hyrax_pack.lowering.proving.samples import gather_samples
from tests.pack.lowering.cases import build_case

UNARY = [
    "abs",
    "sqrt",
    "exp",
    "log1p",
    "tanh",
    "floor",
    "sign",
    "square",
    "negative",
    "rint",
    "arcsinh",
    "sin",
    "ceil",
    "trunc",
    "isfinite",
    "arctan",
]
REDUCED = ["sum", "mean", "max", "min", "std", "median", "ptp", "nanmean", "nanmax", "argmax", "any", "all"]
MOVED = (
    "np.flip({}, axis=-1)",
    "np.roll({}, 1, axis=-1)",
    "({})[..., [3, 1, 0, 2]]",
    "np.sort({}, axis=-1)",
    "np.cumsum({}, axis=-1)",
    "np.take_along_axis({0}, np.argsort({0}, axis=-1, kind='stable'), axis=-1)",
    "np.nan_to_num({})",
    "np.maximum.accumulate({}, axis=-1)",
    "np.clip({}, 0, 2)",
    "np.round({}, 1)",
)
CONSTANTS = ("2", "0.5", "-1", "np.float32(1.5)", "np.arange(4)", "np.float64(0.1)")
DTYPES = ("float32", "float64", "int32", "int64", "uint8", "int16", "bool")


@st.composite
def expressions(draw, names, depth=3):
    if depth == 0 or draw(st.integers(0, 7)) == 0:
        return draw(st.sampled_from([*names, *names, *CONSTANTS]))
    inner = expressions(names, depth - 1)
    kind = draw(st.sampled_from(["two", "two", "one", "reduced", "moved", "where", "cast", "compared"]))
    if kind == "two":
        return f"({draw(inner)} {draw(st.sampled_from(['+', '-', '*', '/', '//', '%']))} {draw(inner)})"
    if kind == "one":
        return f"np.{draw(st.sampled_from(UNARY))}({draw(inner)})"
    if kind == "reduced":
        return f"np.{draw(st.sampled_from(REDUCED))}({draw(st.sampled_from(names))}, axis=-1, keepdims=True)"
    if kind == "moved":
        return draw(st.sampled_from(MOVED)).format(draw(st.sampled_from(names)))
    if kind == "where":
        return f"np.where({draw(inner)} > {draw(inner)}, {draw(inner)}, {draw(inner)})"
    if kind == "compared":
        return f"({draw(inner)} {draw(st.sampled_from(['<', '>=', '==', '!=']))} {draw(inner)})"
    return f"np.asarray({draw(inner)}).astype(np.{draw(st.sampled_from(DTYPES[:-1]))})"


@st.composite
def programs(draw):
    lines, names = [], ["x", "y"]
    for number in range(draw(st.integers(0, 3))):
        name, source = f"v{number}", draw(st.sampled_from(names))
        made = draw(st.sampled_from(["plain", "written", "masked", "view", "in place"]))
        if made == "plain":
            lines.append(f"{name} = {draw(expressions(names, 2))} + 0 * x")
        elif made == "written":
            lines += [f"{name} = np.array({source})", f"{name}[..., 1:3] = {draw(st.sampled_from(names))}[..., :1]"]
        elif made == "masked":
            lines += [f"{name} = np.array({source})", f"{name}[{draw(st.sampled_from(names))} > 0] = 1"]
        elif made == "view":
            lines += [f"{name} = np.array({source}, dtype=np.float64)", f"w = {name}[..., 1:]", "w += 2"]
        else:
            lines += [f"{name} = np.array({source}, dtype=np.float64)", f"{name} *= {draw(expressions(names, 1))}"]
        names.append(name)
    result = draw(expressions(names))
    if draw(st.booleans()):
        opening = ["x, y = np.asarray(d['data']['x']), np.asarray(d['data']['y'])"]
        body = [*opening, *lines, f"return np.asarray({result} + 0 * x)"]
    else:
        branch = draw(st.sampled_from([[], ["if x.max() > 1:", "    x = x * 2", "else:", "    y = y + 1"]]))
        inner = ["x, y = a[None], b[None]", *branch, *lines, f"out.append(np.asarray({result} + 0 * x)[0])"]
        loop = "for a, b in zip(d['data']['x'], d['data']['y']):"
        body = ["out = []", loop, *(f"    {line}" for line in inner), "return np.stack(out)"]
    return "def to_tensor(d):\n    import numpy as np\n" + "".join(f"    {line}\n" for line in body)


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(programs(), st.sampled_from(DTYPES), st.sampled_from(DTYPES))
def test_a_random_function_is_refused_or_right(text, x, y):
    check(text, x, y)


@pytest.mark.slow
@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs(), st.sampled_from(DTYPES), st.sampled_from(DTYPES))
def test_a_thousand_random_functions_are_refused_or_right(text, x, y):
    check(text, x, y)


def check(text, x, y):
    limits = {"uint8": (0, 9), "bool": (0, 1)}
    case = build_case(
        text, {f"data/{name}": [one, [4], *limits.get(one, (-3, 4))] for name, one in (("x", x), ("y", y))}
    )
    try:
        slots = case.slots
    except Exception:  # noqa: BLE001 - numpy itself refuses it: minus for truth values, say
        return
    found = case.lower()
    if isinstance(found, Refusal):
        assert found.reason.text
        return
    assert isinstance(found, Lowered)
    promises = [Promise(slot.name, slot.place, 2e-3 if "float16" in text else 2e-5) for slot in found.outputs]
    samples = gather_samples(case.contract, [case.data_dict])
    names = [one.name for one in found.inputs]
    shaken = ShakenFunction(text)
    assert slots
    assert check_graph(found.model, case.function, shaken, promises, samples, names, seed=23) is None
