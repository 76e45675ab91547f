"""What is shown of results: whole HTML, true numbers, and whatever people gave is text."""

import re
from dataclasses import replace

import numpy as np
import pytest

from app import export
from app.attribution import Attribution
from app.curve import Curve, Point
from app.fidelity import ShownFidelity
from app.uploading.incoming import Incoming
from app.views import (
    budget,
    comparison,
    encoding,
    formatting,
    header,
    overview,
    photo,
    placeholders,
    present,
    results,
    upload,
    viewer,
)
from engine.exits.budget import BUDGET_GRID
from engine.gallery import BudgetCost, Deepened, ExitScore, Hit, Measured, Photo, Progress, Refinement, Skipped
from engine.gallery.comparison import agreement
from engine.gallery.speed_race import Lap
from tests.app.shown_examples import DRAWING, EVIL, MEASURED, PHOTO, RACE, SHIPPED, SUMMARY, Outline, address, plain

BAD = replace(PHOTO, file=EVIL)
FOUND = ShownFidelity(8.25, "The same photo comes first for 3 of 4 queries", "Mean over something")
STORY = present.Story(
    replace(SUMMARY, name=EVIL), EVIL, [BAD] * 4, BAD, replace(BAD, exit=3), SHIPPED, FOUND, EVIL, EVIL
)
CREDIT = Attribution(EVIL, EVIL, "CC0", "https://example.org/cc0")
POINTS = (Point(0.3, 0.31, 55.0), Point(0.6, 0.6, 66.0), Point(1.0, 1.0, 73.0))
CURVE = Curve("tgem-mini", "flickr8k", "test", 1000, POINTS, Point(1.0, 1.0, 74.0))
DEEPENED = Deepened(7, 1, 2, 3, 1)
PAIR = {7: PHOTO, 8: replace(PHOTO, id=8, file="b.jpg"), 9: replace(PHOTO, id=9, file="c.jpg")}


def panel(shown: Photo, gates: tuple[float, ...] = (0.2, 0.7), picked: photo.Picked | None = None) -> str:
    column = np.array(gates, np.float32)[:, None]
    return photo.panel(replace(shown, gates=column.repeat(len(BUDGET_GRID), 1)), DRAWING, address, picked)


def announced(html: str) -> list[str]:
    """What a screen reader says of itself when this comes."""
    return [text(found[2]) for found in re.finditer(r'<(\w+) role="status">(.*?)</\1>', html)]


def incoming(over: str | None = None, name: str = EVIL, **told: object) -> Incoming:
    """An upload of two files. Args: over: why it failed; empty: it is done; None: it goes on."""
    made = Incoming(None, 1, name, [f"3/4/{EVIL}", "5/6/b.jpg"])
    made.nonce = EVIL
    for key, value in told.items():
        setattr(made, key, value)
    if over is not None:
        made.end(over)
    return made


