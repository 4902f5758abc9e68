"""The page docs/settings.md, written from the settings by `make docs`."""

from __future__ import annotations

from dataclasses import fields

from shared.settings import Settings, variable


def table() -> str:
    """The Markdown table of docs/settings.md."""
    rows = [
        f"| `{variable(f)}` | {f.default!r} | {f.metadata['kind'].takes} | {f.metadata['doc']} |"
        for f in fields(Settings)
    ]
    return "\n".join(["| setting | default | may be | what it is |", "|---|---|---|---|", *rows]) + "\n"


_PAGE = """# Settings

Every setting is an environment variable (an app setting in Azure). Written by `make docs`.

What can't be taken is refused at the first use of the app, all of it at once, with the variable, its value and what may
stand there; `/api/health` answers 503 until it is mended. Capitals don't matter in a choice. The data account is named
by `DATA_STORAGE`, or by the two URIs; `DATA_STORAGE__accountName` and `AzureWebJobsDATA_STORAGE` are refused, for the
blob trigger's extension knows neither.

{table}
Read by the Functions host when it indexes the app: `DATA_STORAGE` or its two URIs, `BLOB_SOURCE`, `INCOMING_CONTAINER`,
`PYTHON_THREADPOOL_THREAD_COUNT`, and

| setting | what it is |
|---|---|
| `LIFECYCLE_SCHEDULE`, `SWEEP_SCHEDULE`, `RETRAIN_SCHEDULE` | NCRONTAB, six fields |

Read by the C library when the process starts: `MALLOC_ARENA_MAX` (2) and `MALLOC_MMAP_THRESHOLD_` (3000000). With them
a file's blocks, 4 MB each, go back to the system at once, whichever thread had them; without them the memory of an app
that takes large files is about half as much again."""

if __name__ == "__main__":
    print(_PAGE.format(table=table()))  # noqa: T201 - a page asked for at a shell
