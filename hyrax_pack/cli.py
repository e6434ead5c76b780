"""The command line: arguments in, one call into the workflow, errors to exit codes. No logic.

Exit codes: 0 done, 1 a check failed or an input was refused, 2 wrong usage. Results go to stdout, talk to stderr.
"""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from hyrax_pack.errors import HyraxError, UsageError

RUNTIME_COMMANDS = {
    "inspect": "Show everything in a bundle's manifest; runs nothing.",
    "verify": "Check a bundle's integrity, then prove it on this machine, stage by stage.",
    "trust": "Show a bundle's code and record your consent to run it.",
    "unpack": "Write a bundle's members into a folder.",
    "predict": "Predict from a .npz or Parquet file; write a table.",
    "bench": "Measure a bundle on this machine, against bare onnxruntime; advise on settings.",
}

app = typer.Typer(
    help="Train a torch model, prove it, and ship it in one file that runs without torch.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ConfigFile = Annotated[Path | None, typer.Option("-c", "--config", metavar="FILE", help="A TOML configuration file.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="One setting, such as train.epochs=3. Repeatable."),
]

LowerOption = Annotated[
    Literal["auto", "require", "off"], typer.Option(help="to_tensor as a graph: where it can, or no file, or never.")
]


class ResumeAccept(StrEnum):
    """What may have changed when a run goes on; typer takes no list of literals."""

    code = "code"
    data = "data"


class ExportAccept(StrEnum):
    """What may have changed since training when a run is exported."""

    code = "code"
    weights = "weights"
    answers = "answers"


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the demo's files go.")] = Path("demo"),
) -> None:
    """Train, export, verify and predict on real data, printing each step."""
    from hyrax_pack.demo import run_demo

    run_demo(folder)


@app.command()
def check(
    target: Annotated[str, typer.Argument(metavar="FILE.py:Class", help="The model class.")],
    config: ConfigFile = None,
    overrides: Overrides = None,
    graph: Annotated[bool, typer.Option("--graph", help="Also export the untrained model through the gate.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict for programs.")] = False,
) -> None:
    """Capture and prove to_tensor before a night of training."""
    from hyrax_pack.workflow import check as check_model

    report = check_model(target, config, overrides or (), graph=graph)
    print(report.to_json() if as_json else report.to_text())
    if not report.passed:
        raise typer.Exit(1)


@app.command()
def train(
    config: ConfigFile = None,
    overrides: Overrides = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Go on with this run folder, or run of that name.")
    ] = None,
    accept: Annotated[
        list[ResumeAccept] | None,
        typer.Option(help="Go on although this is not what the run was started with. Repeatable."),
    ] = None,
) -> None:
    """Train a model; the run folder's path is the last line on stdout."""
    from hyrax_pack.run import find_folder
    from hyrax_pack.workflow import settings_for
    from hyrax_pack.workflow import train as train_model

    resume = None if resume is None else find_folder(resume, _results_dir(config))
    settings = settings_for(config, overrides or (), resume)
    _heed_log_level(settings)
    run = train_model(settings, resume=resume, accept=[each.value for each in accept or ()])
    if os.environ.get("RANK", "0") == "0":  # under torchrun one process speaks for all
        print(run.path)


@app.command()
def export(
    out: Annotated[Path, typer.Argument(metavar="OUT.hyrax", help="The bundle to write.")],
    run: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The run folder, or its name; the newest with weights by default."),
    ] = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    last: Annotated[bool, typer.Option("--last", help="The last epoch's weights instead of the best.")] = False,
    to_tensor: Annotated[
        Literal["class", "run"], typer.Option(help="run: use the run's own text although the class has changed.")
    ] = "class",
    accept: Annotated[
        list[ExportAccept] | None,
        typer.Option(help="Export although this is not what trained; without the run's figures. Repeatable."),
    ] = None,
    lower: LowerOption = "auto",
    golden: Annotated[
        Path | None,
        typer.Option(metavar="ROWS", help="For a run of Hyrax: raw rows, in place of its data set."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="FILE.py:Class", help="For a run of Hyrax: where its class is.")
    ] = None,
) -> None:
    """Turn a run into one proven file."""
    from hyrax_pack.run import find_folder, newest_trained
    from hyrax_pack.workflow import export_folder, settings_for

    results = _results_dir(config)
    folder = find_folder(run, results) if run is not None else newest_trained(results, _talk).path
    bundle = export_folder(
        folder,
        out,
        weights="last" if last else "best",
        to_tensor=to_tensor,
        accept=[each.value for each in accept or ()],
        lower=lower,
        config=settings_for(config, overrides or (), folder),
        golden=golden,
        model=model,
        say=_talk,
    )
    print(bundle.path)


