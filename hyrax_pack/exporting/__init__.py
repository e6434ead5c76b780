"""From a trained model to an ONNX graph that is proven to compute the same. The only user of torch.onnx.

The names below load what they need when they are first used: choosing rows takes no exporter.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hyrax_pack.exporting.given_graph import export_given_graph
    from hyrax_pack.exporting.golden_rows import GOLDEN_ROWS, choose_golden_rows
    from hyrax_pack.exporting.network import Network
    from hyrax_pack.exporting.procedure import export_network
    from hyrax_pack.exporting.reporting import parity_table
    from hyrax_pack.exporting.trials import Trial

__all__ = [
    "GOLDEN_ROWS",
    "Network",
    "Trial",
    "choose_golden_rows",
    "export_given_graph",
    "export_network",
    "parity_table",
]

_MODULE_OF_NAME = {
    "Network": "network",
    "Trial": "trials",
    "choose_golden_rows": "golden_rows",
    "GOLDEN_ROWS": "golden_rows",
    "export_given_graph": "given_graph",
    "export_network": "procedure",
    "parity_table": "reporting",
}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF_NAME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF_NAME[name]}"), name)
