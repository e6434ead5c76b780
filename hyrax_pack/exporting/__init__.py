"""From a trained model to an ONNX graph that is proven to compute the same. The only user of torch.onnx."""

from hyrax_pack.exporting.given_graph import export_given_graph
from hyrax_pack.exporting.golden_rows import choose_golden_rows
from hyrax_pack.exporting.network import Network
from hyrax_pack.exporting.procedure import export_network
from hyrax_pack.exporting.reporting import parity_table

__all__ = ["Network", "choose_golden_rows", "export_given_graph", "export_network", "parity_table"]
