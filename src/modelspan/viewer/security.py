"""Who may talk to the backend: this machine only, or holders of a token."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit

from flask import Flask, Response, redirect, request

from modelspan.errors import ConfigError

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as BaseResponse

MIN_TOKEN: Final = 16
COOKIE: Final = "modelspan_session"
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


def is_loopback(host: str) -> bool:
    """Whether the address is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_loopback(host: str) -> None:
    """Raise ConfigError if the address is reached from other machines."""
    if not is_loopback(host):
        raise ConfigError(
            f"host={host} is reachable by others; add --allow-remote and --token, or use 127.0.0.1"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The rule for every request of both ports."""

    host: str = "127.0.0.1"
    token: str = ""

    def __post_init__(self) -> None:
        if self.token and len(self.token) < MIN_TOKEN:
            raise ConfigError(
                f"token has {len(self.token)} characters and needs {MIN_TOKEN}; openssl rand -hex 16 makes it"
            )
        if not is_loopback(self.host) and not self.token:
            raise ConfigError(
                f"host={self.host} is reachable by others and needs a token; "
                "give --token or MODELSPAN_TOKEN, or bind to 127.0.0.1"
            )

    @property
    def cookie(self) -> str:
        """What a browser keeps instead of the token."""
        return hmac.new(self.token.encode(), b"modelspan page", hashlib.sha256).hexdigest()


def protect(app: Flask, access: Access) -> None:
    """Check every request of `app` before its other handlers, and put the security headers on every answer.

    The page sets a content security policy of its own, with the hashes of its inline scripts; every other
    answer may load nothing.
    """

    def check() -> BaseResponse | None:
        if is_loopback(access.host) and not _names_loopback(request.host):
            # A page on the internet can point its own name at 127.0.0.1 and would then be same-origin.
            return Response(
                "this backend answers only to localhost and 127.0.0.1\n", 403, mimetype="text/plain"
            )
        return _authenticate(access) if access.token else None

    def finish(answer: Response) -> Response:
        for name, value in _HEADERS.items():
            answer.headers.setdefault(name, value)
        return answer

    app.before_request(check)
    app.after_request(finish)


def _names_loopback(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    return name is not None and is_loopback(name)


def _authenticate(access: Access) -> BaseResponse | None:
    given = request.args.get("token")
    if given is not None and request.method == "GET":
        return _log_in(access) if _same(given, access.token) else _denied()
    scheme, _, credential = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and _same(credential.strip(), access.token):
        return None
    return None if _same(request.cookies.get(COOKIE, ""), access.cookie) else _denied()


def _log_in(access: Access) -> BaseResponse:
    rest = [(key, value) for key, value in request.args.items(multi=True) if key != "token"]
    # Two leading slashes would name another host.
    answer = redirect("/" + request.path.lstrip("/") + (f"?{urlencode(rest)}" if rest else ""))
    answer.set_cookie(COOKIE, access.cookie, httponly=True, samesite="Strict")
    return answer


def _denied() -> Response:
    answer = Response(
        "a token is needed: Authorization: Bearer …, or open /?token=… once\n", 401, mimetype="text/plain"
    )
    answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted.encode())
