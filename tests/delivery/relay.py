"""A bad line on loopback: slow, late, with pauses as lost packets make them, and connections that break."""

import contextlib
import queue
import socket
import threading
import time

CHUNK = 2048
ROOM = 65_536
"""Bytes that a socket holds: a real line holds back who sends faster than it carries."""
PAUSE_SECONDS = 0.5
"""What one packet that is sent again holds up."""


class Relay:
    """Passes TCP on to a port of this machine.

    Both ways carry `rate` bytes a second, each `delay` seconds late. Every `lost`-th chunk, and all behind
    it, waits for a pause more. The first `broken` connections are reset after 20,000 bytes.
    """

    def __init__(self, port, *, rate=125_000, delay=0.4, lost=50, broken=0):
        self.port, self.rate, self.delay, self.lost, self.broken = port, rate, delay, lost, broken
        self.pauses = self.breaks = 0
        self.sockets = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near = self.listener.accept()[0]
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.port))
            self.sockets += [near, far]
            breaks, self.broken = self.broken > 0, self.broken - 1
            for ends in ((near, far), (far, near)):
                line = queue.Queue(maxsize=ROOM // CHUNK)
                threading.Thread(target=self._take, args=(ends, line, breaks), daemon=True).start()
                threading.Thread(target=self._give, args=(ends[1], line), daemon=True).start()

    def _take(self, ends, line, breaks):
        """Read chunks and say when each is to arrive."""
        taken, due, free = 0, 0.0, time.monotonic()
        with contextlib.suppress(OSError):
            while chunk := ends[0].recv(CHUNK):
                taken += len(chunk)
                if breaks and taken > 20_000:
                    self.breaks += 1
                    for end in ends:
                        end.shutdown(socket.SHUT_RDWR)
                    break
                free = max(free, time.monotonic()) + len(chunk) / self.rate
                if taken // CHUNK % self.lost == self.lost - 1:
                    self.pauses += 1
                    free += PAUSE_SECONDS
                due = max(due, free + self.delay)
                line.put((due, chunk))
        line.put((due, b""))

    def _give(self, end, line):
        chunk = b"more"
        while chunk:
            due, chunk = line.get()
            time.sleep(max(0.0, due - time.monotonic()))
            with contextlib.suppress(OSError):  # one that has gone gets nothing; who fills the line goes on
                end.sendall(chunk) if chunk else end.shutdown(socket.SHUT_WR)

    def stop(self):
        for each in (self.listener, *self.sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