ALL = {
    "headline": header.headline(SUMMARY, MEASURED),
    "suggestions": header.suggestions(["red + car", EVIL], [EVIL]),
    "bar": header.bar("words", "", f"?q={EVIL}"),
    "own bar": header.bar("words", own=True),
    "refined": header.refined(Refinement([], (DEEPENED,), 30, 100, 0.4), [DEEPENED]),
    "results": results.results([Hit(1, 0.34, BAD)], DRAWING, address, 1, 3, {7: DEEPENED}),
    "shelf": results.shelf([BAD], DRAWING, address, rest=3),
    "panel": photo.panel(
        replace(BAD, nearest_texts=(((EVIL, 0.5),), ((EVIL, 0.5), (EVIL, 0.1)))),
        DRAWING, address, photo.Picked("1", own=True), CREDIT, photo.fit(EVIL, [ExitScore(0.1, 0.2)] * 3, 2), DEEPENED,
    ),
    "outcome": photo.deepened(3, 1, 30, 100),
    "figures": overview.figures(SUMMARY, SHIPPED),
    "histogram": overview.histogram(SUMMARY, DRAWING, {1: [BAD], 2: [], 3: [BAD]}, address),
    "budget preview": budget.budget_preview(SUMMARY, 0.6, CURVE, BudgetCost(3, 120, 150, 100)),
    "curve": overview.curve(CURVE, 0.6),
    "no curve": overview.curve(None, 0.6),
    "visibility": overview.visibility(replace(SUMMARY, link=EVIL)),
    "invitation": comparison.invitation(46),
    "racing": comparison.racing(Lap(16, 46, 20.0, 30.0)),
    "race": comparison.race_result(SHIPPED, FOUND),
    "sides": comparison.sides(EVIL, agreement([7, 8], [8, 9]), PAIR | {7: BAD}, DRAWING, address, "46 photos", 4600),
    "present": present.present(STORY, DRAWING, address),
    "encoding": encoding.encoding(EVIL, Progress(3, 10, (BAD,)), 1.5, DRAWING, address, EVIL),
    "coming": upload.coming(incoming(latest=(BAD,)), DRAWING, address),
    "report": upload.report(incoming(EVIL, skipped=[Skipped(EVIL, EVIL)])),
    "line": upload.line(incoming(skipped=[Skipped(EVIL, EVIL)])),
    "line of one that is over": upload.line(incoming("")),
    "refused": upload.refused(EVIL, EVIL),
    "drop zone": upload.DROP_ZONE,
    "where photos are kept": upload.keeping(None),
    "where nothing is kept": upload.NOTHING_KEPT,
    "chip": header.chip(EVIL),
    "viewer": viewer.DIALOG,
    "share of pickable": header.bar("words", photos=True),
    "note": placeholders.note(EVIL, EVIL),
    "problem": placeholders.problem(EVIL),
    "said": placeholders.said(EVIL),
    "missed": placeholders.missed(EVIL),
    "skeleton": placeholders.SKELETON,
}  # fmt: skip


@pytest.mark.parametrize("view", ALL)
def test_html_is_whole_and_what_people_gave_is_text(view: str) -> None:
    outline = Outline(ALL[view])
    assert not outline.open
    assert "script" not in [tag for tag, _ in outline.tags]
    assert not any(name.startswith("on") for _, attributes in outline.tags for name in attributes)


@pytest.mark.parametrize("view", ALL)
def test_every_picture_has_words_and_every_button_a_name(view: str) -> None:
    html = ALL[view]
    for tag, attributes in Outline(html).tags:
        if tag == "img":
            assert attributes["alt"]
            # Nothing moves when a picture arrives; what lies below the first view waits until it is near.
            assert view in ("present", "viewer") or {"width", "height"} <= attributes.keys()
            assert view in ("panel", "chip", "viewer", "present") or attributes["loading"] == "lazy"
    for button in re.findall(r"<button(.*?)</button>", html, re.S):
        label, _, inside = button.partition(">")
        assert "aria-label" in label or re.sub(r"<[^>]*>", "", inside).strip() or "alt=" in inside


def text(html: str) -> str:
    return re.sub(r"\s+", " ", Outline(html).text)


@pytest.mark.parametrize("name", ALL)
def test_no_line_breaks_before_a_percent_sign(name: str) -> None:
    assert not re.search(r"\d %", ALL[name])


def test_what_a_visitor_closes_comes_again_when_the_next_answer_says_the_same() -> None:
    for answered in (
        lambda: present.present(STORY, DRAWING, address),
        lambda: placeholders.missed("Not there"),
        lambda: export.link("csv", "rank,file"),
    ):
        assert answered() != answered()  # Gradio draws nothing where the HTML stays the same


