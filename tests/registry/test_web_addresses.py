"""Which addresses are public: none that reaches the inside of anything, in no disguise."""

from __future__ import annotations

import ipaddress

import pytest

from registry.errors import WebError
from registry.web.addresses import checked, is_public

INSIDE = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1
192.0.0.8 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255
240.0.0.1 255.255.255.255
:: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::1 100::1 2001::1
2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1:: 2002:808:808:: 3fff::1 5f00::1 fc00::1 fd12:3456::1 fe80::1
fec0::1 ff02::1 ff0e::1 4000::1
"""
OUTSIDE = "1.1.1.1 8.8.8.8 93.184.215.14 172.15.255.255 172.32.0.1 223.255.255.254 2606:4700::1111 2a00:1450::1"


@pytest.mark.parametrize("address", INSIDE.split())
def test_special_addresses_are_not_public(address: str) -> None:
    """Private, loopback, link-local, multicast, reserved, documentation, and whatever wraps an IPv4 address."""
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", OUTSIDE.split())
def test_ordinary_addresses_are_public(address: str) -> None:
    """What the guard is not for."""
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "", "plain", "//no.scheme/", "file:///etc/passwd", "http:///x", "http://", "http://user@a.test/",
        "http://user:pw@a.test/", "http://a.test:99999/", "http://a.test:x/", "http://a..test/",
        "http://.a.test/", "http://a.test\\@b.test/", "http://a.test/\n", "http://a b.test/", "http://a%00.test/",
        "http://a%2etest/", "http://[::1%25lo]/", "http://[::ffff:127.0.0.1]/", "http://127.1/", "http://0x7f.0.0.1/",
        "http://0177.0.0.1/", "http://2130706433/", "http://127.0.0.1./", "http://１２７.０.０.１/", "http://①②⑦.0.0.1/",
        "http://127。0。0。1/", "http://" + "a" * 64 + ".test/", "http://" + "a." * 130 + "test/", "http://1.2.3.4.5/",
        "http://a.test/" + "x" * 5_000, "http://256.1.1.1/", "http://a_b.0x/", "HTTP://LOCALHOST%2F.test/",
        "http://xn--a/", "http://xn--a.test/",
    ],
)  # fmt: skip
def test_an_address_that_is_none_of_the_web_is_refused(url: str) -> None:
    """No other exception, and the message is one bounded line."""
    with pytest.raises(WebError) as caught:
        checked(url, ())
    assert caught.value.values["outcome"] == "refused"
    assert str(caught.value).isprintable() and len(str(caught.value)) < 900 and "pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("HTTP://Docs.TEST./a/../b?q#f", "http://docs.test/b?q"),
        ("http://docs.test:80/", "http://docs.test/"),
        ("https://bücher.test/ü", "https://xn--bcher-kva.test/%C3%BC"),
        ("http://docs.test", "http://docs.test/"),
        ("http://[2606:4700:0:0::0111]:81/", "http://[2606:4700::111]:81/"),
    ],
)
def test_an_address_has_one_form(url: str, same: str) -> None:
    """Case, dots, default ports and fragments make no difference."""
    assert str(checked(url, ())) == same
