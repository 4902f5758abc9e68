"""A listing for clients that take the first part of the proxy's path for a container.

mltable and azureml-fsspec read `https://localhost:PORT/_storage/NAME.blob.core.windows.net/{container}/{path}` as the
blob `NAME.blob.core.windows.net/{container}/{path}` of a container `_storage`. Blobs are found at that address all the
same; a list of them must be asked of the real container, and its names told in their way.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode

_NAMED = re.compile(r"<(Name|Prefix)>([^<]*)</\1>")


def real_listing(query: str) -> tuple[str, str, str] | None:
    """(what stands before each name, the real container, the query to ask it with); None for another query."""
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    host, _, rest = parameters.get("prefix", "").partition("/")
    container, _, prefix = rest.partition("/")
    if parameters.get("comp") != "list" or parameters.get("restype") != "container" or not container:
        return None
    before = f"{host}/{container}/"
    return before, container, urlencode({**parameters, "prefix": prefix})


def told(xml: str, before: str) -> str:
    """The real listing with names as the client asked for them."""
    return _NAMED.sub(lambda found: f"<{found[1]}>{before}{found[2]}</{found[1]}>", xml)
