"""Open the page: `python app.py`."""

import sys

from app.server.gradio_import import without_editor_stubs
from app.server.settings import prepare
from engine.gallery import EngineError, without_garbage_collection


def main() -> None:
    """Serve the page until it is stopped."""
    try:
        folder = prepare()
    except EngineError as error:
        sys.exit(str(error))
    with without_garbage_collection(), without_editor_stubs():
        from app.run import run  # Gradio reads the environment when it is imported
    run(folder)


if __name__ == "__main__":
    main()
