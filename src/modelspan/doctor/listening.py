"""What exporters hear and log while they send; they themselves tell only success or failure.

Several send at once, so it is kept by thread: who sends on a thread says so by `listen`.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import BadStatusLine
from typing import TYPE_CHECKING, Any, Final

import requests.adapters

from modelspan.doctor.checks import mask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LOGGERS: Final = ("opentelemetry", "modelspan")
_MAKING: Final = threading.Lock()
_here: Final = threading.local()


@dataclass
class Heard:
    """What came back for one signal."""

    answers: list[tuple[Any, float]] = field(default_factory=list)
    """HTTP answers, each with its time."""
    failures: list[str] = field(default_factory=list)
    logged: dict[str, str] = field(default_factory=dict)
    """Messages by their template, each once, however often it was tried again."""

    def listen(self) -> None:
        """From now on what happens on this thread belongs here."""
        _here.heard = self

    def of(self, factory: Callable[[], Any]) -> Callable[[], Any]:
        """The same, and what its exporter does on the thread that makes it belongs here."""

        def make() -> Any:
            self.listen()
            with _MAKING:  # the first imports, and two threads that import each other's modules fail
                return factory()

        return make


@contextmanager
def listening() -> Iterator[None]:
    """Hear all threads, and keep what is logged from the terminal; this process only examines."""
    with _logging(), _answers():
        yield


@contextmanager
def _answers() -> Iterator[None]:
    send = requests.adapters.HTTPAdapter.send

    @functools.wraps(send)
    def watched(*args: Any, **kwargs: Any) -> Any:
        heard: Heard = getattr(_here, "heard", Heard())
        try:
            response = send(*args, **kwargs)
        except requests.RequestException as error:
            heard.failures.append(f"no answer from {mask(args[1].url)}: {_words(error)}")
            raise
        heard.answers.append((response, time.time()))
        return response

    requests.adapters.HTTPAdapter.send = watched  # type: ignore[method-assign]  # given back below
    try:
        yield
    finally:
        requests.adapters.HTTPAdapter.send = send  # type: ignore[method-assign]  # as above


@contextmanager
def _logging() -> Iterator[None]:
    """Not by a handler: the SDK's filter of repeated messages takes out those of another signal, too."""
    loggers, silent = [logging.getLogger(name) for name in _LOGGERS], logging.NullHandler()
    before, make = [logger.propagate for logger in loggers], logging.getLogRecordFactory()

    def heard(name: str, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(name, *args, **kwargs)
        if name.partition(".")[0] in _LOGGERS:
            getattr(_here, "heard", Heard()).logged.setdefault(str(record.msg), record.getMessage())
        return record

    for logger in loggers:
        logger.addHandler(silent)
        logger.propagate = False
    logging.setLogRecordFactory(heard)
    try:
        yield
    finally:
        logging.setLogRecordFactory(make)
        for logger, propagate in zip(loggers, before, strict=True):
            logger.removeHandler(silent)
            logger.propagate = propagate


def _words(error: BaseException) -> str:
    """The first cause: "connection refused", without the layers around it."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    if type(error) is BadStatusLine:  # its text is the bytes that came
        return "what it answers is not HTTP/1.1"
    return str(error)
