"""What is sent to a port that speaks HTTP: the host's, the emulator's, an endpoint's."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.attack.drawn import drawn
from tests.attack.wire import REFUSED, SILENT, Raw, request

OK = frozenset({200, 202, 204})


def protocol(path: str, key: str) -> list[Raw]:
    """Cases about HTTP itself; `path` takes POST with the key."""
    auth = {"x-functions-key": key, "Authorization": f"Bearer {key}"}
    chunked = auth | {"Transfer-Encoding": "chunked"}
    post = request("POST", path, auth | {"Content-Length": "2"}, b"{}")
    smuggled = request("GET", "/admin/host/status")
    return [
        Raw("no HTTP", (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,)),
        Raw("nothing but ends of lines", (b"\r\n" * 5000,), REFUSED | {SILENT}),
        Raw("HTTP/0.9", (b"GET /\r\n\r\n",), REFUSED | OK),
        Raw("HTTP/9.9", (request("GET", "/").replace(b"1.1", b"9.9"),), REFUSED | OK),
        Raw("no such method", (request("BREW", path, auth),)),
        Raw("a method of 8,000 letters", (request("X" * 8000, path, auth),)),
        Raw("TRACE", (request("TRACE", path, auth),)),
        Raw("CONNECT", (request("CONNECT", "example.org:443"),)),
        Raw("a proxy's line", (request("GET", "http://example.org/x"),), REFUSED | OK),
        Raw("a path of 100 KB", (request("GET", "/" + "a" * 100_000, auth),)),
        Raw("a header of 1 MB", (request("GET", path, auth | {"X-Large": "a" * 1_000_000}),)),
        Raw("10,000 headers", (request("GET", path, auth | {f"X-{i}": "1" for i in range(10_000)}),)),
        Raw("a header without a colon", (request("GET", path).replace(b"\r\n\r\n", b"\r\nnothing\r\n\r\n"),)),
        Raw("a NUL in a header", (request("GET", path, auth | {"X-A": "a\x00b"}),)),
        Raw("a key of 60 KB", (request("GET", path, {"x-functions-key": "k" * 60_000}),)),
        Raw("a key that is no text", (request("GET", path, {"x-functions-key": "\udcff\udcfe"}),)),
        Raw("a negative length", (request("POST", path, auth | {"Content-Length": "-1"}, b"{}"),)),
        Raw("a length of words", (request("POST", path, auth | {"Content-Length": "two"}, b"{}"),)),
        Raw("a length beyond 64 bits", (request("POST", path, auth | {"Content-Length": "9" * 30}, b"{}"),)),
        Raw("a terabyte announced", (request("POST", path, auth | {"Content-Length": str(2**40)}, b"{}"),)),
        Raw("two lengths", (request("POST", path, auth | {"Content-Length": "2", "content-length": "20"}, b"{}"),)),
        Raw("length and chunks", (request("POST", path, chunked | {"Content-Length": "2"}, b"0\r\n\r\n"),)),
        Raw("chunks twice", (request("POST", path, auth | {"Transfer-Encoding": "chunked, chunked"}, b"0\r\n\r\n"),)),
        Raw("a coding nobody has", (request("POST", path, auth | {"Transfer-Encoding": "x"}, b"0\r\n\r\n"),)),
        Raw("a chunk of no size", (request("POST", path, chunked, b"zz\r\n\r\n"),)),
        Raw("a chunk larger than memory", (request("POST", path, chunked, b"f" * 16 + b"\r\n{}"),), REFUSED | {SILENT}),
        Raw("one request inside another", (request("POST", path, auth | {"Content-Length": str(len(smuggled))}, smuggled),)),
        Raw("a request after another", (post + smuggled,), REFUSED | OK),
        Raw("a body letter by letter", tuple(post[i : i + 1] for i in range(len(post))), REFUSED | OK, 0.01),
    ]  # fmt: skip


def paths(key: str, prefix: str = "/api") -> list[Raw]:
    """Paths and ids with tricks in them, asked for with the key: none of them is there."""
    tricks = [
        "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fhost.json", "/..;/admin/host/status", "//admin/host/keys",
        "/runs/..%2f..%2fserving", "/runs/%00", "/runs/a%0d%0aX-Set:1", "/runs/%ff%fe", "/runs/" + "a" * 5000, "/runs/1-1-a1",
        "/runs/-1", "/runs/bank-0-a0", "/runs/bank-1-a1%2fledger", "/score/%2e%2e", "/score/..%5c..", "/datasets/x",
        "/endpoints/%2e%2e/swagger.json", "/endpoints/127.0.0.1/swagger.json", "/endpoints/http:%2f%2fexample.org/swagger.json",
        "/docs/..%2fdocs.html", "/docs/%2e%2e/%2e%2e/http.py", "/docs/swagger-ui/..%2f..%2f..%2fhost.json", "/docs/.env",
        "/local.settings.json", "/keys.json", "/runs?limit=-1", "/runs?limit=1e9", "/runs?cursor=%00",
        "/runs?cursor=" + "A" * 4000,
        "/runs?state=__class__", "/runs?limit=0x10", "/datasets?cursor=e30", "/score/bank/batch/..%2fx", "/runs/{id}", "/runs/*",
    ]  # fmt: skip
    auth = {"x-functions-key": key}
    return [Raw(trick, (request("GET", prefix + trick, auth),)) for trick in tricks]


def bodies(path: str, key: str) -> list[Raw]:
    """Bodies for a door that takes JSON and CSV: all of them are refused."""
    kinds = {
        "deep": b"[" * 100_000, "deep map": b'{"data":' * 20_000, "a huge number": b'{"data":[{"a":' + b"9" * 100_000 + b"}]}",
        "NaN": b'{"data":[{"a":NaN}]}', "half a character": b'{"data":[{"a":"\\ud800"}]}', "no UTF-8": b'{"data":[{"a":"\xff"}]}',
        "nothing": b"", "null": b"null", "a word": b'"data"', "no rows": b'{"data":[]}', "a number": b"1e999",
        "both shapes": b'{"data":[{}],"input_data":{}}', "a proto": b'{"__proto__":{"x":1},"data":[{"__class__":1}]}',
        "doubled keys": b'{"data":[],"data":[{"a":1}]}', "NUL": b"\x00" * 100,
        "many rows": b'{"data":[' + b"{}," * 50_000 + b"{}]}",
    }  # fmt: skip
    tables = {
        "long header": b"a" * 200_000 + b",b\n1,2\n", "lone CR": b"a\rb,c\n1,2\n",
        "open quote": b'a,b\n"1,2\n',
        "NUL in CSV": b"a,b\n\x00,1\n", "commas": b"," * 100_000, "ends": b"\n" * 100_000, "no header": b"\n1,2\n",
    }  # fmt: skip
    auth = {"x-functions-key": key, "Authorization": f"Bearer {key}"}

    def posted(name: str, body: bytes, **headers: str) -> Raw:
        given = auth | {name.replace("_", "-"): value for name, value in headers.items()}
        return Raw(name, (request("POST", path, given | {"Content-Length": str(len(body))}, body),))

    return [
        *(posted(name, body, Content_Type="application/json") for name, body in kinds.items()),
        *(posted(name, body, Content_Type="text/csv") for name, body in tables.items()),
        posted(
            "compressed", b"\x1f\x8b" + b"x" * 100, Content_Type="application/json", Content_Encoding="gzip"
        ),
        posted("xml", b"<a/>", Content_Type="application/xml"),
        posted("a charset nobody has", b"{}", Content_Type="application/json; charset=x-none"),
        posted("a key of blanks", b"{}", Content_Type="application/json", Idempotency_Key=" " * 400),
    ]


def generated(path: str, key: str, count: int, number: int) -> list[Raw]:
    """Requests whose lines, headers and bodies are drawn; each is refused."""
    token = st.text(
        st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=":"), min_size=1, max_size=20
    )
    value = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60)
    names = st.sampled_from(
        [
            "Content-Type",
            "Accept",
            "Range",
            "If-Match",
            "traceparent",
            "Expect",
            "Origin",
            "Idempotency-Key",
            "Cookie",
        ]
    )
    headers = st.dictionaries(names | token, value, max_size=5)
    body = st.binary(max_size=200) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace"))
    method = st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])

    def build(verb: str, extra: dict[str, str], sent: bytes) -> Raw:
        given = {"x-functions-key": key, **extra, "Content-Length": str(len(sent))}
        return Raw(
            f"{verb} {extra} {sent[:30]!r}",
            (request(verb, path, given, sent),),
            REFUSED | {304, 406, 416, 417},
        )

    return drawn(st.builds(build, method, headers, body), count, number)
