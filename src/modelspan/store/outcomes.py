"""The outcome store: predictions that await their truth, outcomes, and what readers made of them."""

from __future__ import annotations

import logging
import secrets
import threading
from collections import Counter
from typing import TYPE_CHECKING, TypeVar

from modelspan.store.head import Head
from modelspan.store.joining import Joining
from modelspan.store.repair import check, repair
from modelspan.store.rows import DamagedError, ModelFacts, Receipt, sealed, unsealed
from modelspan.store.sqlite_database import SqliteDatabase
from modelspan.store.stream import read_changes
from modelspan.store.tables import select, upsert
from modelspan.store.transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from modelspan.outcome import Change
    from modelspan.store.database import Database
    from modelspan.store.reading import Read
    from modelspan.store.rows import Awaiting, Outcome

logger = logging.getLogger("modelspan")

READER = "reader"
"""Kind of the documents that hold the positions of readers."""
_SECRET = "secret"  # noqa: S105 - the kind of a document
T = TypeVar("T")


class OutcomeStore:
    """Acknowledged means committed; safe for several threads and processes.

    A damaged SQLite file is left where it is, its good rows go on in a new one, and the loss is counted.

    Raises:
        UnavailableError: By any method, when the database cannot be used now; try again later.
        ConfigError: By the first use, when it never can be used.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.full = False
        """Set by retention: no room for predictions, since all that is stored must be kept."""
        self.entered: Counter[tuple[ModelFacts | None, str]] = Counter()
        """How often a prediction or an outcome entered a state, by this process."""
        self.late: list[tuple[Outcome, Receipt]] = []
        """Outcomes by key that joined predictions which this process stored after them; who tells of them
        takes them away."""
        self._models: dict[ModelFacts, int] = {}
        self._lock = threading.RLock()

    def commit(
        self,
        predictions: Sequence[Awaiting],
        outcomes: Sequence[Outcome],
        now_ns: int,
        refused: Mapping[str, int] | None = None,
    ) -> list[Receipt]:
        """Store predictions, then outcomes, in one transaction.

        Args:
            predictions: Rows that await their truth.
            outcomes: What became known.
            now_ns: The store's time, Unix nanoseconds.
            refused: Outcomes that were refused before they came here, by reason: they are counted.

        Returns:
            What became of each outcome, once all is committed.
        """
        return self._mended(lambda: self._commit(predictions, outcomes, now_ns, refused or {}))

    def _commit(
        self,
        predictions: Sequence[Awaiting],
        outcomes: Sequence[Outcome],
        now_ns: int,
        refused: Mapping[str, int],
    ) -> list[Receipt]:
        models = dict(self._models)
        with self._lock, self.database.writing():
            transaction = Transaction(self.database, models, now_ns)
            joining = Joining(transaction)
            for reason, count in refused.items():
                transaction.count(0, f"outcome.rejected:{reason}", count)
            if self.full and predictions:
                for each in predictions:
                    transaction.count(transaction.model(each.model), "prediction.rejected:full")
            else:
                joining.add(predictions)
            receipts = joining.tell(outcomes)
            joining.finish()
        self._models = models
        self.late += joining.late
        for (model, name), count in transaction.entered.items():
            self.entered[transaction.facts.get(model), name] += count
        return receipts

    # -- what a reader sees: `reading.ChangeReader`

    def changes(self, after: int, limit: int = 10_000) -> Sequence[Change]:
        """Changes past position `after` in commit order, at most `limit`."""
        return self._mended(lambda: self._read(lambda: read_changes(self.database, after, limit)))

    def position(self, reader: str) -> int:
        """Up to where `reader` has saved; 0 at first."""
        return int(self.documents(READER).get(reader, "0"))

    def documents(self, kind: str) -> dict[str, str]:
        """Saved documents of one kind by name."""
        statement = select("documents", "WHERE kind = ?")
        rows = self._mended(lambda: self._read(lambda: self.database.rows(statement, (kind,))))
        return {name: document for _, name, document in (unsealed("documents", row) for row in rows)}

    def save(self, kind: str, documents: Mapping[str, str | None], read: Read | None = None) -> bool:
        """Write documents and move a reader, in one commit; see `ChangeReader.save`."""

        def write() -> bool:
            with self._lock, self.database.writing():
                if read is not None and not self._move(read):
                    return False
                self._write(kind, documents)
                Head(self.database).step(self.database)
                return True

        return self._mended(write)

    def _move(self, read: Read) -> bool:
        found = self.database.rows(select("documents", "WHERE kind = ? AND name = ?"), (READER, read.reader))
        if int(unsealed("documents", found[0])[2] if found else "0") != read.start:
            return False
        self._write(READER, {read.reader: str(read.end)})
        return True

    def _write(self, kind: str, documents: Mapping[str, str | None]) -> None:
        kept = [
            sealed("documents", (kind, name, text)) for name, text in documents.items() if text is not None
        ]
        self.database.many(upsert("documents", "kind, name"), kept)
        gone = [(kind, name) for name, text in documents.items() if text is None]
        self.database.many("DELETE FROM documents WHERE kind = ? AND name = ?", gone)

    # -- the rest

    def states(self) -> list[tuple[ModelFacts | None, str, int]]:
        """How many predictions and outcomes are in which state, by model; no model where it is not known."""

        def read() -> list[tuple[ModelFacts | None, str, int]]:
            models = {
                number: ModelFacts.parse(document)
                for number, document in (
                    unsealed("models", row) for row in self.database.rows(select("models"))
                )
            }
            counts = (unsealed("counts", row) for row in self.database.rows(select("counts")))
            return [(models.get(model), name, n) for model, name, n in counts]

        return self._mended(lambda: self._read(read))

    def totals(self) -> Counter[str]:
        """The states over all models."""
        totals: Counter[str] = Counter()
        for _, name, count in self.states():
            totals[name] += count
        return totals

    def secret(self) -> bytes:
        """What business keys are hashed with: 32 bytes drawn when the store was made."""
        if not self.documents(_SECRET):

            def draw() -> None:
                with self._lock, self.database.writing():
                    if not self.database.rows(select("documents", "WHERE kind = ?"), (_SECRET,)):
                        self._write(_SECRET, {"keys": secrets.token_hex(32)})
                        Head(self.database).step(self.database)

            self._mended(draw)
        return bytes.fromhex(self.documents(_SECRET)["keys"])

    def move(self, work: Callable[[Database], Counter[tuple[int, str]]]) -> Counter[tuple[int, str]]:
        """Do `work` in a writing transaction; it gives the counts that it has moved."""

        def write() -> Counter[tuple[int, str]]:
            with self._lock, self.database.writing():
                moves = work(self.database)
                if moves:
                    Head(self.database).step(self.database)
                return moves

        moves = self._mended(write)
        facts = {number: facts for facts, number in self._models.items()}
        self.entered.update({(facts.get(model), name): n for (model, name), n in moves.items() if n > 0})
        return moves

    def size(self) -> int:
        """Bytes that the stored rows take."""
        return self._mended(lambda: self._read(self.database.size))

    def check(self) -> dict[str, int]:
        """Read everything and compare it with its hashes; rows by table. A damaged file is replaced.

        Raises:
            DamagedError: If it is damaged and not ours to replace.
        """
        return self._mended(lambda: check(self.database))

    def close(self) -> None:
        """Close the connection; a later call opens it again."""
        with self._lock:
            self.database.close()

    def _read(self, query: Callable[[], T]) -> T:
        with self._lock, self.database.reading():
            return query()

    def _mended(self, work: Callable[[], T]) -> T:
        """Do it; when the file turns out to be damaged, go on in a new one and do it again."""
        try:
            return work()
        except DamagedError as error:
            if not isinstance(self.database, SqliteDatabase):
                raise
            with self._lock:
                self._models = {}
                repair(self.database, str(error))
            return work()
