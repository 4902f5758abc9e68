"""What goes over the wire: a notice as plain JSON, as Slack's blocks, as a Teams card; and its signature. Pure.

Slack: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
Teams: a workflow "when a Teams webhook request is received" takes a message with Adaptive Cards and nothing else
(https://learn.microsoft.com/connectors/teams/#microsoft-teams-webhook); 28 KB at most.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable
from typing import Any

from shared.domain.documents import to_json
from shared.domain.notify.notices import Notice

SIGNATURE, EVENT_ID, EVENT = "x-dropml-signature", "x-dropml-event-id", "x-dropml-event"
#: Of the plain form; a receiver may tell a later one by it.
VERSION = 1
_TITLES = {
    "quarantined": "File refused",
    "suspicious": "Suspicious file",
    "failed": "Run failed",
    "rejected": "Model rejected",
    "awaiting_approval": "Approval wanted",
    "live": "Model live",
    "rolled_back": "Rolled back",
    "drift": "Drift",
    "unserved": "Callers in trouble",
    "cap_reached": "Limit reached",
    "held": "Training waits",
    "poison_message": "File could not be processed",
    "dead": "Notification lost",
}
_GOOD = frozenset({"live"})
_MARKDOWN = re.compile(r"([\\`*_\[\]#>~|])")


def body(notice: Notice, form: str, base: str) -> bytes:
    """The request's body; `base` is where people reach the app, and links begin with it where there is one."""
    link = base.rstrip("/") + notice.link if base and notice.link else ""
    return json.dumps(_FORMS[form](notice, link), ensure_ascii=False, separators=(",", ":")).encode()


def headers(notice: Notice, content: bytes, secret: str, at: float) -> dict[str, str]:
    """With the signature where there is a secret: `t` is when it was sent, in unix seconds."""
    told = {"content-type": "application/json; charset=utf-8", EVENT_ID: notice.id, EVENT: notice.event}
    if secret:
        told[SIGNATURE] = f"t={int(at)},v1={signature(content, secret, int(at))}"
    return told


def signature(content: bytes, secret: str, at: int) -> str:
    """Hex HMAC-SHA256 of `{at}.{body}`: an old request can't be sent again under a new time."""
    return hmac.new(secret.encode(), f"{at}.".encode() + content, hashlib.sha256).hexdigest()


def _plain(notice: Notice, link: str) -> dict[str, Any]:
    return {**to_json(notice), "link": link or notice.link, "version": VERSION}


def _title(notice: Notice) -> str:
    return _TITLES.get(notice.event, notice.event) + (f": {notice.dataset}" if notice.dataset else "")


def _slack(notice: Notice, link: str) -> dict[str, Any]:
    title, sentence, remedy = (_escaped(t) for t in (_title(notice), notice.sentence, notice.remedy))
    lines = [f"*{title}*", sentence, *([f"_What to do:_ {remedy}"] if remedy else [])]
    text = {"type": "mrkdwn", "text": "\n".join(lines)}
    said = [each for each in (notice.run_id, notice.code, f"<{link}|open>" if link else "") if each]
    context = {"type": "context", "elements": [{"type": "mrkdwn", "text": " · ".join(said)}]}
    blocks = [{"type": "section", "text": text}, *([context] if said else [])]
    return {"text": f"{title}. {sentence}", "blocks": blocks}


def _escaped(text: str) -> str:
    """https://docs.slack.dev/messaging/formatting-message-text#escaping: three characters steer, and no link is ours to make."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _teams(notice: Notice, link: str) -> dict[str, Any]:
    def block(text: str, **more: object) -> dict[str, Any]:
        return {"type": "TextBlock", "text": _MARKDOWN.sub(r"\\\1", text), "wrap": True, **more}

    colour = "Good" if notice.event in _GOOD else "Attention"
    blocks = [block(_title(notice), weight="Bolder", size="Medium", color=colour), block(notice.sentence)]
    if notice.remedy:
        blocks.append(block(f"What to do: {notice.remedy}"))
    facts = [{"title": t, "value": v} for t, v in (("Run", notice.run_id), ("Code", notice.code)) if v]
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [*blocks, *([{"type": "FactSet", "facts": facts}] if facts else [])],
    }
    if link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open", "url": link}]
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return {"type": "message", "attachments": [attachment]}


_FORMS: dict[str, Callable[[Notice, str], dict[str, Any]]] = {
    "json": _plain,
    "slack": _slack,
    "teams": _teams,
}
