"""Text that is no CSV, known by how it begins: what it is, and how a table is got out of it."""

from __future__ import annotations

import re

from shared.domain.errors import InvalidTable

#: Before the first statement: blanks and comments. Nothing is tried twice, so that no file takes long: a match that goes back
#: over a line of blanks holds all of the process for minutes.
_SQL_ABOVE = r"(?>\s|--[^\n]*\n|#[^\n]*\n|/\*.*?\*/;?)*+"
_PERCENT_ABOVE = r"(?>\s|%[^\n]*\n)*+"
_DASHES = r":?-{2,}+:?"
#: Two dashes may be a value; a line of three and more is drawn.
_DRAWN = (
    r"\s*+(?:\+[-=]{2,}(?:\+[-=]{2,})*\+[ \t]*\n|[^\n]+\n(?=[^\n]*---)[ \t]*"
    rf"{_DASHES}(?:[ \t]*+[|+,;]?[ \t]*+{_DASHES})++[ \t]*\n)"
)
_FROM_SQL = (
    "Load it into its database and export the table as CSV with a header (MySQL, MariaDB: mysql --batch gives a .tsv; "
    "PostgreSQL: \\copy TABLE to 'NAME.csv' csv header; SQLite: sqlite3 -header -csv)"
)
_FORMATS = tuple(
    (re.compile(pattern, re.DOTALL), name, remedy)
    for pattern, name, remedy in (
        (
            r'\s*+(?:\{\s*"|\[\s*[\[{"])',
            "JSON",
            "Export it as CSV, or write one row per object under a header line of their keys",
        ),
        (
            r"\s*+<(?i:!doctype\s+html|html|head|body|table)\b",
            "HTML",
            "Export the table itself as CSV; if this is a sign-in or an error page, fetch the file anew",
        ),
        # A header may be `<DATE>,<TIME>`: an element must stand right before the next one.
        (r"\s*+<(?:\?xml\b|!--|[A-Za-z][^<>]*>[\n ]*<)", "XML", "Export it as CSV"),
        (
            _SQL_ABOVE
            + r"(?i:(?:create|alter|drop|lock|truncate)\s+(?:\w+\s+){0,3}(?:tables?|database|schema)\b|insert\s+(?:\w+\s+)?into\s"
            r"|(?:begin|start|commit)(?:\s+(?:transaction|work))?\s*;\s*\n|pragma\s+\w+|set\s+[@\w.]+\s*(?:=|to\b)|copy\s+\S+\s*\([^()]*\)"
            r"\s+from\s+stdin|use\s+[`\w]+\s*;|select\s+pg_catalog)",
            "SQL",
            _FROM_SQL,
        ),
        (
            _PERCENT_ABOVE + r"@(?i:relation|attribute)\b",
            "ARFF, Weka's format",
            "Save it as CSV in Weka, or make the names behind @attribute the header line and keep the lines below @data",
        ),
        (
            _PERCENT_ABOVE
            + r"(?:\\(?:documentclass|usepackage|begin\s*\{|toprule|hline|table)|[^\n&]*(?:&[^\n&]*)++(?<=\\\\)[ \t]*\n)",
            "LaTeX",
            "Write the rows with commas in place of & and without the commands, or export the table where it came from",
        ),
        (
            rf"\s*+[^\n|]*\|[^\n]*\n[ \t]*(?:\|[ \t]*)?{_DASHES}[ \t]*(?:\|[ \t]*{_DASHES}[ \t]*)*+\|?[ \t]*(?:\n|$)",
            "a table in Markdown",
            "Remove the line of dashes and the bars at both ends of each line, or export the table where it came from",
        ),
        (
            _DRAWN,
            "a table as a database's command line draws it",
            "Have it written as CSV (MySQL: --batch gives a .tsv; PostgreSQL: psql --csv; sqlcmd: without the line of dashes)",
        ),
        (
            r"\s*+(?:[A-Za-z.][\w.]*\s*(?:<-|=)\s*)?(?:structure\(\s*list|data\.frame|tibble|tribble|read\.table|library|readRDS)\s*\(",
            "R code",
            "Run it in R and write the table with write.csv(x, 'NAME.csv', row.names = FALSE)",
        ),
        (
            r"\s*+(?:\*[^\n]*\n\s*)*+(?:in(?:file|fix)\s+)?dictionary\b[^\n{]{0,200}\{",
            "a dictionary of Stata",
            "Read the data with it in Stata, and write them with: export delimited using NAME.csv",
        ),
        (r"\s*+\{\\rtf", "RTF", "Save it as plain text with commas between the values"),
        (
            r"\s*+version https://git-lfs\.github\.com/",
            "a pointer of Git LFS, not the file itself",
            "Fetch the file with: git lfs pull",
        ),
    )
)


def other_format(text: str, line: int) -> InvalidTable | None:
    """The refusal of a file that begins as another format; `line` is the first of `text`."""
    for pattern, name, remedy in _FORMATS:
        if pattern.match(text):
            return InvalidTable(
                f"This is {name}, not CSV: it begins with {text.strip()[:40]!r}.",
                remedy=f"{remedy}, and drop that.",
                code="no-table",
                line=line,
            )
    return None
