"""RTP payload formats: ``a=rtpmap`` and ``a=fmtp`` (RFC 8866 §6.6, §6.15), static types of RFC 3551."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from dialplane.sdp.description import Attribute

if TYPE_CHECKING:
    from dialplane.sdp.description import Media

_RTPMAP = re.compile(r"([0-9]{1,3})\s+([^/\s]+)/([0-9]{1,9})(?:/([0-9]{1,3}))?\s*\Z")

# RFC 3551 §6, Tables 4 and 5. G722 has a clock rate of 8000 although it is sampled at 16000 (§4.5.2).
STATIC = {
    0: ("PCMU", 8000, 1),
    3: ("GSM", 8000, 1),
    4: ("G723", 8000, 1),
    5: ("DVI4", 8000, 1),
    6: ("DVI4", 16000, 1),
    7: ("LPC", 8000, 1),
    8: ("PCMA", 8000, 1),
    9: ("G722", 8000, 1),
    10: ("L16", 44100, 2),
    11: ("L16", 44100, 1),
    12: ("QCELP", 8000, 1),
    13: ("CN", 8000, 1),
    14: ("MPA", 90000, 1),
    15: ("G728", 8000, 1),
    16: ("DVI4", 11025, 1),
    17: ("DVI4", 22050, 1),
    18: ("G729", 8000, 1),
    25: ("CELB", 90000, 1),
    26: ("JPEG", 90000, 1),
    28: ("NV", 90000, 1),
    31: ("H261", 90000, 1),
    32: ("MPV", 90000, 1),
    33: ("MP2T", 90000, 1),
    34: ("H263", 90000, 1),
}

STATIC_NUMBERS = {(name.lower(), rate, channels): number for number, (name, rate, channels) in STATIC.items()}
"""The number of each static type."""

# Formats that go beside a codec and are none: a stream is not accepted for their sake alone.
AUXILIARY = frozenset({"telephone-event", "cn", "red", "ulpfec", "rtx", "flexfec-03"})

# Parameters that are part of what a format is (RFC 3264 §6.1): with another value it is another format.
# Of H264's profile-level-id the level may differ (RFC 6184 §8.2.2).
_CONFIGURATION = {
    "h264": {"packetization-mode": ("0", 1), "profile-level-id": ("42001e", 4)},
    "vp9": {"profile-id": ("0", 1)},
    "rtx": {"apt": ("", 3)},
    "amr": {"octet-align": ("0", 1)},
    "amr-wb": {"octet-align": ("0", 1)},
}


class Format(msgspec.Struct, frozen=True):
    """A payload format and its number."""

    encoding: str
    clock_rate: int
    channels: int = 1
    parameters: str | None = None
    """What ``a=fmtp`` says, without the number."""
    payload_type: int | None = None
    """None: any number that is free."""
    any_parameters: bool = False
    """Of ours, for what is passed on and not decoded: taken with any parameters, which the answer then repeats."""

    @property
    def is_auxiliary(self) -> bool:
        """Events, comfort noise, repair: no codec."""
        return self.encoding.lower() in AUXILIARY

    @property
    def parameter_values(self) -> dict[str, str]:
        """Parameters of the form ``name=value;…``, names in lower case."""
        values = {}
        for part in (self.parameters or "").split(";"):
            name, equals, value = part.strip().partition("=")
            if equals:
                values[name.strip().lower()] = value.strip()
        return values

    def matches(self, other: Format) -> bool:
        """Whether these two are the same format, whatever their numbers."""
        name = self.encoding.lower()
        if (name, self.clock_rate, self.channels) != (other.encoding.lower(), other.clock_rate, other.channels):
            return False
        if self.any_parameters or other.any_parameters:
            return True
        return all(
            self.parameter_values.get(key, default)[:length].lower()
            == other.parameter_values.get(key, default)[:length].lower()
            for key, (default, length) in _CONFIGURATION.get(name, {}).items()
        )

    def attributes(self) -> list[Attribute]:
        """``a=rtpmap`` and ``a=fmtp``."""
        channels = f"/{self.channels}" if self.channels > 1 else ""
        found = [Attribute("rtpmap", f"{self.payload_type} {self.encoding}/{self.clock_rate}{channels}")]
        if self.parameters is not None:
            found.append(Attribute("fmtp", f"{self.payload_type} {self.parameters}"))
        return found


def formats_of(media: Media) -> tuple[Format, ...]:
    """Formats of an RTP stream in order of preference; a number without a meaning is left out."""
    mapped: dict[int, tuple[str, int, int]] = {}
    parameters: dict[str, str] = {}
    for type_, value in media.lines:
        if type_ != "a":
            continue
        if value.startswith("rtpmap:"):
            match = _RTPMAP.match(value, 7)
            if match and int(match[3]) > 0:
                mapped[int(match[1])] = (match[2], int(match[3]), int(match[4] or 1) or 1)
        elif value.startswith("fmtp:"):
            number, _, text = value[5:].partition(" ")
            parameters[number] = text.strip()
    found = []
    for text in dict.fromkeys(media.formats):
        if not (text.isascii() and text.isdigit() and int(text) < 128):
            continue
        known = mapped.get(int(text)) or STATIC.get(int(text))
        if known:
            found.append(Format(*known, parameters=parameters.get(text), payload_type=int(text)))
    return tuple(found)
