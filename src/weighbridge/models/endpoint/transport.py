"""HTTP for an endpoint, restricted: one address, no redirects, bounded bodies.

A server decides how much it sends, and one that is broken, or hostile, never ends, or packs
gigabytes into kilobytes. So a body is counted while it comes, as sent and as unpacked, and reading
stops at a bound; how long one may take is `Patience.request_seconds`, which `sending.py` keeps.

What is asked, and the key, go to the address that was named and nowhere else: no redirect is
followed. A proxy from the environment is used for servers elsewhere, never for one on this machine,
so that with --offline nothing leaves it.
"""

import functools
import os
import ssl
import zlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.request import getproxies, proxy_bypass

import httpx
import openai

from weighbridge.errors import InputError, in_one_line
from weighbridge.models.endpoint.address import EndpointAddress
from weighbridge.models.endpoint.bodies import MOST_LINES
from weighbridge.models.endpoint.pacing import Patience

MOST_BODY_BYTES = 16 * 2**20
"""Of a reply: a million tokens are about a third of that."""
MOST_OTHER_BYTES = 2**20
"""Most bytes that are read of an unrequested event stream, or of an error."""
MOST_PIECES = 100_000
"""That a body is sent in: taking one apart costs the same whether it holds a byte or 64 KiB."""
_CONNECTIONS = httpx.Limits(max_connections=1000, max_keepalive_connections=100)
# No others are read. Cookies would be sent back with every request, and a charset may be `zlib`,
# by which a client unpacks an error's text without a bound.
_READ = ("retry-after", "x-ratelimit-", "location")


class BodyRefused(httpx.RequestError):
    """A reply's body exceeds a bound, or has an unrequested compression; reading stopped."""


class BoundedTransport(httpx.AsyncBaseTransport):
    """Reads each reply to its end, or to a bound, before the client sees it.

    Args:
        inner: Sends requests.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return its reply, read and unpacked.

        Raises:
            BodyRefused: It is too long, or packed otherwise than as gzip.
            HTTPError: It could not be sent, or the reply isn't HTTP.
        """
        try:
            response = await self._inner.handle_async_request(request)
            try:
                content = await _read(response)
            finally:
                await response.aclose()  # also the connection, if the body was not read to its end
            kept = [(k, v) for k, v in response.headers.multi_items() if k.startswith(_READ)]
            return httpx.Response(response.status_code, headers=kept, content=content)
        except (httpx.HTTPError, httpx.InvalidURL):
            raise
        except Exception as error:  # a header that the libraries below did not foresee
            raise httpx.RemoteProtocolError(in_one_line(error)) from error

    async def aclose(self) -> None:
        """Close all connections."""
        await self._inner.aclose()


async def _read(response: httpx.Response) -> bytes:
    """Read a body. A reply over its limit is refused; an error or a stream over its own is cut."""
    if 300 <= response.status_code < 400:
        return b""
    reply = response.status_code < 300
    if reply and not _is_stream(response):
        stated = response.headers.get("content-length", "")
        if stated.isdecimal() and (len(stated) > 18 or int(stated) > MOST_BODY_BYTES):
            raise BodyRefused(
                f"a reply of {stated[:40]} bytes, of which {_said()} at most are read"
            )
        content, whole = await _unpacked(response, MOST_BODY_BYTES)
        if not whole:
            said = f"a reply of more than {_said()}, or in more than {MOST_PIECES:,} pieces"
            raise BodyRefused(f"{said}, is not read on")
        return content
    try:
        content, _ = await _unpacked(response, MOST_OTHER_BYTES)
    except (BodyRefused, httpx.DecodingError):
        if reply:
            raise
        return b""  # the status says what there is to say
    return content


def _said() -> str:
    return f"{MOST_BODY_BYTES // 2**20} MiB"


def _is_stream(response: httpx.Response) -> bool:
    kind: str = response.headers.get("content-type", "")
    return kind.partition(";")[0].strip().lower() == "text/event-stream"


