"""Where credentials are found, whom they are sent to, and that no message shows them."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from registry.credentials import find_credentials, has_login, without_login
from registry.domain_files import load_domain
from registry.errors import ConfigurationError

SECRET = "s3cr3t-4711"
URL = "https://index.example/simple/"


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("reference", "header"),
    [
        ("env:TOKEN", f"Bearer {SECRET}"),
        ("env:WHO:TOKEN", basic("me", SECRET)),
        ("netrc", basic("them", SECRET)),
    ],
)
def test_they_are_found_where_the_domain_says(reference: str, header: str, tmp_path: Path) -> None:
    """A variable is a bearer token, two are user and password, and netrc has them by the host."""
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine index.example login them password {SECRET}\n")
    variables = {"TOKEN": f"{SECRET}\n", "WHO": "me", "NETRC": str(netrc)}
    found = find_credentials(reference, URL, variables)
    assert found is not None
    assert found.headers(f"{URL}lib/") == {"Authorization": header}
    assert SECRET not in repr(found)
    assert header not in repr(found)


def test_they_are_for_one_origin() -> None:
    """Another host, port or scheme gets nothing; the default port is the same origin."""
    found = find_credentials("env:TOKEN", URL, {"TOKEN": SECRET})
    assert found is not None
    assert found.headers("https://INDEX.example:443/files/a.whl")
    for other in ("https://files.example/a", "https://index.example:8443/a", "http://index.example/a", "https://[x"):
        assert found.headers(other) == {}


@pytest.mark.parametrize(
    ("reference", "url", "says"),
    [
        ("env:MISSING", URL, "environment variable MISSING, named in a source's credentials, is not set"),
        ("env:TOKEN:EMPTY", URL, "EMPTY, named"),
        ("env:ODD", URL, "ODD holds what can't be sent"),
        ("env:TOKEN", "http://index.example/simple/", "no https address"),
        ("env:TOKEN", "http://127.0.0.1.example/simple/", "no https address"),
        ("netrc", "https://other.example/", "has no entry for other.example"),
        (SECRET, URL, 'are "env:TOKEN"'),
    ],
)
def test_what_is_missing_is_said_without_them(reference: str, url: str, says: str, tmp_path: Path) -> None:
    """A variable that isn't set, an address in the clear, a host that netrc lacks: one line, no secret in it."""
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine index.example login them password {SECRET}\ndefault login any password {SECRET}\n")
    variables = {"TOKEN": SECRET, "EMPTY": " ", "ODD": f"{SECRET}\nX-Evil: 1", "NETRC": str(netrc)}
    with pytest.raises(ConfigurationError) as error:
        find_credentials(reference, url, variables)
    assert says in str(error.value)
    assert SECRET not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_broken_netrc_is_named_by_its_line(tmp_path: Path) -> None:
    """What netrc's reader stumbles over may be the password: only the line's number is told."""
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine index.example login them passwort {SECRET}\n")
    with pytest.raises(ConfigurationError, match=r"no netrc file \(line \d+\)") as error:
        find_credentials("netrc", URL, {"NETRC": str(netrc)})
    assert SECRET not in str(error.value)
    assert error.value.__cause__ is None


@pytest.mark.parametrize(
    "line",
    [
        f'index = "https://me:{SECRET}@index.example/simple/"',
        f'location = "https://{SECRET}@docs.example/{{version}}/"',
        f'location = "//me:{SECRET}@docs.example/"',
        f'url = "https://me:{SECRET}@docs.example/"',
        f'proxy = "http://me:{SECRET}@proxy.example:3128"',
        f'credentials = "{SECRET}"',
        f'credentials = "env:{SECRET}"',
        f'credentials = ["{SECRET}"]',
        f'credentials = {{ token = "{SECRET}" }}',
    ],
)
def test_a_domain_file_with_a_secret_is_refused_without_showing_it(line: str, tmp_path: Path) -> None:
    """A password in an address, or a token where its variable's name belongs, is refused and not repeated."""
    path = tmp_path / "lib.toml"
    path.write_text(f'[[library]]\nname = "lib"\nversions = ["1", "2"]\n\n[[library.source]]\n{line}\n')
    with pytest.raises(ConfigurationError) as error:
        load_domain(str(path), {})
    assert SECRET not in str(error.value)
    assert "credentials" in str(error.value)


def test_addresses_are_told_without_their_logins() -> None:
    """User and password go out of every address in a text; the rest stays."""
    assert without_login(f"from https://me:{SECRET}@a.example/x and http://b.example/@c") == (
        "from https://***@a.example/x and http://b.example/@c"
    )
    assert has_login("https://token@a.example/") and not has_login("https://a.example/@x")
