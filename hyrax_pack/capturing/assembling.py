"""Write the text: a function moved to column 0, verbatim but for its name and the annotations that cannot travel."""

from __future__ import annotations

import ast
import copy
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence

from hyrax_runtime.replay_text import annotations_of, is_harmless_annotation

from hyrax_pack.capturing.finding import Definition
from hyrax_pack.capturing.source_file import INDENTATION, bound_names

Span = tuple[tuple[int, int], tuple[int, int], str]  # start, end (line, character), what stands there instead


def function_text(definition: Definition, name: str) -> str:
    """Give the function's text at column 0 under `name`, with its comments; multi-line strings stay exact."""
    node, lines = definition.node, definition.source.lines
    first, last = node.lineno, node.end_lineno or node.lineno
    inside = definition.source.lines_inside_strings
    indent = _leading(lines[first - 1])
    kept: dict[int, str] = {}
    cut: dict[int, int] = {}
    for number in range(first, last + 1):
        line = lines[number - 1]
        cut[number] = 0 if number in inside else _cut(line, indent)
        kept[number] = line[cut[number] :]
    for begin, end, instead in sorted(_edits(definition, name), reverse=True):
        (row, column), (end_line, end_column) = begin, end
        tail = kept[end_line][end_column - cut[end_line] :]
        kept[row] = kept[row][: column - cut[row]] + instead + tail
        for number in range(row + 1, end_line + 1):
            del kept[number]
    above, below = _comments_around(definition, indent)
    return _end_line("".join([*above, *kept.values(), *below]))


def text_of(future: Iterable[str], imports: Iterable[str], constants: Iterable[str], functions: Sequence[str]) -> str:
    """Put the parts together: `from __future__`, imports, constants, functions."""
    head = ["".join(f"{line}\n" for line in lines) for lines in (list(future), sorted(imports)) if lines]
    values = "".join(map(_end_line, constants))
    opening = "\n".join([*head, *([values] if values else [])])
    return "\n\n".join([*([opening] if opening else []), *functions])


def expected_node(definition: Definition, name: str) -> ast.AST:
    """The syntax tree that `function_text` must parse to."""
    node = copy.deepcopy(definition.node)
    node.name = name
    node.decorator_list = []
    for argument in _arguments(node):
        if not _stays(definition, argument.annotation):
            argument.annotation = None
    if not _stays(definition, node.returns):
        node.returns = None
    return node


def places_of(
    tree: ast.Module, functions: Mapping[str, Definition], used_at: Mapping[str, str]
) -> Iterator[tuple[int, str]]:
    """Give, for the lines of a text, where they stand in the user's file, as `file:line`.

    Parameters
    ----------
    tree : ast.Module
        The text; each of its functions is what `expected_node` says.
    functions : mapping of str to Definition
        By their names in the text.
    used_at : mapping of str to str
        Where imports and constants are used, by their names.
    """
    for statement in tree.body:
        if not isinstance(statement, ast.FunctionDef):
            yield from ((statement.lineno, used_at[name]) for name in bound_names(statement) if name in used_at)
            continue
        definition = functions[statement.name]
        written = ast.walk(expected_node(definition, statement.name))
        for here, there in zip(ast.walk(statement), written, strict=True):
            if hasattr(here, "lineno"):
                yield here.lineno, definition.where(there)


def stripped_annotations(definition: Definition) -> list[ast.expr]:
    """The annotations of the signature that name outside things and so cannot travel."""
    return [annotation for annotation in annotations_of(definition.node) if not _stays(definition, annotation)]


def _stays(definition: Definition, annotation: ast.expr | None) -> bool:
    return definition.late_annotations or is_harmless_annotation(annotation)


def _edits(definition: Definition, name: str) -> Iterator[Span]:
    node, tokens = definition.node, definition.source.tokens
    start = next(index for index, token in enumerate(tokens) if token.string == "def" and token.start[0] >= node.lineno)
    if node.name != name:
        yield tokens[start + 1].start, tokens[start + 1].end, name
    for argument in _arguments(node):
        if argument.annotation and not _stays(definition, argument.annotation):
            colon = _token_at(definition, argument) + 1
            end = _end_of_annotation(definition, colon, argument.annotation)
            yield tokens[colon].start, end, ""
    if node.returns and not _stays(definition, node.returns):
        position = _token_at(definition, node.returns)
        arrow = next(index for index in range(position, start, -1) if tokens[index].string == "->")
        end = _end_of_annotation(definition, arrow, node.returns)
        yield tokens[arrow - 1].end, end, ""


def _arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    signature = node.args
    optional = [argument for argument in (signature.vararg, signature.kwarg) if argument]
    return [*signature.posonlyargs, *signature.args, *signature.kwonlyargs, *optional]


def _token_at(definition: Definition, node: ast.arg | ast.expr) -> int:
    place = _character(definition, node.lineno, node.col_offset)
    return next(index for index, token in enumerate(definition.source.tokens) if token.start >= place and token.string)


def _end_of_annotation(definition: Definition, start: int, annotation: ast.expr) -> tuple[int, int]:
    """The end of the last token before the comma, default, bracket or colon that ends the annotation."""
    written = _character(definition, annotation.end_lineno or 0, annotation.end_col_offset or 0)
    depth, end = 0, definition.source.tokens[start].end
    for token in definition.source.tokens[start + 1 :]:
        if token.type in (tokenize.NL, tokenize.COMMENT):
            continue
        depth += (token.string in ("(", "[", "{")) - (token.string in (")", "]", "}"))
        if depth < 0 or (depth == 0 and token.start >= written and token.string in (",", "=", ":")):
            break
        end = token.end
    return end


def _character(definition: Definition, line: int, byte: int) -> tuple[int, int]:
    return line, len(definition.source.lines[line - 1].encode()[:byte].decode())


def _comments_around(definition: Definition, indent: str) -> tuple[list[str], list[str]]:
    """The comment lines directly above the function and its decorators, and those that end its body."""
    comments = definition.source.comment_lines
    node, lines = definition.node, definition.source.lines
    decorated = {
        number
        for decorator in node.decorator_list
        for number in range(decorator.lineno, (decorator.end_lineno or decorator.lineno) + 1)
    }
    above: list[str] = []
    first = node.lineno - 1
    while first in decorated or (first in comments and _leading(lines[first - 1]) == indent):
        if first in comments:
            above.insert(0, lines[first - 1][len(indent) :])
        first -= 1
    below: list[str] = []
    pending: list[str] = []
    for number in range((node.end_lineno or 0) + 1, len(lines) + 1):
        line = lines[number - 1]
        if number in comments and len(_leading(line)) > len(indent) and line.startswith(indent):
            below += [*pending, line[len(indent) :]]
            pending = []
        elif not line.strip():
            pending.append("\n")
        else:
            break
    return above, below


def _leading(line: str) -> str:
    return line[: len(line) - len(line.lstrip(INDENTATION))]


def _cut(line: str, indent: str) -> int:
    """How many characters of indentation to take off; a continuation line may have fewer."""
    return len(indent) if line.startswith(indent) else min(len(indent), len(_leading(line)))


def _end_line(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"
