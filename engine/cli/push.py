"""`push`: put exit weights on the Hub."""

from typing import Annotated

import typer

from engine.cli.library import chosen_encoder
from engine.cli.options import Model
from engine.utils.errors import EngineError


def push(
    repo: Annotated[str, typer.Argument(help="Hub repository as ORGANISATION/NAME; made if it is not there.")],
    model: Annotated[str | None, Model] = None,
) -> None:
    """Put a model's exit weights on the Hub, with a model card; the model's own weights stay where they are.

    Needs a token: `hf auth login`, or the environment variable HF_TOKEN.
    """
    from engine.clip.hub import EXITS
    from engine.clip.hub import push as put
    from engine.exits.model_card import card

    encoder = chosen_encoder(model, False)
    if encoder.exits == 1:
        raise EngineError(f"{encoder.identity.model} has no exit weights yet; `python -m engine fit` makes some.")
    files = {name: (encoder.folder / name).read_bytes() for name in EXITS}
    commit = put(repo, {"README.md": card(encoder, repo).encode(), **files}, f"Exits for {encoder.identity.model}")
    typer.echo(f"{repo}@{commit}")
