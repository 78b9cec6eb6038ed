"""``typeahead listen`` on recordings and stand-in microphones, and the rows that it draws; live: tests/voice."""

from __future__ import annotations

import json
import re
import socket
import stat
import sys
import threading
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from tests.voice import stand_in
from typeahead import config
from typeahead.cli.listen_actions import Actions, Outcome, run
from typeahead.cli.listen_session import Options, Session
from typeahead.cli.listen_view import Look, Moment, rows
from typeahead.errors import AudioError
from typeahead.shell.prompt import width
from typeahead.voice.commands import overlaid
from typeahead.voice.detector import Detection
from typeahead.voice.ear import Ear, load

Run = Callable[..., tuple[int, str, str]]
WORDS = ["stop", "go", "go", "stop"]


@pytest.fixture
def folder(folder: Path) -> Path:
    """Return the current folder, with a model of two tones, and a recording of four."""
    stand_in.model(folder)
    soundfile.write(folder / "words.wav", stand_in.sentence(*WORDS), stand_in.SR)
    return folder


@pytest.fixture
def listen(run: Run) -> Run:
    """Return a function that runs ``typeahead listen`` with the model."""
    return lambda *args: run("listen", "--model", "tones.safetensors", *args)


def configure(text: str) -> None:
    config.config_file().parent.mkdir(parents=True, exist_ok=True)
    config.config_file().write_text(text)


# Words


def test_each_word_is_one_line_with_confidence_and_time(listen: Run) -> None:
    status, out, err = listen("--input", "words.wav")
    assert (status, err) == (0, "")
    found = [re.fullmatch(r"(\w+) +(0\.\d\d) +(\d+\.\d\d) s  (.+)", line) for line in out.splitlines()]
    assert [match[1] for match in found if match] == WORDS
    # The tones begin 1.2 s after what came before, and are heard while they sound, or soon after.
    begins = [1.2 + 1.6 * i for i in range(4)]
    assert all(begin < float(match[3]) < begin + 0.8 for begin, match in zip(begins, found, strict=True) if match)


def test_json_is_one_object_a_word(listen: Run) -> None:
    configure('[voice.commands]\ngo = "make test"\n')
    status, out, _ = listen("--input", "words.wav", "--json")
    found = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [word["word"] for word in found] == WORDS
    assert all(word.keys() == {*["word", "confidence", "time_s", "mode", "line", "key", "delivered"]} for word in found)
    assert all(0.6 <= word["confidence"] <= 1 for word in found)
    assert [word["time_s"] for word in found] == sorted(word["time_s"] for word in found)
    assert [(word["mode"], word["line"], word["key"]) for word in found[:2]] == [
        ("key", "", "interrupt"),
        ("insert", "make test", ""),
    ]
    assert not any(word["delivered"] for word in found)


def test_a_recording_of_another_rate_with_two_channels_has_the_same_words(folder: Path, listen: Run) -> None:
    import soxr

    sound = soxr.resample(stand_in.sentence(*WORDS), stand_in.SR, 44_100)
    soundfile.write(folder / "words.flac", np.stack([sound, 0.5 * sound], axis=1), 44_100)
    _, out, _ = listen("--input", "words.flac", "--json")
    assert [json.loads(line)["word"] for line in out.splitlines()] == WORDS


def test_raw_samples_are_heard_at_the_rate_that_is_given(folder: Path, listen: Run) -> None:
    (folder / "words.raw").write_bytes((stand_in.sentence("go") * 32767).astype("<i2").tobytes())
    assert listen("--input", "words.raw", "--once")[1] == "go\n"
    assert listen("--input", "words.raw", "--raw-rate", "4000", "--once")[1] == "stop\n"  # four times as low


def test_a_word_at_the_very_end_of_a_recording_is_heard(folder: Path, listen: Run) -> None:
    sound = stand_in.sentence("go")
    soundfile.write(folder / "cut.wav", sound[: len(sound) - int(stand_in.APART_S * stand_in.SR) - 4000], stand_in.SR)
    assert listen("--input", "cut.wav", "--once")[:2] == (0, "go\n")


def test_once_prints_the_first_word_and_does_nothing_about_it(folder: Path, listen: Run) -> None:
    configure('[voice.commands]\nstop = { line = "touch done", mode = "run" }\n')
    assert listen("--input", "words.wav", "--once") == (0, "stop\n", "")
    assert not (folder / "done").exists()


