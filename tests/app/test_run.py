import subprocess
import sys


def test_the_page_opens_before_what_the_encoder_stands_on_is_loaded() -> None:
    code = "import sys, app.run; print(sorted({'torch', 'open_clip', 'timm', 'transformers'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
