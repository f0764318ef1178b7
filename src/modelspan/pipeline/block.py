"""Calls of one function as columns: what makes 50,000 calls a second cheap on the worker.

A call is *regular* when it went well, has one row of inputs of a known kind, and nothing that only some calls
have: annotations, span attributes, events, links, a status of the user's. Regular calls of one drain and one
shape make a `Block`; sinks that know columns take it whole, for the others it gives `Prediction`s.
"""

from __future__ import annotations

import secrets
import sys
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from modelspan.guard import fault
from modelspan.pipeline import call as call_module
from modelspan.pipeline.assemble import assemble
from modelspan.pipeline.call import Call
from modelspan.pipeline.current import wall
from modelspan.pipeline.outputs import Output, interpret
from modelspan.pipeline.rows import Columns, to_columns
from modelspan.snapshot import DOUBLE, Snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from modelspan.pipeline.budget import Budget
    from modelspan.prediction import Model, Prediction

MIN_CALLS: Final = 8
"""Fewer calls of one shape are dearer as columns than one by one."""


class Block:
    """Regular calls of one function, in the order in which they finished; arrays have shape ``(n, …)``."""

    def __init__(self, calls: Sequence[Call], limit: int, kept: NDArray[np.bool_]) -> None:
        self.calls = calls
        self.target = calls[0].target
        self.model: Model = self.target.model
        self._limit = limit
        self.told: list[Call] = []
        """Calls that became events, which others may keep."""
        self._ids = self._drawn()
        self.trace_ids, self.span_ids = self._ids[:, :16], self._ids[:, 16:]
        self.started_ns: NDArray[np.int64] = (np.array([call.clock for call in calls]) * 1e9).astype(
            np.int64
        ) + wall.offset_ns
        self.seconds: NDArray[np.float64] = np.maximum(0.0, np.array([call.seconds for call in calls]))
        self.ended_ns = self.started_ns + (self.seconds * 1e9).astype(np.int64)
        self.kept = kept
        """Calls that get a span and log records; the resource guard may thin them."""

    def __len__(self) -> int:
        return len(self.calls)

    def _drawn(self) -> NDArray[np.uint8]:
        """Ids of each call: those that it has, or new ones, which it need not know; see `held`."""
        drawn = bytearray(secrets.token_bytes(24 * len(self.calls)))
        table = np.frombuffer(drawn, np.uint8).reshape(-1, 24)
        if self.parents is not None:
            traces = b"".join([parent.trace_id.to_bytes(16, "big") for parent in self.parents])
            table[:, :16] = np.frombuffer(traces, np.uint8).reshape(-1, 16)
        known = [(i, call.raw_ids) for i, call in enumerate(self.calls) if call.raw_ids is not None]
        for index, ids in known:
            table[index] = np.frombuffer(ids, np.uint8)
        return table

    @cached_property
    def parents(self) -> list[Any] | None:
        """Span contexts of the callers; None where the calls are roots."""
        return [call.parent for call in self.calls] if self.calls[0].parent is not None else None

    @cached_property
    def sampled(self) -> NDArray[np.bool_]:
        """Whose trace is sampled: as was decided, where somebody has asked, else by the standard sampler."""
        rule = call_module.sampling_rule
        keep = rule.keep(self.trace_ids, self.parents) if rule else np.ones(len(self.calls), bool)
        for index, given in enumerate([each.sampling for each in self.calls]):
            if given is not None:
                keep[index] = given.decision.is_sampled()
        return keep

    @cached_property
    def features(self) -> Columns:
        """Values by feature name, one for each call."""
        try:
            return _columns(self.calls, self.target.feature_names, self._limit)
        except Exception:
            fault("reading the inputs of predictions")
            return {}

    @cached_property
    def output(self) -> Output:
        """Labels, values and scores, one for each call, or none."""
        try:
            return interpret(_answers(self.calls), self.model.task, self.target.classes, len(self.calls))
        except Exception:
            fault("reading the answers of predictions")
            return Output()

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """The scores of `output` as an array."""
        return np.asarray(self.output.scores, np.float64)

    @cached_property
    def predictions(self) -> list[Prediction]:
        """The calls as events, for what is not columnar; 20 times as dear as all columns."""
        return self.last(len(self.calls))

    def last(self, count: int) -> list[Prediction]:
        """The last calls as events."""
        kept = self.kept[-count:].tolist()
        calls = self.calls[-count:]
        for call, ids in zip(calls, self._ids[-count:], strict=True):
            call.raw_ids = ids.tobytes()
        self.told += calls
        return [assemble(call, self._limit, kept=keep) for call, keep in zip(calls, kept, strict=True)]


