"""Asks a registry and gets its answer: attempts, redirects, time limits, one error per cause."""

from __future__ import annotations

import http.client
import io
import logging
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import requests
import requests.utils
import urllib3.exceptions
import urllib3.util

from bpfman_core import progress
from bpfman_core.errors import InvalidRequest, RegistryError, Unreachable
from bpfman_core.image.remote.answers import (
    SLOWEST,
    BrokenBody,
    body,
    innermost,
    reason,
    retry_after,
)
from bpfman_core.image.remote.deadline import Deadline
from bpfman_core.image.remote.urls import follow, origin
from bpfman_core.image.settings import Endpoint, is_loopback

_log = logging.getLogger(__name__)

ATTEMPTS = 3
_BACKOFF = 0.2  # seconds before the second attempt, twice that before the third
_PATIENCE = 5.0  # seconds that a registry may ask to be left alone for
_CONNECT = 10.0  # seconds
_REDIRECTS = 5
_BUSY = (429, 500, 502, 503, 504)
_MOVED = (301, 302, 303, 307, 308)
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST")


@dataclass(frozen=True)
class Request:
    """What is asked; `data` is what an upload sends."""

    method: str
    url: str
    data: bytes | None
    headers: Mapping[str, str]


class Exchange:
    """The HTTP of one registry, over a session of requests."""

    def __init__(self, session: requests.Session, endpoint: Endpoint) -> None:
        session.trust_env = False  # neither ~/.netrc nor a CA bundle by the way
        # else requests reads the whole body of a redirect, however long
        session.get_redirect_target = _nowhere  # type: ignore[method-assign]
        self.deadline = Deadline(session)
        self._session = session
        self._endpoint = endpoint
        self._authorities = _authorities(endpoint)

    def ask(self, request: Request, authorization: str | None) -> requests.Response:
        """Try a request again while the registry is busy or the connection fails.

        One that uploads is tried once: its place may be used up.
        """
        attempts = 1 if request.data is not None else ATTEMPTS
        for left in reversed(range(attempts)):
            progress.advance(0)
            pause = _BACKOFF * 2 ** (attempts - 1 - left)
            try:
                answer = self._follow(request, authorization)
            except (Unreachable, BrokenBody) as error:
                if not left:
                    raise
                _log.info("%s; trying again", error)
            else:
                wait = retry_after(answer)
                if answer.status_code not in _BUSY or not left or wait > _PATIENCE:
                    return answer
                answer.close()
                pause = max(pause, wait)
            time.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def _follow(self, request: Request, authorization: str | None) -> requests.Response:
        """Send a request, and again to where the registry says it has moved.

        The authorization is for the origin that is asked first: no other sees it.
        """
        url = request.url
        for _ in range(_REDIRECTS + 1):
            headers = {**request.headers, "Accept-Encoding": "identity"}
            if authorization is not None:
                headers["Authorization"] = authorization
            answer = self._send(replace(request, url=url, headers=headers))
            target = answer.headers.get("Location")
            if answer.status_code not in _MOVED or not target or request.data is not None:
                return answer
            answer.close()
            try:
                there = follow(url, target)
            except ValueError as error:
                raise RegistryError(f"{self._endpoint.registry} redirects to {error}") from None
            if origin(there) != origin(url):
                authorization = None
            url = there
        raise RegistryError(f"{self._endpoint.registry} redirects in circles")

    def _send(self, request: Request) -> requests.Response:
        name, timeout = self._endpoint.registry, self._endpoint.settings.timeout
        allowed = timeout + len(request.data or b"") / SLOWEST
        late = BrokenBody(f"{name} did not answer within {allowed:g} s")
        try:
            with self.deadline.within(allowed):
                answer = self._session.request(
                    request.method,
                    request.url,
                    data=_Upload(request.data) if request.data else request.data,
                    headers=dict(request.headers),
                    stream=True,
                    allow_redirects=False,
                    timeout=(min(_CONNECT, timeout), timeout),
                    verify=self._authorities,
                    proxies=_proxies(request.url),
                )
        except requests.exceptions.SSLError as error:
            raise self._tls_failure(innermost(error), reason(error)) from error
        except requests.exceptions.ReadTimeout as error:
            raise late from error
        except requests.exceptions.ConnectionError as error:
            if self.deadline.passed:
                raise late from error
            if isinstance(innermost(error), ConnectionResetError | http.client.HTTPException):
                raise BrokenBody(f"{name}: the connection broke: {reason(error)}") from error
            proxied = isinstance(error, requests.exceptions.ProxyError)
            way = " through the proxy" if proxied else ""
            raise Unreachable(f"cannot reach {name}{way}: {reason(error)}") from error
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            raise RegistryError(f"{name}: {reason(error)}") from error
        except OSError as error:  # a file of authorities
            raise InvalidRequest(f"{name}: {error}") from error
        if self.deadline.passed:  # an answer that was cut within its headers looks whole
            answer.close()
            raise late
        return answer

    def _tls_failure(self, error: BaseException, why: str) -> RegistryError:
        """One that another attempt will not mend, or one that it may."""
        name = self._endpoint.registry
        table = f'[registries."{name}"]'
        if isinstance(error, ssl.SSLCertVerificationError):
            hint = f"is its authority your own? {table} ca = FILE"
            return RegistryError(f"{name}: TLS failed: {why}", hint=hint)
        if getattr(error, "reason", None) in _NO_TLS:
            return RegistryError(
                f"{name} does not speak TLS", hint=f"if that is right: {table} insecure = true"
            )
        return BrokenBody(f"{name}: TLS failed: {why}")

    def body(self, answer: requests.Response, limit: int) -> Iterator[bytes]:
        """See `answers.body`."""
        grace = self._endpoint.settings.timeout
        return body(answer, self._endpoint.registry, limit, grace, self.deadline)


class _Upload(io.BytesIO):
    """What is sent, and told of as it goes; requests takes its length beforehand."""

    def read(self, size: int | None = -1) -> bytes:
        piece = super().read(size)
        progress.advance(len(piece))
        return piece


def _proxies(url: str) -> dict[str, str]:
    """None for this machine, as for Go's clients: what is plain there would be so for the proxy."""
    if is_loopback(origin(url).host.strip("[]")):
        return {}
    found: dict[str, str] = requests.utils.get_environ_proxies(url)
    for name in (origin(url).scheme, "all"):
        if name in found:
            _check_proxy(name, found[name])
    return found


def _check_proxy(name: str, value: str) -> None:
    """Its URL may hold a password, and must not be shown."""
    try:
        host = urllib3.util.parse_url(value if "://" in value else f"http://{value}").host
    except (urllib3.exceptions.HTTPError, ValueError):
        host = None
    if not host:
        raise InvalidRequest(
            f"the environment names a proxy for {name} by what is no URL",
            hint="see http_proxy, https_proxy and all_proxy",
        )


def _nowhere(resp: requests.Response) -> str | None:
    del resp
    return None


def _authorities(endpoint: Endpoint) -> str | bool:
    """The file of the authorities to trust: the configured one, the system's, or certifi's."""
    if endpoint.settings.ca is not None:
        return endpoint.settings.ca
    return ssl.get_default_verify_paths().cafile or True