class TestHead:
    def test_the_page_has_a_title_and_a_sentence(self) -> None:
        tags = [tag for tag, _ in Outline(header.TITLE).tags]
        assert tags.count("h1") == 1
        assert "Search your photos in words." in text(header.TITLE)

    def test_it_says_what_indexing_took_and_what_was_measured(self) -> None:
        assert "4 photos · indexed with 55 % of the full encoder’s compute" in text(header.headline(SUMMARY, None))
        assert "1.6× as fast (measured, 24 Nov 2025)" in text(header.headline(SUMMARY, MEASURED))
        assert "(shipped measurement, 24 Nov 2025)" in text(header.headline(SUMMARY, SHIPPED))
        assert "1 photo ·" in text(header.headline(replace(SUMMARY, photos=1), None))
        assert "No photos yet" in header.headline(replace(SUMMARY, photos=0), None)

    def test_a_refined_answer_says_what_it_cost_and_changed(self) -> None:
        stayed = Deepened(8, 1, 3, 2, 2)
        refinement = Refinement([], (DEEPENED, stayed), 90, 100, 0.42)
        assert text(header.refined(refinement, [DEEPENED, stayed])) == (
            "Second look at 2 photos, +0.9 full encodings · 1 moved."
        )
        assert "none moved" in header.refined(refinement, [stayed])
        assert header.refined(Refinement([], (), 0, 100, 0.0), []).endswith("needed a second look.")

    def test_earlier_queries_are_offered_again(self) -> None:
        html = header.suggestions([], ["red + car"])
        assert 'data-query="red + car"' in html
        assert "Try" not in html


class TestResults:
    HITS = (Hit(1, 0.4, PHOTO), Hit(2, 0.3, replace(PHOTO, id=8)), Hit(3, 0.1, replace(PHOTO, id=9)))

    def test_a_result_is_a_button_with_similarity_depth_and_what_was_saved(self) -> None:
        outline = Outline(results.results(self.HITS[:2], DRAWING, address, 2))
        buttons = [attributes for tag, attributes in outline.tags if tag == "button"]
        assert [button["data-photo"] for button in buttons] == ["7", "8"]
        assert [button.get("aria-current") for button in buttons] == ["true", None]  # the best one is on show beside
        assert [button["tabindex"] for button in buttons] == ["0", "0"]  # or a click in Safari takes no focus there
        assert [a["alt"] for tag, a in outline.tags if tag == "img"] == ["Photo: otter on rock"] * 2
        assert plain(outline.text) == "1score 4030 % saved2score 3030 % saved"

    def test_relevance_is_a_line_between_photos_and_no_stop(self) -> None:
        html = results.results(self.HITS, DRAWING, address, 2, rest=1)
        line = html.index("relevance falls off here")
        assert html.index('data-photo="8"') < line < html.index('data-photo="9"') < html.index("Show 1 more")
        assert html.count("<ol") == 1
        assert "Show" not in results.results(self.HITS, DRAWING, address, 2)

    def test_that_nothing_fits_is_said_before_the_nearest(self) -> None:
        html = results.results(self.HITS, DRAWING, address, 0)
        assert html.index("no photo fits these words well") < html.index('data-photo="7"')
        assert "falls off here" not in html

    def test_where_nothing_falls_off_there_is_no_line(self) -> None:
        assert "falls off" not in results.results(self.HITS, DRAWING, address, 3)

    def test_a_photo_that_was_looked_at_again_is_marked_with_the_stages_it_ran_since(self) -> None:
        html = results.results(self.HITS, DRAWING, address, 3, deepened={7: DEEPENED})
        first, *others = html.split("<li ")[1:]
        assert "data-again" in first
        assert "second look" in first
        assert first.count(" new") == 1
        assert not any("again" in other for other in others)

    def test_pictures_load_late_in_boxes_of_a_fixed_shape(self) -> None:
        assert results.shelf([PHOTO], DRAWING, address).count('width="4" height="3" loading="lazy"') == 1


