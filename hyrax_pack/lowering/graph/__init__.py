"""Building ONNX graphs: values, nodes, and the three ways a traced row or batch becomes a model."""
