"""A spool with its accounts: what goes on disk, comes back from it, and came from other processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelspan.delivery.spool import Spool

if TYPE_CHECKING:
    from pathlib import Path

    from modelspan.delivery.accounting import Ledger
    from modelspan.delivery.otlp.records import Records


class Shelf:
    """Where a sender puts records that it cannot send now.

    Records that another process stored are emitted here when they are read, since that process has not
    counted them as lost; so the sums over processes hold.
    """

    def __init__(self, folder: Path, signal: str, limit_bytes: int, ledger: Ledger) -> None:
        self._spool = Spool(folder, signal, limit_bytes)
        self._signal = signal
        self._ledger = ledger
        self._reading: tuple[Records, bool] | None = None
        self._corrupt = 0

    def put(self, records: Records) -> bool:
        """Store records; False when there is no room."""
        stored = self._spool.append(records)
        if stored:
            self._ledger.store(self._signal, len(records))
        return stored

    def oldest(self) -> Records | None:
        """The oldest records on disk; None when there are none."""
        if self._reading is None:
            self._reading = self._spool.oldest()
            if self._spool.corrupt > self._corrupt:  # how many records a cut segment held is not known
                self._ledger.lose(self._signal, "spool_corrupt", self._spool.corrupt - self._corrupt)
                self._corrupt = self._spool.corrupt
            if self._reading is not None and self._reading[1]:
                self._ledger.emit(self._signal, len(self._reading[0]))
                self._ledger.store(self._signal, len(self._reading[0]))
        return self._reading[0] if self._reading is not None else None

    def settle(self) -> None:
        """The oldest records were accepted, dropped, or stored anew."""
        if self._reading is not None:
            self._spool.settle()
            self._ledger.store(self._signal, -len(self._reading[0]))
            self._reading = None

    def close(self) -> None:
        """Leave what is on disk to the next process."""
        self._spool.close()
