"""Open the page: `python app.py`."""

import signal
import sys


def main() -> None:
    """Serve the page until it is stopped."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the page is there, Ctrl-C has nothing to clear away

    from app.server.gradio_import import without_editor_stubs
    from app.server.settings import prepare
    from engine.gallery import EngineError, without_garbage_collection

    try:
        folder = prepare()
    except EngineError as error:
        sys.exit(str(error))
    with without_garbage_collection(), without_editor_stubs():
        from app.run import run  # Gradio reads the environment when it is imported
    run(folder)


if __name__ == "__main__":
    main()
