"""fsspec, the one library that all stores are reached by: which of its parts serves an address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from esc_cli.errors import MissingExtraError, SetupError, UsageError
from esc_cli.files.http import OFFLINE, is_offline
from esc_cli.files.remote.address import Given

if TYPE_CHECKING:
    import aiohttp

WHOLE_OR_NOTHING = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "memory"}
"""Stores in which an upload shows under its name when it is complete, or not at all."""
_OF_THE_EXTRA = WHOLE_OR_NOTHING | {"http", "https"}
_ON_THIS_MACHINE = {"file", "local", "memory"}
_SILENCE_S = 30.0
_TRIES_OF_S3FS = 3
"""Within one transfer, so that a long one that was cut goes on where it was."""


def open_library(given: Given) -> tuple[Any, str]:
    """The file system of an address, and the path of the address in it. Connects to nothing.

    Raises UsageError for a kind of address that nobody knows, MissingExtraError for one whose
    library is not installed, and SetupError where connections are forbidden.
    """
    if is_offline() and given.scheme not in _ON_THIS_MACHINE:
        what = f"{given.shown}: connections are forbidden by {OFFLINE}"
        raise SetupError(what, advice=f"leave {OFFLINE} out")
    try:
        import fsspec

        kind = fsspec.get_filesystem_class(given.scheme)
        options = _options(given.scheme)
        file_system, path = fsspec.core.url_to_fs(given.raw, **options)
    except ImportError as error:
        raise _not_installed(given, error) from error
    except ValueError as error:
        if "rotocol" not in str(error):
            raise UsageError(f"{given.shown}: {given.hide(str(error))}") from error
        what = f"{given.shown}: {given.scheme}:// is no kind of address that is known"
        raise UsageError(
            what, advice="s3://, gs://, az://, https://, or another of fsspec"
        ) from error
    if kind.protocol == ("s3", "s3a"):
        file_system.retries = _TRIES_OF_S3FS
    return file_system, str(path)


def _not_installed(given: Given, error: ImportError) -> MissingExtraError:
    what = f"{given.shown}: {given.scheme}:// needs a library that is not installed"
    if given.scheme in _OF_THE_EXTRA:
        return MissingExtraError(what, advice="pip install 'esc-cli[remote]'")
    return MissingExtraError(f"{what}: {error}", advice="install it beside esc-cli[remote]")


def _options(scheme: str) -> dict[str, Any]:
    """What is asked of a library beyond its defaults; credentials are its own business.

    What is tried again is decided here (`files.retries`), and not once more in each library.
    """
    options: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
    if scheme in {"s3", "s3a"}:
        # With more parts at a time than one it would hold ten of 50 MB in memory.
        return options | {"config_kwargs": {"retries": {"max_attempts": 0}}, "max_concurrency": 1}
    if scheme in {"http", "https"}:
        return options | {"get_client": _web_client}
    return options


async def _web_client(**options: Any) -> aiohttp.ClientSession:
    """A client that honours proxies and SSL_CERT_FILE, never waits in silence for ever, and stays
    with https."""
    import ssl

    import aiohttp

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(_stay_with_tls)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_SILENCE_S, sock_read=_SILENCE_S)
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context())
    return aiohttp.ClientSession(
        connector=connector, trace_configs=[trace], trust_env=True, timeout=timeout, **options
    )


async def _stay_with_tls(
    _session: aiohttp.ClientSession, _context: Any, redirect: aiohttp.TraceRequestRedirectParams
) -> None:
    goes_to = redirect.url.join(type(redirect.url)(redirect.response.headers.get("Location", "")))
    if redirect.url.scheme == "https" and goes_to.scheme != "https":
        raise PermissionError("it redirects from https to an address without encryption")