class TestPhoto:
    def test_it_tells_where_the_photo_left_and_why(self) -> None:
        said = text(panel(PHOTO))
        assert "It left at exit 2 of 3" in said
        assert "gate 0.20" in said
        assert "gate 0.70" in said
        assert "70 of 100 MACs · 30 % saved" in said
        assert "a dog fits well" in said
        assert "an otter fits well" in said
        assert "exit 1 gate 0.20, needs 0.50 · not enough: it went on" in said
        assert "exit 2 gate 0.70, needs 0.50 · enough: it left" in said
        assert "grass" not in said, "a text that does not fit is not shown"
        assert "Run it to full depth" in said

    def test_what_ran_for_the_query_on_show_is_striped(self) -> None:
        assert 'class="on new"' in photo.panel(PHOTO, DRAWING, address, deepened=DEEPENED)
        assert 'class="on new"' not in panel(PHOTO)

    def test_an_exit_that_was_passed_after_the_photo_had_left_there_was_enough(self) -> None:
        looked_at = replace(PHOTO, exit=3, nearest_texts=(*PHOTO.nearest_texts, (("an otter", 0.6),)))
        said = text(panel(looked_at, (0.2, 0.7)))
        assert "exit 1 gate 0.20, needs 0.50 · not enough: it went on" in said
        assert "exit 2 gate 0.70, needs 0.50 · enough at this budget; it was taken deeper" in said
        assert "exit 3 no gate · the end" in said

    def test_where_no_text_fits_that_is_said(self) -> None:
        vague = replace(PHOTO, nearest_texts=((("a dog", 0.3),), (("an otter", 0.47), ("a seal", 0.46))))
        said = text(panel(vague, (0.2, 0.7)))
        assert said.count("No stored text fits it here.") == 1
        assert "an otter fits somewhat" in said
        assert "a dog" not in said
        assert "a seal" not in said

    def test_one_that_went_all_the_way_cannot_go_deeper(self) -> None:
        far = replace(
            PHOTO, exit=3, macs=100, macs_share=1.0, nearest_texts=(*PHOTO.nearest_texts, (("an otter", 0.9),))
        )
        said = text(panel(far, (0.2, 0.3)))
        assert "It went all the way, exit 3 of 3" in said
        assert "0 % saved" in said
        assert "no gate" in said
        assert "Run it to full depth" not in said

    def test_gates_are_those_of_the_photos_own_budget(self) -> None:
        gates = np.full((2, len(BUDGET_GRID)), 0.9, np.float32)
        gates[:, BUDGET_GRID.index(PHOTO.budget)] = 0.1, 0.6
        said = text(photo.panel(replace(PHOTO, gates=gates), DRAWING, address))
        assert "gate 0.10" in said
        assert "gate 0.60" in said
        assert "0.90" not in said

    def test_only_a_chosen_photo_comes_up_as_a_sheet_and_only_ones_own_can_be_deleted(self) -> None:
        assert "data-picked" in panel(PHOTO, picked=photo.Picked("1"))
        assert "data-picked" not in panel(PHOTO)
        assert "Delete" not in panel(PHOTO)
        assert "Delete" in ALL["panel"]

    def test_similarities_are_filled_at_exits_that_it_came_to_alone(self) -> None:
        html = photo.fit("otter", [ExitScore(0.1, 0.3), ExitScore(0.2, 0.25), ExitScore(0.4, 0.35)], 2)
        assert re.findall(r'<li class="(\w+)">', html) == ["on", "here", "off"]
        assert re.findall(r"--part:([\d.]+)", html) == ["0.250", "0.500", "1.000"]

    @pytest.mark.parametrize(
        ("before", "after", "words"),
        [
            (3, 3, "The ranking did not change: still at rank 3"),
            (3, 1, "The ranking changed: from rank 3 to rank 1"),
            (3, None, "from rank 3 to off the page"),
            (None, None, "No ranking on show holds it"),
        ],
    )
    def test_full_depth_answers_whether_the_ranking_changed(
        self, before: int | None, after: int | None, words: str
    ) -> None:
        said = text(photo.deepened(before, after, 30, 100))
        assert words in said
        assert "another 30 % of a full encoding" in said


