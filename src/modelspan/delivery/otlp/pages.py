"""Memory for encoded records, used again and again.

Memory that is fresh from the system is dear: the first touch of each 4 KiB is a fault of 0.5 to 2.5 µs, more
than encoding what stands on it costs, and an allocator gives large blocks back as soon as they are free.
"""

from __future__ import annotations

import ctypes
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE_BYTES: Final = 1024 * 1024
"""As much as goes into one request."""
KEPT: Final = 8
"""Free pages that are kept for the next batches."""

_free: deque[bytearray] = deque(maxlen=KEPT)


def _let_the_allocator_keep_blocks() -> None:
    """Free a block of a page's size, which was never touched.

    After that glibc takes blocks up to this size from memory that it keeps, instead of fresh memory for each
    from 128 KiB on (mallopt(3), M_MMAP_THRESHOLD); models that free larger arrays have done so before.
    """
    block = bytearray(PAGE_BYTES)
    del block


_let_the_allocator_keep_blocks()


class Page(ctypes.Array[ctypes.c_uint8]):
    """A page in use: its memory is free again when no view of it is left, whoever held one."""

    _type_ = ctypes.c_uint8
    _length_ = PAGE_BYTES
    memory: bytearray

    def __del__(self, keep: Callable[[bytearray], None] = _free.append) -> None:
        """Keep the memory for the next page; at the interpreter's end this module may be gone."""
        keep(self.memory)


def new_page() -> memoryview:
    """A page of memory with arbitrary content."""
    try:
        memory = _free.pop()
    except IndexError:  # none is free
        memory = bytearray(PAGE_BYTES)
    page = Page.from_buffer(memory)
    page.memory = memory
    return memoryview(page).cast("B")
