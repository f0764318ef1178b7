"""What a view is asked with: where the reader is, and what every view needs anyway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelspan.viewer.queries import Queries
    from modelspan.viewer.views.route import Route


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One rendering of one URL."""

    queries: Queries
    route: Route
    models: Sequence[dict[str, Any]]
    """What `Queries.models` gave, read once for the header and the view."""
    now: float

    @property
    def versions(self) -> list[dict[str, Any]]:
        """The entries of the model that the URL names, the last seen first; empty if there is none."""
        return [each for each in self.models if each["model"] == self.route.model]
