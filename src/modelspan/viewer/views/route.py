"""Where the reader is: the parts of the path and the query, decoded; and the way back to a URL.

The URL is the whole state of the page, so a reload, a bookmark and a link in a chat show the same thing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qsl, quote, unquote, urlencode

MOST_CHARACTERS = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A URL of the page."""

    parts: tuple[str, ...] = ()
    params: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, pathname: str | None, search: str | None) -> Self:
        """Read what the browser says; an overlong URL is cut, the first of equal parameters stands."""
        path = (pathname or "")[:MOST_CHARACTERS].strip("/")
        pairs = parse_qsl((search or "")[:MOST_CHARACTERS].lstrip("?"))
        return cls(parts=tuple(map(unquote, path.split("/"))) if path else (), params=dict(reversed(pairs)))

    @property
    def model(self) -> str | None:
        """The model that this URL is about, if any."""
        if len(self.parts) > 1 and self.parts[0] == "models":
            return self.parts[1]
        return self.params.get("model")


def href(*parts: str, **params: str | None) -> str:
    """A path of this page; every part is encoded, so a name can't lead elsewhere."""
    path = "/" + "/".join(quote(part, safe="", errors="replace") for part in parts)
    kept = {key: value for key, value in params.items() if value}
    return path + ("?" + urlencode(kept, errors="replace") if kept else "")
