import re

from engine.exits.encoder import Encoder
from engine.exits.model_card import card
from tests.exits.ladders import made


def rows(encoder: Encoder) -> list[tuple[str, str, float]]:
    found = re.findall(r"^\| (\d+) \| (.*) \| ([\d.]+) \|$", card(encoder, "someone/exits"), re.MULTILINE)
    return [(number, place, float(share)) for number, place, share in found]


def test_a_ladder_of_smaller_towers() -> None:
    encoder = made("whole passes, joined")
    text = card(encoder, "someone/exits")
    assert [(number, place) for number, place, _ in rows(encoder)] == [
        ("1", "a pass of `tf_efficientnet_lite0` at 32 px"),
        ("2", "a pass of `tf_efficientnet_lite1` at 48 px"),
        ("3", "the end"),
    ]
    assert "fine-tuned from timm's `tf_efficientnet_lite0`, `tf_efficientnet_lite1` (ImageNet weights" in text
    assert "python -m engine pull someone/exits --model tiny\n" in text


def test_exits_along_the_depth_of_a_transformer() -> None:
    encoder = made("a transformer")
    text = card(encoder, "someone/exits")
    places = [place for _, place, _ in rows(encoder)]
    assert places == ["`embed`", "`blocks.0`", "`blocks.1`", "`blocks.2`", "the end"]
    assert "maller towers" not in text
    own = re.search(r"own tower alone is ([\d.]+) of that", text)
    assert own is not None
    assert 0.9 < float(own[1]) < 1


def test_costs_ascend_to_one() -> None:
    for name in ("a transformer", "a transformer behind a smaller tower", "whole passes, joined"):
        shares = [share for _, _, share in rows(made(name))]
        assert shares == sorted(set(shares))
        assert shares[-1] == 1
