"""What numpy means, written as ONNX operations on values: no tracing here, and no numpy functions called on data.

Each module is a subject. Where onnxruntime computes something else than numpy, or only for some dtypes, the detour
stands here, with its reason.
"""
