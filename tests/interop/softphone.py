"""baresip and linphonec from Debian without sound card or screen: a WAV file is the microphone, another the speaker."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Protocol

from .namespace import HOSTS, SUBJECT
from .process import Process
from .sound import write_tone

PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061}
"""Of the server, by transport."""


class Softphone(Protocol):
    """A registered user agent that answers every call by itself."""

    name: str
    tone: float

    def call(self, uri: str) -> None:
        """Dials."""

    def hang_up(self) -> None:
        """Ends the call."""

    def wait_established(self) -> None:
        """Until it says that the call is up."""

    def wait_ended(self) -> None:
        """Until it says that the call is over."""

    def recording(self) -> Path:
        """What its user heard."""


class Baresip:
    """baresip, driven through its control socket."""

    def __init__(self, process: Process, name: str, tone: float, folder: Path) -> None:
        self.name, self.tone = name, tone
        self._process, self._folder = process, folder

    def call(self, uri: str) -> None:
        self._command("dial", uri)

    def hang_up(self) -> None:
        self._command("hangup")

    def wait_established(self) -> None:
        self._process.wait_for(r"Call established", seconds=10)

    def wait_ended(self) -> None:
        self._process.wait_for(r"Call with .* terminated|session closed", seconds=10)

    def recording(self) -> Path:
        return next((self._folder / "recorded").glob("*-dec.wav"))

    def _command(self, command: str, parameters: str = "") -> None:
        """One netstring of JSON."""
        text = json.dumps({"command": command, "params": parameters, "token": "test"}).encode()
        with socket.create_connection((HOSTS[self.name], 4444), timeout=5) as control:
            control.sendall(b"%d:%s," % (len(text), text))
            control.recv(4096)


_BARESIP = """\
poll_method epoll
sip_listen {address}:5060
sip_cafile {authority}
sip_verify_server yes
net_interface {address}
audio_source aufile,{folder}/tone.wav
audio_player aubridge,none
audio_alert aubridge,none
module_path {modules}
module g711.so
module aufile.so
module aubridge.so
module sndfile.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen {address}:4444
snd_path {folder}/recorded
"""


def _prepare_baresip(name: str, folder: Path, account: str, *, more: str = "", authority: Path | None = None) -> Path:
    """Its configuration, account and empty contacts."""
    (folder / "recorded").mkdir(parents=True)
    modules = next(
        path
        for path in (Path("/usr/lib/baresip/modules"), Path("/usr/lib/x86_64-linux-gnu/baresip/modules"))
        if path.exists()
    )
    settings = _BARESIP.format(address=HOSTS[name], folder=folder, modules=modules, authority=authority or "")
    (folder / "config").write_text(settings + more)
    (folder / "accounts").write_text(account)
    (folder / "contacts").touch()
    return folder


def _run_baresip(folder: Path) -> Process:
    return Process(["baresip", "-f", folder], folder / "output.log", folder=folder, environment={"HOME": str(folder)})


@contextmanager
def baresip(
    name: str, password: str, tone: float, folder: Path, transport: str = "udp", authority: Path | None = None
) -> Iterator[Softphone]:
    """A baresip that has registered. With ``tls``, it trusts ``authority``."""
    folder = folder / f"baresip-{name}"
    account = (
        f"<sip:{name}@example.org;transport={transport}>;auth_pass={password};"
        f'outbound="sip:{SUBJECT}:{PORTS[transport]};transport={transport}";'
        "regint=600;answermode=auto;audio_codecs=PCMU\n"
    )
    write_tone(_prepare_baresip(name, folder, account, authority=authority) / "tone.wav", tone)
    with _run_baresip(folder) as process:
        process.wait_for(r"200 OK .*\[\d+ binding", seconds=10)
        yield Baresip(process, name, tone, folder)


@contextmanager
def watching_baresip(name: str, password: str, watched: str, folder: Path) -> Iterator[Process]:
    """A baresip that has registered, and subscribes to its voice messages and to somebody's presence."""
    folder = folder / f"baresip-{name}"
    account = f'<sip:{name}@example.org>;auth_pass={password};outbound="sip:{SUBJECT}";mwi=yes;audio_codecs=PCMU\n'
    more = "module_app contact.so\nmodule_app mwi.so\nmodule_app presence.so\n"
    write_tone(_prepare_baresip(name, folder, account, more=more) / "tone.wav", 400.0)
    (folder / "contacts").write_text(f'"Watched" <{watched}>;presence=p2p\n')
    with _run_baresip(folder) as process:
        yield process


