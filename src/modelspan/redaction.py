"""What must not leave the process: secrets and personal data in names, values and texts, masked or hashed.

It is one line of defence, for exception messages, annotations, log lines and the features that the user has
listed. It fails closed: what it cannot judge is withheld.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final

from modelspan.guard import fault

MASKED: Final = "[redacted]"
WITHHELD: Final = "[withheld]"
"""Stands for a value that a user's hook failed on."""
Hook = Callable[[str, Any], Any]
"""A user's own rule: name and value in, what may leave out."""

_SECRETS: Final = (
    "password", "passwd", "passphrase", "secret", "token", "apikey", "accesskey", "privatekey",
    "authorization", "credential", "cookie", "sessionid",
)  # fmt: skip
"""Parts of names whose texts are masked; a number of that name is none: `token_count`."""
_PERSONAL: Final = ("socialsecurity", "creditcard", "cardnumber", "passport")
"""Parts of names whose values are masked, numbers too."""
_PERSONAL_WORDS: Final = frozenset(("ssn", "cvv", "iban", "pin", "pwd"))
"""Whole words of names: `ssn` is in `class_name` as well."""
_LOOK_ALIKES: Final = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0455\u0475\u0501\u04cf0134$", "aeopcyxisvdloleas"
)
"""Cyrillic letters that look Latin, and digits that stand for letters."""
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+")
_MASK: Final = rf"\g<keep>{MASKED}"
_WORD: Final = (
    r"pass(?:word|wd|phrase)|pwd|secret|token|api[-_ ]?key|access[-_ ]?key|private[-_ ]?key|authorization"
    r"|credentials?|cookie|session[-_ ]?id"
)
_PATTERNS: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # Every quantifier is bounded or cannot overlap its neighbour, so that the time is linear in the text.
        r"(?P<keep>)-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,30}KEY-----|\Z)",
        r"(?P<keep>\b[a-z][a-z0-9+.-]{0,20}://)[^\s/@:]{1,200}(?::[^\s/@]{0,200})?(?=@)",
        r"(?P<keep>\b(?:bearer|basic)\s{1,3})[a-z0-9._~+/=-]{8,}",
        rf"(?P<keep>(?:{_WORD})[a-z0-9_-]{{0,30}}[\"']?\s{{0,3}}[:=]\s{{0,3}}[\"']?)[^\s\"',;&}}]+",
        r"(?P<keep>)\beyJ[a-z0-9_-]{8,}\.[a-z0-9_-]{8,}\.[a-z0-9_-]*",
        r"(?P<keep>)\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
        r"(?P<keep>)\b(?:gh[pousr]_[a-z0-9]{20,}|github_pat_[a-z0-9_]{20,}|xox[abprs]-[a-z0-9-]{10,})",
        r"(?P<keep>)\b(?:sk[-_](?:live|test|proj)[-_][a-z0-9_-]{10,}|whsec_[a-z0-9+/=]{16,})",
        r"(?P<keep>)[a-z0-9._%+-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8}",
        r"(?P<keep>)\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b",
        r"(?P<keep>)\b[a-z]{2}[0-9]{2}(?: ?[a-z0-9]{4}){2,7}(?: ?[a-z0-9]{1,3})?\b(?<=[0-9a-z])",
    )
)
_IBAN: Final = _PATTERNS[-1]
_CARD: Final = re.compile(r"(?<![\w.-])[0-9](?:[ -]?[0-9]){12,18}(?![\w-])")
_TEXT_CACHE: Final = 4096
_CACHED_LENGTH: Final = 256


