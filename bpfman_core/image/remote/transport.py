"""The client of one repository: oras's, made safe.

What is different from oras 0.2.43: credentials follow no redirect to another origin and go to no
token server that has nothing to do with the registry; requests go through `exchange`, where each
has a time limit and few attempts and fails with one of our errors; bodies are read within bounds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

import oras.provider
import requests

from bpfman_core.errors import BpfmanError, Denied, InvalidObject, RegistryError
from bpfman_core.image.descriptor import document
from bpfman_core.image.remote import challenge
from bpfman_core.image.remote.answers import refusal
from bpfman_core.image.remote.challenge import Challenge
from bpfman_core.image.remote.credentials import Credentials
from bpfman_core.image.remote.exchange import Exchange, Request
from bpfman_core.image.remote.urls import follow, origin
from bpfman_core.image.settings import Endpoint

_TOKEN_LIMIT = 1 << 20  # bytes


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
        super().__init__(insecure=endpoint.plain)
        self._exchange = Exchange(self.session, endpoint)
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
        request = Request(method, url, data, headers or {})
        if not self._is_ours(self.follow(self._endpoint.url, url)):
            return self._exchange.ask(request, None)
        answer = self._exchange.ask(request, self._authorization)
        if answer.status_code == 401 and self._is_ours(answer.url) and self._authenticate(answer):
            answer.close()
            answer = self._exchange.ask(request, self._authorization)
        return answer

    def refusal(self, answer: requests.Response, what: str) -> BpfmanError:
        """See `answers.refusal`."""
        deadline = self._exchange.deadline
        return refusal(answer, self._endpoint.registry, what, deadline, self._secrets())

    def _secrets(self) -> tuple[str, ...]:
        """What must not be shown, though the registry might repeat it."""
        if self._known is None:
            return ()
        token = (self._authorization or "").partition(" ")[2]
        _, _, pair = self._known.basic().partition(" ")
        return tuple(filter(None, (pair, token, self._known.password)))

    def follow(self, url: str, location: str) -> str:
        """See `urls.follow`; what is wrong with it is the registry's error."""
        try:
            return follow(url, location)
        except ValueError as error:
            raise RegistryError(f"{self._endpoint.registry} sends us to {error}") from None

    def next_page(self, url: str, link: str) -> str:
        """Where the `link` on a page at `url` leads. Raises RegistryError if that is elsewhere."""
        there = self.follow(url, link)
        if self._is_ours(there):
            return there
        raise RegistryError(f"{self._endpoint.registry} sends us to {origin(there)}, another host")

    def body(self, answer: requests.Response, limit: int) -> Iterator[bytes]:
        """See `answers.body`."""
        return self._exchange.body(answer, limit)

    # ---- authentication

    def _is_ours(self, url: str) -> bool:
        """Whether this is at the registry itself, not somewhere that it sent us to."""
        return origin(url) == origin(self._endpoint.url)

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
        try:
            url = str(requests.Request("GET", realm, params=query).prepare().url)
        except requests.exceptions.RequestException as error:
            raise Denied(f"{self._endpoint.registry} names a token server at {error}") from None
        basic = None if self._known is None else self._known.basic()
        answer = self._exchange.ask(Request("GET", url, None, {}), basic)
        if answer.status_code != 200:
            answer.close()
            return None
        try:
            found = document(b"".join(self.body(answer, _TOKEN_LIMIT)))
        except InvalidObject as error:
            raise RegistryError(f"the token server of {self._endpoint.registry}: {error}") from None
        token = found.get("token") or found.get("access_token")
        usable = isinstance(token, str) and re.fullmatch(r"[!-~]+", token)
        return f"Bearer {token}" if usable else None
