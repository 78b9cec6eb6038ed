"""Hosts from ssh's configuration, and those it has met; real ssh-keygen hashes some of them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typeahead.text.surroundings import Surroundings
from typeahead.text.surroundings.hosts import directives, known_hosts

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43


@pytest.fixture
def home(isolated_home: Path) -> Path:
    """Return a home whose `.ssh` has a configuration of several files."""
    ssh = isolated_home / ".ssh"
    (ssh / "conf.d").mkdir(parents=True)
    (ssh / "config").write_text(
        "# Host remark\nInclude conf.d/*.conf\nHost web web-* !bad\n  HostName 192.0.2.1\n"
        'host="quoted"\nMatch host x\nHost *\n  User ann\nInclude ~/more none\n'
    )
    (ssh / "conf.d" / "a.conf").write_text("Host alpha\nInclude ../config\n")
    (ssh / "conf.d" / "b.txt").write_text("Host ignored\n")
    (isolated_home / "more").write_text("Host more\n")
    (ssh / "known_hosts").write_text(f"met.example.org,192.0.2.7 {KEY}\n[port.example.org]:2222 {KEY}\n*.no {KEY}\n")
    return isolated_home


def offered(home: Path, line: str) -> list[tuple[str, str]]:
    surroundings = Surroundings({"HOME": str(home)}, budget_ms=10_000)
    words = [tuple(word) for word in surroundings.words(line, str(home))]
    surroundings.disk.close()
    return words


def test_hosts_are_those_of_config_and_its_includes_and_those_met_but_no_patterns(home: Path) -> None:
    names = [text for text, _ in offered(home, "ssh ")]
    assert names == ["alpha", "web", "quoted", "more", "met.example.org", "192.0.2.7", "port.example.org"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ssh ann@we", [("ann@web", "host")]),
        ("ssh -p 22 al", [("alpha", "host")]),
        ("ssh web al", []),
        ("ping al", [("alpha", "host")]),
        ("scp al", [("alpha:", "host")]),
        ("scp mor", [("more:", "host"), ("more", "file")]),
        ("rsync -a more ann@we", [("ann@web:", "host")]),
        ("scp web:mo", []),
        ("ssh -i mo", [("more", "file")]),
    ],
)
def test_hosts_are_offered_where_they_belong(line: str, expected: list[tuple[str, str]], home: Path) -> None:
    assert offered(home, line) == expected


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is missing")
def test_a_hashed_host_stays_hidden(tmp_path: Path) -> None:
    key, hosts = tmp_path / "key", tmp_path / "known_hosts"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=60)
    public = " ".join((tmp_path / "key.pub").read_text().split()[:2])
    hosts.write_text(f"secret.example.org {public}\n")
    assert known_hosts(hosts.read_text()) == ["secret.example.org"]
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(hosts)], check=True, capture_output=True, timeout=60)
    assert known_hosts(hosts.read_text()) == []


@given(st.text())
def test_any_text_can_be_read_as_a_configuration_or_as_hosts(text: str) -> None:
    directives(text)
    assert all(name and not name.startswith(("|", "#")) for name in known_hosts(text))
