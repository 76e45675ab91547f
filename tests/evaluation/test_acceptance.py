import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from engine import cli as command_line
from engine.clip.backbone import Backbone
from engine.evaluation import speed
from engine.evaluation.acceptance_report import markdown
from engine.exits import certificate, loading
from engine.training import gates, readouts
from tests import tiny_models
from tests.hubserver import Hub

MANY = 130
STEPS = ["fetch", "equality", "fit", "certificate", "evaluate", "bench", "push", "pull"]


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An OpenCLIP folder with a small random model, whose exits are fitted in no time."""
    monkeypatch.setattr(readouts, "FEWEST_STEPS", 20)
    monkeypatch.setattr(gates, "STEPS", 30)
    monkeypatch.setattr(speed, "ROUNDS", 1)
    monkeypatch.setattr(certificate, "ENOUGH", 0.0)
    monkeypatch.setattr(loading, "read_texts", lambda: list(tiny_models.BANK))
    tiny_models.save_model(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    tiny_models.save_pictures(tmp_path / "photos", MANY, 32)
    return tmp_path / "photos"


def accept(out: Path, *words: object) -> Result:
    return CliRunner().invoke(command_line.cli, ["acceptance", "--out", str(out), *map(str, words)])


def statuses(out: Path) -> dict[str, str]:
    steps = json.loads((out / "acceptance.json").read_text())["steps"]
    assert [step["step"] for step in steps] == STEPS
    assert all(step["why"] for step in steps), "each step says why"
    return {step["step"]: step["status"] for step in steps}


def test_the_environment_names_the_model_as_for_other_commands(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TGEM_MODEL", "no-such-model")
    assert accept(tmp_path / "out", "--photos", photos).exit_code == 1
    first = json.loads((tmp_path / "out" / "acceptance.json").read_text())["steps"][0]
    assert first["status"] == "failed"
    assert first["why"].startswith("no-such-model is not an OpenCLIP folder")


def test_a_model_whose_exits_cannot_be_used_is_fitted_anew_and_accepted_with_no_network(
    model: Path, photos: Path, tmp_path: Path
) -> None:
    (model / "tgem.json").write_text('{"format": 3}')
    out = tmp_path / "out"
    result = accept(out, model, "--photos", photos)
    assert result.exit_code == 0, result.output
    wanted = dict.fromkeys(STEPS, "done") | dict.fromkeys(["evaluate", "push", "pull"], "skipped")
    assert statuses(out) == wanted
    report = (out / "acceptance.md").read_text()
    for text in ("to the last bit", "no captioned set was given", "## Certificate", "## Speed", "push was skipped"):
        assert text in report
    for name in ("fit-report.json", "fit-report.html", "exits/tgem.json"):
        assert (out / name).is_file()
    assert (model / "tgem.json").read_text() == '{"format": 3}', "nothing outside the report's folder changes"


def test_exits_go_to_a_private_repository_and_come_back(
    model: Path, photos: Path, tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    monkeypatch.delenv("HF_TOKEN", raising=False)
    accept(out, model, "--photos", photos, "--push", "lab/exits")
    assert statuses(out)["push"] == "skipped"
    assert "there is no token" in (out / "acceptance.md").read_text()
    assert not hub.commits
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    result = accept(out, model, "--photos", photos, "--push", "lab/exits")
    assert result.exit_code == 0, result.output
    assert (statuses(out)["push"], statuses(out)["pull"]) == ("done", "done")
    assert (out / "pulled" / "tgem.json").read_bytes() == (out / "exits" / "tgem.json").read_bytes()


def test_a_failed_step_stops_only_those_that_need_it(
    model: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    accept(out, model, "--photos", photos)
    assert statuses(out)["certificate"] == "done"
    for path in list(photos.iterdir())[99:]:
        path.unlink()
    monkeypatch.setattr(Backbone, "encode_image", lambda self, pixels: 1 / 0)
    result = accept(out, model, "--photos", photos, "--data", photos)
    assert result.exit_code == 1
    found = statuses(out)
    assert {found[name] for name in ("equality", "fit", "evaluate", "bench")} == {"failed", "skipped"}
    assert found["certificate"] == "skipped"
    report = (out / "acceptance.md").read_text()
    assert "## Certificate" not in report
    assert "Exits cannot be fitted on 99 photos: at least 100 are needed" in report
    assert "ZeroDivisionError" in report
    assert "Traceback" not in report


def test_no_model_is_a_report_too(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = accept(out, tmp_path / "none", "--photos", photos)
    assert result.exit_code == 1
    assert statuses(out) == dict.fromkeys(STEPS, "skipped") | {"fetch": "failed"}
    missing = accept(tmp_path / "other", tmp_path, "--photos", tmp_path / "nowhere")
    assert missing.exit_code == 2
    assert "is not a folder" in missing.stderr
    assert not (tmp_path / "other").exists()


def test_a_system_that_counts_no_load_is_reported_without_it(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept(tmp_path / "out", tmp_path / "none", "--photos", photos)
    assert "Load of the machine" in (tmp_path / "out" / "acceptance.md").read_text()
    monkeypatch.delattr(os, "getloadavg")
    result = accept(tmp_path / "out", tmp_path / "none", "--photos", photos)
    assert isinstance(result.exception, SystemExit), "no traceback"
    assert "float32.\n" in (tmp_path / "out" / "acceptance.md").read_text()


@pytest.mark.slow
@pytest.mark.long
def test_the_shipped_model_keeps_its_own_exits(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "ROUNDS", 1)
    out = tmp_path / "out"
    for path in list(photos.iterdir())[20:]:
        path.unlink()
    assert accept(out, "--photos", photos).exit_code == 0
    found = statuses(out)
    assert (found["fit"], found["certificate"], found["bench"]) == ("skipped", "done", "done")
    assert "trained together" in (out / "acceptance.md").read_text()


def test_a_cell_stays_in_its_table() -> None:
    step = {"step": "fit", "status": "failed", "why": "a | b <b>\n*c*", "seconds": 1.0, "found": {}}
    about = {"model": "m", "date": "d", "torch": "t", "threads": 1, "load": [0.0], "steps": [step]}
    assert "| fit | **failed** | a \\| b \\<b\\> \\*c\\* | 1 |" in markdown(about)
