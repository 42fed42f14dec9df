"""Requests that mean harm, drawn from a seed."""

from collections.abc import Callable, Mapping
from io import BytesIO
from random import Random
from typing import Any

from acceptance.attack import Attack, form, png, request, search

_NAMED = b"Content-Disposition: form-data; name="
_CASE = {"cases": [{"id": "c001"}]}
_PATHS = (
    "../../../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/etc/passwd",
    "/etc/passwd",
    "....//etc/passwd",
    "%00",
    "a%00.png",
    "file:///etc/passwd",
    "http://169.254.169.254/latest",
    "\\\\host\\share",
    "%c0%ae%c0%ae/",
    "C:%5C",
)
_SQL = (
    "'; DROP TABLE rows; --",
    "1 == 1",
    "finding == '1' or '1' == '1'",
    "id in (SELECT id FROM rows)",
    "__import__('os')",
    "().__class__",
    "finding == 'a' UNION SELECT 1",
    "finding\x00 == 'a'",
    "(" * 900,
    "not " * 400 + "a == 1",
    "a == 1e999",
    "a == " + "9" * 1500,
    "finding == '\ud800'",
    'case == "x" -- ',
    "lambda: 0",
    "a" * 1999,
)
_ODD = (
    "",
    "\x00",
    "\ud800",
    "\u202e",
    "\U0001f9e0" * 50,
    "e\u0301" * 500,
    "\ufeff",
    "\u2028",
    "\x1b[31m",
    "a" * 513,
    "%s%n",
    "{0}",
    "NaN",
)
_VALUES: tuple[Any, ...] = (None, True, -1, 0, 1e308, 2**70, "x", [], {}, [[]], {"a": 1}, "9", 1.5, ["x"] * 100)


def _sound(drawn: Random) -> Attack:
    return Attack((search({**_CASE, "k": drawn.randint(1, 20)}),))


def _oversize(drawn: Random) -> Attack:
    size = drawn.choice((300_000, 1_000_000, 20_000_000))
    if drawn.random() < 0.5:
        said = {"Content-Type": "application/json", "Content-Length": str(drawn.choice((size, 10**12, 10**30)))}
        return Attack((request("POST", "/v1/search", b"", said), b"x" * 1000), refused=True)
    head = request("POST", "/v1/search", b"", {"Content-Type": "application/json", "Transfer-Encoding": "chunked"})
    return Attack((head, *([b"10000\r\n" + b"x" * 65_536 + b"\r\n"] * 6), b"0\r\n\r\n"), refused=True)


def _bomb(drawn: Random) -> Attack:
    side = drawn.choice((8_000, 20_000, 60_000, 2**31 - 1))
    rows = drawn.choice((b"", b"\0" * 10_000_000))
    return Attack((form(png(side, side, rows), name=drawn.choice((*_PATHS[4:5], "a.png"))),), refused=True)


def _image(drawn: Random) -> Attack:
    from PIL import Image

    buffer = BytesIO()
    Image.new("L", (20, 20)).save(buffer, drawn.choice(("PNG", "JPEG", "TIFF", "GIF", "WEBP", "BMP")))
    content = bytearray(buffer.getvalue())
    for _ in range(drawn.randint(1, 30)):
        content[drawn.randrange(len(content))] = drawn.randrange(256)
    cut = bytes(content)[: drawn.randint(1, len(content))]
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n"
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="http://169.254.169.254/"/></svg>'
    return Attack(
        (form(drawn.choice((cut, bytes(content), script, svg, b"", b"PK\x03\x04", drawn.randbytes(500)))),),
        refused=True,
    )


def _types(drawn: Random) -> Attack:
    key = drawn.choice(("text", "cases", "in", "where", "k", "quotas", "image_weights", "url", "image", "__proto__"))
    return Attack((search({"cases": [{"id": "c001"}], key: drawn.choice(_VALUES)}),))


def _json(drawn: Random) -> Attack:
    bad = (
        b"[" * 100_000,
        b'{"k":' * 20_000,
        b"",
        b"null",
        b"NaN",
        b'{"k": NaN}',
        b"\xff\xfe\x00",
        b'{"k":1,"k":',
        b"{}",
        b"[]",
        b'"x"',
    )
    return Attack((search(drawn.choice(bad)),), refused=True)


