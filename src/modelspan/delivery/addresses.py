"""Which addresses a webhook may connect to: a name is resolved once, and what was checked is connected to.

Source: OWASP, Server-Side Request Forgery Prevention Cheat Sheet, case 2; the address blocks are those of
IANA's special-purpose registries, as `ipaddress` knows them.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Any, Final

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError
from urllib3.util import connection as connecting

if TYPE_CHECKING:
    from collections.abc import Callable

Address = IPv4Address | IPv6Address
_NAT64: Final = IPv6Network("64:ff9b::/96")
"""IPv4 addresses behind a translator (RFC 6052)."""


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet; those that hold an IPv4 one are judged by it."""
    inner = _innermost(ip_address(address.partition("%")[0]))
    return inner.is_global and not inner.is_multicast


def is_loopback(address: str) -> bool:
    """Whether an IP address is of this machine."""
    return _innermost(ip_address(address.partition("%")[0])).is_loopback


def _innermost(address: Address) -> Address:
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if address.teredo:
        return address.teredo[1]
    return address.ipv4_mapped or address.sixtofour or address


def guarded_pool(allowed: Callable[[str], bool]) -> urllib3.PoolManager:
    """A client that connects to allowed addresses only, follows no redirect, reads no proxy variable."""
    manager = urllib3.PoolManager(num_pools=1, retries=False)
    secure = type("_Secure", (_Guard, HTTPSConnection), {"allowed": staticmethod(allowed)})
    plain = type("_Plain", (_Guard, HTTPConnection), {"allowed": staticmethod(allowed)})
    manager.pool_classes_by_scheme = {
        "https": type("_SecurePool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
        "http": type("_PlainPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
    }
    return manager


class _Guard:
    """Resolves the host, checks every address, connects to the first; certificates are checked by name."""

    allowed: Callable[[str], bool]

    def _new_conn(self: Any) -> socket.socket:
        host = self._dns_host.strip("[]")
        try:
            address = _checked(host, self.port, self.allowed)
            return connecting.create_connection(
                (address, self.port), self.timeout, socket_options=self.socket_options
            )
        except (OSError, UnicodeError, ValueError) as error:
            raise NewConnectionError(self, f"cannot connect: {error}") from error


def _checked(host: str, port: int, allowed: Callable[[str], bool]) -> str:
    """The first address of a host all of whose addresses are allowed."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    refused = [address for address in addresses if not allowed(address)]
    if refused or not addresses:
        raise OSError(f"{host} leads to {', '.join(refused) or 'no address'}, which is not allowed")
    return addresses[0]
