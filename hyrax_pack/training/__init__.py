"""STEP 1: a minimal torch engine whose runs survive a kill at any moment.

starting.py      train_run: names first, then the run folder, everything slow after it
naming.py        what the settings name, loaded
preparing.py     class, captured to_tensor, data, model and device of one run
origin.py        what a run was started with, and that it goes on with the same
running.py       everything around the loop: processes, signals, tracking, the journal
epochs.py        the loop: steps and epochs, hooks, and what is written down when
scheduling.py    who steps the scheduler
choosing.py      which epoch is the best
diverging.py     numbers that are no numbers any more
saving.py        checkpoints, and then the weights
weights_files.py the weights of the best and the last epoch, with
witnessing.py    what inference answers to a few rows
evaluating.py    validation and test
loading.py       rows to batches, here or in workers
losses.py        what a step returns, as numbers
state/           everything that training changes: to write it down, and to put it back
checkpoints.py   that state in a file, whole or not at all
data_random.py   the random generators that data sets keep
parallel.py  agreeing.py    several processes, and whether they still hold the same weights
seeding.py  devices.py  stopping.py  progress.py  talking.py
tracking/        MLflow and TensorBoard follow metrics.jsonl

Importing this package does not import torch.
"""

from hyrax_pack.training.starting import other_keys, train_run

__all__ = ["other_keys", "train_run"]
