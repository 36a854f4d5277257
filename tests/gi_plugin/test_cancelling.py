"""Cancelling, deadlines and progress of a call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gi_plugin
from gi_plugin.arrays import Array
from gi_plugin.config import Config, EngineSettings, ModelSettings
from gi_plugin.errors import EngineError
from gi_plugin.inpainter import Inpainter
from gi_plugin.inputs.control import Control
from gi_plugin.options import Options
from tests.gi_plugin.windows import small_windows

IMAGE = np.random.default_rng(0).integers(0, 256, (200, 300, 3)).astype(np.uint8)
MASK = np.zeros((200, 300), bool)
for LEFT in range(20, 280, 60):
    MASK[20:30, LEFT : LEFT + 10] = MASK[100:110, LEFT : LEFT + 10] = MASK[60:70, LEFT] = True  # the last ones are thin
MASK[150:190, 100:160] = True


@pytest.fixture(scope="module")
def inpainter(small_network_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inpainter]:
    engine = EngineSettings(backend="openvino", threads=1, cache=str(tmp_path_factory.mktemp("cache")))
    with small_windows():
        opened = Inpainter(Config(model=ModelSettings(str(small_network_file)), engine=engine))
        opened(IMAGE, MASK)
        yield opened
        opened.close()


def _stopping_after(steps: int, event: threading.Event) -> tuple[list[float], Callable[[float], None]]:
    """A list that collects the reported shares, and a progress function that sets the event after so many reports."""
    shares: list[float] = []

    def report(share: float) -> None:
        shares.append(share)
        if len(shares) == steps:
            event.set()

    return shares, report


@pytest.mark.parametrize("detail", ["transfer", "network"])
def test_progress_rises_to_one(inpainter: Inpainter, detail: Any) -> None:
    """There is one report per view of the network, and the last one is 1."""
    shares, report = _stopping_after(-1, threading.Event())
    inpainter(IMAGE, MASK, detail=detail, progress=report)
    assert len(shares) > 3
    assert shares == sorted(shares)
    assert shares[-1] == 1


@pytest.mark.parametrize("detail", ["transfer", "network"])
def test_a_cancelled_call_stops_at_the_next_window(inpainter: Inpainter, detail: Any) -> None:
    """The call raises `Cancelled`, and no further window is filled."""
    event = threading.Event()
    shares, report = _stopping_after(2, event)
    with pytest.raises(gi_plugin.Cancelled, match="the caller cancelled"):
        inpainter(IMAGE, MASK, detail=detail, cancel=event, progress=report)
    assert len(shares) == 2


def test_a_call_is_asked_often_whether_to_stop(inpainter: Inpainter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a call is stopped, the engine stays usable and the next call gives the same result."""
    count, at = [0], [-1]

    def check(_: Control) -> None:
        count[0] += 1
        if count[0] == at[0]:
            raise gi_plugin.Cancelled

    expected = inpainter(IMAGE, MASK)
    monkeypatch.setattr(Control, "check", check)
    inpainter(IMAGE, MASK)
    total = count[0]
    assert total > 50 * len(inpainter.plan(MASK, IMAGE.shape[:2], Options()).windows)
    for at[0] in range(1, total + 1, max(total // 25, 1)):
        count[0] = 0
        with pytest.raises(gi_plugin.Cancelled):
            inpainter(IMAGE, MASK)
    at[0] = -1
    np.testing.assert_array_equal(inpainter(IMAGE, MASK), expected)


def test_a_deadline_ends_a_call(inpainter: Inpainter) -> None:
    """A call that takes longer raises `Cancelled` with the deadline; one that has time does not."""
    with pytest.raises(gi_plugin.Cancelled, match=r"deadline of 0\.001 s"):
        inpainter(IMAGE, MASK, deadline=0.001)
    np.testing.assert_array_equal(inpainter(IMAGE, MASK, deadline=600), inpainter(IMAGE, MASK))


def test_other_calls_go_on(inpainter: Inpainter) -> None:
    """While one thread cancels its calls, another one's calls give their usual results."""
    expected, results = inpainter(IMAGE, MASK), list[Array]()
    other = threading.Thread(target=lambda: results.extend(inpainter(IMAGE, MASK) for _ in range(3)))
    other.start()
    while other.is_alive():
        event = threading.Event()
        with pytest.raises(gi_plugin.Cancelled):
            inpainter(IMAGE, MASK, cancel=event, progress=_stopping_after(1, event)[1])
    assert len(results) == 3
    for result in results:
        np.testing.assert_array_equal(result, expected)


def _resident() -> int:
    """Memory of this process in pages."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc")
@pytest.mark.parametrize("detail", ["transfer", "network"])
def test_closing_ends_running_calls(inpainter: Inpainter, detail: Any) -> None:
    """A call that is between two windows while the engines are closed does not open them again; the next call does."""
    shares, _ = _stopping_after(-1, threading.Event())

    def close(share: float) -> None:
        shares.append(share)
        inpainter.close()

    with pytest.raises(EngineError, match="the engine was closed"):
        inpainter(IMAGE, MASK, detail=detail, progress=close)
    assert len(shares) == 1
    inpainter(IMAGE, MASK, detail=detail)


def test_a_hundred_cancelled_calls_leave_nothing(inpainter: Inpainter) -> None:
    """They leave no thread, memory within 5 %, and the engine usable."""
    expected = inpainter(IMAGE, MASK)

    def cancelled(times: int) -> None:
        for number in range(times):
            event = threading.Event()
            with pytest.raises(gi_plugin.Cancelled):
                inpainter(IMAGE, MASK, cancel=event, progress=_stopping_after(1 + number % 3, event)[1])

    cancelled(10)
    threads, memory = threading.active_count(), _resident()
    cancelled(100)
    assert threading.active_count() == threads
    assert _resident() < 1.05 * memory
    np.testing.assert_array_equal(inpainter(IMAGE, MASK), expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"cancel": True}, "an event"), ({"deadline": 0}, "more than 0"), ({"deadline": "1"}, "seconds"), ({"progress": 1}, "a function")],
)
def test_a_wrong_option_is_named(inpainter: Inpainter, options: dict[str, Any], message: str) -> None:
    """The message says what is expected."""
    with pytest.raises(gi_plugin.ConfigError, match=f"option {next(iter(options))} = .*{message}"):
        inpainter(IMAGE, MASK, **options)