def into_blocks(calls: Sequence[Call], limit: int, budget: Budget) -> tuple[list[Block], list[Call]]:
    """Blocks of the regular calls, and the calls that must be looked at one by one."""
    groups = _by_shape(calls)
    single = groups.pop(None, [])
    blocks = []
    for group in groups.values():
        if len(group) < MIN_CALLS:
            single += group
        else:
            blocks.append(Block(group, limit, budget.keep(len(group))))
    return blocks, single


def _by_shape(calls: Sequence[Call]) -> dict[Any, list[Call]]:
    """The calls of each shape; under None those that have none.

    Most calls are like the one before, which is seen in half the time that telling a shape takes.
    """
    groups: dict[Any, list[Call]] = {}
    target = answer = inputs = None
    group: list[Call] = []
    for call in calls:
        try:
            row = call.row
            here = len(row) if type(row) is bytes else None if row is None else tuple(row)
            plain = call.output is None and call.error is None and not (call.context or call.touched)
            if plain and call.target is target and type(call.atom) is answer and here == inputs:
                group.append(call)
                continue
            shape = call.shape()
            group = groups.setdefault(shape, [])
        except Exception:  # a key of the user's whose hash or comparison fails
            shape, group, plain = None, groups.setdefault(None, []), False
        group.append(call)
        regular = plain and shape is not None and here is not None
        target, answer, inputs = (call.target, type(call.atom), here) if regular else (None, None, None)
    return groups


def _references(items: Sequence[Any]) -> list[int]:
    return [sys.getrefcount(item) for item in items]


_ALONE: Final = _references([object()])[0]
"""References to an item of one list, as `_references` counts them."""


def held(items: Sequence[Any]) -> list[Call]:
    """The calls in a list that somebody besides the list refers to, so that their ids may be asked for.

    All others are nobody's but the worker's: no id need be kept in them, and no data taken from them after.
    """
    counted = zip(items, _references(items), strict=True)
    return [item for item, count in counted if count > _ALONE and type(item) is Call]


def _columns(calls: Sequence[Call], names: Sequence[str], limit: int) -> Columns:
    if type(calls[0].row) is bytes:
        return _rows(DOUBLE, [call.row for call in calls], names, limit)
    payloads: list[Any] = [call.row if call.features is None else call.features.payload for call in calls]
    if type(payloads[0]) is dict:
        named = _record_names(tuple(payloads[0]))
        return dict(zip(named, zip(*[each.values() for each in payloads], strict=True), strict=True))
    return _rows(payloads[0][0], [content for _, content in payloads], names, limit)


def _rows(kind: Any, rows: list[Any], names: Sequence[str], limit: int) -> Columns:
    table = np.frombuffer(b"".join(rows), kind).reshape(len(rows), -1)
    return dict(zip(_row_names(tuple(names), table.shape[1], limit), table.T, strict=True))


@lru_cache(maxsize=256)
def _record_names(keys: tuple[Any, ...]) -> list[str]:
    return list(to_columns(Snapshot("record", dict.fromkeys(keys), 1), (), 1))


@lru_cache(maxsize=256)
def _row_names(names: tuple[str, ...], width: int, limit: int) -> list[str]:
    return list(to_columns(Snapshot("vector", [0.0] * width, 1), names, limit))


def _answers(calls: Sequence[Call]) -> Snapshot:
    """All answers as one: of scalars a vector, of rows of probabilities a matrix."""
    first = calls[0].output
    if first is not None and first.kind == "row":
        rows = [call.output.payload[1] for call in calls if call.output is not None]
        table = np.frombuffer(b"".join(rows), first.payload[0])
        return Snapshot("matrix", table.reshape(len(calls), -1), len(calls))
    if first is None and calls[0].atom is None:
        return Snapshot("opaque", None, 1)
    if first is None:  # so it is for all calls of one shape
        return Snapshot("vector", [call.atom for call in calls], len(calls))
    return Snapshot("vector", [_cell(call) for call in calls], len(calls))


def _cell(call: Call) -> Any:
    """The one value of an answer that is a scalar, or a vector of one."""
    if call.output is None:
        return call.atom
    payload = call.output.payload
    if call.output.kind == "scalar":
        return payload
    return payload.item() if isinstance(payload, np.ndarray) else payload[0]
