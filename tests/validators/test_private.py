"""Secrets and personal data are found, and what tests are full of is not taken for them."""

from __future__ import annotations

import time

import pytest

from validators.curation.private import Privacy


@pytest.mark.parametrize(
    "line",
    [
        'key = "AKIAIOSFODNN7EXAMPL3"',
        'token = "ghp_' + "a1B2" * 9 + '"',
        "-----BEGIN RSA " + "PRIVATE KEY-----",
        "url = 'redis://joe:s3cr3t@db.acme.io/0'",
        "sk_live_" + "a1B2c3D4" * 3,
        'token = "ghp_' + "a1B2" * 9 + '"  # pragma: allowlist secret',
        "urls = 'redis://user:pass@host/0 redis://joe:s3cr3t@db.acme.io/0'",
    ],
)
def test_a_credential_is_a_secret(line: str) -> None:
    """A credential that its shape gives away is a secret, between whatever lines it stands."""
    text = f"x = 1\nmail me@acme.io\n{line}\ny = 2"
    found = Privacy([text]).found_in(text)
    assert found is not None
    assert found.is_secret
    assert "secret" in found.what


@pytest.mark.parametrize(
    ("line", "what", "masked"),
    [
        ("Ada <ada.l@engines.ac.uk>, x@example.com", "an address of mail", "Ada <name@example.com>, x@example.com"),
        ('user = "ada@engines.com"', "an address of mail", 'user = "name@example.com"'),
        ("call +49 30 1234567 now", "a telephone number", "call +0 000 000 now"),
        ('phone = "+1 (212) 736-5000"', "a telephone number", 'phone = "+0 000 000"'),
    ],
)
def test_personal_data_is_masked_in_texts(line: str, what: str, masked: str) -> None:
    """Addresses of mail and telephone numbers are found, and can be replaced; what stands around them stays."""
    text = f"First.\r\n{line}\nLast."
    privacy = Privacy([text])
    found = privacy.found_in(text)
    assert found is not None
    assert (found.what, found.is_secret) == (what, False)
    assert privacy.masked(text) == f"First.\r\n{masked}\nLast."
    assert Privacy([masked]).found_in(masked) is None


@pytest.mark.parametrize(
    "line",
    [
        "x = A@B.dot(c)",
        "x = A @ B.T + a@b.at[0]",
        "mail = 'foo@example.com'",
        "git clone git@github.com:a/b.git",
        "x = 1 +1234567890",
        "digest = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'",
        "password = 'secret'",
        "@pytest.fixture(scope='module')",
        "test_single_source_dijkstra_path_length_2 = 3",
        "\x0c",
        "r = x@y.values",
        "r = a.weights@b.columns + c",
        "e = create_engine('postgresql://user:pass@server:5432/db')",
        "engine = create_engine('oracle://scott:tiger@db.acme.io:1521/x')",
        "url = f'https://{name}:{password}@api.acme.io/v1'",
        "proxies = {'http': 'http://username:password@proxy.acme.io:3128'}",
        "url = 'mysql://root:s3cr3tX9@localhost:3306/db'",
        "url = 'ftp://joe:s3cr3tX9@ftp.example.com/x'",
    ],
)
def test_what_tests_are_full_of_is_fine(line: str) -> None:
    """Operators, reserved domains, repositories, numbers, hashes, made-up passwords and local hosts are fine."""
    privacy = Privacy([line])
    assert privacy.found_in(line) is None
    assert privacy.masked(f"{line}\n{line}") == f"{line}\n{line}"


def test_a_secret_is_masked_with_its_line() -> None:
    """In a text the line of a token gives way to a placeholder; a private key can't be masked."""
    text = "def f():\n    token = 'ghp_" + "a1B2" * 9 + "'\n    return token\n"
    assert Privacy([text]).masked(text) == "def f():\n    ...\n    return token\n"
    key = f"mail me@acme.io\n{text}-----BEGIN RSA {'PRIVATE'} KEY-----\nMIIB\n"
    found = Privacy([key]).found_in(key)
    assert found is not None
    assert not found.is_masked


def test_a_text_is_looked_through_once_however_much_was_found() -> None:
    """Eight times as many texts, each with an address of its own, take about eight times as long, not sixty-four."""

    def seconds(count: int) -> float:
        texts = [f"a = {n}\nmail = 'who{n}@acme.io'\n" + "x = 1\n" * 20 for n in range(count)]
        privacy = Privacy(texts)
        since = time.process_time()
        assert all(privacy.found_in(text) for text in texts)
        return time.process_time() - since

    few = min(seconds(500) for _ in range(3))
    assert seconds(4000) < 24 * few