def test_once_without_a_word_is_status_1_and_one_line(folder: Path, listen: Run) -> None:
    soundfile.write(folder / "nothing.wav", np.zeros(16_000), stand_in.SR)
    status, out, err = listen("--input", "nothing.wav", "--once")
    assert (status, out) == (1, "")
    assert err.startswith("typeahead: no word was heard in nothing.wav; ")
    status, out, err = listen("--input", "words.wav", "--once", "--timeout", "1")  # the first comes later
    assert (status, out) == (1, "")
    assert err.startswith("typeahead: no word was heard within 1 s; ")
    assert err.count("\n") == 1


def test_a_timeout_alone_is_no_error(listen: Run) -> None:
    status, out, _ = listen("--input", "words.wav", "--timeout", "2")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == WORDS[:1]


def test_the_sleep_word_turns_hearing_off_and_on(listen: Run) -> None:
    _, out, _ = listen("--input", "words.wav", "--sleep-word", "go")
    assert [line.split()[0] for line in out.splitlines()] == WORDS
    assert [line.split()[-1] for line in out.splitlines()[1:3]] == ["asleep", "awake"]
    configure('[voice]\nsleep_word = "stop"\n')
    _, out, _ = listen("--input", "words.wav", "--json")
    assert [json.loads(line)["mode"] for line in out.splitlines()] == ["sleep", "sleep"]


def test_a_threshold_that_is_never_reached_leaves_no_word(listen: Run) -> None:
    assert listen("--input", "words.wav", "--threshold", "0.999")[:2] == (0, "")


def test_more_sensitivity_hears_at_lower_thresholds(folder: Path) -> None:
    thresholds = [
        load(config.VoiceConfig(model="tones.safetensors", sensitivity=x)).detector.decision.thresholds[0]
        for x in (0.0, 0.5, 1.0)
    ]
    assert thresholds[1] == pytest.approx(0.6)
    assert 1 > thresholds[0] > 0.6 > thresholds[2] > 0


def test_calibrating_prints_and_keeps_thresholds_that_are_then_used(folder: Path, listen: Run) -> None:
    rng = np.random.default_rng(3)
    soundfile.write(folder / "room.wav", rng.normal(0, 0.01, 20 * stand_in.SR), stand_in.SR)
    args = ["--calibrate", "--input", "room.wav", "--timeout", "15"]
    status, out, _ = listen(*args, "--dry-run", "--json")
    found = json.loads(out)
    assert (status, found["heard"], found["file"]) == (0, [], "")
    assert found["seconds"] == pytest.approx(15, abs=0.1)
    kept = config.data_dir() / "voice" / "thresholds.json"
    assert not kept.exists()
    status, out, err = listen(*args)
    assert (status, err.count("\n")) == (0, 1)
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    assert {word: float(rows[word][0]) for word in stand_in.TONES} == pytest.approx(found["thresholds"], abs=0.01)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    kept.write_text(kept.read_text().replace(f'"go": {found["thresholds"]["go"]}', '"go": 0.995'))
    assert "go" not in listen("--input", "words.wav")[1]


def test_words_that_are_said_while_calibrating_are_told(listen: Run) -> None:
    status, out, _ = listen("--calibrate", "--input", "words.wav")
    assert status == 0
    assert "words were heard meanwhile: stop, go, go, stop" in out


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        (["--input", "missing.wav"], 1, "there is no file missing.wav"),
        (["--input", "tones.safetensors"], 1, "tones.safetensors is no sound file"),
        (["--input", "words.wav", "--model", "missing"], 1, "missing: no such file"),
        (["--input", "words.wav", "--model", "words.wav"], 1, "words.wav: damaged"),
        (["--input", "words.wav", "--sleep-word", "abracadabra"], 2, "'abracadabra' is none that is known; choose one"),
        (["--push-to-talk"], 2, "--push-to-talk needs a microphone and a terminal"),
        (["--input", "words.wav", "--raw-rate", "1"], 1, "raw samples at 1 Hz cannot be"),
    ],
)
def test_what_cannot_be_used_is_one_clear_line(listen: Run, args: list[str], status: int, message: str) -> None:
    found, out, err = listen(*args)
    assert (found, out, err.count("\n")) == (status, "", 1)
    assert message in err


def test_a_command_map_that_cannot_be_used_is_one_clear_line(listen: Run) -> None:
    configure("[voice.commands]\ngo = 3\n")
    status, out, err = listen("--input", "words.wav")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "voice.commands.go = 3" in err