class Redactor:
    """Masks what leaves the process; runs on the worker, never on a caller's thread.

    Args:
        names: Further parts of names whose values are masked, for example ``("customer_name",)``.
        patterns: Further regular expressions; what they match in a text is masked.
        hashed: Names whose values leave as a keyed hash: equal values stay equal, none can be read.
        key: Key of that hash, 16 bytes or more; only needed with `hashed`.
        hook: The user's own rule, run last. Where it raises, the value is withheld.

    Raises:
        ValueError: If a pattern is no regular expression, or `hashed` has no key.
    """

    def __init__(
        self,
        *,
        names: Iterable[str] = (),
        patterns: Iterable[str] = (),
        hashed: Iterable[str] = (),
        key: bytes = b"",
        hook: Hook | None = None,
    ) -> None:
        self._personal = (*_PERSONAL, *(folded(name) for name in names))
        self._patterns = (*_PATTERNS, *(_compiled(pattern) for pattern in patterns))
        self._hashed = frozenset(hashed)
        if self._hashed and len(key) < 16:
            raise ValueError(
                f"hash_features={sorted(self._hashed)} needs hash_key of 16 bytes or more; without it "
                "hashes of few possible values can be reversed by trying them all"
            )
        self._key = key
        self._hook = hook
        self._kind = lru_cache(_TEXT_CACHE)(self._kind_of_name)
        self._short = lru_cache(_TEXT_CACHE)(self._text)

    def value(self, name: str, value: Any) -> Any:
        """What may leave of a value: itself, `[redacted]`, its keyed hash, or `[withheld]`."""
        try:
            kept = self._judge(name, value)
            return self._hook(name, kept) if self._hook is not None else kept
        except Exception:
            fault("redacting a value")
            return WITHHELD

    def text(self, text: str) -> str:
        """A text in which secrets and personal data are masked."""
        try:
            return self._short(text) if len(text) <= _CACHED_LENGTH else self._text(text)
        except Exception:
            fault("redacting a text")
            return WITHHELD

    def touches(self, name: str) -> bool:
        """Whether numbers of that name may not leave as they are."""
        return self._hook is not None or name in self._hashed or self._kind(name) == "personal"

    def _judge(self, name: str, value: Any) -> Any:
        if name in self._hashed:
            return self._hash(value)
        kind = self._kind(name)
        if kind == "personal" or (kind == "secret" and type(value) not in (int, float, bool)):
            return MASKED
        if type(value) is str:
            return self._short(value) if len(value) <= _CACHED_LENGTH else self._text(value)
        if type(value) in (list, tuple):
            return type(value)(self._judge(name, item) for item in value)
        return value

    def _kind_of_name(self, name: str) -> str:
        """personal, secret, or empty."""
        plain = folded(name)
        words = {folded(word) for word in _WORDS.findall(unicodedata.normalize("NFKC", name))}
        if words & _PERSONAL_WORDS or any(part in plain for part in self._personal):
            return "personal"
        return "secret" if any(part in plain for part in _SECRETS) else ""

    def _text(self, text: str) -> str:
        for pattern in self._patterns:
            if pattern is _IBAN:
                text = pattern.sub(_iban, text)
            else:
                text = pattern.sub(_MASK if "keep" in pattern.groupindex else MASKED, text)
        return _CARD.sub(_card, text)

    def _hash(self, value: Any) -> str:
        digest = hmac.new(self._key, f"{type(value).__name__}:{value}".encode(), hashlib.sha256)
        return f"hmac:{digest.hexdigest()[:32]}"


class _Off(Redactor):
    """Lets everything pass, for those who redact elsewhere."""

    def value(self, name: str, value: Any) -> Any:  # noqa: ARG002 - the signature of what it stands for
        return value

    def text(self, text: str) -> str:
        return text

    def touches(self, name: str) -> bool:  # noqa: ARG002 - see above
        return False


OFF: Final = _Off()
active: Redactor = Redactor()
"""The rules of this process; set when modelspan starts, read at each use."""


def activate(redactor: Redactor) -> None:
    """Make `redactor` the rules of this process."""
    global active
    active = redactor


def folded(name: str) -> str:
    """A name without case, separators and look-alike letters: `X-Api-Key` and `xApiKey` are one."""
    plain = unicodedata.normalize("NFKC", name).casefold().translate(_LOOK_ALIKES)
    return "".join(letter for letter in plain if letter.isalnum())


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as wrong:
        raise ValueError(
            f"redact_patterns={pattern!r:.80} is no regular expression ({wrong}); mend it"
        ) from None


def _card(found: re.Match[str]) -> str:
    """Card numbers only: a number of 13 to 19 digits whose check digit is right (Luhn, ISO/IEC 7812-1)."""
    digits = [int(digit) for digit in found[0] if digit.isdigit()][::-1]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return MASKED if (sum(digits[::2]) + sum(doubled)) % 10 == 0 else found[0]


def _iban(found: re.Match[str]) -> str:
    """Account numbers only: the remainder by 97 is 1 (ISO 13616)."""
    plain = found[0].replace(" ", "").upper()
    if not 15 <= len(plain) <= 34:
        return found[0]
    number = "".join(str(int(letter, 36)) for letter in plain[4:] + plain[:4])
    return MASKED if int(number) % 97 == 1 else found[0]
