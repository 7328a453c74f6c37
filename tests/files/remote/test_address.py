"""Addresses are told from paths, and shown without what allows somebody something."""

from __future__ import annotations

import pytest

from esc_cli.errors import UsageError
from esc_cli.files.remote.address import Address, Given, is_address


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("s3://bucket/photos/", "s3://bucket/photos"),
        ("S3://Bucket/a.png", "s3://Bucket/a.png"),
        ("https://me:word@host/a.png", "https://host/a.png"),
        ("sftp://me:word@host/a", "sftp://host/a"),
        ("sftp://me@host/a", "sftp://me@host/a"),
        ("https://h/a.png?id=3&X-Amz-Signature=ab&X-Amz-Date=1", "https://h/a.png?id=3"),
        ("https://h/a.png?sv=1&se=2&sr=b&sp=r&sig=x%2B", "https://h/a.png"),
        ("https://h/a.png?access_token=1&page=2", "https://h/a.png?page=2"),
        ("s3://bucket/what?sig=1.png", "s3://bucket/what?sig=1.png"),
    ],
)
def test_an_address_is_shown_without_its_secrets(given, shown):
    assert Given(given).shown == shown


def test_texts_of_libraries_lose_the_secrets():
    given = Given("https://me:wo%2Brd@host/a.png?sig=x%2By&id=3")
    text = "403 for https://me:wo%2Brd@host/a.png?sig=x%2By&id=3 (x+y)"
    assert given.hide(text) == "403 for https://me:***@host/a.png?sig=***&id=3 (***)"
    assert "sig=" not in repr(given)


def test_paths_are_no_addresses():
    assert not any(map(is_address, ("photos", "a:/b", "C:\\a", "./s3://b", "-", "")))
    assert is_address("s3://b")
    assert Address("https://h/x/a.png?id=3").name == "a.png"


def test_addresses_through_others_are_refused():
    with pytest.raises(UsageError, match="::"):
        Given("zip://a.png::s3://b/a.zip")
