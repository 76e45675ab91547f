"""`pull`: fetch exit weights from the Hub."""

from typing import Annotated

import typer

from engine.cli.options import Model, Random


def pull(
    repo: Annotated[str, typer.Argument(help="Hub repository as ORGANISATION/NAME, or @COMMIT after it.")],
    model: Annotated[str | None, Model] = None,
    random_weights: Annotated[bool, Random] = False,
) -> None:
    """Fetch exit weights for a model from the Hub and keep them, pinned to the commit they are of.

    Those of an hf-hub: model that has some in its own repository are fetched without asking.
    """
    from engine.clip.factory import load_model, named
    from engine.clip.hub import HubMissing, fetch_exits
    from engine.exits.checkpoint import install_exits

    loaded = load_model(named(model, random_weights))
    place, _, revision = repo.partition("@")
    snapshot = fetch_exits(place, revision or None)
    if snapshot is None:
        raise HubMissing(f"There are no exit weights in the Hub repository {place}: it has no tgem.json.")
    install_exits(snapshot, loaded.folder, loaded.backbone, loaded.weights)
    typer.echo(f"{snapshot.repo}@{snapshot.commit} kept in {loaded.folder}")
