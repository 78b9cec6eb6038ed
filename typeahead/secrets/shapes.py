"""Secrets that are known by their shape, wherever they stand: tokens with a prefix, PEM blocks, passwords in URLs."""

from __future__ import annotations

from collections.abc import Iterator

from typeahead.lexer import compiled
from typeahead.secrets.values import Secret, is_placeholder

# Tokens that begin with something of their issuer's: kind, a text that each of them holds, pattern (its group is the
# secret, where it has one).
_SHAPES: list[tuple[str, tuple[str, ...], str]] = [
    ("GitHub token", ("gh", "github_pat_"), r"(?:gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_[A-Za-z0-9_]{22,255})"),
    ("GitLab token", ("gl",), r"gl(?:pat|dt|rt|ft|soat|ptt|cbt|agent|imt|oas|ffct)-[A-Za-z0-9_-]{20,}"),
    ("AWS access key", ("A",), r"(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[A-Z0-9]{16}(?![A-Za-z0-9])"),
    ("Azure client secret", ("Q~",), r"[A-Za-z0-9_~.]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}"),
    ("Google API key", ("AIza",), r"AIza[A-Za-z0-9_-]{35}"),
    ("Google OAuth token", ("ya29.", "GOCSPX-"), r"(?:ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,})"),
    ("Slack token", ("xox", "xapp-"), r"(?:xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-[0-9]-[A-Za-z0-9-]{10,})"),
    (
        "Slack webhook",
        ("hooks.slack.com/",),
        r"hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9_/-]{20,})",
    ),
    ("Discord webhook", ("/api/webhooks/",), r"discord(?:app)?\.com/api/webhooks/[0-9]{10,}/([A-Za-z0-9_-]{40,})"),
    ("Discord token", (".",), r"[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,45}(?![A-Za-z0-9_.-])"),
    (
        "Stripe key",
        ("k_live_", "k_test_", "whsec_"),
        r"(?:[rs]k_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/=]{24,})",
    ),
    ("Netlify token", ("nf",), r"nf[pcoub]_[A-Za-z0-9]{36,}"),
    ("npm token", ("npm_",), r"npm_[A-Za-z0-9]{36}"),
    ("PyPI token", ("pypi-",), r"pypi-[A-Za-z0-9_-]{50,}"),
    ("RubyGems token", ("rubygems_",), r"rubygems_[a-f0-9]{48}"),
    ("Pulumi token", ("pul-",), r"pul-[a-f0-9]{40}"),
    ("Anthropic key", ("sk-ant-",), r"sk-ant-[A-Za-z0-9_-]{20,}"),
    ("OpenAI key", ("sk-",), r"sk-(?:(?:proj|svcacct|admin|or|lf)-[A-Za-z0-9_-]{20,}|[A-Za-z0-9]{32,})"),
    ("Hugging Face token", ("hf_",), r"hf_[A-Za-z0-9]{30,}"),
    ("Groq key", ("gsk_",), r"gsk_[A-Za-z0-9]{40,}"),
    ("Replicate token", ("r8_",), r"r8_[A-Za-z0-9]{37}"),
    ("SendGrid key", ("SG.",), r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}"),
    ("Twilio key", ("SK",), r"SK[a-f0-9]{32}(?![A-Za-z0-9])"),
    ("Mailgun key", ("key-",), r"key-[a-z0-9]{32}(?![A-Za-z0-9-])"),
    ("Mailchimp key", ("-us",), r"[a-f0-9]{32}-us[0-9]{1,2}(?![A-Za-z0-9])"),
    ("DigitalOcean token", ("_v1_",), r"do[opr]_v1_[a-f0-9]{64}"),
    ("Heroku key", ("HRKU-",), r"HRKU-[A-Za-z0-9_-]{36,}"),
    ("Docker Hub token", ("dckr_",), r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}"),
    ("Vault token", ("hv",), r"hv[brs]\.[A-Za-z0-9_-]{20,}"),
    ("Databricks token", ("dapi",), r"dapi[a-f0-9]{32}"),
    ("Grafana token", ("glsa_",), r"glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}"),
    ("Shopify token", ("shp",), r"shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}"),
    ("Square token", ("sq0",), r"sq0(?:atp|csp|idp)-[A-Za-z0-9_-]{22,}"),
    ("Atlassian token", ("ATATT3",), r"ATATT3[A-Za-z0-9_=-]{50,}"),
    ("Doppler token", ("dp.",), r"dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9_.-]{40,}"),
    ("Terraform Cloud token", (".atlasv1.",), r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{50,}"),
    ("Linear key", ("lin_api_",), r"lin_api_[A-Za-z0-9]{32,}"),
    ("Notion token", ("secret_", "ntn_"), r"(?:secret_[A-Za-z0-9]{43}|ntn_[A-Za-z0-9]{40,})"),
    ("New Relic key", ("NRAK-",), r"NRAK-[A-Z0-9]{27}"),
    ("Tailscale key", ("tskey-",), r"tskey-[a-z]+-[A-Za-z0-9-]{16,}"),
    ("Supabase token", ("sbp_",), r"sbp_[a-f0-9]{40}"),
    ("age key", ("AGE-SECRET-KEY-1",), r"AGE-SECRET-KEY-1[A-Z0-9]{58}"),
    (
        "JSON web token",
        ("eyJ",),
        r"(?<![_-])eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]+){0,2}",
    ),
]
_TELEGRAM = r"(?<![0-9])[0-9]{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])"  # after "bot" in a URL


def find(line: str) -> Iterator[Secret]:
    """Yield the secrets of a line that their shape tells.

    Parameters
    ----------
    line : str
        Anything at all.

    Yields
    ------
    Secret
        In no particular order; they may overlap.
    """
    for kind, needles, pattern in _SHAPES:
        if any(needle in line for needle in needles):
            for match in compiled("(?<![A-Za-z0-9])" + pattern).finditer(line):
                yield Secret(kind, *match.span(match.lastindex or 0))
    if ":AA" in line:
        for match in compiled(_TELEGRAM).finditer(line):
            yield Secret("Telegram bot token", *match.span())
    yield from _private_keys(line)
    yield from _urls(line)


def _private_keys(line: str) -> Iterator[Secret]:
    """Yield PEM blocks; the mere name of one, as in a search for it, is none."""
    if "PRIVATE KEY" not in line:
        return
    marks = list(compiled(r"-----(BEGIN|END) [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----").finditer(line))
    for mark, following in zip(marks, [*marks[1:], None], strict=False):
        if mark[1] == "BEGIN":
            if following is not None and following[1] == "END":
                inner, end = line[mark.end() : following.start()], following.end()
            else:  # cut short
                body = compiled(r"(?:[A-Za-z0-9+/=\s]|\\n)*+").match(line, mark.end())
                assert body is not None  # it matches nothing, too
                inner, end = body[0], mark.end() + len(body[0].rstrip())
            if compiled(r"[A-Za-z0-9+/=]{16}").search(inner):
                yield Secret("private key", mark.start(), end)


def _urls(line: str) -> Iterator[Secret]:
    """Yield the passwords in ``scheme://user:password@host``."""
    if "://" in line:
        for match in compiled(r"""://[^\s/:@'"`?#]*+:([^\s/'"`]+)@""").finditer(line):
            if line[match.start(1)] != "$" and not is_placeholder(match[1]):
                yield Secret("password in a URL", *match.span(1))
