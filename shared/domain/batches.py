"""Rules of batch scoring that the OpenAPI document tells too."""

#: Path of a blob below its container: segments that don't begin with a dot, no control characters, no backslash.
BLOB_PATH_PATTERN = r"[^/.\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*(/[^/.\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*)*"
MAX_BLOB_PATH = 1024
