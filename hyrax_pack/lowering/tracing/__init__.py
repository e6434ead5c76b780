"""Running `to_tensor` on stand-ins for its data, so that what it does is written down as a graph.

text.py      the captured text, rewritten so that every call passes through the trace
trace.py     one run: where calls arrive, and what is remembered
shadows.py   the two real batches that every traced value carries: numpy itself says dtype and shape
arrays.py, numbers.py, rows.py    what stands for arrays, numbers and lists of rows
table.py     which function is lowered by which rule; rules_*.py, one subject each
running.py   all paths through the function, joined into one graph
"""
