"""closegap serve: an archive over HTTP."""

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentParser

from closegap.bounds import PositiveFloat, PositiveInt
from closegap.cli.arguments import parse, verb_parser
from closegap.errors import UsageError, needs

_DESCRIPTION = """Answer questions to an archive over HTTP, and show a page to ask them on. Without --keys only this
machine may ask; `closegap keys make` makes keys.

  closegap serve archive
  closegap serve archive --host 0.0.0.0 --keys keys.json --log audit.jsonl --certificate a.pem --certificate-key b.pem
  closegap serve archive --port 8080 --workers 4 --keys keys.json --name search.example.org

New rows and corrections are seen by the next question, an archive that was built anew in the folder, too. No file is
opened by a client's path, and no address of a client's is fetched. On SIGTERM, requests that are being answered end.
Image limits, roles, log, metrics: docs/deploy.md."""


def parser() -> ArgumentParser:
    """Where it listens, to whom, and how much it takes."""
    found = verb_parser("serve", _DESCRIPTION)
    found.add_argument("archive", type=Path, help="the archive's folder")
    found.add_argument("--host", type=str, default="127.0.0.1", help="the address to bind")
    found.add_argument("--port", type=PositiveInt, default=8000, help="the port to bind")
    found.add_argument("--keys", type=Path | None, default=None, help="the file of the keys that may ask")
    found.add_argument("--log", type=Path | None, default=None, help="the audit log; made if needed")
    found.add_argument("--name", type=str, nargs="+", default=[], help="further host names that clients may call it by")
    found.add_argument("--workers", type=PositiveInt, default=1, help="processes, each with a model of its own")
    found.add_argument("--rate", type=PositiveFloat, default=10.0, help="requests a second of a key")
    found.add_argument("--burst", type=PositiveInt, default=40, help="requests of a key at once")
    found.add_argument("--max-upload", type=PositiveInt, default=16, help="MiB of a request with images")
    found.add_argument("--max-pixels", type=PositiveInt, default=50_000_000, help="of an image")
    found.add_argument("--max-k", type=PositiveInt, default=200, help="hits of an answer")
    found.add_argument("--certificate", type=Path | None, default=None, help="a TLS certificate, for HTTPS")
    found.add_argument("--certificate-key", type=Path | None, default=None, help="its key")
    return found


def main(arguments: Sequence[str]) -> None:
    """Serve until stopped."""
    given = parse(parser(), arguments)
    keys: Path | None = given["keys"]  # a Namespace has a method of that name
    from closegap.search.service.settings import Settings, is_loopback

    if keys is None and not is_loopback(given.host):
        raise UsageError(
            f"--host {given.host}: other machines reach it, and there are no keys; make some with `closegap keys make`"
            " and give --keys, or leave --host out"
        )
    if given.port > 65_535:
        raise UsageError(f"--port {given.port}: expected a number up to 65535")
    if (given.certificate is None) != (given.certificate_key is None):
        raise UsageError("--certificate, --certificate-key: one without the other; give both")
    for option in ("certificate", "certificate_key"):
        path = getattr(given, option)
        if path is not None and not path.is_file():
            raise UsageError(f"--{option.replace('_', '-')} {path}: no such file; name one in PEM")
    with needs("search"):
        from closegap.search.service.server import serve
    from closegap.cli.console import say
    from closegap.search.archive.archive import open as open_archive

    with open_archive(given.archive):  # what is wrong with it is said before anything listens
        pass
    if keys is not None:
        from closegap.search.service.keys import read_keys

        read_keys(keys)
    if given.log is not None:
        from closegap.search.service.trail import Trail

        Trail(given.log)
    scheme = "http" if given.certificate is None else "https"
    say(f"{given.archive}: {scheme}://{given.host}:{given.port}/ (Ctrl+C stops)")
    serve(
        Settings(
            archive=str(given.archive.resolve()),
            host=given.host,
            port=given.port,
            keys=_text(keys),
            log=_text(given.log),
            names=tuple(given.name),
            workers=given.workers,
            rate=given.rate,
            burst=given.burst,
            upload=given.max_upload * 2**20,
            pixels=given.max_pixels,
            most=given.max_k,
            certificate=_text(given.certificate),
            certificate_key=_text(given.certificate_key),
        )
    )


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path.resolve())
