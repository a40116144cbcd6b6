"""Masks passwords and tokens in texts that are shown or stored."""

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
"""Environment variables whose values are never shown."""

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

_LEAST = 4  # shortest secret that is masked: shorter ones would hide ordinary words

_PASSWORD = re.compile(r"(\w[\w+.-]*://[^\s/:@'\"]*):[^\s'\"]*@")  # scheme://user:password@

_TOKEN = re.compile(r"(https?://)[^\s/:@'\"]+@")  # https://token@

_PARAMETER = re.compile(
    r"(?i)([?&;](?:[\w-]*(?:password|passwd|pwd|token|secret|signature|credential)[\w-]*|(?:api_?|access_?)key)=)"
    r"[^\s&;'\")]+"
)


def masked(text: str) -> str:
    """Return a text without passwords: those in addresses, and the values of SECRETS and ADDRESSES.

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
    """Return the secrets of the environment, in every form that a message may hold."""
    found: set[str] = set()
    for name in SECRETS:
        value = os.environ.get(name, "")
        found |= {value, value.partition(":")[2]}  # an auth string is user:password
    for name in ADDRESSES:
        for password in re.findall(r":([^:@/\s]+)@", os.environ.get(name, "")):
            found |= {password, unquote(password)}
    return {secret for secret in found if len(secret) >= _LEAST}


def has_secret(url: str) -> bool:
    """Return whether an address holds a password or a token."""
    return masked(url) != url
