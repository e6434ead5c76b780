"""What a captured text may hold: `from __future__`, imports, literal constants and functions, one of them `to_tensor`.

So defining its functions runs nothing but imports. This is a lint, not a sandbox: what the functions do when they are
called is a matter of trust (see hyrax_runtime.trust).
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
import unicodedata
import warnings
from collections.abc import Iterator

from hyrax_runtime.errors import Problem, TextError

FUNCTION = "to_tensor"
MAX_TEXT_BYTES = 256 * 1024
MAX_DEPTH = 200
MAX_STATEMENTS = 1024  # at the top level

_CODING = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
# Control characters but tab, line feed and form feed; a carriage return overwrites the line that a terminal shows.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0d-\x1f\x7f]")
# Beyond ASCII: controls; bidirectional marks (CVE-2021-42574) and others that take no room; line ends that are none.
_HIDING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Letters that no ASCII letter looks like: accented Latin, and the Greek that formulas are written in.
_NAME = re.compile(r"\A[0-9A-Za-z_À-ÖØ-öø-ÿαβγδεζηθκλμξπρςστφχψωΓΔΘΛΞΠΣΦΨΩ]+\Z")
# Naming one of these in an annotation evaluates nothing but itself.
_HARMLESS_TYPES = frozenset(
    {"bool", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "object", "set", "str", "tuple", "type"}
)


def check_text(text: str | bytes, where: str) -> None:
    """Refuse a text that is more than imports, literal constants and functions, naming every fault with its line.

    Parameters
    ----------
    text : str or bytes
        The captured text; bytes must be UTF-8 without a byte order mark.
    where : str
        The text's name in the message, such as `model.hyrax to_tensor.py`.

    Raises
    ------
    TextError
        Over 256 KiB, odd encoding, characters that hide what is written, no Python, or anything at the top level that
        the format does not know. Nothing of the text is run.
    """
    parse_text(text, where)


def parse_text(text: str | bytes, where: str) -> ast.Module:
    """Check as `check_text` does and return the syntax tree."""
    plain = _decode(text, where)
    problems = list(_character_problems(plain))
    if problems:
        raise TextError(where, problems)
    tree = _parse(plain, where)
    problems = [*_name_problems(plain), *_structure_problems(tree)]
    if problems:
        raise TextError(where, sorted(problems, key=_line_number))
    return tree


def is_literal(node: ast.expr | None) -> bool:
    """Whether the expression is a number, string, bytes, None, bool, or a tuple, list or dict of those."""
    if isinstance(node, ast.Constant):
        return True
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.USub | ast.UAdd) and is_number(node.operand)
    if isinstance(node, ast.BinOp):  # 1 + 2j
        return isinstance(node.op, ast.Add | ast.Sub) and is_number(node.left) and _is_imaginary(node.right)
    if isinstance(node, ast.Tuple | ast.List):
        return all(is_literal(item) for item in node.elts)
    if isinstance(node, ast.Dict):
        return all(is_literal(item) for item in (*node.keys, *node.values))
    return False


def is_number(node: ast.expr) -> bool:
    """Whether the expression is a number as it stands in the text."""
    return isinstance(node, ast.Constant) and type(node.value) in (int, float, complex)


def _is_imaginary(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is complex


def is_harmless_annotation(node: ast.expr | None) -> bool:
    """Whether evaluating the annotation needs nothing but built-in types: `dict`, `tuple[int, ...]`, `list | None`."""
    if node is None or isinstance(node, ast.Constant):
        return True
    if isinstance(node, ast.Name):
        return node.id in _HARMLESS_TYPES
    if isinstance(node, ast.Subscript):
        return is_harmless_annotation(node.value) and is_harmless_annotation(node.slice)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.BitOr) and all(map(is_harmless_annotation, (node.left, node.right)))
    if isinstance(node, ast.Tuple | ast.List):
        return all(map(is_harmless_annotation, node.elts))
    return False


def annotations_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.expr]:
    """Every annotation of a function's signature."""
    signature = function.args
    arguments = [*signature.posonlyargs, *signature.args, *signature.kwonlyargs, signature.vararg, signature.kwarg]
    yield from (argument.annotation for argument in arguments if argument and argument.annotation)
    if function.returns:
        yield function.returns


def character_problem(text: str) -> tuple[int, str] | None:
    """Line and description of the first character that hides what is written, or None."""
    found = _CONTROL.search(text)
    hiding = [found[0]] if found else []
    if not text.isascii():
        hiding += [each for each in set(text) if not each.isascii() and unicodedata.category(each) in _HIDING]
    if not hiding:
        return None
    place = min(map(text.index, hiding))
    name = unicodedata.name(text[place], "control character")
    return text.count("\n", 0, place) + 1, f"the character U+{ord(text[place]):04X} ({name})"


def name_problem(name: str) -> str | None:
    """What is wrong with a name that looks like another one, or None."""
    if name.isascii():
        return None
    if unicodedata.normalize("NFKC", name) != name:
        normal = unicodedata.normalize("NFKC", name)
        return f"the name {name!r} is read by Python as {normal!r}, another letter; use ASCII letters"
    if not _NAME.match(name):
        return f"the name {name!r} holds letters that may look like others; use ASCII letters"
    return None


