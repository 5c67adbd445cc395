"""Bodies of event packages: presence (RFC 3856, 3863), message-summary (RFC 3842), dialog (RFC 4235).

XML with a document type is refused: nobody sends one, and its entities are a way to exhaust a reader.
"""

from __future__ import annotations

from typing import Literal
from xml.etree import ElementTree as ET

import msgspec

from dialplane.ua.errors import MisuseError, NegotiationError

ACCEPT = {
    "presence": "application/pidf+xml",
    "message-summary": "application/simple-message-summary",
    "dialog": "application/dialog-info+xml",
}
"""The body type of each package."""
_PIDF = "{urn:ietf:params:xml:ns:pidf}"
_DIALOG = "{urn:ietf:params:xml:ns:dialog-info}"
_MOST = 262_144


class Presence(msgspec.Struct, frozen=True):
    """Whether somebody can be reached."""

    entity: str
    is_open: bool
    """Whether any of his contacts is open."""
    note: str
    """What he says about it."""


class MessageSummary(msgspec.Struct, frozen=True):
    """What waits in a mailbox."""

    is_waiting: bool
    account: str | None
    counts: dict[str, tuple[int, int]]
    """New and old messages by class: ``voice-message``, ``fax-message``."""


class DialogState(msgspec.Struct, frozen=True):
    """One dialog of somebody."""

    id: str
    state: str
    """``trying``, ``proceeding``, ``early``, ``confirmed`` or ``terminated``."""
    direction: Literal["initiator", "recipient"] | None
    remote: str | None


class DialogInfo(msgspec.Struct, frozen=True):
    """The dialogs of somebody."""

    entity: str
    version: int
    is_full: bool
    """Whether dialogs that are not here have ended; otherwise they are as they were."""
    dialogs: tuple[DialogState, ...]


def read_presence(body: bytes) -> Presence:
    """Reads ``application/pidf+xml``. RFC 3863 §4."""
    root = _xml(body, f"{_PIDF}presence")
    statuses = [(basic.text or "").strip().lower() for basic in root.iter(f"{_PIDF}basic")]
    note = next((one.text or "" for one in root.iter(f"{_PIDF}note")), "")
    return Presence(root.get("entity", ""), "open" in statuses, note.strip())


def write_presence(entity: str, *, is_open: bool, note: str = "") -> bytes:
    """Writes ``application/pidf+xml``."""
    root = _root("presence", _PIDF, entity=entity)
    item = ET.SubElement(root, "tuple", {"id": "dialplane"})
    ET.SubElement(ET.SubElement(item, "status"), "basic").text = "open" if is_open else "closed"
    if note:
        ET.SubElement(root, "note").text = note
    return _written(root)


def read_summary(body: bytes) -> MessageSummary:
    """Reads ``application/simple-message-summary``. RFC 3842 §5.2."""
    fields: dict[str, str] = {}
    for line in body.decode("utf-8", "replace").splitlines():
        name, colon, value = line.partition(":")
        if not colon:
            break  # an empty line begins the optional part about each message
        fields[name.strip().lower()] = value.strip()
    if "messages-waiting" not in fields:
        raise NegotiationError("a message summary without Messages-Waiting")
    counts = {}
    for name, value in fields.items():
        numbers = value.partition("(")[0].split("/")
        if name.endswith("-message") and len(numbers) == 2 and all(part.strip().isdecimal() for part in numbers):
            counts[name] = (int(numbers[0]), int(numbers[1]))
    return MessageSummary(fields["messages-waiting"].lower() == "yes", fields.get("message-account"), counts)


def write_summary(summary: MessageSummary) -> bytes:
    """Writes ``application/simple-message-summary``."""
    lines = [f"Messages-Waiting: {'yes' if summary.is_waiting else 'no'}"]
    if summary.account is not None:
        lines.append(f"Message-Account: {summary.account}")
    lines += [f"{name.title()}: {new}/{old}" for name, (new, old) in summary.counts.items()]
    if any("\r" in line or "\n" in line for line in lines):
        raise MisuseError("a message summary holds a line break")
    return "".join(f"{line}\r\n" for line in lines).encode()


def read_dialogs(body: bytes) -> DialogInfo:
    """Reads ``application/dialog-info+xml``. RFC 4235 §4."""
    root = _xml(body, f"{_DIALOG}dialog-info")
    dialogs = []
    for one in root.findall(f"{_DIALOG}dialog"):
        direction = one.get("direction")
        dialogs.append(
            DialogState(
                one.get("id", ""),
                (one.findtext(f"{_DIALOG}state") or "").strip(),
                "initiator" if direction == "initiator" else "recipient" if direction == "recipient" else None,
                one.findtext(f"{_DIALOG}remote/{_DIALOG}identity"),
            )
        )
    version = root.get("version", "0")
    return DialogInfo(
        root.get("entity", ""),
        int(version[:9]) if version.isdecimal() else 0,
        root.get("state", "full") == "full",
        tuple(dialogs),
    )


def write_dialogs(info: DialogInfo) -> bytes:
    """Writes ``application/dialog-info+xml``; its version is one more each time that it is told. RFC 4235 §4.1."""
    state = "full" if info.is_full else "partial"
    root = _root("dialog-info", _DIALOG, version=str(info.version), state=state, entity=info.entity)
    for dialog in info.dialogs:
        one = ET.SubElement(root, "dialog", {"id": dialog.id})
        if dialog.direction is not None:
            one.set("direction", dialog.direction)
        ET.SubElement(one, "state").text = dialog.state
        if dialog.remote is not None:
            ET.SubElement(ET.SubElement(one, "remote"), "identity").text = dialog.remote
    return _written(root)


def _root(name: str, namespace: str, **attributes: str) -> ET.Element:
    """A root whose namespace needs no prefix: some telephones look for ``<basic>`` and nothing else."""
    return ET.Element(name, {"xmlns": namespace.strip("{}"), **attributes})


def _written(root: ET.Element) -> bytes:
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _xml(body: bytes, tag: str) -> ET.Element:
    """The root of a document, which must have this tag."""
    try:
        text = body[:_MOST].decode("utf-8")
    except UnicodeDecodeError as error:
        raise NegotiationError("the document is not UTF-8") from error
    if "<!" in text.replace("<!--", ""):
        raise NegotiationError("the document has a document type or sections: refused")
    try:
        root = ET.fromstring(text.encode())  # noqa: S314 - without a document type there are no entities to expand
    except ET.ParseError as error:
        raise NegotiationError(f"the document is no XML: {error}") from error
    if root.tag != tag:
        raise NegotiationError(f"the document is {root.tag}, not {tag}")
    return root
