"""A SIP user agent for asyncio, in any Python process and without a server.

>>> from dialplane.ua import UserAgent
"""

from dialplane.ua.agent import UserAgent
from dialplane.ua.call import Call, CallState
from dialplane.ua.errors import (
    AuthenticationError,
    CallEndedError,
    CancelledCallError,
    MisuseError,
    NegotiationError,
    NoAnswerError,
    RejectedError,
    UnreachableError,
    UserAgentError,
)
from dialplane.ua.events import (
    Answered,
    CallEvent,
    Digit,
    EarlyMedia,
    Ended,
    Held,
    Redirected,
    Renegotiated,
    Resumed,
    Ringing,
    Transferred,
)
from dialplane.ua.incoming import IncomingCall
from dialplane.ua.media import Description, Media
from dialplane.ua.message import ReceivedMessage
from dialplane.ua.notifier import IncomingSubscription, WatchState
from dialplane.ua.outgoing import OutgoingCall
from dialplane.ua.packages import (
    DialogInfo,
    DialogState,
    MessageSummary,
    Presence,
    read_dialogs,
    read_presence,
    read_summary,
    write_dialogs,
    write_presence,
    write_summary,
)
from dialplane.ua.publication import Publication
from dialplane.ua.registration import Registration, RegistrationState
from dialplane.ua.subscription import Notification, Subscription, SubscriptionEndedError
from dialplane.ua.transfer import Referral

__all__ = [
    "Answered",
    "AuthenticationError",
    "Call",
    "CallEndedError",
    "CallEvent",
    "CallState",
    "CancelledCallError",
    "Description",
    "DialogInfo",
    "DialogState",
    "Digit",
    "EarlyMedia",
    "Ended",
    "Held",
    "IncomingCall",
    "IncomingSubscription",
    "Media",
    "MessageSummary",
    "MisuseError",
    "NegotiationError",
    "NoAnswerError",
    "Notification",
    "OutgoingCall",
    "Presence",
    "Publication",
    "ReceivedMessage",
    "Redirected",
    "Referral",
    "Registration",
    "RegistrationState",
    "RejectedError",
    "Renegotiated",
    "Resumed",
    "Ringing",
    "Subscription",
    "SubscriptionEndedError",
    "Transferred",
    "UnreachableError",
    "UserAgent",
    "UserAgentError",
    "WatchState",
    "read_dialogs",
    "read_presence",
    "read_summary",
    "write_dialogs",
    "write_presence",
    "write_summary",
]
