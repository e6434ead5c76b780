"""What a bundle costs on this machine: `measuring` finds figures, `advice` reads them, `table` and `plot` show them.

    golden rows --rows--> batches of any size --timing--> figures --advice--> what to set
    a child process --cold_start--> from its start to its first prediction

Everything is measured against onnxruntime's own `run`, on the same tensors, in the same session, call by call in turn.
"""
