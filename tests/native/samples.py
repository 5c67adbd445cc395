"""Messages that several tests share, and where the corpora lie."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
TORTURE = ROOT / "tests" / "torture"
SHARED = Path(os.environ.get("DIALPLANE_SHARED", ROOT.parent / "shared"))


def crlf(text: str) -> bytes:
    """The text with CRLF at its line ends."""
    return text.replace("\n", "\r\n").encode()


# After RFC 3261 §24.2, message F1.
INVITE = crlf(
    """\
INVITE sip:bob@biloxi.com SIP/2.0
Via: SIP/2.0/UDP pc33.atlanta.com:5066;branch=z9hG4bKnashds8;rport
Max-Forwards: 70
To: Bob <sip:bob@biloxi.com>
From: "Alice \\"A.\\" Liddell" <sip:alice@atlanta.com>;tag=1928301774
Call-ID: a84b4c76e66710
CSeq: 314159 INVITE
Contact: <sip:alice@pc33.atlanta.com>;q=0.7;expires=3600
Supported: replaces, timer
k: 100rel
Content-Type: application/sdp
Content-Length: 5

v=0
"""
)

# After RFC 3261 §24.2, message F5: two Vias in one field, a compact name, a fold.
RINGING = crlf(
    """\
SIP/2.0 180 Ringing
v: SIP/2.0/UDP server10.biloxi.com;branch=z9hG4bK4b43c2ff8.1;received=192.0.2.3,
 SIP/2.0/UDP [2001:db8::9]:5060;branch=z9hG4bK77ef4c2312983.1;rport=5068;ttl=16;maddr=224.0.1.75
Record-Route: <sip:p2.example.com;lr>
Record-Route: <sip:p1.example.com;lr>, <sip:p0.example.com;lr>;a="x,y"
To: Bob <sip:bob@biloxi.com>;tag=a6c85cf
From: Alice
 <sip:alice@atlanta.com>;tag=1928301774
Call-ID: a84b4c76e66710@pc33.atlanta.com
CSeq: 314159 INVITE
Contact: <sip:bob@192.0.2.4>
Content-Length: 0

"""
)

# After RFC 3261 §24.1, message F1.
REGISTER = crlf(
    """\
REGISTER sip:registrar.biloxi.com SIP/2.0
Via: SIP/2.0/UDP bobspc.biloxi.com:5060;branch=z9hG4bKnashds7
Max-Forwards: 70
To: Bob <sip:bob@biloxi.com>
From: Bob <sip:bob@biloxi.com>;tag=456248
Call-ID: 843817637684230@998sdasdh09
CSeq: 1826 REGISTER
Contact: *
Expires: 0
Route: <sip:edge.biloxi.com;lr>
Path: <sip:p1.example.com;lr>, <sip:p2.example.com;lr>
Reply-To: <sip:bob@home.example.com>
X-Owner: "Robert" <sip:robert@biloxi.com>
Content-Length: 0

"""
)

ALL = [INVITE, RINGING, REGISTER]
