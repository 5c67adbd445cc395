"""JsSIP in a page of Chromium: a telephone that speaks SIP over secure WebSockets and WebRTC."""

from __future__ import annotations

import json
import re
from pathlib import Path

from .chromium import Browser, Page
from .namespace import SUBJECT

_HERE = Path(__file__).parent / "browser"
_MODULES = Path(__file__).parents[2] / ".build" / "browser" / "node_modules"
SERVER = f"wss://{SUBJECT}:8443"
"""Browsers connect to neither 5060 nor 5061."""
_REQUIRE = re.compile(r"""\brequire\(['"]([^'"]+)['"]\)""")
_LOADER = """
globalThis.JsSIP = (() => {{
  const modules = {{{modules}}}, made = {{}};
  const load = (name) => {{
    if (!(name in made)) {{
      const module = (made[name] = {{ exports: {{}} }}), [body, names] = modules[name];
      body.call(module.exports, module, module.exports, (wanted) => load(names[wanted]));
    }}
    return made[name].exports;
  }};
  return load({entry});
}})();
"""


def webphone(browser: Browser, folder: Path, user: str, password: str, *, server: str = SERVER) -> Page:
    """A page that has begun to register."""
    script = folder / "jssip.js"
    if not script.exists():
        script.write_text(bundle("jssip"))
    page = folder / "phone.html"
    sources = "".join(f'<script src="{one.as_uri()}"></script>' for one in (script, _HERE / "phone.js"))
    page.write_text(f"<!doctype html><meta charset=utf-8><title>phone</title>{sources}")
    opened = browser.open(page)
    opened.call("start", server, f"sip:{user}@example.org", password)
    return opened


def bundle(package: str) -> str:
    """A package and all that it requires in one script, as a page can load it (CommonJS, for browsers)."""
    if not _MODULES.exists():
        raise AssertionError("JsSIP is not there: make browser")
    entry = _main(package)
    found: dict[Path, str] = {}
    front = [entry]
    while front:
        file = front.pop()
        if file in found:
            continue
        text = file.read_text()
        if file.suffix == ".json":
            found[file] = f"[(module) => {{ module.exports = {text} }}, {{}}]"
            continue
        names = {wanted: _resolve(file, wanted) for wanted in _REQUIRE.findall(text)}
        front += names.values()
        known = json.dumps({wanted: str(path) for wanted, path in names.items()})
        found[file] = f"[function (module, exports, require) {{\n{text}\n}}, {known}]"
    modules = ",\n".join(f"{json.dumps(str(file))}: {body}" for file, body in found.items())
    return _LOADER.format(modules=modules, entry=json.dumps(str(entry)))


def _resolve(file: Path, wanted: str) -> Path:
    if not wanted.startswith("."):
        return _main(wanted)
    path = (file.parent / wanted).resolve()
    return next(one for one in (path, Path(f"{path}.js"), path / "index.js") if one.is_file())


def _main(package: str) -> Path:
    folder = _MODULES / package
    about = json.loads((folder / "package.json").read_text())
    name = about.get("browser", about.get("main", "index.js"))
    assert isinstance(name, str), f"{package}: {name}"
    return _resolve(folder / "package.json", f"./{name}")
