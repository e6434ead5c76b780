"""One run folder: made whole before anything slow starts, read back by resume, export and `hyrax-pack runs`."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import time
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hyrax_pack.config import Config, digest_of_training, read_config
from hyrax_pack.errors import StorageError, TrainingError
from hyrax_pack.run.records import Record, read_records
from hyrax_pack.run.weights import load_into, load_weights
from hyrax_pack.run.writing import sync_folder, write_file

if TYPE_CHECKING:
    import torch
    from torch import nn

CONFIG_FILE = "runtime_config.toml"
FACTS_FILE = "run.json"
TEXT_FILE = "to_tensor.py"
METRICS_FILE = "metrics.jsonl"
CODE_FILE = "code.json"
DATA_FILE = "data.json"
LAST_WEIGHTS = "last.pt"
FORMAT = 1
_WEIGHTS = "weights"
_OUTSIDE = "kept_outside"
_RECORDED = "recorded_sha256"
SETTINGS_SHA256 = "settings_sha256"
# Facts that a run has from its first moment.
_ALWAYS = ("seed", "created", "state", SETTINGS_SHA256)

Which = Literal["best", "last"]
# Letters that cannot be taken for one another when a path is read aloud.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


@dataclass(frozen=True)
class WeightsFacts:
    """What is true of one weights file.

    Attributes
    ----------
    sha256, answers_sha256 : str
        Of the file, and of the answers beside it.
    epoch : int
        After which it was written.
    metric, score : str, float
        The figure that this epoch was chosen by, and its value.
    """

    sha256: str
    answers_sha256: str
    epoch: int
    metric: str
    score: float


@dataclass(frozen=True)
class Run:
    """A run folder on disk.

    Attributes
    ----------
    path : Path
        Absolute.
    """

    path: Path

    @cached_property
    def config(self) -> Config:
        """The settings it was started with.

        Raises
        ------
        TrainingError
            The file was edited: the run would bear settings that never trained it.
        """
        path = self.path / CONFIG_FILE
        config = read_config(path)
        if digest_of_training(path.read_text(encoding="utf-8")) != self.facts.get(SETTINGS_SHA256):
            raise TrainingError(
                f"{path}: not the settings that the run was started with; put back what was edited, or start a new "
                "run. Names and places of files may be edited where a run was moved"
            )
        return config

    @property
    def facts(self) -> dict[str, Any]:
        """What no setting says: `seed`, `created` (seconds since 1970), `command`, `state`, `to_tensor_sha256`, ..."""
        try:
            facts: dict[str, Any] = json.loads((self.path / FACTS_FILE).read_bytes())
        except (OSError, ValueError) as error:
            raise TrainingError(f"{self.path / FACTS_FILE}: unreadable ({error}); this run cannot be used") from error
        if not isinstance(facts, dict) or facts.get("format") != FORMAT:
            found = repr(facts.get("format")) if isinstance(facts, dict) else "none"
            raise TrainingError(
                f"{self.path / FACTS_FILE}: format {found}, expected {FORMAT}; "
                "use the version of hyrax-pack that made this run folder"
            )
        missing = [name for name in _ALWAYS if name not in facts]
        if missing:
            raise TrainingError(f"{self.path / FACTS_FILE}: lacks {', '.join(missing)}; put the file back")
        return facts

    def note(self, facts: Mapping[str, Any]) -> None:
        """Add to the facts, or change them."""
        write_file(self.path / FACTS_FILE, json.dumps({**self.facts, **facts}, indent=2) + "\n")

    def recorded(self, file: str) -> dict[str, Any] | None:
        """What CODE_FILE or DATA_FILE says; None where training stopped before it was written.

        Raises
        ------
        TrainingError
            The file is gone, or is not what training wrote.
        """
        path, digest = self.path / file, self.facts.get(_RECORDED, {}).get(file)
        if digest is None:
            return None
        try:
            data = path.read_bytes()
        except OSError as error:
            raise TrainingError(f"{path}: unreadable ({error}); put the file back") from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise TrainingError(f"{path}: not the file that training wrote; put it back")
        found: dict[str, Any] = json.loads(data)
        return found

    def record(self, file: str, plain: Mapping[str, Any]) -> None:
        """Write CODE_FILE or DATA_FILE, and then into the facts what it holds."""
        text = json.dumps(plain, indent=1) + "\n"
        write_file(self.path / file, text)
        digests = {**self.facts.get(_RECORDED, {}), file: hashlib.sha256(text.encode()).hexdigest()}
        self.note({_RECORDED: digests})

    @property
    def kept_outside(self) -> frozenset[str]:
        """Names, as in CODE_FILE, of class attributes and globals that training changes: they are state, not code."""
        return frozenset(self.facts.get(_OUTSIDE, ()))

    def note_kept_outside(self, names: Collection[str]) -> None:
        """Add to `kept_outside`."""
        if not self.kept_outside.issuperset(names):
            self.note({_OUTSIDE: sorted(self.kept_outside.union(names))})

    @property
    def to_tensor_sha256(self) -> str:
        """The digest (hex) of the text that training executed, as it was recorded when training began.

        Raises
        ------
        TrainingError
            Training never began.
        """
        digest = self.facts.get("to_tensor_sha256")
        if not isinstance(digest, str):
            raise TrainingError(
                f"{self.path}: stopped before to_tensor was captured. Go on with: hyrax-pack train --resume {self.path}"
            )
        return digest

    @property
    def to_tensor_text(self) -> str:
        """The text that training executed.

        Raises
        ------
        TrainingError
            It is missing, or is not the one whose digest was recorded.
        """
        recorded = self.to_tensor_sha256
        try:
            content = (self.path / TEXT_FILE).read_bytes()
        except OSError as error:
            raise TrainingError(f"{self.path / TEXT_FILE}: {error.strerror}; put the file back") from error
        found = hashlib.sha256(content).hexdigest()
        if found != recorded:
            raise TrainingError(
                f"{self.path / TEXT_FILE}: sha256 {found[:12]}…, but training executed {recorded[:12]}…. "
                "The file was edited after training: put the original back, or train again."
            )
        return content.decode()

    def weights(self, which: Which = "best") -> Path:
        """The file of the best epoch's weights (by validation loss where there is one), or of the last epoch's.

        Raises
        ------
        TrainingError
            No epoch was finished yet.
        """
        path = self.weights_path(which)
        if not path.is_file() and path.name in self.facts.get(_WEIGHTS, {}):
            raise TrainingError(f"{path}: no such file, though training wrote it; put it back, or take other weights")
        if not path.is_file():
            raise TrainingError(
                f"{path}: no such file: no epoch of this run was finished. "
                f"Go on with: hyrax-pack train --resume {self.path} or choose another run"
            )
        return path

    def note_weights(self, name: str, facts: WeightsFacts) -> None:
        """Note what is true of weights that are about to take their place under `name`.

        What is noted of those that stand there now is kept beside it: a kill may come in between.
        """
        noted = dict(self.facts.get(_WEIGHTS, {}))
        noted[name] = [*noted.get(name, [])[-1:], asdict(facts)]
        self.note({_WEIGHTS: noted})

    def facts_of(self, weights: Path) -> WeightsFacts | None:
        """What training noted of a weights file of this run; None where it is not, to the byte, what training wrote."""
        digest = digest_of(weights)
        noted = [WeightsFacts(**facts) for facts in self.facts.get(_WEIGHTS, {}).get(weights.name, [])]
        return next((facts for facts in reversed(noted) if facts.sha256 == digest), None)

    def weights_path(self, which: Which) -> Path:
        """Where those weights stand, or will."""
        return self.path / (LAST_WEIGHTS if which == "last" else str(self.config.get("train.weights_filename")))

    def load_state(self, which: Which = "best") -> dict[str, torch.Tensor]:
        """The weights as a state_dict of CPU tensors, whatever device they were trained on."""
        return load_weights(self.weights(which))

    def load_into(self, model: nn.Module, which: Which = "best") -> None:
        """Put the weights into a model of the run's class, by the class's own `load` where it has one."""
        load_into(model, self.weights(which))

    def metrics(self) -> list[Record]:
        """Every record of metrics.jsonl, in order; empty before the first."""
        path = self.path / METRICS_FILE
        return list(read_records(path)) if path.is_file() else []


def draw_seed(config: Config) -> int:
    """The seed of a new run: the one in the settings, or another one for every run."""
    seed = config.get("train.seed")
    return secrets.randbelow(2**32) if seed is None else int(seed)


def create_run(config: Config, command: str = "train", *, seed: int | None = None) -> Run:
    """Make the run folder, with its configuration and its seed in it, in one step that cannot be half done.

    Parameters
    ----------
    seed : int or None
        What was drawn for it; None: drawn here. A run that is killed in its first second has its seed already.

    Raises
    ------
    StorageError
        `general.results_dir` cannot be written to.
    """
    results = Path(config.get("general.results_dir")).expanduser().absolute()
    settings = config.to_toml()
    facts = {
        "format": FORMAT,
        "command": command,
        "created": time.time(),
        "seed": draw_seed(config) if seed is None else seed,
        "state": "running",
        SETTINGS_SHA256: digest_of_training(settings),
    }
    try:
        results.mkdir(parents=True, exist_ok=True)
        path = _free_name(results, command)
        unfinished = results / f".{path.name}"
        unfinished.mkdir()
        try:
            write_file(unfinished / CONFIG_FILE, settings)
            write_file(unfinished / FACTS_FILE, json.dumps(facts, indent=2) + "\n")
            unfinished.rename(path)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        sync_folder(results)
    except StorageError as error:  # names a temporary folder and a run that never was
        cause = error.__cause__
        raise _no_folder(results, cause if isinstance(cause, OSError) else OSError(str(error))) from error
    except OSError as error:
        raise _no_folder(results, error) from error
    return Run(path)


def open_run(path: str | Path) -> Run:
    """Open an existing run folder.

    Raises
    ------
    TrainingError
        It is not one.
    """
    folder = Path(path).expanduser().absolute()
    if not folder.exists():
        raise TrainingError(f"{folder}: no such run folder")
    for name in (CONFIG_FILE, FACTS_FILE):
        if not (folder / name).is_file():
            raise TrainingError(f"{folder}: not a run folder: {name} is missing")
    return Run(folder)


def digest_of(file: Path) -> str:
    """The sha256 (hex) of a file.

    Raises
    ------
    TrainingError
        It cannot be read.
    """
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise TrainingError(f"{file}: cannot be read: {error.strerror or error}") from error


def _free_name(results: Path, command: str) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    while True:
        path = results / f"{stamp}-{command}-{''.join(secrets.choice(_ALPHABET) for _ in range(4))}"
        if not path.exists():
            return path


def _no_folder(results: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{results}: no run folder can be made here: {error.strerror or error}. "
        "Make room or permission, or choose another place: --set general.results_dir=…"
    )
