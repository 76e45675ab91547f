import inspect
import subprocess
import sys

from app.server.gradio_import import without_editor_stubs

IMPORTED = """
import ast
from app.server.gradio_import import without_editor_stubs
ast.get_source_segment = None  # what stubs are made of
with without_editor_stubs():
    import gradio
gradio.Textbox.submit, gradio.HTML.click
"""


def test_gradio_is_imported_whole_but_for_stubs() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_files_are_found_again_afterwards() -> None:
    before = inspect.getfile
    with without_editor_stubs():
        assert inspect.getfile(subprocess) == subprocess.__file__
    assert inspect.getfile is before
