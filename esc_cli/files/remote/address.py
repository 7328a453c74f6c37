"""Addresses of files and folders: how they are told from paths, and shown without secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import parse_qsl, quote, urlsplit

from esc_cli.errors import UsageError

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_SECRET = re.compile(
    r"x-amz-.*|x-goog-.*|sig|s[eiprtvk]{1,2}|sdd|spr|.*(token|key|secret|passw|sign|auth|credential).*",
    re.IGNORECASE,
)
"""Names of parameters that allow whoever has them something: signed addresses of S3, Google and
Azure, and what others call theirs. Their values change from one such address to the next."""


def is_address(text: str) -> bool:
    """Whether a text is an address and no path."""
    return _ADDRESS.match(text) is not None


def any_address(texts: Iterable[str | None]) -> bool:
    """Whether one of the texts is an address."""
    return any(text is not None and is_address(text) for text in texts)


@dataclass(frozen=True)
class Address:
    """The address of a file or folder. `text`: as it is shown and recorded, without secrets.

    It stands where a path would: `os.fspath` and `str` give the text.
    """

    text: str

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.text.partition("?")[0].rstrip("/").rpartition("/")[2]

    def __fspath__(self) -> str:
        return self.text

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Given:
    """An address as a user gave it, `raw`, which may hold a password or a signature."""

    raw: str = field(repr=False)

    def __post_init__(self) -> None:
        """Raise UsageError for one that leads through another."""
        if "::" in self.raw:
            what = f"{self.shown}: addresses that lead through others (::) are not taken"
            raise UsageError(what, advice="give the address of the store itself")

    @property
    def scheme(self) -> str:
        """What stands before ://, in small letters."""
        return self.raw.partition("://")[0].lower()

    @cached_property
    def shown(self) -> str:
        """As it may be shown and recorded: without password, signature and a slash at its end."""
        scheme, _, rest = self.raw.partition("://")
        place, slash, path = rest.partition("/")
        place = place.rpartition("@")[2] if self._password else place
        if self.is_web and "?" in path:
            path, _, query = path.partition("?")
            kept = [part for part in query.split("&") if not _SECRET.fullmatch(_name(part))]
            path += f"?{'&'.join(kept)}" if kept else ""
        return f"{scheme.lower()}://{place}{slash}{path}".rstrip("/")

    @property
    def is_web(self) -> bool:
        """Whether a web server answers, which takes no files."""
        return self.scheme in {"http", "https"}

    @property
    def _password(self) -> str:
        place = self.raw.partition("://")[2].partition("/")[0]
        return place.rpartition("@")[0].partition(":")[2]

    @property
    def _secrets(self) -> set[str]:
        query = urlsplit(self.raw).query if self.is_web else ""
        values = {value for name, value in parse_qsl(query) if _SECRET.fullmatch(name)}
        return {one for value in {*values, self._password} for one in (value, quote(value)) if one}

    def hide(self, text: str) -> str:
        """A text of a library, without the secrets of this address."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text


def _name(parameter: str) -> str:
    return parameter.partition("=")[0]
