"""Finds the signatures of an image and says what they are worth under a policy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bpfman_core.errors import BpfmanError, Untrusted
from bpfman_core.image.repository import Repository
from bpfman_core.image.signing import bundle, simple
from bpfman_core.image.signing.allowance import Allowance
from bpfman_core.image.signing.found import Signature
from bpfman_core.image.signing.policy import SigningPolicy

NOT_CHECKED = "not checked"
BUILT_HERE = "built here"
UNSIGNED = "unsigned"
UNVERIFIED = "signed, not verified"


def verdict(repositories: Iterable[Repository], digest: str, policy: SigningPolicy) -> str:
    """What to say of an image: one of the words above, or `verified: ` and by whom.

    The first repository that has signatures gives them. Unsigned is only what has none in any of
    them, in either form; one that cannot answer raises its own errors. Raises Untrusted where the
    policy refuses the image.
    """
    if not policy.enabled:
        return NOT_CHECKED
    signatures = _first_found(repositories, digest)
    if not policy.judges:
        return UNVERIFIED if signatures else UNSIGNED
    if signatures:
        return f"verified: {_first_good(signatures, digest, policy)}"
    if policy.allow_unsigned:
        return UNSIGNED
    raise Untrusted(
        f"the image {digest} has no signature",
        hint="sign it, or accept such images: [signing] allow_unsigned = true",
    )


def verify(repositories: Iterable[Repository], digest: str, policy: SigningPolicy) -> str:
    """By whom of those that the policy trusts an image is signed. Raises Untrusted if by none.

    What the policy says of unsigned images does not count here.
    """
    signatures = _first_found(repositories, digest)
    if not signatures:
        raise Untrusted(f"the image {digest} has no signature", hint="sign it, by cosign for one")
    return _first_good(signatures, digest, policy)


def _first_found(repositories: Iterable[Repository], digest: str) -> tuple[Signature, ...]:
    found = (tuple(signatures_of(repository, digest)) for repository in repositories)
    return next(filter(None, found), ())


def signatures_of(repository: Repository, digest: str) -> Iterator[Signature]:
    """All signatures of an image, the old form first."""
    within = Allowance(repository)
    yield from simple.signatures(within, digest)
    yield from bundle.signatures(within, digest)


def _first_good(signatures: tuple[Signature, ...], digest: str, policy: SigningPolicy) -> str:
    from bpfman_core.image.signing.trust import Trust

    trust = Trust.of(policy)
    reasons: list[str] = []
    for signature in signatures:
        try:
            return signature.verify(digest, trust)
        except Untrusted as error:
            reasons.append(error.message)
        except BpfmanError:
            raise
        except Exception as error:  # what parsers of certificates raise is not to be foreseen
            reasons.append(f"a signature is malformed: {error or type(error).__name__}")
    why = "; ".join(dict.fromkeys(reasons))
    raise Untrusted(
        f"no signature of the image {digest} is by anyone whom this host trusts: {why}",
        hint="see [signing] in the configuration",
    )