def _path(drawn: Random) -> Attack:
    start = drawn.choice(
        ("/v1/items/image/", "/v1/cases/", "/static/", "/docs/", "/v1/permalinks/", "/", "/v1/items/", "//")
    )
    end = drawn.choice(("", "/thumbnail", "?x=../..", ";a=b", "#"))
    return Attack(
        (
            request(
                drawn.choice(("GET", "GET", "HEAD", "DELETE")), start + drawn.choice(_PATHS).replace(" ", "%20") + end
            ),
        ),
        refused=True,
        may_close=True,
    )


def _header(drawn: Random) -> Attack:
    name, value = drawn.choice(
        (
            ("Host", "evil.example"),
            ("Host", ""),
            ("Host", "localhost@evil.example"),
            ("Host", "localhost, evil"),
            ("Host", "a" * 3000),
            ("Origin", "https://evil.example"),
            ("Origin", "null"),
            ("Content-Length", "-1"),
            ("Content-Length", "1, 2"),
            ("Content-Length", "0x10"),
            ("Transfer-Encoding", "gzip, chunked"),
            ("Sec-Fetch-Site", "cross-site"),
            ("X" * 40_000, "a"),
            ("Authorization", "Bearer " + "a" * 9000),
            ("A", "b" * 40_000),
            ("Content-Type", "text/xml"),
            ("Content-Type", "\xff"),
            ("Content-Type", "multipart/form-data"),
            ("Content-Type", "multipart/form-data; boundary=" + "b" * 300),
            ("Expect", "200-nothing"),
        )
    )
    headers = {"Content-Type": "application/json", "Content-Length": "2", name: value}
    host = headers.pop("Host", "localhost")
    return Attack((request("POST", "/v1/search", b"{}", headers, host),), refused=True, may_close=True)


def _smuggled(drawn: Random) -> Attack:
    inner = b"GET /v1/archive HTTP/1.1\r\nHost: evil\r\n\r\n"
    both = {"Content-Type": "application/json", "Transfer-Encoding": "chunked", "Content-Length": "5"}
    raw = (
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"GET /\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\0" * 200,
        b"GET / HTTP/1.1\nHost: localhost\nHost: evil\n\n",
        b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\n folded: x\r\n\r\n",
    )
    body = request("POST", "/v1/search", b"", both) + b"0\r\n\r\n" + inner
    return Attack((drawn.choice((*raw, body)),), refused=True, may_close=True)


def _filter(drawn: Random) -> Attack:
    return Attack((search({**_CASE, "where": drawn.choice(_SQL)}),))


def _unicode(drawn: Random) -> Attack:
    odd = drawn.choice(_ODD)
    key = drawn.choice(
        (
            ("cases", [{"id": odd}]),
            ("in", [odd]),
            ("text", [{"value": odd or "x"}]),
            ("where", f"finding == '{odd}'"),
            ("quotas", {odd: 1}),
        )
    )
    return Attack((search({"cases": [{"id": "c001"}], key[0]: key[1]}),))


def _parts(drawn: Random) -> Attack:
    boundary = drawn.choice((b"--BOUND", b"--BOUND--", b"BOUND"))
    body = drawn.choice(
        (
            boundary,
            boundary + b"\r\n" * 5000,
            b"--BOUND\r\n" + _NAMED + b'"query"\r\n\r\n{}\r\n' * 50 + b"--BOUND--",
            b"--BOUND\r\n" + b"A: b\r\n" * 5000 + b"\r\nx\r\n--BOUND--",
            b"--BOUND\r\n" + _NAMED + b'"image"; filename="/etc/passwd"\r\n\r\nx\r\n--BOUND--',
        )
    )
    return Attack(
        (request("POST", "/v1/search", body, {"Content-Type": "multipart/form-data; boundary=BOUND"}),), refused=True
    )


def _half(drawn: Random) -> Attack:
    whole = search(_CASE)
    return Attack((whole[: drawn.randrange(len(whole))],), half=True)


def _method(drawn: Random) -> Attack:
    method = drawn.choice(("TRACE", "CONNECT", "OPTIONS", "PUT", "PATCH", "PROPFIND", "DELETE", "A" * 500))
    return Attack(
        (request(method, drawn.choice(("/v1/search", "/v1/archive", "/", "*", "http://evil.example/"))),),
        refused=True,
        may_close=True,
    )


KINDS: Mapping[str, Callable[[Random], Attack]] = {
    "sound": _sound,
    "oversize": _oversize,
    "bomb": _bomb,
    "image": _image,
    "types": _types,
    "json": _json,
    "path": _path,
    "header": _header,
    "smuggled": _smuggled,
    "filter": _filter,
    "unicode": _unicode,
    "parts": _parts,
    "half": _half,
    "method": _method,
}
