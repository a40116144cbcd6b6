"""The one exception that people are meant to read, and what no message may hold."""

import os
import re
from urllib.parse import unquote

SECRETS = (
    "PREFECT_API_KEY",
    "PREFECT_API_AUTH_STRING",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "HF_TOKEN",
)
"""Environment variables whose values are shown nowhere."""

ADDRESSES = (
    "MLFLOW_TRACKING_URI",
    "DATAYIELD_OPTUNA_STORAGE",
    "PREFECT_API_URL",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
)
"""Environment variables whose addresses may carry a password."""

_HIDDEN = "***"
_LEAST = 4  # characters of a secret that is looked for: shorter ones would hide ordinary words
_PASSWORD = re.compile(r"(\w[\w+.-]*://[^\s/:@'\"]*):[^\s'\"]*@")  # scheme://user:password@
_TOKEN = re.compile(r"(https?://)[^\s/:@'\"]+@")  # https://token@
_PARAMETER = re.compile(
    r"(?i)([?&;](?:[\w-]*(?:password|passwd|pwd|token|secret|signature|credential)[\w-]*|(?:api_?|access_?)key)=)"
    r"[^\s&;'\")]+"
)


class UserError(Exception):
    """Something that the user can mend.

    The message says what was wanted, what came, where, and what to do. The command line prints it
    alone, without a traceback, and ends with exit code 2. Passwords in it are masked.
    """

    def __init__(self, message: str) -> None:
        super().__init__(masked(message))


def masked(text: str) -> str:
    """A text without passwords: those of addresses, and what SECRETS and ADDRESSES of this process hold.

    >>> masked("postgresql://me:word@host/trials?sslmode=require")
    'postgresql://me:***@host/trials?sslmode=require'
    """
    text = _PASSWORD.sub(rf"\1:{_HIDDEN}@", text)
    text = _TOKEN.sub(rf"\1{_HIDDEN}@", text)
    text = _PARAMETER.sub(rf"\1{_HIDDEN}", text)
    for secret in sorted(_secrets(), key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return text


def _secrets() -> set[str]:
    """What the environment keeps secret, in every form that a message may have it."""
    found: set[str] = set()
    for name in SECRETS:
        value = os.environ.get(name, "")
        found |= {value, value.partition(":")[2]}  # an auth string is user:password
    for name in ADDRESSES:
        for password in re.findall(r":([^:@/\s]+)@", os.environ.get(name, "")):
            found |= {password, unquote(password)}
    return {secret for secret in found if len(secret) >= _LEAST}


def has_secret(url: str) -> bool:
    """Whether an address carries a password or a token."""
    return masked(url) != url


def nearest(word: str, known: list[str]) -> str:
    """`did you mean "x"? known: a, b, c`: the tail of every error about an unknown name."""
    import difflib

    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    hint = f'did you mean "{close[0]}"? ' if close else ""
    return f"{hint}known: {', '.join(sorted(known))}"
