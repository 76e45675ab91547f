import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from app import views
from app.strip import lanes, positions, stages_run, strip, survival
from engine.catalog import GallerySummary, Hit, IngestReport, Photo, Progress, Skipped
from tests.conftest import FakeEncoder

STAGES = FakeEncoder().stages  # MACs 20, 20, 30, 30; exits after the last three
EVIL = "<script>alert(1)</script>\"'${7*7}{{x}}.jpg"
PHOTO = Photo(
    id=7,
    file="otter-on-rock.jpg",
    content_hash="ab" * 32,
    width=640,
    height=360,
    exit=2,
    exits=3,
    macs=70,
    macs_share=0.7,
    milliseconds=4.13,
    gates=np.array([[0.1, 0.2, 0.3], [0.6, 0.7, 0.8]], np.float32),
    phrases=((("a dog", 0.5), ("grass", 0.2)), (("an otter", 0.8), ("water", 0.1))),
    budget=0.75,
)
SUMMARY = GallerySummary(
    id=1, name="Holidays", kind="gallery", photos=4, waiting=0, macs_index=250, macs_queries=0, queries=0, macs=250, full_macs=400, saved_share=0.375, exits=(2, 1, 1),
    model="fake", budget=0.75, link=None,
)  # fmt: skip


def address(photo: Photo, size: str) -> str:
    return f"photo/{photo.id}/{size}"


def panel(photo: Photo, gates: list[float], picked: bool = False) -> str:
    return views.panel(photo, STAGES, 100, gates, address, picked)


class Outline(HTMLParser):
    """What a page's reader meets: tags with their attributes, and whether every tag is closed."""

    VOID = frozenset(("img", "br", "input", "progress"))

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


ALL = {
    "headline": views.headline(SUMMARY),
    "examples": views.examples(["red + car", EVIL]),
    "results": views.results([Hit(1, 0.34, replace(PHOTO, file=EVIL))], STAGES, address),
    "shelf": views.shelf([replace(PHOTO, file=EVIL)], STAGES, address, more=3),
    "panel": panel(replace(PHOTO, file=EVIL, phrases=(((EVIL, 0.5),), ((EVIL, 0.5), (EVIL, 0.1)))), [0.2, 0.7], True),
    "histogram": views.histogram(SUMMARY, STAGES),
    "encoding": views.encoding(EVIL, Progress(3, 10, (replace(PHOTO, file=EVIL),)), 1.5, STAGES, address, EVIL),
    "report": views.report(IngestReport(1, 1, (Skipped(EVIL, EVIL),), 1.0, 1.0, 0.7), EVIL),
    "note": views.note(EVIL, EVIL),
    "problem": views.problem(EVIL),
    "skeleton": views.skeleton(),
}


@pytest.mark.parametrize("view", ALL)
def test_html_is_whole_and_what_people_gave_is_text(view: str) -> None:
    outline = Outline(ALL[view])
    assert not outline.open
    assert "script" not in [tag for tag, _ in outline.tags]
    assert not any(name.startswith("on") for _, attributes in outline.tags for name in attributes)


def filled(html: str) -> list[str]:
    return re.findall(r'<i class="(on|off|part)', html)


def test_a_strip_is_filled_up_to_the_exit_and_hollow_after_it() -> None:
    assert filled(strip(STAGES, 1)) == ["on", "on", "off", "off"]
    assert filled(strip(STAGES, 2)) == ["on", "on", "on", "off"]
    assert filled(strip(STAGES, 3)) == ["on", "on", "on", "on"]


def test_a_stage_is_as_wide_as_its_macs() -> None:
    assert re.findall(r"flex-grow:(\d+)", strip(STAGES, 1)) == ["20", "20", "30", "30"]
    assert positions(STAGES) == {1: 0.4, 2: 0.7, 3: 1.0}
    assert stages_run(STAGES, 2) == 3


def test_a_pass_over_another_input_size_is_a_run_of_its_own() -> None:
    two_passes = (*(replace(stage, size=4, exit=None) for stage in STAGES[:2]), *STAGES)
    assert strip(two_passes, 1).count(" pass") == 1


def test_a_gallery_fills_each_stage_up_to_the_share_of_photos_that_ran_it() -> None:
    html = survival(STAGES, (2, 1, 1), "")
    assert filled(html) == ["on", "on", "part", "part"]
    assert re.findall(r"--fill:([\d.]+)", html) == ["0.500", "0.250"]


def test_marks_that_would_touch_go_to_rows_of_their_own() -> None:
    assert lanes([0.2, 0.5, 0.8]) == [0, 0, 0]
    assert lanes([0.45, 0.5, 0.55, 1.0]) == [0, 1, 0, 0]


