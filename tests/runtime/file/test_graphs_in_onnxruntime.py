"""Graphs that the gate lets through and that make no sense: onnxruntime, in a child process, refuses or runs them.

The gate asks what a graph may say, not whether it is right. What is malformed inside has to end in a HyraxError; the
child process shows that nothing ends in a crash.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

from hyrax_runtime.graph_gate import read_graph

from tests.runtime.file import protobuf as pb

X, Y = pb.value_info("x", pb.FLOAT, "N", 4), pb.value_info("y", pb.FLOAT, "N", 4)


def model(*nodes: bytes, initializers: tuple[bytes, ...] = (), inputs: tuple[bytes, ...] = (X,)) -> bytes:
    return pb.model(pb.graph(list(nodes), list(inputs), [Y], list(initializers)))


def nested_branches(levels: int) -> bytes:
    """Ifs within Ifs, as deep as the gate allows."""
    node = pb.node("Identity", ["x"], ["y"])
    for level in range(levels):
        branch = pb.graph([node], [], [pb.value_info("y", pb.FLOAT, "N", 4)])
        then, otherwise = (
            pb.attribute_graph("then_branch", branch),
            pb.attribute_graph(
                "else_branch", branch if level == 0 else pb.graph([pb.node("Identity", ["x"], ["y"])], [], [Y])
            ),
        )
        node = pb.node("If", ["c"], ["y"], then, otherwise)
    return node


def long_chain(length: int) -> list[bytes]:
    names = ["x", *(f"t{number}" for number in range(length - 1)), "y"]
    return [pb.node("Identity", [a], [b]) for a, b in itertools.pairwise(names)]


TRUE = pb.tensor("c", 9, (), pb.block(9, b"\x01"))
BROKEN = {
    "a cycle": model(
        pb.node("Add", ["x", "b"], ["a"]), pb.node("Add", ["a", "x"], ["b"]), pb.node("Add", ["a", "b"], ["y"])
    ),
    "a node that feeds itself": model(pb.node("Add", ["x", "y"], ["y"])),
    "an input that nobody makes": model(pb.node("Add", ["x", "nowhere"], ["y"])),
    "an output that nobody makes": model(pb.node("Relu", ["x"], ["z"])),
    "an output made twice": model(pb.node("Relu", ["x"], ["y"]), pb.node("Abs", ["x"], ["y"])),
    "an unknown operator": model(pb.node("Frobnicate", ["x"], ["y"])),
    "an operator without a name": model(pb.node("", ["x"], ["y"])),
    "an operator without inputs": model(pb.node("Conv", [], ["y"])),
    "an operator with a hundred inputs": model(pb.node("Relu", ["x"] * 100, ["y"])),
    "an attribute of another type": model(
        pb.node("Elu", ["x"], ["y"], pb.attribute_tensor("alpha", pb.floats("a", (), 1.0)))
    ),
    "an attribute without a type": model(pb.node("Elu", ["x"], ["y"], pb.block(1, "alpha") + pb.number(3, 1))),
    "an attribute of type 99": model(pb.node("Elu", ["x"], ["y"], pb.block(1, "alpha") + pb.number(20, 99))),
    "a tensor with too few bytes": model(pb.node("Add", ["x", "w"], ["y"]), initializers=(pb.floats("w", (4,), 1.0),)),
    "a tensor with too many bytes": model(
        pb.node("Add", ["x", "w"], ["y"]), initializers=(pb.floats("w", (1,), 1.0, 2.0),)
    ),
    "a tensor of negative shape": model(pb.node("Add", ["x", "w"], ["y"]), initializers=(pb.floats("w", (-1,), 1.0),)),
    "a tensor whose size overflows": model(
        pb.node("Add", ["x", "w"], ["y"]), initializers=(pb.floats("w", (1 << 62, 1 << 62), 1.0),)
    ),
    "a tensor of an unknown type": model(
        pb.node("Add", ["x", "w"], ["y"]), initializers=(pb.tensor("w", 99, (1,), pb.block(9, b"\0\0\0\0")),)
    ),
    "a tensor of no type": model(pb.node("Add", ["x", "w"], ["y"]), initializers=(pb.tensor("w", 0, (1,), b""),)),
    "a reshape to less than nothing": model(
        pb.node("Reshape", ["x", "s"], ["y"]), initializers=(pb.tensor("s", 7, (1,), pb.number(7, -9)),)
    ),
    "a gather far outside": model(
        pb.node("Gather", ["x", "i"], ["y"]), initializers=(pb.tensor("i", 7, (1,), pb.number(7, 1 << 62)),)
    ),
    "branches nested as deep as the gate allows": model(nested_branches(14), initializers=(TRUE,)),
    "an If without branches": model(pb.node("If", ["c"], ["y"]), initializers=(TRUE,)),
    "a loop without a body": model(pb.node("Loop", ["", ""], ["y"])),
    "a scan without a body": model(pb.node("Scan", ["x"], ["y"])),
    "a chain of 20,000 nodes": model(*long_chain(20_000)),
    "names of nothing": model(pb.node("Relu", [""], [""])),
    "no nodes": model(),
}
RUN = """
import sys
from pathlib import Path
import numpy as np
from hyrax_runtime.errors import HyraxError
from hyrax_runtime.session import open_session
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        open_session(path.read_bytes(), None).run({"x": np.ones((2, 4), dtype="float32")})
    except HyraxError as error:
        print(path.name, "refused", error.code, sep="|", flush=True)
    else:
        print(path.name, "ran", "", sep="|", flush=True)
"""
SOUND = {"branches nested as deep as the gate allows", "a chain of 20,000 nodes"}


def test_a_graph_that_makes_no_sense_ends_in_a_hyrax_error_not_in_a_crash(tmp_path: Path) -> None:
    graphs, here = tmp_path / "graphs", tmp_path / "here"
    graphs.mkdir()
    here.mkdir()
    for name, graph in BROKEN.items():
        read_graph(graph, name)
        (graphs / name).write_bytes(graph)
    child = subprocess.run([sys.executable, "-c", RUN, graphs], capture_output=True, text=True, cwd=here, check=False)
    answers = {name: answer for name, answer, _ in (line.split("|") for line in child.stdout.splitlines())}
    assert child.returncode == 0, f"crashed after {list(answers)[-1:]}: {child.stderr[-2000:]}"
    print(child.stdout)
    assert answers == {name: "ran" if name in SOUND else "refused" for name in BROKEN}
    assert list(here.iterdir()) == []
