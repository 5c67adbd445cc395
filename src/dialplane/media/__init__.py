"""Media of calls: RTP and RTCP (RFC 3550), codecs, sound, digits, conferences. One clock for all sessions of a process.

``MediaSession`` is the media of one call. The modules below it do without sockets and clock, except ``wire``,
``transport``, ``clock`` and ``session``. Kernels over samples and packets are compiled by Cython; ``reference`` is
their readable twin.
"""

from dialplane.media.mixer import Mixer
from dialplane.media.session import MediaSession
from dialplane.media.sound import Recording, Tone
from dialplane.media.statistics import Statistics

__all__ = ["MediaSession", "Mixer", "Recording", "Statistics", "Tone"]