def _decode(text: str | bytes, where: str) -> str:
    size = len(text) if isinstance(text, bytes) else len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_TEXT_BYTES:
        raise TextError(where, [Problem("", f"{size} bytes of text; at most {MAX_TEXT_BYTES} are allowed")])
    if isinstance(text, str):
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            raise TextError(where, [Problem("", "holds lone surrogates, which no encoding can write")])
        return text
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise TextError(where, [Problem(f"byte {error.start}", "is not UTF-8")]) from error


def _character_problems(text: str) -> Iterator[Problem]:
    if found := character_problem(text):
        yield Problem(f"line {found[0]}", f"{found[1]} hides what is written; remove it")
    for number, line in enumerate(text.split("\n", 2)[:2], 1):
        cookie = _CODING.match(line)
        if cookie and cookie[1].lower().replace("_", "-") not in ("utf-8", "utf8"):
            yield Problem(f"line {number}", f"declares the encoding {cookie[1]!r}; the text is UTF-8")


def _parse(text: str, where: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" in a string warns; it is what training ran
            tree = ast.parse(text, where)
    except SyntaxError as error:
        raise TextError(where, [Problem(f"line {error.lineno}", f"is not Python: {error.msg}")]) from error
    except (ValueError, MemoryError, RecursionError, OverflowError) as error:
        raise TextError(
            where, [Problem("", f"cannot be read as Python: {str(error) or 'nested too deeply'}")]
        ) from error
    if len(tree.body) > MAX_STATEMENTS:
        raise TextError(where, [Problem("", f"{len(tree.body)} statements; at most {MAX_STATEMENTS} are allowed")])
    level: list[ast.AST] = [tree]
    depth = 0
    while level:
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        depth += 1
        if depth > MAX_DEPTH:
            raise TextError(where, [Problem("", f"is nested deeper than {MAX_DEPTH} levels")])
    return tree


def _name_problems(text: str) -> Iterator[Problem]:
    if text.isascii():
        return
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.NAME and (what := name_problem(token.string)):
                yield Problem(f"line {token.start[0]}", what)
    except (tokenize.TokenError, SyntaxError) as error:
        # Python's two readers disagree, as about a backslash before an empty line (found by fuzzing).
        yield Problem("", f"is read differently by Python's compiler and its tokenizer: {error.args[0]}")


def _structure_problems(tree: ast.Module) -> Iterator[Problem]:
    late_annotations = any(
        isinstance(node, ast.ImportFrom) and node.module == "__future__" and "annotations" in _names(node)
        for node in tree.body
    )
    bound: dict[str, int] = {}
    for node in tree.body:
        where = f"line {node.lineno}"
        for what in _statement_problems(node, late_annotations):
            yield Problem(where, what)
        for name in _bound_names(node):
            if name.startswith("__") and name.endswith("__"):
                yield Problem(where, f"binds {name!r}, a name of Python's own")
            if name in bound:
                yield Problem(where, f"binds {name!r} again; line {bound[name]} binds it already")
            bound[name] = node.lineno
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == FUNCTION]
    if not functions:
        yield Problem("", f"defines no function {FUNCTION}")
    for function in functions[-1:]:
        if not takes_one_argument(function.args):
            yield Problem(f"line {function.lineno}", f"{FUNCTION} must be callable with data_dict alone")


def takes_one_argument(signature: ast.arguments) -> bool:
    """Whether a function of this signature can be called with one positional argument and nothing else."""
    positional = len(signature.posonlyargs) + len(signature.args)
    needed = positional - len(signature.defaults)
    return (positional >= 1 or signature.vararg is not None) and needed <= 1 and None not in signature.kw_defaults


def _statement_problems(node: ast.stmt, late_annotations: bool) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef):
        yield from _function_problems(node, late_annotations)
    elif isinstance(node, ast.ImportFrom):
        if node.level:
            yield "is a relative import"
        if "*" in _names(node):
            yield "imports *"
    elif isinstance(node, ast.Assign):
        if len(node.targets) != 1 or not isinstance(node.targets[0], ast.Name) or not is_literal(node.value):
            yield "is an assignment of something other than one literal to one name"
    elif not isinstance(node, ast.Import):
        yield f"holds {type(node).__name__}; only imports, literal constants and functions may stand at the top level"


def _function_problems(function: ast.FunctionDef, late_annotations: bool) -> Iterator[str]:
    if function.decorator_list:
        yield f"{function.name} is decorated"
    if getattr(function, "type_params", None):
        yield f"{function.name} has type parameters"
    defaults = [*function.args.defaults, *(default for default in function.args.kw_defaults if default)]
    if not all(is_literal(default) for default in defaults):
        yield f"{function.name} has a default that is no literal"
    if not late_annotations and not all(map(is_harmless_annotation, annotations_of(function))):
        yield f"{function.name} has an annotation that is evaluated"


def _names(node: ast.ImportFrom) -> list[str]:
    return [alias.name for alias in node.names]


def _bound_names(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef):
        yield node.name
    elif isinstance(node, ast.ImportFrom) and node.module == "__future__":
        return
    elif isinstance(node, ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in node.names)
    elif isinstance(node, ast.Import):
        # `import scipy` and `import scipy.ndimage` bind one name twice, and mean the same thing by it.
        yield from (alias.asname or alias.name for alias in node.names)
    elif isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _line_number(problem: Problem) -> int:
    digits = problem.where.removeprefix("line ")
    return int(digits) if digits.isdigit() else 0