class Linphone:
    """linphonec, driven through its standard input."""

    def __init__(self, process: Process, name: str, tone: float, folder: Path) -> None:
        self.name, self.tone = name, tone
        self._process, self._folder = process, folder

    def call(self, uri: str) -> None:
        self._process.write(f"call {uri}")

    def hang_up(self) -> None:
        self._process.write("terminate")

    def wait_established(self) -> None:
        self._process.wait_for(r"moving from state \S+ to LinphoneCallStreamsRunning", seconds=10)

    def wait_ended(self) -> None:
        self._process.wait_for(r"moving from state \S+ to LinphoneCallReleased", seconds=10)

    def recording(self) -> Path:
        return self._folder / "recorded.wav"


# Its TLS library knows names in a certificate, no addresses: verify_server_cn.
_LINPHONE = """\
[sip]
sip_port={ports[udp]}
sip_tcp_port={ports[tcp]}
sip_tls_port={ports[tls]}
root_ca={authority}
verify_server_certs=1
verify_server_cn=0
bind_address={address}
default_proxy=0
use_ipv6=0
ipv6_migration_done=1
media_encryption=none
[rtp]
audio_rtp_port=7078
bind_address={address}
[sound]
echocancellation=0
agc=0
[video]
enabled=0
capture=0
display=0
automatically_initiate=0
automatically_accept=0
[auth_info_0]
username={name}
passwd={password}
realm=example.org
domain=example.org
[proxy_0]
reg_proxy=<sip:{server};transport={transport}>
reg_route=<sip:{server};transport={transport};lr>
reg_identity=sip:{name}@example.org
reg_expires=600
reg_sendregister=1
publish=0
"""


@contextmanager
def linphone(
    name: str, password: str, tone: float, folder: Path, transport: str = "udp", authority: Path | None = None
) -> Iterator[Softphone]:
    """A linphonec that has registered. With ``tls``, it trusts ``authority``."""
    folder = folder / f"linphone-{name}"
    (folder / ".local/share/linphone").mkdir(parents=True)
    write_tone(folder / "tone.wav", tone)
    (folder / "linphonerc").write_text(
        _LINPHONE.format(
            address=HOSTS[name],
            name=name,
            password=password,
            server=f"{SUBJECT}:{PORTS[transport]}",
            transport=transport,
            # 0: not at all, -1: any port.
            ports={"udp": 0, "tcp": 0, "tls": 0} | {transport: 5060 if transport == "udp" else -1},
            authority=authority or "",
        )
    )
    home = {
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder / ".local/share"),
        "XDG_CONFIG_HOME": str(folder / ".config"),
    }
    command = ["linphonec", "-c", folder / "linphonerc", "-d", "6", "-a"]
    with Process(command, folder / "output.log", folder=folder, environment=home, interactive=True) as process:
        for line in ("soundcard use files", f"play {folder}/tone.wav", f"record {folder}/recorded.wav"):
            process.write(line)
        process.wait_for(r"to \[LinphoneRegistrationOk\]", seconds=15)
        yield Linphone(process, name, tone, folder)
        with suppress(BrokenPipeError):
            process.write("quit")


Start = Callable[..., AbstractContextManager[Softphone]]
KINDS: dict[str, Start] = {"baresip": baresip, "linphone": linphone}
