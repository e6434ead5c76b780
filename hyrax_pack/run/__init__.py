"""The run folder: everything that one training leaves behind.

<results_dir>/<YYYYmmdd-HHMMSS>-<command>-<4 chars>/
    runtime_config.toml      the resolved settings; there from the first moment
    run.json                 what no setting says: seed, start, digest of to_tensor, state
    to_tensor.py             the captured text that training executes
    code.json                the model's code, part by part
    data.json                which rows there were, and what was seen of their fields
    metrics.jsonl            the truth of the run, one record a line
    weights.pt               a state_dict: the best epoch
    last.pt                  a state_dict: the last epoch
    checkpoint_epoch_N.pt    everything needed to go on after epoch N
    events.out.tfevents.*    TensorBoard
"""

from hyrax_pack.run.folder import Run, create_run, draw_seed, open_run
from hyrax_pack.run.listing import RunSummary, find_folder, list_runs, newest_run, newest_trained, summarise
from hyrax_pack.run.locking import is_locked, lock_folder
from hyrax_pack.run.records import Journal, Record, read_records
from hyrax_pack.run.weights import load_into, load_weights
from hyrax_pack.run.writing import replace_file, write_file

__all__ = [
    "Journal",
    "Record",
    "Run",
    "RunSummary",
    "create_run",
    "draw_seed",
    "find_folder",
    "is_locked",
    "list_runs",
    "load_into",
    "load_weights",
    "lock_folder",
    "newest_run",
    "newest_trained",
    "open_run",
    "read_records",
    "replace_file",
    "summarise",
    "write_file",
]
