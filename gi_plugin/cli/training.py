"""The commands `train`, `export`, `quantize` and `gpu-train`: make a network and the files that engines read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..config import TrainSettings, load_config
from ..errors import ConfigError, require
from .terminal import ConfigFile, Spinner, say
from .train_options import Assignments, Minutes, Steps, key_and_value, make_budget, override, show_progress

if TYPE_CHECKING:
    from gi_plugin.train.loop import Budget

Recipe = Literal["large", "thin"]


def train(
    data: Annotated[Path, typer.Option("--data", help="Folder of pictures (with subfolders), .tar shard, or list file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the run; if it contains a run, that run is continued.")] = Path(
        "runs/train"
    ),
    minutes: Minutes = None,
    steps: Steps = None,
    start: Annotated[Path | None, typer.Option("--start", help="Network file or checkpoint that a new run starts from.")] = None,
    recipe: Annotated[Recipe, typer.Option("--recipe", help="Network to train: the large one, or the tiny one for thin holes.")] = "large",
    assignments: Assignments = None,
    config: ConfigFile = None,
) -> None:
    """Train a network within a budget. You can stop the command at any time and run it again to continue."""
    require("torch", "train")
    from gi_plugin.engines.attention.autograd import accelerate  # noqa: PLC0415  # heavy
    from gi_plugin.train import loop  # noqa: PLC0415  # heavy
    from gi_plugin.train.run_state import LAST  # noqa: PLC0415

    budget = make_budget(minutes, steps)
    if recipe == "thin":
        _train_thin(data, output, budget, start, assignments)
        return
    settings = override(load_config(config).train, assignments)
    with Spinner("reading the data") as show_text:
        position = loop.train(data, output, settings, budget, lambda progress: show_progress(progress, show_text), start, accelerate)
    say(
        f"trained for {position.step} steps, best validation {position.best:.2f} dB; wrote {output / LAST}; "
        f"show the curves with: tensorboard --logdir {output}"
    )


def _train_thin(data: Path, output: Path, budget: Budget, start: Path | None, assignments: list[str] | None) -> None:
    from gi_plugin.train.run_state import LAST  # noqa: PLC0415  # heavy
    from gi_plugin.train.thin import run, settings  # noqa: PLC0415  # heavy

    chosen = override(settings.ThinTrainSettings(), assignments)
    with Spinner("reading the data") as show_text:
        last = run.train(data, output, chosen, budget, lambda progress: show_progress(progress, show_text), start)
    say(f"trained for {last.step} steps, validation {last.psnr or 0:.2f} dB; wrote {output / LAST}")


def export(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint (.safetensors), network file (.onnx), or folder of gpu-train.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Network file to write (.onnx).")],
    notes: Annotated[
        list[str] | None, typer.Option("--note", help="Metadata to store, as key=text, for example licence=CC0-1.0; may be repeated.")
    ] = None,
    blend: Annotated[
        Path | None, typer.Option("--blend", help="Mix in the parameters of this network, from which the training started.")
    ] = None,
    share: Annotated[float, typer.Option("--share", min=0, max=1, help="Share of the --blend network in the result.")] = 0.15,
) -> None:
    """Export a trained network to a network file, after comparing its output with PyTorch's."""
    for module in ("torch", "onnxscript"):
        require(module, "train")
    from gi_plugin.train import checkpoint as checkpoints  # noqa: PLC0415  # heavy
    from gi_plugin.train.onnx_export.export import export_network  # noqa: PLC0415  # heavy
    from gi_plugin.train.rented.parts import read_average  # noqa: PLC0415  # heavy
    from gi_plugin.train.thin import export as thin, state  # noqa: PLC0415  # heavy

    added = dict(key_and_value(note) for note in notes or ())
    output.parent.mkdir(parents=True, exist_ok=True)
    if state.holds_thin_network(checkpoint):
        if blend is not None:
            raise ConfigError("--blend is for the large network: expected no --blend with a tiny network")
        tiny, stored = state.read_network(checkpoint)
        difference = thin.export_thin(tiny, output, {**stored, **added})
    else:
        network, stored = (read_average if checkpoint.is_dir() else checkpoints.read_network)(checkpoint)
        if blend is not None:
            checkpoints.blend(network, checkpoints.read_network(blend)[0], share)
        with Spinner("exporting"):
            difference = export_network(network, output, {**stored, **added})
    say(f"wrote {output}; largest difference from PyTorch {difference:.1e} on a scale of -1 to 1")


def quantize(
    network: Annotated[Path, typer.Argument(help="Network file (.onnx); the int8 files are written beside it.")],
    data: Annotated[Path, typer.Option("--data", help="Pictures as for training; do not use evaluation pictures.")],
    pictures: Annotated[int, typer.Option("--pictures", min=1, help="Number of crops from which value ranges are measured.")] = 300,
    largest_drop: Annotated[float, typer.Option("--largest-drop", min=0, help="Largest allowed loss of PSNR in the hole, in dB.")] = 0.1,
) -> None:
    """Make the int8 form of a network, for the setting engine.precision = "int8" on CPUs."""
    require("torch", "quantize")
    from gi_plugin.engines.cpu import quantization  # noqa: PLC0415  # heavy

    require("nncf", "quantize")  # after `quantization`, which switches off the usage reports that nncf would send
    with Spinner("reading the data") as progress:
        made = quantization.quantize(network, data, pictures, largest_drop, progress)
    say(
        f"wrote {made.path}; PSNR in the hole {made.before:.2f} dB before, {made.after:.2f} dB after; "
        f"of fills that it guides: {made.guide_drop:.2f} dB lower"
    )


def gpu_train(
    data: Annotated[Path, typer.Option("--data", help="Folder of pictures (with subfolders), .tar shard, or list file.")],
    minutes: Annotated[float, typer.Option("--minutes", min=0.01, help="Minutes until everything is written.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the session.")] = Path("runs/gpu"),
    start: Annotated[
        Path | None, typer.Option("--start", help="Network file or checkpoint to start from, or the folder of an earlier session.")
    ] = None,
    part_mb: Annotated[float, typer.Option("--part-mb", min=1, help="Largest size of a file of the state, in megabytes.")] = 64,
    cpu: Annotated[bool, typer.Option("--cpu", help="Try the session without a GPU.")] = False,
    assignments: Assignments = None,
    config: ConfigFile = None,
) -> None:
    """Train on a GPU for some minutes, everything included; leave the state in parts, session.json and sheet.png."""
    require("torch", "train")
    from gi_plugin.engines.attention.autograd import accelerate  # noqa: PLC0415  # heavy
    from gi_plugin.train.rented import checks, session  # noqa: PLC0415

    chosen = replace(TrainSettings(), **session.RECIPE) if config is None else load_config(config).train
    settings = override(chosen, assignments)
    with Spinner("checking"):
        checks.check(data, start, output, settings, part_mb, cpu=cpu)
    with Spinner("preparing") as show_text:
        done = session.train_for(
            minutes, data, output, settings, part_mb, lambda progress: show_progress(progress, show_text), start, accelerate
        )
    say(
        f"trained {done['steps']} steps in {done['seconds'] / 60:.1f} minutes on {done['device']}; PSNR in the hole "
        f"{done['psnr_before']:.2f} dB before, {done['psnr_after']:.2f} dB after; wrote {len(done['parts'])} parts, session.json and "
        f"sheet.png to {output}"
    )


COMMANDS: tuple[Callable[..., None], ...] = (train, export, quantize, gpu_train)
