"""Requests by HTTP, for reading alone: connections that are kept, and redirects that are judged.

An address that its user typed is asked wherever it leads. What a server answers is no such word: a
redirect is followed to public addresses only, never from https to http, and without credentials. So
no server of others makes this machine ask one within its own network. The address that was judged
is the one that is connected to.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import netrc
import socket
import ssl
import threading
from base64 import b64encode
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import SplitResult, urljoin, urlsplit

from dsm.model.names import printable
from dsm.remotes.backend import AGAIN, RemoteFailed, RemoteRefused
from dsm.version import __version__

CONNECT_SECONDS, ANSWER_SECONDS = 10, 60
REDIRECTS_MAX = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_PORTS = {"http": 80, "https": 443}
# An IPv4 address within an IPv6 one, where a gateway translates.
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")

Origin = tuple[str, str, int]


class NotFollowed(RemoteRefused):
    """A server redirects to where it has no business to send anybody."""

    code = "redirect-refused"


@dataclass(slots=True)
class Answer:
    """An answer whose body is still to be read."""

    response: http.client.HTTPResponse
    connection: http.client.HTTPConnection
    origin: Origin
    status: int

    def header(self, name: str) -> str:
        return self.response.getheader(name) or ""

    def close(self) -> None:
        self.connection.close()


class WebRequests:
    """Requests to the server of one address; threads may share it."""

    def __init__(self, url: str):
        self._url = url
        self._origin = _origin(urlsplit(url))
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()

    def ask(self, method: str, url: str, headers: dict[str, str]) -> Answer:
        """Asks, and follows redirects that lead to public addresses.

        Raises RemoteFailed when nothing answers, NotFollowed.
        """
        for _ in range(REDIRECTS_MAX + 1):
            answer = self._asked(method, urlsplit(url), headers)
            if answer.status not in _REDIRECTS:
                return answer
            target = urljoin(url, answer.header("Location"))
            answer.close()
            if urlsplit(target).scheme not in _PORTS:
                raise NotFollowed(f"{self._url} redirects to {printable(target[:200])!r}")
            if (urlsplit(url).scheme, urlsplit(target).scheme) == ("https", "http"):
                raise NotFollowed(
                    f"{self._url} redirects to {printable(target[:200])}, which is not encrypted"
                )
            url = target
        raise RemoteFailed(f"{self._url} redirects again and again")

    def done(self, answer: Answer) -> None:
        """Ends an answer; of one that was read whole the connection is kept for another request."""
        whole = answer.response.isclosed() and not answer.response.will_close
        with self._lock:
            if whole and answer.origin == self._origin:
                self._idle.append(answer.connection)
                return
        answer.close()

    def _asked(self, method: str, parts: SplitResult, headers: dict[str, str]) -> Answer:
        origin = _origin(parts)
        sent = {"User-Agent": f"dsm/{__version__}", "Accept-Encoding": "identity", **headers}
        if origin == self._origin and self._login:
            sent["Authorization"] = self._login
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection, kept = self._connection(origin)
        try:
            try:
                connection.request(method, target, headers=sent)
                response = connection.getresponse()
            except (ConnectionError, http.client.RemoteDisconnected):
                if not kept:
                    raise
                connection.close()  # the server had closed it meanwhile
                connection = self._dialled(origin)
                connection.request(method, target, headers=sent)
                response = connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            raise RemoteFailed(f"cannot reach {self._url}: {brief(error)}", hint=AGAIN) from None
        except NotFollowed:
            connection.close()
            raise
        return Answer(response, connection, origin, response.status)

    def _connection(self, origin: Origin) -> tuple[http.client.HTTPConnection, bool]:
        with self._lock:
            if origin == self._origin and self._idle:
                return self._idle.pop(), True
        return self._dialled(origin), False

    def _dialled(self, origin: Origin) -> http.client.HTTPConnection:
        scheme, host, port = origin
        anywhere = origin == self._origin
        if scheme == "https":
            return _Encrypted(host, port, anywhere, self._tls)
        return _Plain(host, port, anywhere)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    @cached_property
    def _login(self) -> str:
        """What `~/.netrc` says for this host, as curl has it; never sent in the clear."""
        if self._origin[0] != "https":
            return ""
        found = None
        with contextlib.suppress(OSError, netrc.NetrcParseError):
            found = netrc.netrc().authenticators(self._origin[1])
        if not found:
            return ""
        return "Basic " + b64encode(f"{found[0]}:{found[2]}".encode()).decode()


class _Plain(http.client.HTTPConnection):
    """A connection that goes to public addresses only, unless `anywhere`."""

    def __init__(self, host: str, port: int, anywhere: bool):
        super().__init__(host, port, timeout=ANSWER_SECONDS)
        self._anywhere = anywhere

    def connect(self) -> None:
        self.sock = _dial(self.host, self.port, self._anywhere)


class _Encrypted(http.client.HTTPSConnection):
    """The same by TLS, whose certificate is that of the host."""

    def __init__(self, host: str, port: int, anywhere: bool, context: ssl.SSLContext):
        super().__init__(host, port, timeout=ANSWER_SECONDS, context=context)
        self._anywhere, self._tls = anywhere, context

    def connect(self) -> None:
        plain = _dial(self.host, self.port, self._anywhere)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)


def _dial(host: str, port: int, anywhere: bool) -> socket.socket:
    """Connects to the first address of a host that answers. Raises NotFollowed, OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    if not anywhere and not all(is_public(str(each[4][0])) for each in found):
        raise NotFollowed(
            f"a redirect to {printable(host)} was not followed: it leads into a private network, or"
            " to this machine",
            hint="if that is right, name the address that it leads to yourself",
        )
    failure: OSError | None = None
    for family, kind, protocol, _, place in found:
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(CONNECT_SECONDS)
            made.connect(place)
            made.settimeout(ANSWER_SECONDS)
            return made
        except OSError as error:
            made.close()
            failure = error
    raise failure or OSError(f"{host} has no address")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet, and of no private network or machine."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        within = ip.ipv4_mapped or ip.sixtofour or (ip.teredo or (None, None))[1]
        if within is None and ip in _TRANSLATED:
            within = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if within is not None:
            return within.is_global and not within.is_multicast
    return ip.is_global and not ip.is_multicast


def _origin(parts: SplitResult) -> Origin:
    """Returns what an address has in common with others of its server. Raises RemoteFailed."""
    try:
        port = parts.port or _PORTS[parts.scheme]
    except ValueError:
        raise RemoteFailed(f"{printable(parts.netloc[:200])} has a port that is none") from None
    return parts.scheme, (parts.hostname or "").lower(), port


def brief(error: BaseException) -> str:
    """Returns the first line of what an error says."""
    text = str(error)
    return printable(text.splitlines()[0][:160]) if text else type(error).__name__
