"""The help of the command line: groups, examples, words in brackets, the version and shell completion."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from typer.main import get_command

import gi_plugin
from gi_plugin.cli.app import EXAMPLES, app
from tests.gi_plugin.command import Cli

COMMANDS = get_command(app).commands  # type: ignore[attr-defined]  # the command is a group


def test_the_commands_stand_in_their_groups(cli: Cli) -> None:
    """The help names every command once, in the order of `EXAMPLES`, with the command that most users need first."""
    text = cli("-h").out
    found = [line.split()[1] for line in text.splitlines() if re.match(r"│ [a-z]", line)]
    assert found == [name for names in EXAMPLES.values() for name in names if name in COMMANDS]
    assert set(found) == COMMANDS.keys()
    assert found[0] == "inpaint"
    assert [line.split()[1] for line in text.splitlines() if line.startswith("╭")] == ["Options", *EXAMPLES]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_an_example(cli: Cli, command: str) -> None:
    """`-h` shows an example that calls the command with options that it has."""
    result = cli(command, "-h")
    (example,) = re.findall(rf"Example: gi-plugin {command}\b(.*)", re.sub(r"\s*\n\s*", " ", result.out))
    known = {name for parameter in COMMANDS[command].params for name in parameter.opts}
    assert set(re.findall(r"(?<=\s)--?[a-z-]+", example)) <= known


def test_words_in_brackets_are_shown(cli: Cli) -> None:
    """A text such as [train] is not taken for markup."""
    assert "[train]" in cli("train", "-h").out


def test_the_usage_is_written_as_it_is_typed(cli: Cli) -> None:
    """Arguments have no braces, flags no type, and the options of `inpaint` stand in groups."""
    text = cli("inpaint", "-h").out
    assert "gi-plugin inpaint [OPTIONS] PICTURE... [MASK] " in text
    assert "<bool>" not in text + cli("config", "-h").out + cli("-h").out
    titles = [line.strip("╭─╮ ") for line in text.splitlines() if line.startswith("╭")]
    assert titles == ["Arguments", "Options", "What is missing", "How it is filled", "Many pictures"]


def test_the_version_is_printed(cli: Cli) -> None:
    """--version prints name and version on stdout."""
    assert cli("--version") == (0, f"gi-plugin {gi_plugin.__version__}\n", [])


def test_a_shell_completes_commands() -> None:
    """The completion that a shell asks for names the commands that begin with the typed letters."""
    asked = {"_GI_PLUGIN_COMPLETE": "complete_bash", "COMP_WORDS": "gi-plugin inp", "COMP_CWORD": "1"}
    start = "import sys; sys.argv[0] = 'gi-plugin'; from gi_plugin.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", start], capture_output=True, text=True, check=False, timeout=120, env=os.environ | asked)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["inpaint"], "")