class TestDepths:
    def test_the_histogram_counts_the_photos_of_each_exit_and_shows_typical_ones(self) -> None:
        html = ALL["histogram"]
        assert "exit 1: 2, exit 2: 1, exit 3: 1" in html
        assert re.findall(r"left:([\d.]+)%", html) == ["40.00", "70.00", "100.00"]
        assert html.count("<img") == 2
        many = replace(SUMMARY, exits=(1234, 1, 1))
        assert "<b>1\u202f234</b>" in overview.histogram(many, DRAWING, {}, address), "as the headline says it"

    def test_figures_are_measured_or_say_that_they_are_not(self) -> None:
        assert "1.6×" in text(ALL["figures"])
        assert formatting.date(RACE.at) in ALL["figures"]
        assert "45 %indexing ran 220 of 400 MACs" in text(ALL["figures"])
        assert "0.3full encodings" in text(ALL["figures"])
        of_another_budget = Measured(replace(RACE, budget=0.9, macs_share=0.9))
        of_less = Measured(replace(RACE, macs_share=0.3))  # at a budget that was lowered: what ran stays
        told = ((None, "not measured yet"), (of_another_budget, "ran 90 %"), (of_less, "the last race ran 30 %"))
        for measured, said in told:
            assert said in text(overview.figures(SUMMARY, measured))
            assert "as fast" not in header.headline(SUMMARY, measured)
        assert "Add photos" in overview.figures(replace(SUMMARY, photos=0), None)

    def test_presets_have_what_was_measured_and_what_they_would_run_here(self) -> None:
        said = text(ALL["budget preview"])
        assert "Balanced60 % of the compute" in said
        assert "66.0 % of searches find their photo in the first ten" in said
        assert "photos of the data set flickr8k (test)." in said
        assert "This raises its cost: 3 photos run deeper, +1.2 to 1.5 full encodings" in said
        assert re.findall(r'aria-pressed="true"><b>(\w+)', ALL["budget preview"]) == ["Balanced"]
        assert "Add photos" in budget.budget_preview(replace(SUMMARY, photos=0), 0.6, CURVE, None)

    def test_a_lower_budget_than_what_ran_costs_nothing_and_other_phrases_cost_all(self) -> None:
        nothing = BudgetCost(0, 0, 0, 100)
        assert "This costs nothing here" in budget.budget_preview(SUMMARY, 0.3, CURVE, nothing)
        assert "4 photos are encoded anew" in budget.budget_preview(SUMMARY, 0.3, CURVE, nothing, anew=True)
        assert "not been measured" in budget.budget_preview(SUMMARY, 0.3, None, nothing)
        assert budget.action(SUMMARY, nothing) == "Keep this budget for new photos"
        assert budget.action(SUMMARY, BudgetCost(1, 30, 30, 100)) == "Run 1 photo deeper"
        assert budget.action(SUMMARY, None) == "Encode all photos anew"

    def test_photos_that_wait_are_told_of_beside_those_that_are_there(self) -> None:
        some, nothing, deeper = replace(SUMMARY, waiting=3), BudgetCost(0, 0, 0, 100), BudgetCost(1, 30, 30, 100)
        none = replace(some, photos=0, macs_in_full=0)
        assert "4 photos · indexed with 55 % of the" in text(header.headline(some, None))
        assert "compute · 3 photos wait to be encoded" in text(header.headline(some, None))
        assert text(header.headline(none, None)) == "3 photos wait to be encoded"
        assert "3 photos wait to be encoded" in overview.figures(none, None)
        told = "This raises its cost: 3 photos wait to be encoded, at about 60 % of a full encoding each"
        assert f"{told}." in text(budget.budget_preview(none, 0.6, CURVE, nothing))
        assert f"{told}; 1 photo runs deeper" in text(budget.budget_preview(some, 0.6, CURVE, deeper))
        anew = text(budget.budget_preview(some, 0.6, CURVE, None))
        assert "all 7 photos are encoded anew, at about 60 % of a full encoding each. No search finds a photo" in anew
        assert budget.action(some, nothing) == budget.action(none, None) == "Encode the 3 photos that wait"
        assert budget.action(some, deeper) == "Encode the 3 photos that wait, run 1 photo deeper"
        assert budget.action(some, None) == budget.action(some, nothing, anew=True) == "Encode all photos anew"
        assert budget.action(none, nothing, anew=True) == "Encode all photos anew"

    def test_one_photo_is_no_plural(self) -> None:
        one, nothing, deeper = replace(SUMMARY, photos=1), BudgetCost(0, 0, 0, 100), BudgetCost(1, 30, 30, 100)
        assert "the photo is encoded anew, at about 30 % of a full encoding." in text(
            budget.budget_preview(one, 0.3, CURVE, nothing, anew=True)
        )
        assert "1 photo runs deeper" in text(budget.budget_preview(SUMMARY, 0.9, CURVE, deeper))
        waits = replace(SUMMARY, waiting=1)
        assert budget.action(waits, nothing) == "Encode the 1 photo that waits"
        assert "1 photo waits to be encoded, at about 30 % of a full encoding." in text(
            budget.budget_preview(waits, 0.3, CURVE, nothing)
        )

    def test_the_curve_marks_the_present_budget(self) -> None:
        assert "at this budget: 66.0 %" in text(ALL["curve"])
        assert "66.0 at 60 % of the compute" in plain(ALL["curve"])
        assert "Nobody has measured this model yet" in ALL["no curve"]


