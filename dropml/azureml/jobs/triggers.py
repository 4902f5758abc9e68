"""When a schedule fires: cron (NCronTab) and recurrence triggers, in Windows' or IANA's time zones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tzlocal.windows_tz import win_tz

from dropml.azureml.core.arm import bad_request
from dropml.azureml.core.fields import one_of
from dropml.azureml.core.store import Doc
from dropml.common.ncrontab import NCronTab, ScheduleError

_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_FREQUENCIES = ("Minute", "Hour", "Day", "Week", "Month")
#: A pattern whose interval lets no occurrence through for this long has none.
_SEARCH = 5000


def zone(trigger: Doc) -> tzinfo:
    name = trigger.get("timeZone") or "UTC"
    try:
        return ZoneInfo(win_tz.get(name, name))
    except (ZoneInfoNotFoundError, ValueError):
        raise bad_request(f"The time zone '{name}' is unknown: use a Windows time zone name.") from None


def _moment(text: str | None, where: tzinfo) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise bad_request(f"'{text}' is no time such as 2030-01-31T09:00:00.") from None
    return found if found.tzinfo else found.replace(tzinfo=where)


def _cron_of(trigger: Doc) -> NCronTab:
    """The recurrence's pattern inside a day, week or month as a cron expression."""
    pattern = trigger.get("schedule") or {}
    start = _moment(trigger.get("startTime"), UTC)
    hours = pattern.get("hours") or [start.hour if start else 0]
    minutes = pattern.get("minutes") or [start.minute if start else 0]
    days = pattern.get("monthDays") or (["1"] if trigger["frequency"] == "Month" else [])
    week = [_DAYS.index(one_of(d, _DAYS, "schedule.weekDays")) for d in pattern.get("weekDays") or []]
    if trigger["frequency"] == "Week" and not week:
        week = [((start.weekday() if start else 0) + 1) % 7]

    def text(values: list[object]) -> str:
        return ",".join(str(v) for v in values) or "*"

    return NCronTab.parse(f"0 {text(minutes)} {text(hours)} {text(days)} * {text([*week])}")


def normal(given: object) -> Doc:
    """The trigger as stored; 400 for one that can't fire."""
    if not isinstance(given, dict):
        raise bad_request("The field 'trigger' is required.")
    kind = one_of(given.get("triggerType"), ("Cron", "Recurrence"), "triggerType")
    trigger: Doc = {
        "endTime": given.get("endTime"),
        "startTime": given.get("startTime"),
        "timeZone": given.get("timeZone") or "UTC",
        "triggerType": kind,
    }
    where = zone(trigger)
    for key in ("startTime", "endTime"):
        _moment(trigger[key], where)
    if kind == "Cron":
        trigger["expression"] = given.get("expression")
    else:
        trigger["frequency"] = one_of(given.get("frequency"), _FREQUENCIES, "frequency")
        if not isinstance(given.get("interval"), int) or given["interval"] < 1:
            raise bad_request(f"The interval must be 1 or more, not {given.get('interval')}.")
        trigger |= {"interval": given["interval"], "schedule": given.get("schedule")}
    try:
        if kind == "Cron":
            NCronTab.parse(str(trigger["expression"] or ""))
        elif trigger["frequency"] not in ("Minute", "Hour"):
            _cron_of(trigger)
    except ScheduleError as error:
        raise bad_request(str(error)) from None
    return trigger


def next_fire(trigger: Doc, after: float, created: float) -> float | None:
    """Unix seconds of the first occurrence later than `after`; None once the end time has passed."""
    where = zone(trigger)
    start = _moment(trigger.get("startTime"), where) or datetime.fromtimestamp(created, where)
    end = _moment(trigger.get("endTime"), where)
    since = max(datetime.fromtimestamp(after, UTC), start - timedelta(seconds=1))
    if trigger["triggerType"] == "Cron":
        found: datetime | None = NCronTab.parse(trigger["expression"]).next(since, where)
    elif trigger["frequency"] in ("Minute", "Hour"):
        found = _every(trigger, start, after)
    else:
        found = _pattern(trigger, start, since, where)
    if found is None or (end is not None and found > end):
        return None
    return found.timestamp()


def _every(trigger: Doc, start: datetime, after: float) -> datetime:
    step = trigger["interval"] * (60 if trigger["frequency"] == "Minute" else 3600)
    first = start.timestamp()
    count = 0 if after < first else int((after - first) // step) + 1
    return datetime.fromtimestamp(first + count * step, UTC)


def _pattern(trigger: Doc, start: datetime, since: datetime, where: tzinfo) -> datetime | None:
    cron, interval = _cron_of(trigger), trigger["interval"]
    moment, origin = since, start.astimezone(where)
    for _ in range(_SEARCH):
        moment = cron.next(moment, where)
        if _period(trigger["frequency"], origin, moment) % interval == 0:
            return moment
    return None


def _period(frequency: str, origin: datetime, moment: datetime) -> int:
    """How many days, weeks or months lie between the periods of two times."""
    if frequency == "Month":
        return (moment.year - origin.year) * 12 + moment.month - origin.month
    days = (moment.date() - origin.date()).days
    if frequency == "Day":
        return days
    return (days + origin.weekday()) // 7
