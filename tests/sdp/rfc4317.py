"""The exchanges of RFC 4317, media lines as printed there. The lines before them are the same in all examples.

Each round is: who offers, the offer's media lines, the answer's. A ``c=`` of the session comes first where the RFC has
another one.
"""

from __future__ import annotations

from typing import NamedTuple


class Round(NamedTuple):
    """One offer and its answer."""

    offerer: str
    offer: str
    answer: str


PCMU_PCMA_ILBC = "m=audio 49170 RTP/AVP 0 8 97\na=rtpmap:0 PCMU/8000\na=rtpmap:8 PCMA/8000\na=rtpmap:97 iLBC/8000\n"
H261_MPV = "m=video 51372 RTP/AVP 31 32\na=rtpmap:31 H261/90000\na=rtpmap:32 MPV/90000\n"
BOTH = PCMU_PCMA_ILBC + H261_MPV
ILBC = "a=rtpmap:97 iLBC/8000\n"
EVENT = "a=rtpmap:98 telephone-event/8000\n"

SECTIONS: dict[str, list[Round]] = {
    "2.1": [
        Round(
            "alice",
            BOTH,
            "m=audio 49174 RTP/AVP 0\na=rtpmap:0 PCMU/8000\nm=video 49170 RTP/AVP 32\na=rtpmap:32 MPV/90000\n",
        )
    ],
    "2.2": [
        Round(
            "alice",
            BOTH,
            "m=audio 49172 RTP/AVP 0 8\na=rtpmap:0 PCMU/8000\na=rtpmap:8 PCMA/8000\n"
            "m=video 0 RTP/AVP 31\na=rtpmap:31 H261/90000\n",
        ),
        Round(
            "alice",
            "m=audio 51372 RTP/AVP 0\na=rtpmap:0 PCMU/8000\nm=video 0 RTP/AVP 31\na=rtpmap:31 H261/90000\n",
            "m=audio 49172 RTP/AVP 0\na=rtpmap:0 PCMU/8000\nm=video 0 RTP/AVP 31\na=rtpmap:31 H261/90000\n",
        ),
    ],
    "2.3": [
        Round(
            "alice",
            BOTH,
            "m=audio 49172 RTP/AVP 99\na=rtpmap:99 iLBC/8000\nm=video 51374 RTP/AVP 31\na=rtpmap:31 H261/90000\n",
        )
    ],
    "2.4": [
        Round(
            "alice",
            "m=audio 49170 RTP/AVP 97\n" + ILBC + "m=audio 49172 RTP/AVP 98\n" + EVENT + "a=sendonly\n",
            "m=audio 49172 RTP/AVP 97\n" + ILBC + "m=audio 49174 RTP/AVP 98\n" + EVENT + "a=recvonly\n",
        )
    ],
    "2.6": [
        Round(
            "alice",
            "m=audio 49170 RTP/AVP 0\na=rtpmap:0 PCMU/8000\nm=audio 51372 RTP/AVP 97 101\n"
            + ILBC
            + "a=rtpmap:101 telephone-event/8000\n",
            "m=audio 0 RTP/AVP 0\na=rtpmap:0 PCMU/8000\nm=audio 49170 RTP/AVP 97 101\n"
            + ILBC
            + "a=rtpmap:101 telephone-event/8000\n",
        )
    ],
    "2.8": [
        Round(
            "alice",
            BOTH,
            "m=audio 49174 RTP/AVP 0\na=rtpmap:0 PCMU/8000\nm=video 49172 RTP/AVP 32\n"
            "c=IN IP4 otherhost.biloxi.example.com\na=rtpmap:32 MPV/90000\n",
        )
    ],
    "3.1": [
        Round(
            "alice",
            "m=audio 49170 RTP/AVP 0 97\na=rtpmap:0 PCMU/8000\n" + ILBC,
            "m=audio 49172 RTP/AVP 97\n" + ILBC + "a=sendonly\n",
        ),
        Round("bob", "m=audio 49170 RTP/AVP 97\n" + ILBC, "m=audio 49178 RTP/AVP 97\n" + ILBC),
    ],
    "3.2": [
        Round(
            "alice",
            "m=audio 49170 RTP/AVP 97\n" + ILBC + "m=audio 49172 RTP/AVP 98\n" + EVENT + "a=sendonly\n",
            "m=audio 49172 RTP/AVP 97\n" + ILBC + "m=audio 49174 RTP/AVP 98\n" + EVENT + "a=recvonly\n",
        ),
        # The answer is what Alice offered first. That is sendrecv to sendonly, which RFC 3264 §6.1 does not allow;
        # who receives it holds on to its own direction.
        Round(
            "bob",
            "m=audio 49172 RTP/AVP 97\n" + ILBC + "a=sendonly\nm=audio 49174 RTP/AVP 98\n" + EVENT + "a=recvonly\n",
            "m=audio 49170 RTP/AVP 97\n" + ILBC + "m=audio 49172 RTP/AVP 98\n" + EVENT + "a=sendonly\n",
        ),
    ],
    "4.1": [
        Round("alice", "m=audio 49170 RTP/AVP 97\n" + ILBC, "m=audio 49172 RTP/AVP 97\n" + ILBC),
        Round(
            "bob",
            "m=audio 49172 RTP/AVP 97\n"
            + ILBC
            + "m=audio 48282 RTP/AVP 98\nc=IN IP4 mediaserver.biloxi.example.com\n"
            + EVENT
            + "a=recvonly\n",
            "m=audio 49170 RTP/AVP 97\n" + ILBC + "m=audio 49172 RTP/AVP 98\n" + EVENT + "a=sendonly\n",
        ),
    ],
    "4.2": [
        Round(
            "alice",
            "m=audio 49170 RTP/AVP 0\na=rtpmap:0 PCMU/8000\n",
            "m=audio 49172 RTP/AVP 0\na=rtpmap:0 PCMU/8000\n",
        ),
        Round(
            "alice",
            "m=audio 49170 RTP/AVP 0\na=rtpmap:0 PCMU/8000\nm=video 49172 RTP/AVP 31\na=rtpmap:31 H261/90000\n",
            "m=audio 49172 RTP/AVP 0\na=rtpmap:0 PCMU/8000\nm=video 49168 RTP/AVP 31\na=rtpmap:31 H261/90000\n",
        ),
    ],
    "4.3": [
        Round(
            "alice",
            "m=audio 49170 RTP/AVP 97\n" + ILBC + "m=video 51372 RTP/AVP 31\na=rtpmap:31 H261/90000\n",
            "m=audio 49172 RTP/AVP 97\n" + ILBC + "m=video 49174 RTP/AVP 31\na=rtpmap:31 H261/90000\n",
        ),
        Round(
            "bob",
            "m=audio 49172 RTP/AVP 97\n" + ILBC + "m=video 0 RTP/AVP 31\na=rtpmap:31 H261/90000\n",
            "m=audio 49170 RTP/AVP 97\n" + ILBC + "m=video 0 RTP/AVP 31\na=rtpmap:31 H261/90000\n",
        ),
    ],
    "5.1": [
        Round("alice", "", ""),
        Round("bob", "m=audio 49170 RTP/AVP 97\n" + ILBC, "m=audio 49178 RTP/AVP 97\n" + ILBC),
    ],
    "5.2": [
        Round(
            "alice",
            "c=IN IP4 0.0.0.0\nm=audio 23442 RTP/AVP 97\n" + ILBC,
            "m=audio 49170 RTP/AVP 97\n" + ILBC,
        ),
        Round("alice", "m=audio 49170 RTP/AVP 97\n" + ILBC, "m=audio 49170 RTP/AVP 97\n" + ILBC),
    ],
}

HOSTS = {"alice": "host.atlanta.example.com", "bob": "host.biloxi.example.com"}


def whole(user: str, media: str, version: int = 0) -> bytes:
    """A description of this user with these media lines."""
    number = 2890844526 if user == "alice" else 2808844564
    connection = f"c=IN IP4 {HOSTS[user]}\n"
    if media.startswith("c="):
        connection, _, media = media.partition("\n")
        connection += "\n"
    text = f"v=0\no={user} {number} {number + version} IN IP4 {HOSTS[user]}\ns=\n{connection}t=0 0\n{media}"
    return text.replace("\n", "\r\n").encode()