@app.command()
def wrap(
    graph: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="A graph that was made elsewhere.")],
    out: Annotated[Path, typer.Argument(metavar="OUT.hyrax", help="The bundle to write.")],
    to_tensor: Annotated[str, typer.Option(metavar="FILE.py:FUNCTION", help="What makes the graph's input.")],
    sample: Annotated[Path, typer.Option(metavar="ROWS", help="Raw rows to prove it with, .npz or .parquet.")],
    fields: Annotated[
        list[str] | None, typer.Option(metavar="FIELD", help="One of them to read, where not all.")
    ] = None,
    joint: Annotated[bool, typer.Option("--joint", help="Rows of a batch belong together.")] = False,
    requires: Annotated[list[str] | None, typer.Option(metavar="MODULE", help="A module it may import.")] = None,
    lower: LowerOption = "auto",
) -> None:
    """Put an ONNX file and its preprocessing into one proven file."""
    from hyrax_pack.workflow import wrap as wrap_graph

    batch: Literal["independent", "joint"] = "joint" if joint else "independent"
    bundle = wrap_graph(
        graph,
        out,
        to_tensor=to_tensor,
        sample=sample,
        fields=tuple(fields or ()),
        batch=batch,
        requires=tuple(requires or ()),
        lower=lower,
        say=_talk,
    )
    print(bundle.path)


runs_app = typer.Typer(help="List the run folders, or show one.", invoke_without_command=True)
app.add_typer(runs_app, name="runs")


@runs_app.callback()
def runs(
    context: typer.Context,
    config: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the list for programs.")] = False,
) -> None:
    """List the run folders with their best figure."""
    if context.invoked_subcommand is None:
        from hyrax_pack.workflow.showing import show_runs

        print(show_runs(_results_dir(config), as_json=as_json))


@runs_app.command()
def show(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run folder, or its name.")],
    config: ConfigFile = None,
    png: Annotated[Path | None, typer.Option("--png", metavar="FILE", help="Draw into a file instead.")] = None,
) -> None:
    """Plot a run's curves."""
    from hyrax_pack.workflow.showing import find_run, plot_in_terminal, plot_to_file

    found = find_run(run, _results_dir(config))
    if png is None:
        print(plot_in_terminal(found))
    else:
        plot_to_file(found, png)
        print(png)


def _results_dir(config: Path | None) -> Path:
    from hyrax_pack.config import load_config

    return Path(load_config(config).get("general.results_dir")).expanduser()


def _heed_log_level(settings: Any) -> None:
    """Show what modules log from `general.log_level` on: ours, and those of the user's code."""
    import logging

    level = "INFO" if settings is None else str(settings.get("general.log_level")).upper()
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)


def _talk(line: str) -> None:
    """Talk goes to stderr; stdout is for results."""
    print(line, file=sys.stderr, flush=True)


def _add_runtime_commands() -> None:
    """Give `hyrax-pack` the `hyrax-run` commands, whose arguments hyrax_runtime parses itself."""
    for name, summary in RUNTIME_COMMANDS.items():

        def forward(context: typer.Context) -> None:
            from hyrax_runtime.cli import main as run_command

            raise typer.Exit(run_command([str(context.info_name), *context.args]))

        settings: dict[str, Any] = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
        app.command(name, help=summary, context_settings=settings)(forward)


_add_runtime_commands()


def main() -> None:
    """Run the command line; the one place where an error becomes an exit code."""
    from hyrax_runtime.cli import lost_stdout, prepare_streams

    prepare_streams()
    try:
        try:
            app()
        finally:
            if sys.stdout is not None:  # it is None where the caller has closed it
                sys.stdout.flush()
    except HyraxError as error:
        print(f"hyrax-pack: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except OSError as error:
        if not lost_stdout(error):
            raise
        sys.exit(1)


if __name__ == "__main__":  # python -m hyrax_pack.cli, as torchrun calls it
    main()
