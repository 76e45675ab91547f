"""Open the page: `python app.py`."""

import sys

from app.server.settings import prepare
from engine.gallery import EngineError


def main() -> None:
    """Serve the page until it is stopped."""
    try:
        folder = prepare()
    except EngineError as error:
        sys.exit(str(error))
    from app.run import run  # Gradio reads the environment when it is imported

    run(folder)


if __name__ == "__main__":
    main()
