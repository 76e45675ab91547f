"""`deploy-space`: put the page on a Hugging Face Space."""

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.output import say
from engine.utils.errors import EngineError


def deploy_space(
    repo: Annotated[str, typer.Argument(help="Space as ORGANISATION/NAME; made if it is not there.")],
    dry_run: Annotated[
        Path | None, typer.Option(help="Write the Space's files into this empty folder, and upload nothing.")
    ] = None,
    zerogpu: Annotated[
        bool,
        typer.Option("--zerogpu", help="Ask for ZeroGPU hardware, and write a pre-requirements.txt with its torch."),
    ] = False,
    private: Annotated[bool, typer.Option("--private", help="Make a new Space private.")] = False,
) -> None:
    """Put this page on a Hugging Face Space, with the files that it needs and no others.

    A Space that holds an earlier deployment is brought up to it in one commit; one that holds another app is refused.
    Needs a token: `hf auth login`, or the environment variable HF_TOKEN.
    """
    from tempfile import TemporaryDirectory

    from engine.clip.hub import push_space, require_repo_name
    from engine.utils.product_files import write_product

    require_repo_name(repo)
    with TemporaryDirectory() as scratch:
        folder = dry_run or Path(scratch, "space")
        try:
            files = write_product(folder, zerogpu)
        except OSError as error:
            raise EngineError(f"{folder} cannot be written ({error.strerror}).") from error
        size = sum((folder / name).stat().st_size for name in files) / 1e6
        if dry_run is not None:
            say(f"{len(files)} files, {size:.1f} MB, are in {folder}; nothing was uploaded to {repo}.")
            return
        say(f"Uploading {len(files)} files, {size:.1f} MB.")
        typer.echo(push_space(repo, folder, private, zerogpu))