class TestComparison:
    def test_a_race_is_a_number_that_can_be_said_aloud(self) -> None:
        said = text(ALL["race"])
        assert "1.6× as fast measured" in said
        assert "2.3 s · 20.0 photos/s" in said
        assert "8.2 of 10 best matches are the full encoder’s, too" in said
        assert "Shipped measurement of" in said
        assert "cpu (A <Processor>), 2 threads" in said
        assert "60 % of the compute ran" in said
        slower = Measured(replace(RACE, early_per_second=16.0))
        assert "80 % of the speed" in text(comparison.race_result(slower, FOUND))
        assert "on this machine" in text(comparison.race_result(slower, FOUND))

    def test_both_rankings_stand_side_by_side_with_their_moves(self) -> None:
        said = text(ALL["sides"])
        assert "1 of 2 the same, another photo first" in said
        assert ">out<" in ALL["sides"]
        assert "▲ 1" in said
        assert "▲ 2 is two places higher" in said
        assert 'title="1 place higher"' in ALL["sides"]
        assert ALL["sides"].count("<tr><th scope") == 2, "a rank a row"
        assert "4.60 kMACs" in said
        assert "its index never saw" in said


class TestPresent:
    def test_one_key_figure_a_screen_and_only_the_first_is_seen(self) -> None:
        screens = re.findall(r"<section(.*?)>(.*?)</section>", ALL["present"], re.S)
        assert ["hidden" in attributes for attributes, _ in screens] == [False, *[True] * 5]
        figures = [found[1] for _, screen in screens if (found := re.search(r'class="big">(.*?)<', screen))]
        assert list(map(plain, figures)) == ["55 %", "1.6×", "8.2 of 10", "8.7 h"]

    def test_no_screen_has_a_dash_in_place_of_a_figure(self) -> None:
        assert not re.search(r">\s*[–—-]\s*<", ALL["present"])

    def test_every_screen_has_words_to_say(self) -> None:
        notes = re.search(r"<aside.*?</aside>", ALL["present"], re.S)
        assert notes is not None
        assert notes[0].count("<p") == 6

    @pytest.mark.parametrize(("asked", "opened"), [(4, 4), (0, 1), (99, 6)])
    def test_it_opens_at_the_screen_that_the_address_names(self, asked: int, opened: int) -> None:
        html = present.present(STORY, DRAWING, address, asked)
        assert f'data-screen="{opened}"' in html
        assert f'aria-label="{opened} of 6">' in html

    def test_a_million_photos_take_hours_at_the_measured_rates(self) -> None:
        assert re.findall(r'data-hours="([\d.]+)"', ALL["present"]) == ["8.6806", "13.8889"]
        assert re.search(r"in place of 13\.9.h for", ALL["present"])


