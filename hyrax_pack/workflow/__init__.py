"""The steps in their order: what the commands call, and what a notebook calls.

trained.py   a run folder, back as a model, its data and its to_tensor
holding.py         its weights, held still where it is still training
recognising.py     whether it answers as in training
changed_text.py    whether a to_tensor that was edited since makes the same tensors
other_settings.py  settings that may be given at export
class_of_run.py    the class of a script or a notebook, found again
telling.py   what is said of it on the terminal and in the bundle
evidence.py  the rows on which to_tensor and graph are held against the original
changed_rows.py    those rows with NaN planted, and rows of two groups joined
idle_fields.py     fields that no output depends on
label_inputs.py    slots that only labels fill, and that outputs depend on
asked_absent.py    fields that to_tensor asks for and was never given
shipping.py  export: capture -> prove -> graph -> one file
wrapping.py  wrap: the same for a graph made elsewhere
adopting.py  the same for a run folder that Hyrax wrote (upstream_run.py reads it, rows_file.py its rows)
choosing_form.py  to_tensor as a graph, as text, or both
checking.py  check: the same before there is anything to train
arguments.py words that a notebook may misspell
showing.py   runs: what stands in a results folder
"""

from hyrax_pack.workflow.adopting import adopt, export_folder
from hyrax_pack.workflow.checking import CheckReport, check
from hyrax_pack.workflow.shipping import export
from hyrax_pack.workflow.trained import Trained, load_trained, settings_for, train
from hyrax_pack.workflow.wrapping import wrap

__all__ = [
    "CheckReport",
    "Trained",
    "adopt",
    "check",
    "export",
    "export_folder",
    "load_trained",
    "settings_for",
    "train",
    "wrap",
]
