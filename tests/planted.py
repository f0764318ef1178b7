"""Secrets planted in every field that user code can fill; the file also runs as part of a program."""

import contextlib
import logging
import random

from opentelemetry import trace
from opentelemetry.trace import Status, StatusCode

import modelspan


def secrets(count, seed=7):
    """Planted secrets as (form, what must not be found), of ten kinds."""
    pick = random.Random(seed)

    def letters(n, alphabet="abcdefghijklmnopqrstuvwxyz0123456789"):
        return "".join(pick.choice(alphabet) for _ in range(n))

    def card():
        digits = [4, *(pick.randrange(10) for _ in range(14))]
        total = sum(d if i % 2 else sum(divmod(2 * d, 10)) for i, d in enumerate(digits))
        return "".join(map(str, [*digits, -total % 10]))

    made = []
    for i in range(count):
        word, number = letters(12), card()
        made.append(
            [
                (f"password={word}", word),
                (f"{letters(6)}.{word}@example.org", word),
                (f"https://bob:{word}@db.example.org/x", word),
                (f"Authorization: Bearer {word}{word}", word),
                (f'{{"api_key": "{word}"}}', word),
                (f"card {number} declined", number),
                (f"ghp_{word}{word}", word),
                (f"eyJ{letters(12)}.{word}.{letters(8)}", word),
                (f"AKIA{letters(16, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ')}", None),
                (f"GET /x?access_token={word}&y=1", word),
            ][i % 10]
        )
    return [(form, secret or form) for form, secret in made]


def spread(planted):
    """Calls that put every planted secret in another field."""
    tracer_log = logging.getLogger("shop")
    fields = (
        "feature",
        "key",
        "annotation",
        "message",
        "span attribute",
        "event",
        "status",
        "log",
        "answer",
        "name",
    )

    @modelspan.monitor(model="m", log_features=("note", "user_password"))
    def predict(x, where, text):
        span = trace.get_current_span()
        if where == "annotation":
            modelspan.current_prediction().annotate(note=text, api_key=text)
        elif where == "message":
            raise ValueError(f"cannot read {text}")
        elif where == "span attribute":
            span.set_attribute("shop.note", text)
        elif where == "event":
            span.add_event(f"saw {text}", {"note": text})
            span.record_exception(LookupError(text))
        elif where == "status":
            span.set_status(Status(StatusCode.ERROR, text))
        elif where == "log":
            tracer_log.warning("odd %s", text)
        elif where == "name":
            span.update_name(f"predict {text}")
        return text if where == "answer" else 0.5

    for i, (text, _) in enumerate(planted):
        where = fields[i % len(fields)]
        row = {"note": text, "user_password": text} if where == "feature" else {"age": 3}
        if where == "key":
            row = {text: 1, "hidden": text}
        with contextlib.suppress(ValueError):
            predict(row, where, text)