async def _unpacked(response: httpx.Response, most: int) -> tuple[bytes, bool]:
    """Read a body until it ends or a bound is met: bytes as sent, bytes unpacked, pieces, lines.

    Returns:
        What was read, and whether it is the whole body.
    """
    gzip = _gzip(response)
    most_lines = MOST_LINES if _is_stream(response) else most
    found, sent, lines, pieces = bytearray(), 0, 0, 0
    async for chunk in _chunks(response):
        sent, pieces = sent + len(chunk), pieces + 1
        room = most - len(found)
        piece = chunk[: room + 1] if gzip is None else _inflated(gzip, chunk, room + 1)
        found += piece
        lines += piece.count(b"\n")
        beyond = sent > most or len(found) > most or lines > most_lines
        if beyond or pieces > MOST_PIECES:
            return bytes(found[:most]), False
    if gzip is not None and sent and not gzip.eof:
        raise httpx.DecodingError("the packed reply ends in its middle")
    return bytes(found), True


async def _chunks(response: httpx.Response) -> AsyncIterator[bytes]:
    stream = response.stream
    assert isinstance(stream, httpx.AsyncByteStream)
    async for chunk in stream:
        yield chunk


def _gzip(response: httpx.Response) -> Any:
    """Return a decompressor for a body; None if it isn't compressed."""
    coding = response.headers.get("content-encoding", "").strip().lower()
    if coding in ("", "identity"):
        return None
    if coding in ("gzip", "x-gzip"):
        return zlib.decompressobj(16 + zlib.MAX_WBITS)
    raise BodyRefused(f"a reply packed as {coding[:40]!r}, where gzip or nothing was asked for")


def _inflated(gzip: Any, chunk: bytes, most: int) -> bytes:
    """Unpack at most so many bytes, so that a decompression bomb never fills the memory."""
    if gzip.eof:
        return b""
    try:
        found: bytes = gzip.decompress(chunk, most)
    except zlib.error as error:
        raise httpx.DecodingError(f"the packed reply can't be unpacked: {error}") from error
    return found


def connect(address: EndpointAddress, secret: str, patience: Patience) -> openai.AsyncOpenAI:
    """Return a client for one endpoint; nothing is sent yet.

    Raises:
        InputError: The environment names a proxy that can't be used.
    """
    client = openai.AsyncOpenAI(
        api_key=secret or "none",
        base_url=address.base_url,
        max_retries=0,
        timeout=patience.request_seconds,
        http_client=httpx.AsyncClient(
            transport=BoundedTransport(_plain(address)),
            headers={"Accept-Encoding": "gzip"},
            timeout=patience.request_seconds,
            follow_redirects=False,
            trust_env=False,
        ),  # type: ignore[arg-type,unused-ignore]  # openai 3 has its own httpx, and takes both
    )
    if not address.base_url.startswith("https://api.openai.com/"):
        # The client takes these from the environment; they are nobody else's business.
        client.organization = client.project = None
    return client


def _plain(address: EndpointAddress) -> httpx.AsyncBaseTransport:
    proxy = _proxy(address)
    verify = _certificates(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    try:
        return httpx.AsyncHTTPTransport(limits=_CONNECTIONS, proxy=proxy, verify=verify)
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        raise InputError(
            f"a proxy from the environment that can't be used ({error})",
            "http://HOST:PORT in HTTPS_PROXY or HTTP_PROXY",
        ) from error


@functools.cache
def _certificates(file: str | None, folder: str | None) -> ssl.SSLContext:
    """Load the trusted certificates, once for all endpoints, since it takes 70 ms.

    Raises:
        InputError: The environment names certificates that can't be read.
    """
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        raise InputError(
            f"certificates that can't be read ({error}): {file or folder}",
            "a file of PEM certificates in SSL_CERT_FILE, or a folder of them in SSL_CERT_DIR",
        ) from error


def _proxy(address: EndpointAddress) -> str | None:
    if address.here or proxy_bypass(address.host):
        return None
    proxies = getproxies()
    found = proxies.get(address.base_url.partition(":")[0]) or proxies.get("all")
    return found if not found or "://" in found else f"http://{found}"