def test_kept_detections_are_the_last_two_seconds_for_nobody_else(listen: Run) -> None:
    assert listen("--input", "words.wav")[0] == 0
    kept = config.data_dir() / "voice" / "detections"
    assert not kept.exists()
    configure("[voice]\nsave_detections = true\n")
    assert listen("--input", "words.wav")[0] == 0
    paths = sorted(kept.iterdir())
    assert [path.name.split("-")[-2] for path in paths] == WORDS
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}
    with wave.open(str(paths[-1])) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (16_000, 1, 32_000)
    assert listen("--input", str(paths[-1]))[1].splitlines()[-1].split()[0] == "stop"


# Microphones


def plug_in(folder: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    """Put a module called sounddevice before the real one."""
    (folder / "sounddevice.py").write_text(source)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setitem(sys.modules, "sounddevice", None)  # restored, or removed, after the test
    monkeypatch.delitem(sys.modules, "sounddevice")


DEVICES = """
class PortAudioError(Exception):
    pass

class default:
    device = (1, 1)

def _terminate():
    pass

_initialize = _terminate

def query_devices():
    return [
        {"index": i, "name": name, "max_input_channels": 1, "default_samplerate": 48000.0} for i, name in NAMES
    ]
"""


def test_without_portaudio_there_is_one_line(
    folder: Path, listen: Run, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug_in(folder, monkeypatch, "raise OSError('PortAudio library not found')")
    for args in ([], ["--list-devices"], ["--once", "--timeout", "1"]):
        status, out, err = listen(*args)
        assert (status, out, err.count("\n")) == (1, "", 1)
        assert err.startswith("typeahead: PortAudio is not installed; ")


def test_devices_are_listed_with_the_default_marked(folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(folder, monkeypatch, "NAMES = [(0, 'mic'), (1, 'headset\\n2')]" + DEVICES)
    status, out, _ = run("listen", "--list-devices")
    assert (status, out) == (0, "   0  mic  (1 channels, 48000 Hz)\n*  1  headset 2  (1 channels, 48000 Hz)\n")
    _, out, _ = run("listen", "--list-devices", "--json")
    assert json.loads(out.splitlines()[1])["is_default"] is True


@pytest.mark.parametrize(
    ("names", "args", "message"),
    [
        ("[]", [], "there is no microphone; plug one in"),
        ("[]", ["--list-devices"], "there is no microphone; plug one in"),
        ("[(0, 'mic')]", ["--device", "webcam"], "no microphone is called 'webcam'; there are 0 mic"),
    ],
)
def test_no_device_and_a_wrong_one_are_one_line(
    folder: Path, listen: Run, monkeypatch: pytest.MonkeyPatch, names: str, args: list[str], message: str
) -> None:
    plug_in(folder, monkeypatch, f"NAMES = {names}{DEVICES}")
    status, out, err = listen(*args)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert message in err


class Played:
    """A microphone that hears a recording, and has what a test gives it happen."""

    name, native_sr, dropped, reopened, lost, silent_s, ended = "played", 48_000, 0, 0, False, 0.0, False

    def __init__(self, sound: np.ndarray, then: Callable[[Played], object]) -> None:
        self.blocks, self.then, self.closed = list(np.array_split(sound, max(1, len(sound) // 480))), then, False

    def read(self, timeout_s: float | None = None) -> Any:
        if self.blocks and len(self.blocks[0]):
            return self.blocks.pop(0)
        self.then(self)
        return None

    def close(self) -> None:
        self.closed = True


def session(source: Played, **options: Any) -> Session:
    settings = config.VoiceConfig(model="tones.safetensors")
    return Session(lambda: load(settings), lambda: source, Actions({}), Options(**options))


def silent(source: Played) -> None:
    """Be silent for ever; leave when that has been seen."""
    source.silent_s, source.ended = source.silent_s + 3.0, source.silent_s > 9


def test_a_microphone_that_gives_only_silence_is_told_once(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source = Played(np.zeros(0, np.float32), silent)
    assert session(source).run() == 0
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 2)
    assert err.startswith("typeahead: listening to played\n")
    assert "gives only silence; is it muted? --list-devices" in err
    assert source.closed


def test_a_microphone_that_goes_and_comes_back_is_told(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def vanish(source: Played) -> None:
        source.ended = source.reopened == 1
        source.lost, source.reopened = not source.lost and not source.ended, source.reopened + source.lost

    assert session(Played(stand_in.sentence("go"), vanish)).run() == 0
    out, err = capfd.readouterr()
    assert out.split()[0] == "go"
    assert err.splitlines()[1:] == ["typeahead: played: gone; looking for it", "typeahead: played: back"]


def test_a_microphone_that_stays_away_ends_it_with_its_one_error(folder: Path) -> None:
    def give_up(source: Played) -> None:
        raise AudioError("nothing has come from microphone 'played'; plug it in")

    source = Played(stand_in.sentence("go"), give_up)
    with pytest.raises(AudioError, match="plug it in"):
        session(source).run()
    assert source.closed


# What a word does


class Editor:
    """A daemon that passes on what is said."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(config.socket_path()))
        self._server.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._server.accept()
            with connection, connection.makefile("rb") as requests:
                request = json.loads(requests.readline())
                if request["op"] == "stop":
                    return
                self.said.append(request)
                connection.sendall(json.dumps({"op": "say", "id": request["id"], "delivered": True}).encode() + b"\n")

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(str(config.socket_path()))
            last.sendall(b'{"op": "stop"}\n')
        self._thread.join(20)
        self._server.close()


@pytest.fixture
def editor() -> Iterator[Editor]:
    editor = Editor()
    yield editor
    editor.close()


def heard(word: str = "go") -> Detection:
    return Detection(word, 0.9, 1.0)


def act(table: dict[str, Any], now_s: float = 0.0, **options: bool) -> Outcome:
    return Actions(overlaid(table), **options).act(heard(), now_s)


def test_a_word_goes_to_the_line_editor_that_is_open(listen: Run, editor: Editor) -> None:
    configure('[voice.commands]\nstop = { line = "touch done", mode = "run" }\n')
    _, out, _ = listen("--input", "words.wav", "--json")
    assert all(json.loads(line)["delivered"] for line in out.splitlines())
    assert [said["word"] for said in editor.said] == WORDS
    assert editor.said[0]["line"] == "touch done"
    assert not Path("done").exists()  # what runs it, if anything, is the shell


def test_without_one_a_line_is_printed(folder: Path) -> None:
    assert act({"go": "make test"}).note == "make test"
    assert act({}).note == "press accept: no prompt of typeahead's is open"
    assert act({"go": ""}) == Outcome(note="no command")


def test_a_line_is_run_only_where_its_own_setting_says_so(folder: Path, listen: Run) -> None:
    for mode, does_run in [("insert", False), ("confirm", False), ("run", True)]:
        configure(f'[voice.commands]\nstop = {{ line = "touch {mode}", mode = "{mode}" }}\n')
        assert listen("--input", "words.wav")[0] == 0
        assert (folder / mode).exists() is does_run


@pytest.mark.parametrize("line", ["rm -rf kept", "git reset --hard", "sudo sh -c 'rm -r kept'", "cd . && rm -rf kept"])
def test_a_line_that_destroys_is_never_run_by_voice(folder: Path, listen: Run, line: str) -> None:
    (folder / "kept").mkdir()
    configure(f'[voice.commands]\nstop = {{ line = "{line}", mode = "run" }}\n')
    _, out, _ = listen("--input", "words.wav")
    assert f"not run, it destroys: {line}" in out
    assert (folder / "kept").is_dir()
    asked = act({"go": {"line": line, "mode": "run"}}, may_ask=True)
    assert (asked.run, asked.ask) == ("", line)


def test_confirm_asks_only_where_there_is_a_key_to_press() -> None:
    table = {"go": {"line": "make", "mode": "confirm"}}
    assert (act(table).ask, act(table).run) == ("", "")
    assert act(table, may_ask=True).ask == "make"


def test_a_cooldown_holds_here_for_its_own_word() -> None:
    actions = Actions(overlaid({"go": {"line": "make", "mode": "run", "cooldown": 5}}))
    assert [actions.act(heard(), now_s).run for now_s in (1.0, 5.9, 6.1)] == ["make", "", "make"]
    assert "of its cooldown are left" in actions.act(heard(), 7.0).note


def test_a_word_acts_only_in_its_folder(folder: Path) -> None:
    (folder / "sub").mkdir()
    assert act({"go": {"line": "make", "mode": "run", "when": str(folder)}}).run == "make"
    outside = act({"go": {"line": "make", "mode": "run", "when": str(folder / "sub")}})
    assert (outside.run, outside.note) == ("", f"nothing: only in {folder / 'sub'}")


def test_a_dry_run_does_nothing_and_says_what_it_would_do(folder: Path, listen: Run, editor: Editor) -> None:
    configure('[voice.commands]\nstop = { line = "touch done", mode = "run" }\ngo = "make"\n')
    _, out, _ = listen("--input", "words.wav", "--dry-run")
    assert [line.partition(" s  ")[2] for line in out.splitlines()[:2]] == [
        "would run: touch done",
        "would insert: make",
    ]
    assert (editor.said, (folder / "done").exists()) == ([], False)
    destroys = {"line": "rm -rf x", "mode": "run"}
    assert act({"go": destroys}, dry_run=True).note == "would run: rm -rf x after a key"


def test_what_runs_says_its_status_and_leaves_json_alone(folder: Path, listen: Run) -> None:
    configure('[voice.commands]\nstop = { line = "echo hello; exit 3", mode = "run" }\n')
    _, out, err = listen("--input", "words.wav", "--json")
    assert [json.loads(line)["word"] for line in out.splitlines()] == WORDS
    assert err.count("hello\n") == 2
    assert "status 3: echo hello; exit 3" in err


def test_a_line_runs_in_the_users_shell_or_the_systems(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for shell in ("/bin/sh", "/no/such/shell", ""):
        monkeypatch.setenv("SHELL", shell)
        assert run("echo $((6 * 7)); kill -TERM $$") == 128 + 15
        assert capfd.readouterr().out == "42\n"


# The view

MOMENTS = st.builds(
    Moment,
    state=st.sampled_from(["listening", "asleep", "microphone off", "gone"]),
    is_live=st.booleans(),
    source=st.text(max_size=60),
    native_sr=st.sampled_from([0, 16_000, 44_100]),
    level_db=st.floats(-200, 20),
    gate_db=st.floats(-120, 0),
    is_open=st.booleans(),
    top=st.lists(st.tuples(st.text(max_size=20), st.floats(0, 1), st.floats(0.01, 0.99)), max_size=3).map(tuple),
    dropped=st.integers(0, 10**6),
    cpu=st.floats(0, 4),
    elapsed_s=st.floats(0, 10**6),
    question=st.text(max_size=300),
    warning=st.text(max_size=300),
    hint=st.text(max_size=300),
)
ESCAPES = re.compile("\x1b\\[[0-9;]*m")


@given(MOMENTS, st.integers(20, 200), st.booleans(), st.booleans())
def test_every_row_fits_the_terminal_and_holds_nothing_but_text_and_colours(
    moment: Moment, columns: int, colours: bool, unicode: bool
) -> None:
    for row in rows(moment, Look(columns, colours, unicode)):
        plain = ESCAPES.sub("", row)
        assert width(plain) < columns
        assert plain.isprintable()
        assert colours or plain == row


MOMENT = Moment("listening", source="mic", native_sr=48_000, level_db=-32, top=(("go", 0.93, 0.5), ("no", 0.02, 0.75)))


def test_a_wide_view_shows_levels_gate_posteriors_and_thresholds() -> None:
    assert rows(MOMENT, Look(70, colours=False)) == [
        "listening  mic, 48 kHz",
        "level     █████████│██████████████────────────────  -32 dBFS",
        "go        ████████████████████│████████████████───      0.93",
        "no        █─────────────────────────────│─────────      0.02",
        "0.0% CPU  0:00  0 dropped",
    ]


def test_a_narrow_view_keeps_words_and_figures() -> None:
    assert rows(MOMENT, Look(20, colours=False, unicode=False)) == [
        "listening  mic, 4..",
        "level  ##|##--- -32",
        "go     ####|## 0.93",
        "no     -----|- 0.02",
        "0.0% CPU  0:00",
    ]


def test_colour_marks_what_is_above_its_threshold() -> None:
    _, _, above, below, *_ = rows(MOMENT, Look(80))
    assert "\x1b[32m" in above
    assert "\x1b[32m" not in below


def test_a_question_comes_before_a_warning_and_that_before_a_hint() -> None:
    said = {"question": "run make ?", "warning": "only silence", "hint": "q: leave"}
    for left in ("question", "warning", "hint"):
        assert rows(Moment("listening", **said), Look(80, colours=False))[-1] == said.pop(left)


def test_the_ear_keeps_no_more_than_the_last_two_seconds() -> None:
    ear = Ear(stand_in.detector())
    for _ in range(20):
        ear.hear(np.zeros(4800, np.float32))
    assert 32_000 <= ear._num_recent < 32_000 + 4800
