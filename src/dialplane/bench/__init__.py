"""Load for any SIP server, told honestly: `dialplane bench`.

Requests begin when they are due, whatever the server does (open loop), and their time counts from then, so that a
server that stalls is charged for everybody who had to wait. One process for each core that is given, on the
transactions of :mod:`dialplane_native`; every response is held against its request. Never tells a rate that it could
not send itself.
"""
