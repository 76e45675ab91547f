"""Open the page: `python app.py`."""

import sys

from engine.encoder import BUDGET_GRID, load_encoder

from app.demo import Demo
from app.handlers import Handlers
from app.layout import build, launch_options
from app.pictures import Pictures, secret_of
from engine.catalog import Catalog
from engine.errors import EngineError
from engine.home import home
from engine.store import Store


def main() -> None:
    """Serve the page until it is stopped; the demo gallery is encoded beside it at the first start."""
    try:
        catalog = Catalog(Store.open(), load_encoder)
        demo = Demo(catalog)
        pictures = Pictures(catalog, secret_of(home()))
        page = build(Handlers(catalog, demo, pictures, BUDGET_GRID))
        _, address, _ = page.launch(**launch_options(pictures), prevent_thread_lock=True)
    except (EngineError, OSError) as error:
        sys.exit(str(error))
    sys.stderr.write(f"T-GEM search is on {address}\n")
    demo.start()
    page.block_thread()


if __name__ == "__main__":
    main()