def test_headline_says_what_was_spared() -> None:
    assert "4 photos · 38 % of the encoder’s work not done" in Outline(views.headline(SUMMARY)).text
    assert "3 % more work" in Outline(views.headline(replace(SUMMARY, saved_share=-0.03))).text
    assert Outline(views.headline(replace(SUMMARY, photos=1))).text.endswith(
        "1 photo · 38 % of the encoder’s work not done"
    )
    assert "No photos yet" in views.headline(replace(SUMMARY, photos=0))


def test_a_result_is_a_button_with_similarity_depth_and_what_was_saved() -> None:
    html = views.results([Hit(1, 0.345, PHOTO), Hit(2, 0.2, replace(PHOTO, id=8))], STAGES, address)
    outline = Outline(html)
    buttons = [attributes for tag, attributes in outline.tags if tag == "button"]
    assert [button["data-photo"] for button in buttons] == ["7", "8"]
    assert [button.get("aria-current") for button in buttons] == ["true", None]  # the best one is on show beside
    alts = [attributes["alt"] for tag, attributes in outline.tags if tag == "img"]
    assert alts == ["Photo: otter on rock"] * 2
    assert outline.text.startswith("0.34exit 2/330 % saved") or outline.text.startswith("0.35exit 2/330 % saved")


@pytest.mark.parametrize(
    ("share", "words"), [(0.7, "30 % saved"), (1.02, "2 % extra"), (1.0, "nothing saved"), (0.998, "nothing saved")]
)
def test_saved_in_words(share: float, words: str) -> None:
    assert views.saved(replace(PHOTO, macs_share=share)) == words


def test_panel_tells_where_the_photo_left_and_why() -> None:
    outline = Outline(panel(PHOTO, [0.2, 0.7]))
    assert "It left at exit 2 of 3" in outline.text
    assert "gate 0.20" in outline.text
    assert "gate 0.70" in outline.text
    assert "0.07 of 0.10 kMACs · 4.1 ms · 30 % saved" in outline.text
    assert "a dog 50 %" in outline.text
    assert "an otter 80 %" in outline.text


def test_panel_of_a_photo_that_went_all_the_way() -> None:
    far = replace(PHOTO, exit=3, macs=103, macs_share=1.03, phrases=(*PHOTO.phrases, (("an otter", 0.9),)))
    outline = Outline(panel(far, [0.2, 0.3]))
    assert "It went all the way, exit 3 of 3" in outline.text
    assert "3 % extra" in outline.text
    assert "no gate" in outline.text


def test_only_a_chosen_photo_comes_up_as_a_sheet() -> None:
    assert "data-picked" in panel(PHOTO, [0.2, 0.7], picked=True)
    assert "data-picked" not in panel(PHOTO, [0.2, 0.7])


def test_histogram_counts_the_photos_of_each_exit() -> None:
    html = views.histogram(SUMMARY, STAGES)
    assert "exit 1: 2, exit 2: 1, exit 3: 1" in html
    assert re.findall(r"left:([\d.]+)%", html) == ["40.00", "70.00", "100.00"]
    assert "Add photos" in views.histogram(replace(SUMMARY, photos=0), STAGES)


def test_progress_says_how_far_how_fast_and_how_long() -> None:
    text = Outline(views.encoding("Encoding 40 photos", Progress(10, 40, (PHOTO,)), 2.0, STAGES, address)).text
    assert "10 of 40 · 5.0 a second · about 6 s left" in text


def test_before_the_first_batch_progress_promises_nothing() -> None:
    html = views.encoding("Encoding 40 photos", None, 0.0, None, address)
    assert "Reading the first photos" in html
    assert "value=" not in html


def test_report_names_every_file_that_was_left_out() -> None:
    skipped = (Skipped("notes.jpg", "not a picture (it is text)"), Skipped("half.jpg", "cut short"))
    outline = Outline(views.report(IngestReport(5, 2, skipped, 2.0, 2.5, 0.6), "Holidays"))
    assert "5 photos added to “Holidays”" in outline.text
    assert "2 were here already" in outline.text
    assert "40 % of the work saved" in outline.text
    assert "2 files were left out" in outline.text
    assert "notes.jpgnot a picture (it is text)" in outline.text
    assert "half.jpgcut short" in outline.text


@pytest.mark.parametrize(
    ("macs", "full", "words"),
    [(210_000_000, 580_000_000, "0.21 of 0.58 GMACs"), (21_000_000, 58_000_000, "21.00 of 58.00 MMACs")],
)
def test_macs_in_words(macs: int, full: int, words: str) -> None:
    assert views.share_of_macs(macs, full) == words


@pytest.mark.parametrize(("seconds", "words"), [(6.4, "6 s"), (89, "89 s"), (150, "2 min")])
def test_time_to_wait(seconds: float, words: str) -> None:
    assert views.duration(seconds) == words
