"""Ctrl-C and `kill` as a request to stop."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator

import pytest

from gi_plugin.cli.stopping import SIGNALS, StopRequest, ended_after


@pytest.fixture(autouse=True)
def interrupts() -> Iterator[None]:
    """Make Ctrl-C raise `KeyboardInterrupt`, also if the tests run in the background, where the shell ignores it."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_is_noted_and_the_second_acts(capfd: pytest.CaptureFixture[str], number: signal.Signals, code: int) -> None:
    """The first signal sets the flag and prints a line; the next Ctrl-C interrupts; afterwards the previous handlers are restored."""
    previous = [signal.getsignal(signal_number) for signal_number in SIGNALS]
    with pytest.raises(KeyboardInterrupt), StopRequest("picture") as stop:  # noqa: PT012  # the handlers live inside
        assert not stop()
        os.kill(os.getpid(), number)
        assert stop()
        assert stop.exit_code == code
        assert capfd.readouterr().err == "\nstopping after this picture; once more to stop at once\n"
        os.kill(os.getpid(), signal.SIGINT)
    assert [signal.getsignal(signal_number) for signal_number in SIGNALS] == previous


def test_without_a_signal_nothing_changes() -> None:
    """Without a signal the flag stays unset, and the previous handlers are restored."""
    previous = [signal.getsignal(signal_number) for signal_number in SIGNALS]
    with StopRequest("picture") as stop:
        assert [signal.getsignal(signal_number) for signal_number in SIGNALS] != previous
    assert not stop()
    assert [signal.getsignal(signal_number) for signal_number in SIGNALS] == previous


@pytest.mark.skipif(sys.platform == "win32", reason="has no interval timer")
def test_a_block_is_left_when_its_time_is_over() -> None:
    """Endless work ends although it handles every `Exception`; the code after the block goes on, with the previous handler."""
    previous, laps = signal.getsignal(signal.SIGALRM), 0
    with ended_after(0.05):
        while True:
            with contextlib.suppress(Exception):
                laps += 1
    assert laps > 0  # type: ignore[unreachable]  # mypy does not know that the block ends
    assert signal.getsignal(signal.SIGALRM) == previous
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_without_a_limit_a_block_ends_by_itself() -> None:
    """No limit, and a limit that is not reached, change nothing."""
    for seconds in (None, 60.0):
        reached = False
        with ended_after(seconds):
            reached = True
        assert reached
