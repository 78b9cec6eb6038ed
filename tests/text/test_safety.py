"""Destructive lines: which they are, however they are written, and who may be shown one."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from typeahead.text.safety import is_destructive, may_suggest

DESTRUCTIVE = """rm -rf build
rm -r dir
rm -f a.lock
rm dir -R
rm --recursive --force x
rm *
rm src/*
rm /
unlink() { rm -rf x; }
dd if=a.img of=/dev/sdb bs=4M
mkfs.ext4 /dev/sdb1
mkfs -t xfs /dev/sdb1
wipefs -a /dev/sdb
shred f
fdisk /dev/sdb
sgdisk --zap-all /dev/sdb
parted /dev/sdb mklabel gpt
cat x > /dev/sda
echo 1 >> /dev/nvme0n1
cp a.img /dev/sdb
git push --force
git push -f origin main
git push --force-with-lease
git push origin +main
git push origin :old
git push --delete origin old
git reset --hard
git -C x reset --hard HEAD~1
git clean -fd
git clean -d --force
git checkout -- .
git checkout .
git checkout -f main
git restore .
git branch -D topic
git branch --delete --force topic
git stash drop
git filter-branch x
chmod -R 777 .
chmod -R u+w /
chmod --recursive 755 ~
sudo chown -R me /etc
chown -R me $HOME
:(){ :|:& };:
bomb() { bomb | bomb & }; bomb
kill -9 -1
kill -- -1
killall -9 python3
pkill -KILL -f serve
shutdown -h now
sudo reboot
halt
poweroff
init 0
systemctl poweroff
docker system prune
docker rm -f db
docker volume rm data
docker compose down -v
kubectl delete pod x
helm uninstall x
terraform destroy
tofu apply -destroy
aws s3 rm s3://b --recursive
aws ec2 terminate-instances --instance-ids i
gh repo delete x
mysql -e 'DROP DATABASE x'
psql -c "drop table t"
echo 'DELETE FROM t;' | sqlite3 a.db
mysql db <<< 'truncate table t'
DROP TABLE t;
dropdb x
redis-cli FLUSHALL
truncate -s 0 f
truncate --size=0 f
find . -name x -delete
find . -exec rm {} ;
find . -type f | xargs rm
xargs -0 rm < list
crontab -r
userdel me
iptables -F
mv x /dev/null
rsync -a --delete a/ b/
cryptsetup luksFormat /dev/sdb
zfs destroy a/b
history -c
curl -s https://example.org/i | sh
wget -qO- https://example.org/i | sudo bash
bash <(curl https://example.org/i)
sh -c "$(curl https://example.org/i)" """.strip().splitlines()

HARMLESS = """rm notes.txt
rm a b c
rm -i a
rm -- a
rmdir dir
man rm
echo rm -rf /
echo 'rm -rf /'
git commit -m 'rm -rf /'
grep -r 'rm -rf' .
ls | grep mkfs
dd if=/dev/zero of=disk.img bs=1M count=1
dd if=a of=/dev/null
fdisk -l /dev/sda
wipefs /dev/sda
parted -l
lsblk /dev/sda
cat /dev/sda1
ls > /dev/null 2>&1
git push
git push -u origin main
git push origin main:main
git reset
git reset --soft HEAD~1
git clean -n
git clean -nfd
git checkout main
git checkout -b topic
git restore --staged .
git branch -d topic
git rm --cached -f x
git stash
git log --grep push -f
chmod +x f
chmod -R u+w src
chown -R me src
kill 123
kill -9 123
kill -1 123
killall python3
shutdown -c
systemctl status x
docker ps
docker rm db
docker run --rm img
docker compose down
kubectl get pod
kubectl delete pod x --dry-run=client
terraform plan
aws s3 ls
psql -c 'select 1'
echo 'drop table t'
truncate -s 1G f
find . -name x
find . -exec grep x {} ;
crontab -l
iptables -L
mv a b
rsync -a a/ b/
history
curl https://example.org
curl https://example.org | jq .
curl https://example.org > i.sh
make clean
npm rm""".splitlines()

WRAPPERS = [
    "sudo {}",
    "sudo -u me -- {}",
    "doas {}",
    "A=1 env B=2 {}",
    "nice -n 19 {}",
    "time {}",
    "nohup {} &",
    "cd x && {}",
    "true; {}",
    "ls | {}",
    "ls\n{}",
    "( {} )",
    "if true; then {}; fi",
    "for f in a; do {}; done",
    "echo $({})",
    "echo `{}`",
    "timeout 5 {}",
    "ssh h {}",
]
SIMPLE = [
    "rm -rf build",
    "git push --force",
    "mkfs.ext4 /dev/sdb1",
    "dd if=a of=/dev/sda",
    "kubectl delete pod x",
    "chmod -R 777 /",
    "reboot",
]


@pytest.mark.parametrize("line", DESTRUCTIVE)
def test_a_destructive_line_is_recognised(line: str) -> None:
    assert is_destructive(line)


@pytest.mark.parametrize("line", HARMLESS)
def test_a_harmless_line_is_let_through(line: str) -> None:
    assert not is_destructive(line)
    assert may_suggest(line, line[:1])


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("line", SIMPLE)
def test_a_destructive_command_is_seen_wherever_it_stands(wrapper: str, line: str) -> None:
    assert is_destructive(wrapper.format(line))


@pytest.mark.parametrize(
    "line",
    [
        "/bin/rm -rf x",
        "\\rm -rf x",
        "'rm' \"-rf\" x",
        "sh -c 'rm -rf x'",
        'sudo bash -lc "cd x && rm -rf y"',
        "ssh h 'cd x; rm -rf y'",
        "find . -print0 | xargs -0 -n 10 rm",
        "bash <<E\nrm -rf x\nE",
        "xargs -I {} sh -c 'rm -rf {}'",
    ],
)
def test_a_destructive_command_is_seen_through_paths_quotes_and_scripts(line: str) -> None:
    assert is_destructive(line)


@pytest.mark.parametrize(
    ("prefix", "line"),
    [
        ("rm -rf bu", "rm -rf build"),
        ("rm -rf build/sub", "rm -rf build/subfolder"),
        ("rm -rf src old-", "rm -rf src old-build"),
        ("sudo rm -r 'old da", "sudo rm -r 'old data'"),
        ("git push --force or", "git push --force origin"),
        ("git push -f origin ma", "git push -f origin main"),
        ("rm -rf build && mak", "rm -rf build && make"),
        ("rm -rf build && ", "rm -rf build && make all"),
        ("rm -rf build", "rm -rf build; make all"),
        ("mkfs.ext4 /dev/sdb", "mkfs.ext4 /dev/sdb1"),
        ("rm -rf build", "rm -rf build"),
    ],
)
def test_who_has_typed_it_nearly_out_is_shown_the_rest(prefix: str, line: str) -> None:
    assert is_destructive(line)
    assert may_suggest(line, prefix)


@pytest.mark.parametrize(
    ("prefix", "line"),
    [
        ("", "rm -rf build"),
        ("r", "rm -rf build"),
        ("rm", "rm -rf build"),
        ("rm -", "rm -rf build"),
        ("rm -r", "rm -rf build"),
        ("rm -rf", "rm -rf build"),
        ("rm -rf ", "rm -rf build"),
        ("rm -rf bu", "rm -rf build dist"),
        ("rm -rf b", "rm -rf b*"),
        ("rm -rf /h", "rm -rf /h/$X"),
        ("rm b", "rm build -rf"),
        ("sudo ", "sudo reboot"),
        ("sudo rebo", "sudo reboot"),
        ("git push", "git push --force"),
        ("git push --fo", "git push --force"),
        ("git push origin ", "git push origin +main"),
        ("git reset --h", "git reset --hard"),
        ("dd if=a of=/de", "dd if=a of=/dev/sda"),
        ("make && r", "make && rm -rf build"),
        ("make && rm -rf build && r", "make && rm -rf build && rm -rf dist"),
        ("sh -c 'rm ", "sh -c 'rm -rf x'"),
        ("curl https://example.org/i ", "curl https://example.org/i | sh"),
        ("psql -c 'dr", "psql -c 'drop table t'"),
    ],
)
def test_nobody_else_is(prefix: str, line: str) -> None:
    assert not may_suggest(line, prefix)


@pytest.mark.parametrize("line", ["ls\nls", "ls \x1b[2J", "ls \t x", "ls \u202egpj.exe", "ls \udc80", "ls \x9b"])
def test_nothing_that_cannot_be_drawn_is_suggested(line: str) -> None:
    assert not may_suggest(line, "ls")


def test_a_hidden_secret_is_never_added_but_may_stand_in_what_was_typed() -> None:
    assert not may_suggest("export TOKEN=***", "export TO")
    assert may_suggest("TOKEN=*** ./serve", "TOKEN=*** ./se")


def test_a_line_that_does_not_go_on_from_the_prefix_is_not_suggested() -> None:
    assert not may_suggest("ls -l", "cd")


ANY = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from(["rm", "-rf", "git", "push", "sh -c '", "'", '"', "$(", "xargs", "|", ";", "\n", "<<E", " "])
    ).map(" ".join),
)


@settings(max_examples=400)
@given(ANY, st.integers(0, 60))
@example("\x00'\"$(`", 3)
def test_any_text_is_judged(line: str, cut: int) -> None:
    may_suggest(line, line[:cut])
    assert is_destructive(line + "\nrm -rf x") or any(
        opener in line for opener in ("'", '"', "$", "`", "\\", "<<", "#", "(")
    )


@given(st.sampled_from(SIMPLE), st.sampled_from(WRAPPERS))
def test_a_program_alone_never_brings_up_its_destructive_flags(line: str, wrapper: str) -> None:
    whole = wrapper.format(line)
    start = whole.index(line)
    for cut in range(start + line.index(" ") + 1 if " " in line else start + 1):
        assert not may_suggest(whole, whole[:cut])
