"""Why torch would not export a model: the innermost cause first, the operator, the line of the model, what to do.

torch wraps every cause in pages of advice with colour codes. Here the chain is followed to its end, and the line is
found where torch does not say it, by watching which line of the model calls which operator.
"""

from __future__ import annotations

import re

from hyrax_pack.errors import BranchError, ExportError, OperatorError, StaticShapeError
from hyrax_pack.exporting.watching import OperatorWatch, is_users, line_of_error, place

MOST_CHARACTERS = 500
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_OPERATOR = re.compile(r"OpOverload\(op='(?P<name>[\w.]+)', overload='(?P<overload>\w+)'\)|aten\.[\w.]+")
_STATIC = re.compile(
    r"(inferred a static shape of (?P<size>\d+)|was inferred to be a constant \((?P<constant>\d+)\))"
    r"(.*?shape\[(?P<axis>\d+)\])?",
    re.DOTALL,
)
_FILE_LINE = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in .+\n\s*(?P<code>.+)')

_CURES = {
    "svd": "torch has no ONNX form of it: do it in to_tensor with numpy.linalg",
    "eig": "torch has no ONNX form of it: do it in to_tensor with numpy.linalg",
    "inv": "torch has no ONNX form of it: do it in to_tensor with numpy.linalg, or solve in closed form",
    "median": "sort and take the middle: x.sort(dim).values.select(dim, n // 2)",
    "kthvalue": "sort and take the k-th: x.sort(dim).values.select(dim, k - 1)",
    "erfinv": "write out a rational approximation, or move it into to_tensor",
    "lgamma": "write out Stirling's series, or move it into to_tensor",
}
_GENERAL_CURE = "Compute it in to_tensor with numpy, or write it with operators that have an ONNX form"


def explain(error: BaseException, watch: OperatorWatch, guards: tuple[str, ...] = ()) -> ExportError:
    """Turn what torch.onnx.export raised into one error of ours.

    Parameters
    ----------
    error : BaseException
    watch : OperatorWatch
        The operators of one run of the model in torch, with their lines.
    guards : tuple of str
        What torch assumed about free dimensions, with lines.
    """
    if isinstance(error, ExportError):
        return error
    cause = innermost(error)
    if isinstance(cause, ExportError):
        return cause
    said = plain_text(cause)
    kind = type(cause).__name__
    if kind == "DispatchError":
        return _unsupported(said, watch)
    if "data-dependent" in said:
        return BranchError(
            f"the model branches on the values of its data{_at(_quoted_line(said) or line_of_error(cause))}: a graph "
            "would hold the branch that the sample took. Choose with torch.where, or move the decision into to_tensor"
        )
    gradient = _gradient(watch)
    if gradient is not None:
        return gradient
    if "fake tensor in the exported program" in said:
        return ExportError(
            "the model's code makes a tensor that torch cannot follow (by way of numpy, or of a function of another "
            "library). Do it in to_tensor, or write it with torch's functions"
        )
    static = _STATIC.search(said)
    if static:
        return _static(static, guards)
    where = line_of_error(cause) or line_of_error(error)
    return ExportError(f"torch could not export the model{_at(where)}: {kind}: {_gist(said)}")


def innermost(error: BaseException) -> BaseException:
    """Follow causes and contexts to the exception that started it all."""
    seen = {id(error)}
    while True:
        inner = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if inner is None or id(inner) in seen:
            return error
        seen.add(id(inner))
        error = inner


def plain_text(error: BaseException) -> str:
    """Return what an exception says, without colour codes; its class where it says nothing."""
    return _COLOUR.sub("", str(error)).strip() or type(error).__name__


def _gist(said: str) -> str:
    """The first line, and torch's explanation where it gives one further down."""
    first = said.splitlines()[0]
    explanation = next((line.strip() for line in said.splitlines() if line.strip().startswith("Explanation:")), "")
    return f"{first}. {explanation}"[:MOST_CHARACTERS] if explanation else first[:MOST_CHARACTERS]


def _unsupported(said: str, watch: OperatorWatch) -> ExportError:
    match = _OPERATOR.search(said)
    if match is None:
        return ExportError(f"torch could not export the model: {said.splitlines()[0]}")
    operator, line = _in_users_words(match["name"] or match[0], watch)
    short = operator.split(".")[-1]
    cure = next((cure for word, cure in _CURES.items() if word in short), _GENERAL_CURE)
    return OperatorError(f"{operator} has no ONNX form{_at(line)}. {cure}", operator=operator, line=line or None)


def _gradient(watch: OperatorWatch) -> OperatorError | None:
    """The model takes gradients while it answers: torch says many things about that, none of them this."""
    for name, lines in watch.lines.items():
        for line in lines:
            if name.endswith("_backward.default") or "autograd.grad(" in line or ".backward(" in line:
                return OperatorError(
                    f"the model takes a gradient while it answers{_at(line)}: a graph has none. Write the derivative "
                    "out as a formula, or give the class an infer_batch that needs no gradient",
                    operator=name.removesuffix(".default"),
                    line=line,
                )
    return None


def _in_users_words(operator: str, watch: OperatorWatch) -> tuple[str, str]:
    """The operator that the model called, and its line; torch may have taken it apart (`prims.hypot`, `prims.prod`)."""
    for name, lines in watch.lines.items():
        if name == operator or name.startswith(f"{operator}."):
            return operator, lines[0]
    part = operator.partition(".")[2]
    for name, lines in watch.lines.items():
        whole = name.split(".")[1].removeprefix("special_")
        if operator.startswith("prims.") and (whole.endswith(part) or part.endswith(f"_{whole}")):
            return ".".join(name.split(".")[:2]), lines[0]
    return operator, ""


def _static(match: re.Match[str], guards: tuple[str, ...]) -> StaticShapeError:
    size = match["size"] or match["constant"]
    axis = int(match["axis"]) if match["axis"] else 0
    what = "the batch" if axis == 0 else f"axis {axis}"
    lines = sorted({guard.rsplit(" at ", 1)[1] for guard in guards if f", {size})" in guard})
    return StaticShapeError(
        f"the model's code fixes {what} to the sample's size, {size}{_at(', '.join(lines))}. A graph must take any: "
        "avoid Python loops over rows, int(x.shape[0]), fixed sizes in view or reshape (write -1 for the batch)"
    )


def _quoted_line(said: str) -> str:
    for match in reversed(list(_FILE_LINE.finditer(said))):
        if is_users(match["file"]):
            return place(match["file"], int(match["line"]), match["code"])
    return ""


def _at(where: str) -> str:
    return f" ({where})" if where else ""
