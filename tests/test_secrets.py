"""Secrets in command lines: what is found, what is let through, and that nothing is left of what was found."""

from __future__ import annotations

import re
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from typeahead import secrets
from typeahead.lexer import commands

# Nothing here is a token: each is put together from a prefix and a run of characters.
MIXED = "aB3dE5gH7jK9mN1pQ3rS5tU7vW9xY1zA3bC5eF7hG9kJ1nM3qP5sR7uT9wV1yX3"
HEX = "0a1b2c3d4e5f60718293a4b5c6d7e8f9" * 2
UPPER = "A1B2C3D4E5F6G7H8J9K0L1M2N3P4Q5R6"


def of(length: int, alphabet: str = MIXED) -> str:
    return (alphabet * (length // len(alphabet) + 1))[:length]


PEM = "-----BEGIN {0}PRIVATE KEY-----\n{1}\n{1}\n-----END {0}PRIVATE KEY-----"

TOKENS = [
    ("GitHub token", "ghp_" + of(36)),
    ("GitHub token", "gho_" + of(36)),
    ("GitHub token", "ghu_" + of(36)),
    ("GitHub token", "ghs_" + of(36)),
    ("GitHub token", "ghr_" + of(76)),
    ("GitHub token", "github_pat_" + of(22) + "_" + of(59)),
    ("GitLab token", "glpat-" + of(20)),
    ("GitLab token", "glptt-" + of(40, HEX)),
    ("GitLab token", "gldt-" + of(20)),
    ("AWS access key", "AKIA" + of(16, UPPER)),
    ("AWS access key", "ASIA" + of(16, UPPER)),
    ("Azure client secret", of(3) + "8Q~" + of(34)),
    ("Google API key", "AIza" + of(35)),
    ("Google OAuth token", "ya29." + of(60)),
    ("Slack token", "xoxb-" + "17653672481-19874698323-" + of(24)),
    ("Slack token", "xoxp-" + "17653672481-19874698323-" + of(24)),
    ("Slack token", "xapp-1-" + of(11, UPPER) + "-1234567890123-" + of(64, HEX)),
    ("Stripe key", "sk_live_" + of(24)),
    ("Stripe key", "rk_test_" + of(24)),
    ("Stripe key", "whsec_" + of(32)),
    ("Netlify token", "nfp_" + of(36)),
    ("npm token", "npm_" + of(36)),
    ("PyPI token", "pypi-" + of(120)),
    ("RubyGems token", "rubygems_" + of(48, HEX)),
    ("Pulumi token", "pul-" + of(40, HEX)),
    ("Anthropic key", "sk-ant-api03-" + of(93)),
    ("OpenAI key", "sk-" + of(48)),
    ("OpenAI key", "sk-proj-" + of(80)),
    ("Hugging Face token", "hf_" + of(34)),
    ("Groq key", "gsk_" + of(52)),
    ("Replicate token", "r8_" + of(37)),
    ("SendGrid key", "SG." + of(22) + "." + of(43)),
    ("Twilio key", "SK" + of(32, HEX)),
    ("Telegram bot token", "123456789:AA" + of(33)),
    ("Discord token", "M" + of(25) + "." + of(6) + "." + of(38)),
    ("Mailgun key", "key-" + of(32, HEX)),
    ("Mailchimp key", of(32, HEX) + "-us12"),
    ("DigitalOcean token", "dop_v1_" + of(64, HEX)),
    ("Heroku key", "HRKU-" + of(60)),
    ("Docker Hub token", "dckr_pat_" + of(27)),
    ("Vault token", "hvs." + of(90)),
    ("Databricks token", "dapi" + of(32, HEX)),
    ("Grafana token", "glsa_" + of(32) + "_" + of(8, HEX)),
    ("Shopify token", "shpat_" + of(32, HEX)),
    ("Square token", "sq0atp-" + of(22)),
    ("Atlassian token", "ATATT3" + of(180)),
    ("Doppler token", "dp.pt." + of(43)),
    ("Terraform Cloud token", of(14) + ".atlasv1." + of(67)),
    ("Linear key", "lin_api_" + of(40)),
    ("Notion token", "secret_" + of(43)),
    ("New Relic key", "NRAK-" + of(27, UPPER)),
    ("Tailscale key", "tskey-auth-" + of(12) + "-" + of(24)),
    ("Supabase token", "sbp_" + of(40, HEX)),
    ("age key", "AGE-SECRET-KEY-1" + of(58, UPPER)),
    ("JSON web token", "eyJ" + of(33) + ".eyJ" + of(70) + "." + of(43)),
    ("private key", PEM.format("", of(64))),
    ("private key", PEM.format("RSA ", of(64))),
    ("private key", PEM.format("OPENSSH ", of(64))),
]


@pytest.mark.parametrize(("kind", "token"), TOKENS, ids=[f"{kind}-{index}" for index, (kind, _) in enumerate(TOKENS)])
@pytest.mark.parametrize(
    "line", ["echo {}", "export TOKEN={}", "curl -H 'Authorization: Bearer {}' x", "x '{}' | y", "a=b;{}", "{}"]
)
def test_a_token_is_found_by_its_shape_and_hidden_whole(kind: str, token: str, line: str) -> None:
    redacted, kinds = secrets.redact(line.format(token))
    assert redacted == line.format(secrets.PLACEHOLDER)
    assert kinds == [kind]


# A line with its secrets in guillemets, and the kinds that the user is told.
HIDDEN = [
    ("export GITHUB_TOKEN=«abcdef123456»", ["token"]),
    ("export TOKEN='«with blanks»'", ["token"]),
    ('API_KEY="«abc»" ./run', ["API key"]),
    ("PASSWORD=«a'b c'd»", ["password"]),
    ("DB_PASSWORD=«hunter2» DB_USER=me ./serve", ["password"]),
    ("DB_PASS=«a\\ b» x", ["password"]),
    ("MYSQL_PWD=«x1» mysql db", ["password"]),
    ("declare -x CLIENT_SECRET=«s3cr3t»", ["secret"]),
    ("SECRET_KEY_BASE=«abc123» rails s", ["secret"]),
    ("export AWS_SECRET_ACCESS_KEY=«" + of(40) + "»", ["AWS secret key"]),
    ("export AWS_SESSION_TOKEN=«" + of(300) + "==»", ["AWS session token"]),
    ("aws configure set aws_secret_access_key «" + of(40) + "»", ["AWS secret key"]),
    ("export AZURE_STORAGE_ACCOUNT_KEY='«" + of(86) + "==»'", ["Azure key"]),
    ("az storage x --connection-string 'AccountName=a;AccountKey=«" + of(86) + "==»;E=x'", ["API key"]),
    ("azcopy cp f 'https://a.blob.core.windows.net/c?sv=2022&sig=«" + of(43) + "%3D»&se=1'", ["secret"]),
    ("export HEROKU_API_KEY=«01234567-89ab-cdef-0123-456789abcdef»", ["API key"]),
    ("set -gx API_TOKEN «abcdefgh»", ["token"]),
    ("setenv API_TOKEN «abcdefgh»", ["token"]),
    ("npm config set //registry.example.org/:_authToken «abcdefgh»", ["token"]),
    ("npm config set //registry.example.org/:_authToken=«abcdefgh»", ["token"]),
    ("git config --global example.token «abcdefgh»", ["token"]),
    ("docker run -e MYSQL_ROOT_PASSWORD=«pw» -p 80:80 mysql", ["password"]),
    ("docker build --build-arg NPM_TOKEN=«abcdefgh» .", ["token"]),
    ("helm upgrade x y --set auth.rootPassword=«pw»,a=b", ["password"]),
    ("git clone https://me:«pw»@example.org/x.git", ["password in a URL"]),
    ("psql postgres://me:«p@ss»@db.example.org:5432/x", ["password in a URL"]),
    ("redis-cli -u redis://:«pw»@localhost", ["password in a URL"]),
    ("git remote add o https://x-access-token:«pw»@example.org/x", ["password in a URL"]),
    ("curl 'https://example.org/x?user=a&api_key=«abc»&b=c'", ["API key"]),
    ("curl -H 'Authorization: Basic «bWU6cHc=»' x", ["authorization header"]),
    ('curl -H "authorization: token «abc»" x', ["authorization header"]),
    ("curl -H 'X-Api-Key: «abc»' x", ["API key"]),
    ("curl --header='PRIVATE-TOKEN: «abcdefgh»' x", ["token"]),
    ("http x Authorization:'Bearer «abc»'", ["authorization header"]),
    ("curl -u me:«pw» https://example.org", ["password"]),
    ("curl -ume:«pw» https://example.org", ["password"]),
    ("curl --user 'me:«p w»' https://example.org", ["password"]),
    ("curl --user=me:«pw» https://example.org", ["password"]),
    ("curl -d 'user=me&password=«pw»&x=1' x", ["password"]),
    ("curl -d 'password=«pw»&user=me' x", ["password"]),
    ("""curl -d '{"user": "me", "password": "«p w»"}' x""", ["password"]),
    ('curl -d "{\\"token\\": \\"«abcdefgh»\\"}" x', ["token"]),
    ("wget --user=me --password=«pw» x", ["password"]),
    ("mysql -u me -p«pw» db", ["password"]),
    ("mysql -u me -p'«p w»' db", ["password"]),
    ("mysqldump -ume -p«pw» db > f", ["password"]),
    ("mysql --password=«pw» db", ["password"]),
    ("/usr/bin/mysql -p«pw» db", ["password"]),
    ("ssh h 'mysql -p«pw» db'", ["password"]),
    ("docker exec -it db bash -c 'mysql -p\"«pw»\" db'", ["password"]),
    ("echo $(mysql -p«pw» -e x)", ["password"]),
    ("sshpass -p «pw» ssh h", ["password"]),
    ("sudo sshpass -p«pw» scp a h:", ["password"]),
    ("PGPASSWORD=«pw» psql -h h", ["password"]),
    ("ls; PGPASSWORD=«pw» psql && ls", ["password"]),
    ("echo '«pw»' | sudo -S ls", ["password"]),
    ("echo «pw» | sudo -kS ls", ["password"]),
    ("printf '%s\\n' «pw» | sudo -S ls", ["password"]),
    ("sudo -S ls <<< «pw»", ["password"]),
    ("echo me:«pw» | sudo chpasswd", ["password"]),
    ("chpasswd <<< 'me:«pw»'", ["password"]),
    ("echo «pw» | docker login -u me --password-stdin", ["password"]),
    ("docker login -u me -p «pw» reg.example.org", ["password"]),
    ("openssl rsa -in k.pem -passin pass:«pw»", ["password"]),
    ("openssl enc -aes-256-cbc -k «pw» -in f", ["password"]),
    ("vault login «abcdefgh»", ["password"]),
    ("vault kv put secret/x password=«pw»", ["password"]),
    ("htpasswd -b f me «pw»", ["password"]),
    ("htpasswd -nbB me «pw»", ["password"]),
    ("useradd -m -p '«$6$salt$hash»' me", ["password"]),
    ("kubectl create secret generic s --from-literal=k=«v1»", ["password"]),
    ("kubectl create secret generic s --from-literal=user=«me» --from-literal=p=«pw»", ["password"]),
    ("mongosh -u me -p «pw» h", ["password"]),
    ("redis-cli -a «pw» ping", ["password"]),
    ("ldapsearch -x -D cn=me -w «pw»", ["password"]),
    ("smbclient //h/s -U 'me%«pw»'", ["password"]),
    ("mount -t cifs //h/s /mnt -o username=me,password=«pw»,vers=3.0", ["password"]),
    ("unzip -P «pw» a.zip", ["password"]),
    ("7z a -p«pw» a.7z f", ["password"]),
    ("rar a -hp«pw» a.rar f", ["password"]),
    ("keytool -list -keystore k -storepass «pw»", ["password"]),
    ("java -Djavax.net.ssl.trustStorePassword=«pw» -jar a.jar", ["password"]),
    ("gpg --batch --passphrase «pw» -d f", ["password"]),
    ("xfreerdp /u:me /p:«pw» /v:h", ["password"]),
    ("nmcli device wifi connect net password «pw»", ["password"]),
    ("ssh-keygen -t ed25519 -N '«p w»' -f k", ["password"]),
    ("snmpwalk -v 3 -u me -A «pw1» -X «pw2» h o", ["password"]),
    ("chisel client --auth me:«pw» h 22", ["password"]),
    ("poetry publish -u me -p «pw»", ["password"]),
    ("psexec.py example.org/me:«pw»@h ls", ["password"]),
    ("echo «pw» | su me -c ls", ["password"]),
    ("yes «pw» | passwd me", ["password"]),
    ("printf '«pw\\npw»\\n' | passwd me", ["password"]),
    ("twine upload -u __token__ -p «pw» dist/*", ["password"]),
    ("pulumi config set --secret name «value1»", ["password"]),
    ("gh secret set NAME --body «value1»", ["password"]),
    ("cat > .env <<EOF\nDB_PASSWORD=«pw»\nDEBUG=1\nEOF", ["password"]),
    ("kubectl apply -f - <<EOF\ndata:\n  password: «cHc=»\nEOF", ["password"]),
    ("ls # password=«pw»", ["password"]),
    ("cat > k <<EOF\n«" + PEM.format("RSA ", of(64)) + "»\nEOF", ["private key"]),
    ("echo '«-----BEGIN PRIVATE KEY-----\n" + of(64) + "»' > k", ["private key"]),
    ("A_TOKEN=«abcdefgh» B_PASSWORD=«pw» x", ["token", "password"]),
    (
        "curl https://hooks.slack.com/services/«T" + of(8, UPPER) + "/B" + of(8, UPPER) + "/" + of(24) + "»",
        ["Slack webhook"],
    ),
    ("curl https://discord.com/api/webhooks/123456789012345678/«" + of(68) + "»", ["Discord webhook"]),
    ("curl https://api.telegram.org/bot«123456789:AA" + of(33) + "»/getMe", ["Telegram bot token"]),
    ("export PW=«\udcffpw\udcfe»", ["password"]),
]


@pytest.mark.parametrize(("marked", "kinds"), HIDDEN, ids=[marked[:50] for marked, _ in HIDDEN])
def test_only_the_secret_part_of_a_line_is_hidden(marked: str, kinds: list[str]) -> None:
    assert secrets.redact(re.sub("[«»]", "", marked)) == (re.sub("«.*?»", "***", marked, flags=re.DOTALL), kinds)


INNOCENT = [
    "git show " + of(40, HEX),
    "git log --author=token",
    "git commit -m 'token: fix parsing'",
    "git commit -m 'password reset'",
    "git config --global user.signingkey 0A1B2C3D4E5F",
    "git config --global credential.helper store",
    "git clone git@example.org:me/x.git",
    "git clone ssh://git@example.org:22/x.git",
    "docker pull img@sha256:" + of(64, HEX),
    "docker run -p 8080:80 -v /a:/b img",
    "docker login --username me --password-stdin",
    "docker build --secret id=npm,src=f .",
    "kill 01234567-89ab-cdef-0123-456789abcdef",
    "cat dGhpcyBpcyBhIGZpbGUgbmFtZQ==.txt",
    "cat " + of(90),
    "ls /usr/lib/x86_64-linux-gnu/gdk-pixbuf-2.0/2.10.0/loaders/libpixbufloader-svg.so",
    "passwd me",
    "mysql -p",
    "mysql -u me -p dbname",
    "mysql -u me --password dbname",
    "mysql -p$PW db",
    "mkdir -p dir/dir",
    "ssh -p 2222 me@example.org",
    "ssh -i ~/.ssh/id_rsa -o PasswordAuthentication=no h",
    "nmap -p1-65535 10.0.0.1",
    "cp -p a b",
    "tar -pxf a.tar",
    "echo -e 'a\\nb' | sudo tee f",
    "export TOKEN=$(cat f)",
    "export TOKEN=`cat f`",
    'export TOKEN="$OTHER"',
    "export TOKEN=${OTHER}",
    "export TOKEN=",
    "export TOKEN",
    "unset TOKEN",
    "echo $TOKEN",
    'curl -H "Authorization: Bearer $TOKEN" x',
    "curl -H 'Authorization: Bearer <token>' x",
    "export API_KEY=xxxxxxxx",
    "export API_KEY=<your-key>",
    "export API_KEY=your_api_key",
    "export PASSWORD=changeme",
    "export PASSWORD_FILE=/run/secrets/pw",
    "export DB_PASSWORD=/run/secrets/db_password",
    "export SECRET_NAME=app",
    "export TOKEN_TTL=3600",
    "export TOKENIZERS_PARALLELISM=false",
    "export PATH=/opt/bin:$PATH",
    "export SSH_AUTH_SOCK=/tmp/ssh-x/agent.1",
    "PWD=/tmp make",
    "python train.py --max-tokens 4096 --token-limit 5 --num-tokens=100",
    "python serve.py --no-password now",
    "ansible-playbook --ask-pass --private-key ~/.ssh/id.pem x.yml",
    "ansible-playbook --vault-password-file f x.yml",
    "gpg --export-secret-keys 0A1B2C3D4E5F",
    "gh secret set NAME --org me",
    "kubectl get secret app -o yaml",
    "kubectl create secret generic s --from-file=f",
    "aws secretsmanager get-secret-value --secret-id app",
    "grep password file",
    "grep -r 'api_key=' src",
    "grep -rn 'BEGIN RSA PRIVATE KEY' .",
    "rg -F -- '-----BEGIN PRIVATE KEY-----'",
    "cat file | grep -i password=",
    "find / -name '*password*'",
    "sed -i 's/password=.*/password=/' f",
    "echo 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + of(43) + " me@h' >> ~/.ssh/authorized_keys",
    "curl -u me https://example.org",
    "curl -u me: https://example.org",
    "curl https://me@example.org:8080/x",
    "curl http://localhost:8080/a@b",
    "git clone https://me:$PW@example.org/x",
    "hydra -L users.txt -P pass.txt ssh://10.0.0.1",
    "hydra -l me -p passwords.txt ssh://10.0.0.1",
    "sha256sum -c f",
    "echo '" + of(64, HEX) + "  f' | sha256sum -c",
    "pip install x==1.2",
    "npm_config_registry=x npm i",
    "systemctl status sk-ssh-agent-with-a-rather-long-name",
    "openssl x509 -in cert.pem -passin file:pw.txt",
    "openssl rsa -in k.pem -passin env:PW",
    "zip -p a.zip",
    "journalctl -u ssh -p err",
    "ps -u me -p 123",
    "docker run -u 1000 -p 80:80 img",
    "ssh-keygen -t ed25519 -N '' -f k",
    "python manage.py runserver 0.0.0.0:80",
    "ls | su me",
    "read -s PASSWORD",
    "pass show mail/token",
    "vault login -method=oidc",
    "./key-value-store --cache-key user:1",
    "alias pwd='pwd -P'",
    "export PASSWORD='***'",
    "",
]


@pytest.mark.parametrize("line", INNOCENT)
def test_an_innocent_line_passes_untouched(line: str) -> None:
    assert secrets.redact(line) == (line, [])


CHARACTERS = [*"'\"\\$`{}()<>;&|=:@/-#*% \n", "\udc80", "é"]
WORDS = [
    "password",
    "PASSWORD=",
    "--token ",
    "-p",
    "mysql ",
    "curl -u ",
    "a:b",
    "://",
    "sudo -S ",
    "echo ",
    "pw",
    "***",
]
WORDS += ["<<EOF\n", "EOF\n", "-----BEGIN PRIVATE KEY-----", of(20), "ghp_" + of(20), "Authorization: Bearer "]
PARTS = st.lists(st.one_of(st.text(st.sampled_from(CHARACTERS), max_size=6), st.sampled_from(WORDS)), max_size=12).map(
    "".join
)


@settings(max_examples=400)
@given(PARTS)
def test_what_is_found_is_in_order_apart_and_inside_the_line(line: str) -> None:
    at = 0
    for secret in secrets.find(line):
        assert at <= secret.start < secret.end <= len(line)
        at = secret.end


@settings(max_examples=400)
@given(PARTS)
def test_redacting_again_changes_nothing(line: str) -> None:
    redacted, _ = secrets.redact(line)
    assert secrets.redact(redacted) == (redacted, [])


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=8, max_size=40), st.text(max_size=10))
def test_nothing_of_a_password_is_left_whatever_follows_it(password: str, after: str) -> None:
    secret = "Zq7" + password
    assert secret not in secrets.redact(f"export DB_PASSWORD={secret} {after}")[0]
    assert secret not in secrets.redact(f"curl -u me:{secret} x\n{after}")[0]


