"""A control process that only stays."""

import json
import os
import socket
import sys

control = socket.socket(fileno=int(sys.argv[1]))
if not control.recv(64):
    sys.exit(0)
boot = json.load(sys.stdin)
control.send(b'{"ready": true}')
facts = os.path.join(os.path.dirname(boot["counters"]), "facts.json")
while message := json.loads(control.recv(1 << 20) or b"null"):
    if "stop" in message:
        break
    with open(facts, "w") as file:
        json.dump(message["supervisor"], file)
