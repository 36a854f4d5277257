"""The commands of those who train."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from ..config import TrainSettings, check_settings, load_config
from ..errors import ConfigError, require
from .terminal import AsJson, Backend, ConfigFile, Spinner, print_json, say, show

if TYPE_CHECKING:
    from gi_plugin.train.evaluation.baselines import FillMethod
    from gi_plugin.train.evaluation.evaluate import ScoreRow
    from gi_plugin.train.loop import Budget, Progress

Minutes = Annotated[float | None, typer.Option("--minutes", min=0.01, help="Time budget of a whole run.")]
Steps = Annotated[int | None, typer.Option("--steps", min=1, help="Budget in generator updates.")]
Assignments = Annotated[list[str] | None, typer.Option("--set", help="Override a [train] setting, as key=value; may be repeated.")]


def train(
    data: Annotated[Path, typer.Option("--data", help="Folder of pictures (searched in depth), .tar shard, or list file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the run; a run that it holds is continued.")] = Path(
        "runs/train"
    ),
    minutes: Minutes = None,
    steps: Steps = None,
    start: Annotated[Path | None, typer.Option("--start", help="Network file or checkpoint to start a new run from.")] = None,
    assignments: Assignments = None,
    config: ConfigFile = None,
) -> None:
    """Train the network within a budget; stop it at any time, and the same command continues it."""
    require("torch", "train")
    from gi_plugin.engines.attention.autograd import accelerate  # noqa: PLC0415  # heavy
    from gi_plugin.train import loop  # noqa: PLC0415  # heavy

    budget = _budget(minutes, steps)
    settings = _assigned(load_config(config).train, assignments or [])
    with Spinner("reading the data") as progress:
        position = loop.train(data, output, settings, budget, lambda told: _report(told, progress), start, accelerate)
    say(f"{position.step} steps, best validation {position.best:.2f} dB; {output / loop.LAST}; watch with: tensorboard --logdir {output}")


def export(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint (.safetensors) of a training run, or a network file (.onnx).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Network file to write (.onnx).")],
    notes: Annotated[
        list[str] | None, typer.Option("--note", help="Metadata to store, as key=text (licence, data, …); may be repeated.")
    ] = None,
    blend: Annotated[Path | None, typer.Option("--blend", help="Network that the training started from, to be blended in.")] = None,
    share: Annotated[float, typer.Option("--share", min=0, max=1, help="Its share in the result.")] = 0.15,
) -> None:
    """Write a trained network as a network file, run it and compare it with PyTorch."""
    for module in ("torch", "onnxscript"):
        require(module, "train")
    from gi_plugin.train import checkpoint as checkpoints  # noqa: PLC0415  # heavy
    from gi_plugin.train.onnx_export.export import export_network  # noqa: PLC0415  # heavy

    network, stored = checkpoints.read_network(checkpoint)
    if blend is not None:
        checkpoints.blend(network, checkpoints.read_network(blend)[0], share)
    output.parent.mkdir(parents=True, exist_ok=True)
    with Spinner("exporting"):
        difference = export_network(network, output, {**stored, **dict(_pair(note) for note in notes or [])})
    say(f"wrote {output}; largest difference from PyTorch {difference:.1e} on a scale of -1 to 1")


def evaluate(
    data: Annotated[list[Path], typer.Option("--data", help="Folder, .tar shard or list file of pictures; may be repeated.")],
    masks: Annotated[str, typer.Option("--masks", help="Mask sets: center, random, freeform.")] = "center,random,freeform",
    baselines: Annotated[
        str, typer.Option("--baselines", help="Other methods to run: telea, ns, biharmonic; empty for none.")
    ] = "telea,ns,biharmonic",
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for results; what it holds is not computed again.")] = Path(
        "out/evaluation"
    ),
    limit: Annotated[int, typer.Option("--limit", min=0, help="Take only the first pictures; 0 for all.")] = 0,
    sheets: Annotated[bool, typer.Option("--sheets", help="Also draw a contact sheet per mask set.")] = False,
    config: ConfigFile = None,
    backend: Backend = None,
    as_json: AsJson = False,
) -> None:
    """Score the network and other methods on the same pictures and holes."""
    require("torch", "train")
    from gi_plugin.train.evaluation import evaluate as evaluation  # noqa: PLC0415  # heavy
    from gi_plugin.train.evaluation.baselines import baseline  # noqa: PLC0415

    from ..inpainter import Inpainter  # noqa: PLC0415  # heavy
    from ..network_file import fingerprint, network_path  # noqa: PLC0415

    settings = load_config(config, backend)
    inpainter = Inpainter(settings)
    ours = f"gi-plugin {fingerprint(network_path(settings.model.path))[:8]} {inpainter.engine(evaluation.SIZE).backend}"
    methods: dict[str, FillMethod] = {ours: inpainter, **{name: baseline(name) for name in baselines.split(",") if name}}
    with Spinner("reading the data") as progress:
        rows = evaluation.evaluate(
            data, masks.split(","), methods, output, lambda text, number, total: progress(f"{number} of {total}: {text}"), limit
        )
        for mask_set in masks.split(",") if sheets else ():
            evaluation.draw_sheet(data, mask_set, methods, output / f"{mask_set}.png")
    _show_rows(rows, as_json)


def ablate(
    data: Annotated[Path, typer.Option("--data", help="Pictures to train on, as for train.")],
    scored: Annotated[list[Path], typer.Option("--scored", help="Pictures to score on; may be repeated.")],
    first: Annotated[list[str], typer.Option("--first", help="Settings of the first run, as key=value; may be repeated.")],
    second: Annotated[list[str], typer.Option("--second", help="Settings of the second run, as key=value; may be repeated.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for both runs.")] = Path("runs/ablation"),
    minutes: Minutes = None,
    steps: Steps = None,
    assignments: Assignments = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Train two settings under the same budget and seed, score both on the same holes."""
    require("torch", "train")
    from gi_plugin.train.evaluation import ablation  # noqa: PLC0415  # heavy

    common = _assigned(load_config(config).train, assignments or [])
    settings = {", ".join(words): _assigned(common, words) for words in (first, second)}
    with Spinner("reading the data") as progress:
        rows = ablation.ablate(
            data,
            scored,
            output,
            settings,
            _budget(minutes, steps),
            lambda name, told: _report(told, lambda text: progress(f"{name}: {text}")),
        )
    _show_rows(rows, as_json)


