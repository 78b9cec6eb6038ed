"""The pictures of the README: what they are drawn from, and that those in the repository are whole."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.screenshots import DARK, LIGHT, PICTURES, Look, runs, svg

FOLDER = Path(__file__).parent / "screenshots"


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ("plain", [("plain", Look())]),
        ("\x1b[31mred\x1b[39m not", [("red", Look(DARK.colours[1])), (" not", Look())]),
        ("\x1b[1;4;91mx\x1b[0my", [("x", Look(DARK.colours[9], bold=True, underline=True)), ("y", Look())]),
        ("\x1b[38;5;244mg\x1b[38;2;1;2;255mb", [("g", Look("#808080")), ("b", Look("#0102ff"))]),
        ("\x1b[38;5;16ma\x1b[38;5;196mb", [("a", Look("#000000")), ("b", Look("#ff0000"))]),
        ("\x1b[7mx\x1b[27;44my", [("x", Look(reverse=True)), ("y", Look(background=DARK.colours[4]))]),
    ],
)
def test_a_row_is_read_with_its_looks(row: str, wanted: list[tuple[str, Look]]) -> None:
    assert list(runs(row, DARK)) == wanted


def test_a_picture_has_each_text_in_its_column_and_escapes_what_is_markup() -> None:
    drawn = ElementTree.fromstring(svg(["a<b", "漢\x1b[32mc&d"], 10, (1, 0), LIGHT, "what <it> shows"))
    texts = {text.text: float(text.get("x", "0")) for text in drawn.iter("{http://www.w3.org/2000/svg}text")}
    assert list(texts) == ["a<b", "漢", "c&d"]
    assert texts["c&d"] - texts["漢"] == pytest.approx(18)  # two columns
    assert drawn.get("aria-label") == "what <it> shows"


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: f"{picture.name}-{picture.palette.name}")
def test_the_pictures_in_the_repository_are_whole_and_name_no_machine(picture: object) -> None:
    path = FOLDER / f"{picture.name}-{picture.palette.name}.svg"  # type: ignore[attr-defined]
    drawn = ElementTree.parse(path).getroot()
    texts = [text.text or "" for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert any("❯" in text for text in texts)
    assert not any("/tmp" in text or "Traceback" in text for text in texts)
