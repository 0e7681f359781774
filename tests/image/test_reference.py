import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfman_core.errors import InvalidRequest
from bpfman_core.image.reference import Reference

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("quay.io/bpfman-bytecode/xdp_pass:latest", "quay.io/bpfman-bytecode/xdp_pass:latest"),
        ("quay.io/bpfman-bytecode/xdp_pass", "quay.io/bpfman-bytecode/xdp_pass:latest"),
        ("xdp_pass", "docker.io/library/xdp_pass:latest"),
        ("someone/xdp_pass:1", "docker.io/someone/xdp_pass:1"),
        ("index.docker.io/xdp_pass", "docker.io/library/xdp_pass:latest"),
        ("localhost/a", "localhost/a:latest"),
        ("localhost:5000/a/b:v1.2-x", "localhost:5000/a/b:v1.2-x"),
        ("[::1]:5000/a", "[::1]:5000/a:latest"),
        (f"quay.io/a@{DIGEST}", f"quay.io/a@{DIGEST}"),
        (f"quay.io/a:1@{DIGEST}", f"quay.io/a:1@{DIGEST}"),
        ("quay.io/a__b/c--d.e", "quay.io/a__b/c--d.e:latest"),
    ],
)
def test_full_name(text, full):
    reference = Reference.parse(text)
    assert str(reference) == full
    assert Reference.parse(full) == reference


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "/",
        ":latest",
        "quay.io/",
        "quay.io//a",
        "quay.io/a/",
        "quay.io/A",
        "quay.io/a:",
        "quay.io/a:-x",
        "quay.io/a:" + "x" * 129,
        "quay.io/a@",
        "quay.io/a@sha256:00",
        f"quay.io/a@{DIGEST.upper()}",
        f"quay.io/a@{DIGEST}\n",
        "quay.io/../../etc/passwd",
        "-a.io/b",
        "quay.io:port/a",
        "quay.io/a b",
        "quay.io/a\n",
        "quay.io/a___b",
        "quay.io/" + "a" * 255,
        "https://quay.io/a",
    ],
)
def test_malformed(text):
    with pytest.raises(InvalidRequest, match="no image reference"):
        Reference.parse(text)


def test_scheme_is_named():
    with pytest.raises(InvalidRequest, match=r"write quay\.io/a"):
        Reference.parse("https://quay.io/a")


@given(st.text(alphabet="aA0./:@-_[]s", max_size=40))
def test_what_parses_survives_a_round_trip(text):
    try:
        reference = Reference.parse(text)
    except InvalidRequest:
        return
    assert Reference.parse(str(reference)) == reference
