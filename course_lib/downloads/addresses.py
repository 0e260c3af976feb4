"""Asking an address: which ones are allowed, where an answer may send us on to, and why none came.

    with ask("https://example.org/dogs.tar.gz", {"Range": "bytes=1000-"}, timeout=30) as answer: ...

Only https is asked; http only on this machine, where the tests have their server. An answer that sends us on to an address
without https, as login pages of hotels and campuses do, is refused.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

AGENT = {"User-Agent": "transfer-learning-course", "Accept": "*/*", "Accept-Encoding": "identity"}
LONGEST_WAIT = 60.0  # seconds that a server may ask us to wait; beyond that the next address is better
MEANING = {
    401: "it asks for a login",
    403: "it refuses the file to this machine (403)",
    404: "it does not have the file any more (404)",
    407: "the proxy of this network asks for a login (407)",
    410: "it does not have the file any more (410)",
    451: "it may not give the file in this place (451)",
    511: "this network asks for a login first (511); open any page in a browser",
}


class Refused(Exception):
    """This address will not give the file; asking again does not help."""


class Broken(Exception):
    """It did not work this time.

    Arguments:
        reason: why, in words.
        wait: seconds that the server asked us to wait.
        away: nobody was reached at all, as without a network.
    """

    def __init__(self, reason: str, wait: float = 0.0, away: bool = False) -> None:
        super().__init__(reason)
        self.wait, self.away = wait, away


def ask(address: str, headers: Mapping[str, str], timeout: float) -> http.client.HTTPResponse:
    """Ask an address; the answer is 200 or 206, its body not read yet. Raises `Refused` or `Broken`."""
    here = check_address(address)
    try:
        answer = _opener(here).open(Request(address, headers={**AGENT, **headers}), timeout=timeout)
    except HTTPError as error:
        with error:
            raise _refusal(error.code, error.headers) from error
    except (URLError, OSError, http.client.HTTPException) as error:
        raise explain(error, timeout) from error
    if answer.status not in (200, 206):
        answer.close()
        raise Refused(f"it answered with status {answer.status}, which brings no file")
    return answer


def check_address(address: str, here_allowed: bool = True) -> bool:
    """Whether an address is on this machine. Raises `Refused` for one that is neither https nor on this machine."""
    parts = urlsplit(address)
    here = is_here(parts.hostname or "")
    if parts.scheme == "https" and parts.hostname:
        return here
    if parts.scheme == "http" and here and here_allowed:
        return here
    raise Refused(f"{address} is not an https address; others are not asked")


def is_here(host: str) -> bool:
    """Whether a host name means this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def explain(error: BaseException, timeout: float) -> Refused | Broken:
    """What an error on the way means."""
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, Refused):
        return cause
    if isinstance(cause, ssl.SSLCertVerificationError):
        return Refused(
            "its certificate could not be checked (a login page in the way, a network that reads along, or a wrong clock)"
        )
    if isinstance(cause, TimeoutError):
        return Broken(f"it sent nothing for {timeout:g} s")
    if isinstance(cause, socket.gaierror):
        return Broken("its name was not found: there is no network here, or no name server", away=True)
    if isinstance(cause, ConnectionRefusedError):
        return Broken("it refused the connection", away=True)
    if isinstance(cause, ConnectionError | http.client.HTTPException):
        return Broken("the connection broke off")
    if isinstance(cause, OSError) and cause.strerror:
        return Broken(f"it was not reached ({cause.strerror})", away=True)
    return Broken(f"it was not reached ({cause})", away=True)


def _refusal(code: int, headers: Any) -> Refused | Broken:
    if code in (408, 425, 429) or (code >= 500 and code != 511):
        what = "it asks us to come back later" if code in (429, 503) else "it has a fault"
        return Broken(f"{what} ({code})", wait=_wait(headers))
    if code == 416:
        return Broken("it has fewer bytes than we do (416)")
    if 300 <= code < 400:
        return Refused(f"it sends us on in a circle, or to what is no web address ({code})")
    return Refused(MEANING.get(code, f"it answered with status {code}"))


def _wait(headers: Any) -> float:
    """Seconds from a Retry-After header, 0 without one."""
    text = (headers.get("Retry-After") or "").strip() if headers else ""
    if text.isdecimal():
        return min(float(text), LONGEST_WAIT)
    try:
        when = parsedate_to_datetime(text)
        now = parsedate_to_datetime(headers.get("Date"))
        return min(max((when - now).total_seconds(), 0.0), LONGEST_WAIT)
    except (TypeError, ValueError):
        return 0.0


class _Redirects(HTTPRedirectHandler):
    """Follows where an answer sends us on to, to https only (from this machine's own server also to itself)."""

    max_redirections = 6

    def __init__(self, here: bool) -> None:
        self.here = here

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Request | None:
        try:
            check_address(newurl, here_allowed=self.here)
        except Refused as error:
            raise Refused(
                f"it sends us on to {newurl[:80]}, which is not https: a login page of the network, perhaps"
            ) from error
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener(here: bool) -> OpenerDirector:
    """Proxies as the machine has them, but none for this machine itself."""
    return build_opener(_Redirects(here), *([ProxyHandler({})] if here else []))
