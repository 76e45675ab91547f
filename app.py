"""Open the page: `python app.py`."""

import argparse
import os
import sys
from functools import partial
from typing import TYPE_CHECKING

from app.context import Context
from app.demo import Demo
from app.layout import build, launch_options
from app.pictures import Pictures, derived, secret_of
from engine.catalog import Catalog
from engine.comparison import Comparison
from engine.errors import EngineError
from engine.home import home
from engine.store import Store

if TYPE_CHECKING:
    from engine.encoder import Encoder


def load_encoder(model: str | None, random_weights: bool) -> "Encoder":
    """The encoder, with what it stands on imported only now: the page opens before."""
    from engine.encoder import load_encoder as load
    from engine.sources import named

    encoder = load(named(model, random_weights))
    if encoder.exits == 1:
        sys.stderr.write(
            f"{encoder.identity.model} has no exit weights: every photo runs to full depth. "
            "`python -m engine fit` makes some.\n"
        )
    return encoder


def options() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description="Search photos with words, and see what each one cost.")
    parser.add_argument(
        "--model",
        default=os.environ.get("TGEM_MODEL"),
        help="NAME/TAG of an OpenCLIP model, hf-hub:ORGANISATION/NAME, or a folder as local-dir:PATH; "
        "by default TGEM_MODEL, or else the shipped one",
    )
    parser.add_argument(
        "--random-weights", action="store_true", help="give the architecture NAME weights from a fixed seed"
    )
    return parser.parse_args()


def main() -> None:
    """Serve the page until it is stopped; the demo gallery is encoded beside it at the first start."""
    chosen = options()
    try:
        store = Store.open()
        catalog = Catalog(store, partial(load_encoder, chosen.model, chosen.random_weights))
        demo = Demo(catalog)
        secret = secret_of(home())
        pictures = Pictures(catalog, secret)
        page = build(Context(catalog, Comparison(store, catalog), demo, pictures.address), derived(secret, "browser"))
        _, address, _ = page.launch(**launch_options(pictures), prevent_thread_lock=True)
    except (EngineError, OSError) as error:
        sys.exit(str(error))
    sys.stderr.write(f"T-GEM search is on {address}\n")
    demo.start()
    page.block_thread()


if __name__ == "__main__":
    main()
