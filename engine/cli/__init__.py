"""The command line: `python -m engine --help`.

Results go to stdout, everything else to stderr, so that `--json` can be piped as it is. An EngineError is one sentence
on stderr and exit code 2. Heavy imports stand inside the commands that need them: help and mistakes are instant.
"""

import errno
import os
import signal
import sys
from importlib import import_module
from io import TextIOWrapper
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from engine.cli.output import printable, say
from engine.utils.data_dir import lend_temporary_folder
from engine.utils.errors import EngineError

COMMANDS = (  # a module and a function of that name each, in the order of the help
    "index",
    "reencode",
    "search",
    "sort",
    "galleries",
    "evaluate",
    "evaluate_albums",
    "train_mini",
    "train_rivals",
    "report",
    "fit",
    "acceptance",
    "push",
    "pull",
    "bench",
    "race",
    "migrate_store",
    "backup",
    "restore",
    "deploy_space",
)
# Commands that begin where they were stopped.
GO_ON = ("acceptance", "fit", "index", "migrate-store", "reencode", "sort", "train-mini", "train-rivals")


class Command(TyperCommand):
    """A command that refuses an empty word, as an unset variable leaves it: an empty path is the current folder."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line; raises EngineError where a word is empty."""
        if any(not word or (word.startswith("--") and word.endswith("=")) for word in args):
            raise EngineError("An argument is empty; a variable in it may not be set.")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; its help and what is wrong with the words after it need no place for files."""
        lend_temporary_folder()
        return super().invoke(ctx)


class Commands(TyperGroup):
    """The commands, with every EngineError turned into its sentence and exit code 2."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # a name that its charset lacks is escaped, as on stderr
        options = " ".join(ctx.args)
        try:
            return super().invoke(ctx)
        except EngineError as error:
            sentence = str(error)
            if error.command:
                same = ", with the same --model" if "--model" in options else ""
                sentence = f"{sentence.removesuffix('.')}: `python -m engine {printable(error.command)}`{same}."
            say(sentence)
            raise typer.Exit(2) from error
        except KeyboardInterrupt as error:
            goes_on = " What was finished is kept: run it again to go on." if ctx.invoked_subcommand in GO_ON else ""
            say(f"Stopped.{goes_on}")
            raise typer.Exit(128 + signal.SIGINT) from error

    def main(self, *args: Any, **more: Any) -> Any:
        """Do what the command line says; help, too, may go to a file on a full disk."""
        try:
            return super().main(*args, **more)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            say("The disk is full: make room, and run it again.")
            # What stays in the buffer would be tried once more at the end, and told of in Python's words.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(2)


cli = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",  # paragraphs of help are wrapped to the terminal, not where the source breaks
    pretty_exceptions_enable=False,
    help="Search photos by words, with an image encoder that stops early on easy photos.",
    epilog="Galleries are kept in the folder that TGEM_HOME names, by default the user data folder of this system.",
)

for name in COMMANDS:
    cli.command(cls=Command)(getattr(import_module(f"engine.cli.{name}"), name))
