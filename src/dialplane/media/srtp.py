"""SRTP and SRTCP (RFC 3711) by ``pylibsrtp``, with the keys of ``a=crypto``: the extra ``dialplane[srtp]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dialplane.errors import DialplaneError, ExitStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    import pylibsrtp

    from dialplane.sdp import Crypto


class MissingExtraError(DialplaneError):
    """What was asked for needs an extra that is not installed."""

    status = ExitStatus.UNAVAILABLE


def _library() -> object:
    try:
        import pylibsrtp  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingExtraError("SRTP needs the extra: pip install 'dialplane[srtp]'") from None
    return pylibsrtp


def require() -> None:
    """``MissingExtraError`` if SRTP cannot be done here."""
    _library()


def _session(crypto: Crypto, *, inbound: bool) -> pylibsrtp.Session:
    import pylibsrtp  # noqa: PLC0415 - an extra

    profiles = {
        "AES_CM_128_HMAC_SHA1_80": pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
        "AES_CM_128_HMAC_SHA1_32": pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
        "AEAD_AES_128_GCM": pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
        "AEAD_AES_256_GCM": pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
    }
    kind = pylibsrtp.Policy.SSRC_ANY_INBOUND if inbound else pylibsrtp.Policy.SSRC_ANY_OUTBOUND
    return pylibsrtp.Session(pylibsrtp.Policy(key=crypto.key, ssrc_type=kind, srtp_profile=profiles[crypto.suite]))


class Protection:
    """The two directions of one media line, each with its key."""

    def __init__(self, send: Crypto, receive: Crypto) -> None:
        require()
        self.keys = (send, receive)
        self._out = _session(send, inbound=False)
        self._in = _session(receive, inbound=True)
        self.refused = 0
        """Packets that were not authentic, or came twice."""

    def protect(self, packet: bytes) -> bytes:
        """An RTP packet for the wire."""
        return self._out.protect(packet)

    def protect_rtcp(self, packet: bytes) -> bytes:
        """An RTCP packet for the wire."""
        return self._out.protect_rtcp(packet)

    def unprotect(self, packet: bytes) -> bytes | None:
        """An RTP packet from the wire; None if it is not authentic or has been here before."""
        return self._open(self._in.unprotect, packet)

    def unprotect_rtcp(self, packet: bytes) -> bytes | None:
        """An RTCP packet from the wire."""
        return self._open(self._in.unprotect_rtcp, packet)

    def _open(self, unprotect: Callable[[bytes], bytes], packet: bytes) -> bytes | None:
        import pylibsrtp  # noqa: PLC0415 - an extra

        try:
            return unprotect(packet)
        except (pylibsrtp.Error, TypeError):  # too short to be a packet, or refused by the library
            self.refused += 1
            return None