class TestUpload:
    def test_progress_says_how_far_how_fast_and_how_long(self) -> None:
        html = encoding.encoding("Encoding photos", Progress(1010, 4000, (PHOTO,)), 202.0, DRAWING, address)
        assert "1 010 of 4 000 · 5.0 a second · about 10 min left" in text(html)

    @pytest.mark.parametrize(
        ("files", "said"), [(1, "0 of 1 file has arrived"), (1002, "0 of 1 002 files have arrived")]
    )
    def test_files_that_have_not_arrived_are_counted(self, files: int, said: str) -> None:
        one = Incoming(None, 1, "Holidays", [f"1/1/{number}.jpg" for number in range(files)])
        assert said in text(upload.coming(one, None, address))

    def test_before_the_first_batch_it_promises_nothing(self) -> None:
        html = encoding.encoding("Encoding 40 photos", None, 0.0, None, address)
        assert "Reading the first photos" in html
        assert "value=" not in html

    def test_the_report_names_every_file_that_was_left_out(self) -> None:
        skipped = (Skipped("notes.jpg", "not a picture (it is text)"), Skipped("half.jpg", "cut short"))
        said = text(
            upload.report(incoming("", name="Holidays", added=5, duplicates=2, macs_share=0.6, skipped=skipped))
        )
        assert "5 photos added to “Holidays”" in said
        assert "2 were here already" in said
        assert "40 % of the compute saved" in said
        assert "2 files were left out" in said
        assert "notes.jpgnot a picture (it is text)" in said
        assert "half.jpgcut short" in said

    def test_what_is_announced_is_a_line_and_no_list_or_count(self) -> None:
        skipped = [Skipped(f"{number}.jpg", "cut short") for number in range(60)]
        told = upload.report(incoming("", name="Holidays", added=5, skipped=skipped))
        assert announced(told) == ["5 photos added to “Holidays” · 100 % of the compute saved"]
        going_on = encoding.encoding("Encoding", Progress(10, 40, (PHOTO,)), 2.0, DRAWING, address)
        assert announced(going_on) == ["Encoding"]
        assert announced(comparison.race_result(MEASURED, FOUND)) == ["1.6× as fast measured"]

    def test_a_gallery_that_has_all_of_them_already_can_be_shown(self) -> None:
        assert 'data-event="show"' in upload.report(incoming("", duplicates=2))
        assert 'data-event="show"' not in upload.report(incoming(""))

    def test_what_did_not_arrive_is_counted_and_named(self) -> None:
        left = Incoming(None, 1, "Holidays", ["1/1/a.jpg", "1/1/folder/b.jpg", "1/1/c.jpg"])
        left.settle([0])
        left.leave()
        assert left.group() == []
        left.end()
        said = text(upload.report(left))
        assert "2 files had not arrived. Drop the same files again: only those are sent." in said
        assert "b.jpgc.jpg" in said
        assert "2 files had not arrived" in text(upload.line(left))


@pytest.mark.parametrize(("value", "said"), [(0.404, "40"), (-0.004, "0"), (-0.06, "−6")])
def test_a_score_in_words(value: float, said: str) -> None:
    assert formatting.score(value) == said


@pytest.mark.parametrize(("share", "said"), [(0.7, "30 % saved"), (1.0, "0 % saved"), (0.998, "0 % saved")])
def test_saved_in_words(share: float, said: str) -> None:
    assert plain(formatting.saved(replace(PHOTO, macs_share=share))) == said


@pytest.mark.parametrize(
    ("macs", "full", "said"),
    [
        (210_000_000, 580_000_000, "210 of 580 MMACs"),
        (21_000_000, 58_000_000, "21.0 of 58.0 MMACs"),
        (70, 100, "70 of 100 MACs"),
        (14_200_000_000, 104_000_000_000, "14 of 104 GMACs"),
        (205_000_000_000, 1_025_000_000_000, "0.20 of 1.02 TMACs"),
        (1_234_000_000_000, None, "1.23 TMACs"),
        (7, None, "7 MACs"),
    ],
)
def test_macs_in_words(macs: int, full: int | None, said: str) -> None:
    assert formatting.macs(macs, full) == said


@pytest.mark.parametrize(("seconds", "said"), [(6.4, "6 s"), (89, "89 s"), (150, "2 min")])
def test_time_to_wait(seconds: float, said: str) -> None:
    assert formatting.duration(seconds) == said


def test_a_name_that_is_written_from_the_right_leaves_the_words_around_it() -> None:
    name, said = "שבת 12", "\u2068שבת 12\u2069"
    told = [upload.report(incoming("", name)), *(upload.line(incoming(over, name)) for over in ("", None))]
    for html in (*told, upload.coming(incoming(None, name), DRAWING, address), panel(replace(PHOTO, file=name))):
        assert said in html
    assert formatting.isolated("Ōsaka 12") == "Ōsaka 12"
