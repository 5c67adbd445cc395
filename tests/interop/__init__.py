"""Real SIP software against the subject: SIPp, sipsak, baresip, linphone, Kamailio.

The suite speaks only the network protocol. ``DIALPLANE_SUBJECT`` names what is under test, ``dialplane`` (default) or
``kamailio``, the control on which the suite itself is proved.
"""
