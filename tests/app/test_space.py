"""What the README tells a Space fits the rest of the repository."""

import re
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tests.stress.space import front_matter

ROOT = Path(__file__).parents[2]


def requirement(file: str, name: str) -> SpecifierSet:
    lines = (ROOT / file).read_text("utf-8").splitlines()
    return next(Requirement(line).specifier for line in lines if line.startswith(name))


def test_a_space_installs_a_gradio_and_a_python_that_we_work_with() -> None:
    told = front_matter()
    assert (told["sdk"], told["license"]) == ("gradio", "apache-2.0")
    assert (ROOT / told["app_file"]).is_file()
    assert told["sdk_version"] in requirement("requirements.txt", "gradio")
    wanted = re.search(r'requires-python = "(.*)"', (ROOT / "pyproject.toml").read_text("utf-8"))
    assert wanted
    assert f"{told['python_version']}.0" in SpecifierSet(wanted[1])
    assert len(told["short_description"]) <= 60


def test_what_zerogpu_takes_is_within_what_we_work_with() -> None:
    lent, ours = requirement("requirements-zerogpu.txt", "torch"), requirement("requirements.txt", "torch")
    for version in ("2.8.0", "2.9.1", "2.10.0", "2.11.0"):
        assert version in lent
        assert version in ours
    assert "2.7.1" not in lent
    assert "2.12.0" not in lent


def test_a_machine_without_a_gpu_gets_the_same_but_for_faiss() -> None:
    def asked(file: str) -> list[str]:
        lines = (ROOT / file).read_text("utf-8").splitlines()
        return [line for line in lines if not line.startswith(("#", "faiss-"))]

    assert asked("requirements-cpu.txt") == asked("requirements.txt")
    assert requirement("requirements-cpu.txt", "faiss-cpu") == requirement("requirements.txt", "faiss-cpu")
