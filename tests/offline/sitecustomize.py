"""No network in tests: Python refuses to look up or reach any address but this machine's own.

    PYTHONPATH=tests/offline python ...      # Python imports a `sitecustomize` by itself when it starts

tests/conftest.py loads it into the test process and sets PYTHONPATH for every child: kernels, subprocesses, workers.
"""

import errno
import ipaddress
import sys


def _is_here(host: object) -> bool:
    if host in (None, "", "localhost", b"localhost"):
        return True
    try:
        return ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host).is_loopback
    except ValueError:  # a name: looking it up would ask the network
        return False


def _guard(event: str, arguments: tuple) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]  # (host, port, ...); the text of a path for a UNIX socket; None when connected already
        host = address[0] if isinstance(address, tuple) else None
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    if not _is_here(host):
        raise OSError(errno.ENETUNREACH, f"tests run without a network; {event} to {host} was refused")


sys.addaudithook(_guard)
