"""The commands for engines: build TensorRT engines, check a GPU, list and clear the cache."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from ..config import EngineSettings, cache_directory, check_settings, load_config
from ..errors import ConfigError, EngineMissing, require
from .stopping import ended_by_signals
from .terminal import AsJson, ConfigFile, Spinner, print_json, say, show
from .usage import LiteralCommand, PlainGroup

if TYPE_CHECKING:
    from gi_plugin.engines.trt.package import TensorRtPackage

engines_app = typer.Typer(cls=PlainGroup, no_args_is_help=True, help="List or remove the engines in the cache.")


def build(
    backend: Annotated[str, typer.Option("--backend", help="tensorrt or tensorrt-rtx.")],
    precision: Annotated[str | None, typer.Option("--precision", help="fp32, fp16 or bf16.")] = None,
    layer: Annotated[str | None, typer.Option("--layer", help="The attention step: plugin, aot or native.")] = None,
    window: Annotated[list[int] | None, typer.Option("--window", help="Side of a window in pixels; may be repeated.")] = None,
    batch: Annotated[int | None, typer.Option("--batch", min=1, help="Windows per call.")] = None,
    target: Annotated[
        list[str] | None, typer.Option("--target", help="GPU architecture such as sm_89, tensorrt-rtx only; may be repeated.")
    ] = None,
    device: Annotated[str | None, typer.Option("--device", help="The GPU, such as gpu:1.")] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Build TensorRT engines and store them in the cache."""
    from gi_plugin.engines import open_engine  # noqa: PLC0415  # heavy
    from gi_plugin.engines.trt import builder  # noqa: PLC0415  # heavy
    from gi_plugin.engines.trt.check import compare  # noqa: PLC0415  # heavy
    from gi_plugin.engines.trt.package import TENSORRT_PACKAGES  # noqa: PLC0415

    from ..network_file import network_path  # noqa: PLC0415
    from ..planning import SIZES  # noqa: PLC0415  # heavy

    if backend not in TENSORRT_PACKAGES:
        raise ConfigError(f"--backend {backend}: expected one of {', '.join(TENSORRT_PACKAGES)}; other backends need no build")
    loaded = load_config(config, backend)
    overrides: dict[str, Any] = {"precision": precision, "layer": layer, "batch": batch, "device": device}
    settings = replace(loaded.engine, **{key: value for key, value in overrides.items() if value is not None})
    check_settings(settings, "command line:")
    package, results = TENSORRT_PACKAGES[backend], []
    _say_if_unsupported(package, settings, target or ())
    for side in window or SIZES[loaded.hook.detail]:
        request = builder.request_of(network_path(loaded.model.path), side, settings, package, target or ())
        with Spinner(f"building for {side} px") as progress, ended_by_signals():
            built = builder.build_engine(request, settings, progress)
            progress("comparing with fp32")
            compared = compare(replace(loaded, engine=settings), request, built, open_engine)
        results.append({"window": side, "new": built.new, "runs on": built.runs_on, "compared": compared, **built.report})
        status = f"built in {built.report['seconds']} s" if built.new else "already in the cache"
        say(f"{backend} {request.precision}, {side} px, attention as {request.layer}: {status}; runs on {built.runs_on}; {compared}")
    if as_json:
        print_json(results)


def _say_if_unsupported(package: TensorRtPackage, settings: EngineSettings, targets: Sequence[str]) -> None:
    """Say before a portable build that its engine will not run on the GPU of this machine, unless the caller names targets."""
    from gi_plugin.engines.gpu.driver import find_gpu  # noqa: PLC0415

    if not package.portable or targets:
        return
    try:
        found = find_gpu(settings.gpu_number())
    except (EngineMissing, ImportError):
        return  # building for other machines needs no GPU
    if package.refusal(found.capability):
        say(f"{found.name}: {package.refusal(found.capability)}. The engine will run on other machines only.")


def gpu(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for gpu-<name>.json.")] = Path("docs/results"),
    window: Annotated[list[int] | None, typer.Option("--window", help="Side of a window in pixels; may be repeated.")] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Check and time everything that can run on this machine's CUDA GPU."""
    require("torch", "train")
    from gi_plugin.engines.gpu.driver import find_gpu  # noqa: PLC0415

    from ..bench.gpu import check, result_file  # noqa: PLC0415  # heavy

    loaded = load_config(config)
    found = find_gpu(loaded.engine.gpu_number())
    file, rows = result_file(output, found.name), []
    file.parent.mkdir(parents=True, exist_ok=True)
    with Spinner("measuring") as progress:
        for row in check(loaded, window or [256, 512, 1024], "cuda", progress):
            rows.append(row)
            report = {"gpu": vars(found), "date": date.today().isoformat(), "rows": [vars(row) for row in rows]}  # noqa: DTZ011  # the user's day
            file.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")  # after each row: the check may be cut short
    if as_json:
        print_json(report)
        return
    table = Table("form", "window", "precision", "ms", "times the floor", "MB", "difference of 255", "note", title=str(found))
    for row in rows:
        figures = (row.milliseconds, row.times_floor, row.megabytes, row.difference)
        numbers = ("" if value is None else f"{value:.3f}" for value in figures)
        table.add_row(row.form, str(row.window), row.precision, *numbers, row.note)
    show(table)
    say(f"wrote {file}")


@engines_app.command("list", cls=LiteralCommand, epilog="Example: gi-plugin engines list")
def engines_list(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List the engines in the cache."""
    from gi_plugin.engines import EngineCache  # noqa: PLC0415

    cache = EngineCache(cache_directory(load_config(config).engine))
    entries = cache.entries()
    if as_json:
        print_json([{"key": entry.key, "size": entry.size, "created": entry.created, **entry.parts, **entry.notes} for entry in entries])
        return
    table = Table("backend", "window", "batch", "MB", "key", title=str(cache.directory))
    for entry in entries:
        table.add_row(*(entry.parts.get(key, "") for key in ("backend", "window", "batch")), f"{entry.size / 1e6:.1f}", entry.key)
    show(table)


@engines_app.command("clear", cls=LiteralCommand, epilog="Example: gi-plugin engines clear")
def engines_clear(config: ConfigFile = None) -> None:
    """Remove every engine from the cache; engines are built again when needed."""
    from gi_plugin.engines import EngineCache  # noqa: PLC0415

    count = EngineCache(cache_directory(load_config(config).engine)).clear()
    say(f"removed {count} engines")


COMMANDS: tuple[Callable[..., None], ...] = (build, gpu)
