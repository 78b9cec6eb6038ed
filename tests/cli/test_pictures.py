"""Pictures that commands draw into files."""

from __future__ import annotations

from pathlib import Path

import pytest

from typeahead.cli.pictures import drawn
from typeahead.errors import ConfigError


def test_a_picture_is_written_at_the_end_and_no_figure_stays_open(tmp_path: Path) -> None:
    from matplotlib import pyplot

    with drawn(tmp_path / "a.svg", 1, 2, figsize=(2, 1)) as (_, (left, right)):
        left.plot([1, 2])
        right.set_title("losses")
    assert "<svg" in (tmp_path / "a.svg").read_text()
    assert pyplot.get_fignums() == []


@pytest.mark.parametrize("name", ["a.png", "a.unheard"])
def test_one_that_cannot_be_written_is_one_line(name: str, tmp_path: Path) -> None:
    from matplotlib import pyplot

    (tmp_path / "a.png").mkdir()
    one_line = r"^\S+: the picture cannot be drawn \(.+\); name another place$"
    with pytest.raises(ConfigError, match=one_line), drawn(tmp_path / name):
        pass
    assert pyplot.get_fignums() == []


def test_a_fault_of_the_drawing_is_not_called_one_of_the_place(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="of mine"), drawn(tmp_path / "a.png"):
        raise ValueError("of mine")
    assert not (tmp_path / "a.png").exists()
