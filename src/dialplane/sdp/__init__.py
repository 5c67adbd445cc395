"""Session descriptions: parsed and written (RFC 8866), offered and answered (RFC 3264). No sockets, no clock.

>>> from dialplane.sdp import Format, Negotiation, Stream, parse
>>> alice = Negotiation(address="192.0.2.1", session_id=1)
>>> offer = alice.offer([Stream(label="sound", kind="audio", port=5004, formats=(Format("PCMU", 8000),))])
>>> parse(offer).media[0].formats
('0',)
"""

from dialplane.sdp.crypto import SUITES, Crypto, parse_crypto
from dialplane.sdp.description import Attribute, Connection, Description, Line, Media, Origin, Section, parse
from dialplane.sdp.errors import GlareError, MomentError, NegotiationError, OverlapError, SdpError
from dialplane.sdp.formats import Format, formats_of
from dialplane.sdp.negotiation import Negotiation, State
from dialplane.sdp.stream import Agreed, Direction, Stream

__all__ = [
    "SUITES",
    "Agreed",
    "Attribute",
    "Connection",
    "Crypto",
    "Description",
    "Direction",
    "Format",
    "GlareError",
    "Line",
    "Media",
    "MomentError",
    "Negotiation",
    "NegotiationError",
    "Origin",
    "OverlapError",
    "SdpError",
    "Section",
    "State",
    "Stream",
    "formats_of",
    "parse",
    "parse_crypto",
]
