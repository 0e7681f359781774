"""HTTP to one repository of one registry: oras's client, made safe.

What is different from oras 0.2.43: every request has a time limit and few attempts; credentials
follow no redirect to another origin and go to no token server that has nothing to do with the
registry; each failure is one of our errors, and bodies are read within bounds.
"""

from __future__ import annotations

import http.client
import logging
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urljoin, urlsplit

import oras.provider
import requests
import requests.utils
import urllib3.exceptions

from bpfman_core.errors import (
    BpfmanError,
    InvalidObject,
    InvalidRequest,
    RegistryError,
    Unreachable,
)
from bpfman_core.image import challenge
from bpfman_core.image.answers import BrokenBody, body, innermost, reason, refusal, retry_after
from bpfman_core.image.challenge import Challenge
from bpfman_core.image.credentials import Credentials
from bpfman_core.image.descriptor import document
from bpfman_core.image.settings import Endpoint

_log = logging.getLogger(__name__)

ATTEMPTS = 3
_BACKOFF = 0.2  # seconds before the second attempt, twice that before the third
_PATIENCE = 5.0  # seconds that a registry may ask to be left alone for
_CONNECT = 10.0  # seconds
_REDIRECTS = 5
_TOKEN_LIMIT = 1 << 20  # bytes
_BUSY = (429, 500, 502, 503, 504)
_MOVED = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class _Request:
    method: str
    url: str
    data: bytes | None
    headers: Mapping[str, str]


class Transport(oras.provider.Registry):  # type: ignore[misc] # oras has no types
    """`actions` are what a token is asked for: `pull`, or `pull,push`.

    `credentials` is called at most once, when the registry asks for them.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        repository: str,
        actions: str,
        credentials: Callable[[], Credentials | None],
    ) -> None:
        super().__init__(insecure=endpoint.plain, tls_verify=_authorities(endpoint))
        self.session.trust_env = False  # neither ~/.netrc nor a CA bundle by the way
        self._endpoint = endpoint
        self._repository = repository
        self._actions = actions
        self._find_credentials = credentials
        self._asked = False
        self._known: Credentials | None = None
        self._authorization: str | None = None

    # ---- requests

    def do_request(
        self,
        url: str,
        method: str = "GET",
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        json: object = None,
        stream: bool = True,
    ) -> requests.Response:
        """The answer to a request, whatever its status; its body is not read yet.

        Raises Unreachable, RegistryError, Denied.
        """
        request = _Request(method, url, data, headers or {})
        if not url.startswith(("https://",) if self.prefix == "https" else ("https://", "http://")):
            raise RegistryError(f"{self._endpoint.registry} sends us to {_place(url)}: not safe")
        if not self._is_ours(url):
            return self._attempt(request, None)
        answer = self._attempt(request, self._authorization)
        if answer.status_code == 401 and self._is_ours(answer.url) and self._authenticate(answer):
            answer.close()
            answer = self._attempt(request, self._authorization)
        return answer

    def refusal(self, answer: requests.Response, what: str) -> BpfmanError:
        """See `answers.refusal`."""
        return refusal(answer, self._endpoint.registry, what, known=self._known is not None)

    def body(self, answer: requests.Response, limit: int) -> Iterator[bytes]:
        """See `answers.body`."""
        return body(answer, self._endpoint.registry, limit, self._endpoint.settings.timeout)

    def _attempt(self, request: _Request, authorization: str | None) -> requests.Response:
        """Try a request again while the registry is busy or the connection fails.

        One that uploads is tried once: its place may be used up.
        """
        attempts = 1 if request.data is not None else ATTEMPTS
        for left in reversed(range(attempts)):
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

    def _follow(self, request: _Request, authorization: str | None) -> requests.Response:
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
            there = urljoin(url, target)
            if not _is_web(there) or (url.startswith("https:") and there.startswith("http:")):
                raise RegistryError(
                    f"{self._endpoint.registry} redirects to {_place(there)}, which is not safe"
                )
            if _origin(there) != _origin(url):
                authorization = None
            url = there
        raise RegistryError(f"{self._endpoint.registry} redirects in circles")

    def _send(self, request: _Request) -> requests.Response:
        name, timeout = self._endpoint.registry, self._endpoint.settings.timeout
        try:
            answer: requests.Response = self.session.request(
                request.method,
                request.url,
                data=request.data,
                headers=dict(request.headers),
                stream=True,
                allow_redirects=False,
                timeout=(min(_CONNECT, timeout), timeout),
                verify=self._tls_verify,
                proxies=requests.utils.get_environ_proxies(request.url),
            )
            return answer
        except requests.exceptions.SSLError as error:
            raise RegistryError(
                f"{name}: TLS failed: {reason(error)}",
                hint=f'is its authority your own? [registries."{name}"] ca = FILE',
            ) from error
        except requests.exceptions.ReadTimeout as error:
            raise BrokenBody(f"{name} did not answer within {timeout:g} s") from error
        except requests.exceptions.ConnectionError as error:
            if isinstance(innermost(error), ConnectionResetError | http.client.HTTPException):
                raise BrokenBody(f"{name}: the connection broke: {reason(error)}") from error
            raise Unreachable(f"cannot reach {name}: {reason(error)}") from error
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            raise RegistryError(f"{name}: {reason(error)}") from error
        except OSError as error:
            raise InvalidRequest(f"{name}: {error}") from error

    # ---- authentication

    def _is_ours(self, url: str) -> bool:
        """Whether this is at the registry itself, not somewhere that it sent us to."""
        return _origin(url) == _origin(self._endpoint.url)

    def _authenticate(self, answer: requests.Response) -> bool:
        """Find an answer to a challenge; whether there is one that was not tried already."""
        if not self._asked:
            self._asked, self._known = True, self._find_credentials()
        before = self._authorization
        for way in challenge.parse(answer.headers.get("WWW-Authenticate", "")):
            if way.scheme == "bearer" and "realm" in way.parameters:
                self._authorization = self._token(way)
                break
            if way.scheme == "basic" and self._known is not None:
                self._authorization = self._known.basic()
                break
        return self._authorization is not None and self._authorization != before

    def _token(self, way: Challenge) -> str | None:
        """A bearer token for our repository (distribution's token specification)."""
        realm = way.parameters["realm"]
        challenge.check_realm(realm, self._endpoint, secret=self._known is not None)
        query = {"scope": f"repository:{self._repository}:{self._actions}"}
        if "service" in way.parameters:
            query["service"] = way.parameters["service"]
        url = str(requests.Request("GET", realm, params=query).prepare().url)
        basic = None if self._known is None else self._known.basic()
        answer = self._attempt(_Request("GET", url, None, {}), basic)
        if answer.status_code != 200:
            answer.close()
            return None
        content = b"".join(self.body(answer, _TOKEN_LIMIT))
        try:
            found = document(content)
        except InvalidObject as error:
            raise RegistryError(f"the token server of {self._endpoint.registry}: {error}") from None
        token = found.get("token") or found.get("access_token")
        usable = isinstance(token, str) and re.fullmatch(r"[!-~]+", token)
        return f"Bearer {token}" if usable else None


def _authorities(endpoint: Endpoint) -> str | bool:
    """The file of the authorities to trust: the configured one, the system's, or certifi's."""
    if endpoint.settings.ca is not None:
        return endpoint.settings.ca
    return ssl.get_default_verify_paths().cafile or True


def _is_web(url: str) -> bool:
    return url.startswith(("https://", "http://"))


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _place(url: str) -> str:
    """A URL without what may be secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}"
