"""The command `rolevec`: finds the subcommand, and turns errors into one line and an exit code."""

from __future__ import annotations

import errno
import warnings
from importlib import import_module
from typing import Any, TextIO

import click

import rolevec
from rolevec.errors import RolevecError
from rolevec.truncation import TruncationWarning

# Command -> what `rolevec --help` says of it. Each stands in a module of its name, which is
# imported when the command is called.
_COMMANDS = {
    "demo": "Search a small corpus in many languages, to see it work.",
    "index": "Put files into a collection.",
    "plan": "Say what memory, disk and time a collection takes.",
    "search": "Find the documents nearest to a query.",
    "recommend": "Find documents like some and unlike others.",
    "migrate": "Give a collection the vectors of another model.",
    "cluster": "Group documents or texts by what they are about, with a map.",
    "embed": "Turn texts into vectors.",
    "evaluate": "Measure a model on retrieval sets, bitext, triples and scored pairs.",
    "models": "List the known models, or show one.",
    "serve": "Serve models as Cohere, OpenAI and TEI do.",
    "mine": "Find hard negatives for pairs in a collection, to train on.",
    "train": "Train an encoder on pairs of texts.",
    "convert": "Rewrite a static model of model2vec or sentence-transformers.",
    "doctor": "Check a model against what every encoder promises.",
}

_EPILOG = (
    "Exit codes: 0 done, 1 failed (the reason is on standard error), 2 wrong usage."
    " ROLEVEC_MODEL, ROLEVEC_STORE and ROLEVEC_COLLECTION set the defaults of those options;"
    " QDRANT_API_KEY is the key of a Qdrant server."
)


class _Commands(click.Group):
    """Imports a command's module when it is called, and shows errors without a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"rolevec.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # From the table: the commands' own help would import what they need.
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("always", TruncationWarning)
                warnings.showwarning = _show_warning
                return super().invoke(ctx)
        except (RolevecError, ValueError, TypeError, OSError) as error:
            # A closed pipe (`rolevec … | head`) is not a failure; click ends quietly.
            closed = isinstance(error, OSError) and error.errno == errno.EPIPE
            if closed or ctx.params["debug"]:
                raise
            raise click.ClickException(str(error) or type(error).__name__) from error


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    click.echo(f"Warning: {message}", err=True)


@click.group(
    cls=_Commands,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(rolevec.__version__, prog_name="rolevec")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:
    """Multilingual semantic search on this machine.

    Start with `rolevec demo`, then `rolevec index FOLDER` and `rolevec search "your question"`.
    """
