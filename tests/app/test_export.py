import base64
import csv
import io
import json
import re
from dataclasses import replace

import pytest

from app.export import as_csv, as_json, link
from engine.gallery import Hit
from tests.app.shown_examples import EVIL, PHOTO, SUMMARY

HITS = [Hit(1, 0.4, PHOTO), Hit(2, 0.3, replace(PHOTO, file="=1+1.jpg")), Hit(3, 0.2, replace(PHOTO, file=EVIL))]


def test_a_table_has_a_line_for_each_photo_and_no_formula() -> None:
    *rows, indexing, searches = csv.DictReader(io.StringIO(as_csv(HITS, SUMMARY)))
    assert [row["file"] for row in rows] == ["otter-on-rock.jpg", "'=1+1.jpg", EVIL]
    assert (rows[0]["rank"], rows[0]["exit"], rows[0]["macs_share"]) == ("1", "2", "0.7")
    assert {row["rank"] for row in (indexing, searches)} == {"total"}
    assert indexing["file"] == f"{SUMMARY.photos} photos indexed"
    assert float(indexing["macs_share"]) == SUMMARY.macs_index / SUMMARY.macs_in_full


@pytest.mark.parametrize("name", ["a;=1+1.jpg", "＝1+1.jpg", "a, @SUM(A1).jpg", " -1.jpg", "a\t=1.jpg"])
def test_no_spreadsheet_takes_a_name_for_a_formula(name: str) -> None:
    row, *_ = csv.DictReader(io.StringIO(as_csv([Hit(1, 0.4, replace(PHOTO, file=name))], SUMMARY)))
    assert row["file"] == f"'{name}"


def test_json_holds_the_query_what_was_found_and_what_it_took_in_all() -> None:
    told = json.loads(as_json("2:dog - cat", 2019, HITS, SUMMARY))
    assert (told["query"], told["year"]) == ("2:dog - cat", 2019)
    assert told["photos"] == SUMMARY.photos
    assert told["index_macs_share"] == SUMMARY.macs_index / SUMMARY.macs_in_full
    assert told["results"][1]["file"] == "=1+1.jpg"


def test_a_spreadsheet_is_told_that_a_table_is_utf_8() -> None:
    (found,) = re.findall(r"base64,([A-Za-z0-9+/=]+)", link("csv", "rank,file\r\n1,München.jpg\r\n"))
    assert base64.b64decode(found) == b"\xef\xbb\xbfrank,file\r\n1,M\xc3\xbcnchen.jpg\r\n"


def test_a_link_carries_its_file_and_nothing_that_runs() -> None:
    html = link("json", as_json(EVIL, None, HITS, SUMMARY))
    assert "<script" not in html
    (found,) = re.findall(r"base64,([A-Za-z0-9+/=]+)", html)
    assert json.loads(base64.b64decode(found))["query"] == EVIL