UNITS = [
    "a",
    "'",
    '"',
    "\\",
    "$(",
    "`",
    "(",
    "${",
    "password=",
    '"token":"',
    "token:'",
    "://a:",
    "sudo ",
    "sshpass -p ",
]
UNITS += [
    "eyJa-",
    "<<E\n",
    "-----BEGIN PRIVATE KEY-----",
    "A=1 ",
    "echo x |",
    "-p ",
    "x=",
    "  ",
    "\\`",
    "M" + of(24) + ".",
]


@pytest.mark.parametrize("unit", UNITS)
def test_the_work_for_a_long_line_grows_with_its_length(unit: str) -> None:
    """Counted in lines of Python that run: twice the line is about twice the work."""
    short, long = (_work(unit * (size // len(unit))) for size in (4_000, 8_000))
    assert long <= 2.6 * short + 2_000


@pytest.mark.timeout(60)  # a pattern that runs away takes hours here
@pytest.mark.parametrize("unit", UNITS)
def test_no_pattern_runs_away_on_64_kilobytes(unit: str) -> None:
    for start in ("", "password ", "'", '"'):
        line = start + unit * (64_000 // len(unit))
        assert all(secret.end <= len(line) for secret in secrets.find(line))


def _work(line: str) -> int:
    count = 0

    def trace(frame: object, event: str, argument: object) -> object:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        secrets.find(line)
    finally:
        sys.settrace(before)
    return count


def test_a_line_of_64_kilobytes_is_read_to_its_end() -> None:
    line = "echo " + "xxxxxxx " * 8_000 + "; mysql -p" + "pw"
    assert secrets.redact(line) == (line[:-2] + "***", ["password"])
    assert len(commands(line)) == 2
