"""Open the page: `python app.py`."""

import sys
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


def load_encoder() -> "Encoder":
    """The encoder, with what it stands on imported only now: the page opens before."""
    from engine.encoder import load_encoder as load

    return load()


def main() -> None:
    """Serve the page until it is stopped; the demo gallery is encoded beside it at the first start."""
    try:
        store = Store.open()
        catalog = Catalog(store, load_encoder)
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
