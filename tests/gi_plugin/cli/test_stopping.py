"""Signals as a request to stop."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from gi_plugin.cli.stopping import SIGNALS, StopRequest


@pytest.fixture(autouse=True)
def interrupts() -> Iterator[None]:
    """Ctrl-C raises, also where the tests were started in the background, which ignores it."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_is_noted_and_the_second_acts(capfd: pytest.CaptureFixture[str], number: signal.Signals, code: int) -> None:
    """One signal raises the flag and tells so; the next Ctrl-C interrupts; afterwards everything is as before."""
    former = [signal.getsignal(each) for each in SIGNALS]
    with pytest.raises(KeyboardInterrupt), StopRequest("picture") as stop:  # noqa: PT012  # the handlers live inside
        assert not stop
        os.kill(os.getpid(), number)
        assert stop
        assert stop.exit_code == code
        assert capfd.readouterr().err == "\nstopping after this picture; once more to stop at once\n"
        os.kill(os.getpid(), signal.SIGINT)
    assert [signal.getsignal(each) for each in SIGNALS] == former


def test_without_a_signal_nothing_changes() -> None:
    """The handlers are those of before."""
    former = [signal.getsignal(each) for each in SIGNALS]
    with StopRequest("picture") as stop:
        assert [signal.getsignal(each) for each in SIGNALS] != former
    assert not stop
    assert [signal.getsignal(each) for each in SIGNALS] == former