def throughput(
    assignments: Assignments = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Time a full training step in fp32 and in bf16 with the channels last, in one run."""
    require("torch", "train")
    from gi_plugin.train.evaluation import throughput as timing  # noqa: PLC0415  # heavy

    with Spinner("measuring") as progress:
        rows = timing.measure(timing.variants(_assigned(load_config(config).train, assignments or [])), progress)
    if as_json:
        print_json([vars(row) for row in rows])
        return
    table = Table("setting", "pictures/s", "times as many as the first")
    for row in rows:
        table.add_row(row.name, f"{row.pictures_per_second:.3f}", f"{row.ratio:.2f}")
    show(table)


def quantize(
    network: Annotated[Path, typer.Argument(help="Network file (.onnx); its int8 form is written beside it.")],
    data: Annotated[Path, typer.Option("--data", help="Pictures as for training, not those of an evaluation.")],
    pictures: Annotated[int, typer.Option("--pictures", min=1, help="Crops to take the ranges from.")] = 300,
    largest_drop: Annotated[float, typer.Option("--largest-drop", min=0, help="Loss of PSNR in the hole that is allowed, in dB.")] = 0.1,
) -> None:
    """Make the int8 form of a network, for [engine] precision = "int8" on CPUs."""
    require("torch", "quantize")
    from gi_plugin.engines.cpu import quantization  # noqa: PLC0415  # heavy

    require("nncf", "quantize")  # after OpenVINO, whose usage reports it would share
    with Spinner("reading the data") as progress:
        made = quantization.quantize(network, data, pictures, largest_drop, progress)
    say(f"wrote {made.path}; PSNR in the hole {made.before:.2f} dB before, {made.after:.2f} dB after")


def _budget(minutes: float | None, steps: int | None) -> Budget:
    from gi_plugin.train.loop import ENDLESS, Budget  # noqa: PLC0415  # heavy

    if minutes is None and steps is None:
        raise ConfigError("no budget: give --minutes, --steps or both")
    return Budget(minutes or math.inf, steps or ENDLESS)


def _show_rows(rows: list[ScoreRow], as_json: bool) -> None:
    """Print an evaluation's rows as a table or as JSON."""
    if as_json:
        print_json([{"method": row.method, "masks": row.mask_set, "pictures": row.pictures, **vars(row.scores)} for row in rows])
        return
    columns = ("l1 %", "l2 %", "PSNR", "TV %", "SSIM", "PSNR in hole", "texture %")
    table = Table("masks", "method", "pictures", *columns)
    for row in rows:
        table.add_row(row.mask_set, row.method, str(row.pictures), *(f"{value:.3f}" for value in vars(row.scores).values()))
    show(table)


def _report(told: Progress, progress: Any) -> None:
    psnr = "" if told.psnr is None else f", validation {told.psnr:.2f} dB"
    remaining = told.seconds * (1 / told.share - 1) / 60 if told.share else 0
    text = (
        f"step {told.step}, loss {told.loss:.4f}, {told.rate:.1f} pictures/s, {told.waiting:.0%} waiting for data, "
        f"{told.skipped} skipped{psnr}, {remaining:.1f} minutes remain"
    )
    progress(text)
    if told.psnr is not None:
        say(text)


def _assigned(settings: TrainSettings, assignments: list[str]) -> TrainSettings:
    """Settings with key=value assignments applied, each checked like a line of plugin.toml."""
    for assignment in assignments:
        key, text = _pair(assignment)
        default = getattr(settings, key, None)
        if default is None:
            raise ConfigError(f"--set {assignment}: unknown key {key!r}; plugin.toml lists the keys of [train]")
        settings = replace(settings, **{key: _value(assignment, text, type(default))})
    check_settings(settings, "--set")
    return settings


def _value(assignment: str, text: str, kind: type) -> Any:
    try:
        return {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError) as error:
        raise ConfigError(f"--set {assignment}: expected {kind.__name__}") from error


def _pair(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator:
        raise ConfigError(f"{text!r}: expected key=value")
    return key.strip(), value.strip()


COMMANDS: tuple[Callable[..., None], ...] = (train, export, evaluate, ablate, throughput, quantize)
