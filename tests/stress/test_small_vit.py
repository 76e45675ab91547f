import json
from pathlib import Path

import numpy as np
import pytest

from engine.exits.loading import load_encoder
from tests import tiny_models
from tests.stress import small_vit


@pytest.mark.slow
@pytest.mark.long
def test_a_vit_is_taught_and_loads_as_a_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TAUGHT": 10, "BATCH": 4, "STEPS": 2, "JUDGED": 3}.items():
        monkeypatch.setattr(small_vit, name, value)
    data = tmp_path / "data"
    files = tiny_models.save_pictures(data / "images", 12, 144)
    rows = [{"file": file.name, "captions": ["a photo"], "split": "train"} for file in files]
    (data / "captions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    said: list[str] = []
    small_vit.teach(data, tmp_path / "out", said.append)
    assert json.loads(said[-1])["step"] == 2
    taught, rest = small_vit.photos_of(data)
    assert (len(taught), len(rest)) == (10, 2)
    encoder = load_encoder(f"local-dir:{tmp_path / 'out'}", "float32")
    photos = tiny_models.pixels(2, 128)
    full = np.stack([e.vector for e in encoder.deepen(photos, encoder.exits)])
    assert np.array_equal(full, encoder.backbone.encode_image(photos).numpy())
    assert len(encoder.backbone.tower.stages) == 9


@pytest.mark.parametrize(
    ("words", "sentence"),
    [([], "arguments are required: data, out"), (["no/such/folder", "OUT"], "no/such/folder")],
)
def test_mistakes_on_its_command_line_are_sentences(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        small_vit.main([str(tmp_path / "out") if word == "OUT" else word for word in words])
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_photos_that_go_on_end_where_those_do_that_never_stopped() -> None:
    encoder = tiny_models.encoder("vit")
    line = small_vit.resumed(encoder, tiny_models.pixels(3, encoder.backbone.size))
    assert line == "resumed against straight, 3 photos: embeddings differ by 0"
