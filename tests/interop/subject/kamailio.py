"""Kamailio 5.6 as the subject: the control, and a neighbour in tests of several proxies. A stateless proxy too.

One receiver only: with more, two of them write into SQLite at once and registrations fail with "database is locked".
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from tests.interop.process import Process, ProcessError, descendants

from .database import read_locations
from .ready import wait_until_answering
from .setup import Rule, Setup

_TABLES = Path("/usr/share/kamailio/db_sqlite")
_MODULES = "db_sqlite tm sl pv textops textopsx siputils nathelper maxfwd rr sanity usrloc registrar auth auth_db"

_GLOBAL = """\
#!KAMAILIO
debug=2
log_stderror=yes
fork=yes
children=1
auto_aliases=no
check_via=yes
tcp_children=1
tcp_crlf_ping=yes
server_signature=no
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/"
{listen}
{aliases}
{modules}
modparam("usrloc", "db_url", "sqlite:///{database}")
modparam("usrloc", "db_mode", 1)
modparam("usrloc", "use_domain", 1)
modparam("registrar", "default_expires", {default_expires})
modparam("registrar", "max_expires", {max_expires})
modparam("registrar|nathelper", "received_avp", "$avp(received)")
modparam("registrar", "use_path", 1)
modparam("registrar", "gruu_enabled", 0)
modparam("registrar", "path_mode", 2)
modparam("registrar", "min_expires", {min_expires})
modparam("registrar", "max_contacts", 10)
modparam("registrar", "append_branches", 1)
modparam("auth_db", "db_url", "sqlite:///{database}")
modparam("auth_db", "calculate_ha1", 0)
modparam("auth_db", "password_column", "ha1")
modparam("auth_db", "use_domain", 1)
modparam("auth", "algorithm", "{algorithm}")
modparam("auth", "qop", "auth")
modparam("auth", "nonce_count", 1)
modparam("auth", "one_time_nonce", 0)
modparam("rr", "enable_full_lr", 0)
modparam("rr", "append_fromtag", 1)
modparam("sanity", "default_checks", 4071)
"""

_ROUTE = """\
request_route {{
    if (!sanity_check("2023")) exit;
    if (is_method("OPTIONS") && uri == myself && $rU == $null) {{ sl_send_reply("200", "OK"); exit; }}
    if (!mf_process_maxfwd_header("70")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
    force_rport();
    if (is_method("REGISTER") && uri == myself) route(REGISTER);
    if (has_totag()) {{
        if (loose_route()) {{ forward(); exit; }}
    }} else {{
        if (loose_route() && {trusted}) {{ {record_route} forward(); exit; }}
        remove_hf("Route");
    }}
{auth}
    {record_route}
{rules}
    if (uri == myself) route(LOOKUP);
    if (!{trusted}) {{ sl_send_reply("403", "Relaying Denied"); exit; }}
    forward();
    exit;
}}

route[LOOKUP] {{
    if (!lookup("location")) {{ sl_send_reply("404", "Not Found"); exit; }}
    forward();
    exit;
}}

route[REGISTER] {{
    if (!t_newtran()) exit;
{register_auth}
    if (is_present_hf("Expires") && $(hdr(Expires){{s.int}}) > 0 && $(hdr(Expires){{s.int}}) < {min_expires}) {{
        append_to_reply("Min-Expires: {min_expires}\\r\\n");
        sl_send_reply("423", "Interval Too Brief");
        exit;
    }}
    fix_nated_register();
    save("location");
    exit;
}}
"""

_REGISTER_AUTH = """\
    if (!www_authenticate("$td", "subscriber")) { www_challenge("$td", "1"); exit; }
    if ($au != $tU) { sl_send_reply("403", "Not Yours"); exit; }
    consume_credentials();
"""

_CALL_AUTH = """\
    if (!is_method("ACK|CANCEL") && !has_totag() && from_uri == myself) {
        if (!proxy_authenticate("$fd", "subscriber")) { proxy_challenge("$fd", "1"); exit; }
        if ($au != $fU) { sl_send_reply("403", "Not Yours"); exit; }
        consume_credentials();
    }
"""


class Kamailio:
    """A running Kamailio with its configuration, tables and log in one folder."""

    def __init__(self, setup: Setup, folder: Path) -> None:
        self.setup = setup
        self._folder = folder
        self._database = folder / "kamailio.sqlite"
        self._process: Process | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def pid(self) -> int:
        """The main process."""
        return self._running().pid

    def processes(self) -> dict[str, list[int]]:
        """Receivers come right after the main process; the others are timers and such."""
        children = sorted(descendants(self.pid))
        return {"supervisor": [self.pid], "worker": children[:1], "control": children[1:]}

    def kill_all(self) -> None:
        """SIGKILL to all of it."""
        self._running().kill()

    def start(self) -> None:
        """Writes the configuration and starts it on the tables as they are."""
        if not self._database.exists():
            self._create_tables()
        configuration = self._folder / "kamailio.cfg"
        configuration.write_text(self._configuration())
        command = ["kamailio", "-f", configuration, "-DD", "-E", "-m", "64", "-M", "8", "-Y", self._folder]
        self._process = Process(command, self._folder / "kamailio.log")
        wait_until_answering(self.setup, self._process)

    def stop(self) -> None:
        """SIGTERM, as its own service file does."""
        if self._process is not None:
            self._process.stop()

    def reload(self, *, changed: bool) -> None:
        """A change of its script takes a restart."""
        raise ProcessError("Kamailio does not read its configuration again")

    def upgrade(self) -> None:
        """A new version takes a restart."""
        raise ProcessError("Kamailio is not replaced while it runs")

    def locations(self) -> dict[str, set[str]]:
        """Rows of ``location`` that have not expired."""
        return read_locations(self._database)

    def log(self) -> str:
        """Standard error of all its processes."""
        return self._running().text()

    def _running(self) -> Process:
        assert self._process is not None, "not started"
        return self._process

    def _create_tables(self) -> None:
        if len(self.setup.algorithms) != 1:
            raise ValueError("Kamailio offers one algorithm at a time")
        name = {"MD5": "md5", "SHA-256": "sha256"}[self.setup.algorithms[0]]
        with closing(sqlite3.connect(self._database)) as database:
            database.execute("PRAGMA journal_mode=WAL")
            for part in ("standard", "auth_db", "usrloc"):
                database.executescript((_TABLES / f"{part}-create.sql").read_text())
            for user in self.setup.users:
                ha1 = hashlib.new(name, f"{user.name}:{user.domain}:{user.password}".encode()).hexdigest()
                database.execute(
                    "INSERT INTO subscriber (username, domain, ha1) VALUES (?, ?, ?)", (user.name, user.domain, ha1)
                )
            database.commit()

    def _configuration(self) -> str:
        setup = self.setup
        text = _GLOBAL.format(
            listen="\n".join(
                f"listen={transport}:{_bracketed(host)}:{setup.port}"
                for host in (setup.host, *setup.also)
                for transport in ("udp", "tcp")
            ),
            aliases="\n".join(f'alias="{name}"' for name in (*setup.domains, f"{setup.host}:{setup.port}")),
            modules="\n".join(f'loadmodule "{name}.so"' for name in _MODULES.split()),
            database=self._database,
            default_expires=setup.default_expires,
            max_expires=setup.max_expires,
            min_expires=setup.min_expires,
            algorithm=setup.algorithms[0],
        )
        return text + _ROUTE.format(
            auth=_CALL_AUTH if setup.call_auth else "",
            record_route='if (is_method("INVITE|SUBSCRIBE")) record_route();' if setup.record_route else "",
            rules="".join(_rule(rule) for rule in setup.rules),
            trusted=_any(f"src_ip == {network}" for network in setup.trusted) if setup.trusted else "(0 == 1)",
            register_auth=_REGISTER_AUTH if setup.register_auth else "",
            min_expires=setup.min_expires,
        )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _rule(rule: Rule) -> str:
    conditions = []
    if rule.methods:
        conditions.append(f'is_method("{"|".join(rule.methods)}")')
    if rule.domains:
        conditions.append(_any(f'$rd == "{domain}"' for domain in rule.domains))
    if rule.users:
        conditions.append(_any(f'$rU == "{user}"' for user in rule.users))
    if rule.prefixes:
        conditions.append(_any(f'$rU =~ "^{re.escape(prefix)}"' for prefix in rule.prefixes))
    condition = " && ".join(conditions) or "1 == 1"
    return f"    if ({condition}) {{ {_action(rule)} exit; }}\n"


def _any(terms: Iterable[str]) -> str:
    return f"({' || '.join(terms)})"


def _action(rule: Rule) -> str:
    if rule.reply is not None:
        return f'sl_send_reply("{rule.reply}", "As Told");'
    if rule.lookup:
        return "route(LOOKUP);"
    if rule.redirect_lookup:
        unknown = 'if (!lookup("location")) { sl_send_reply("404", "Not Found"); exit; }'
        return f'{unknown} sl_send_reply("{rule.status}", "Moved");'
    if rule.table:
        numbers = " else ".join(
            f'if ($rU == "{number}") {{ {_moved(rule.status, [uri])} }}' for number, uri in rule.table
        )
        return f'{numbers} else {{ sl_send_reply("404", "Not Found"); }}'
    if rule.redirect:
        return _moved(rule.status, rule.redirect)
    if rule.forward == "request-uri":
        return "forward();"
    assert rule.forward is not None
    strip = f"strip({rule.strip}); " if rule.strip else ""
    return f'{strip}$du = "{rule.forward}"; forward();'


def _moved(status: int, uris: Iterable[str]) -> str:
    contacts = ", ".join(f"<{uri}>" for uri in uris)
    return f'append_to_reply("Contact: {contacts}\\r\\n"); sl_send_reply("{status}", "Moved");'
