// A telephone in a page. The test tells it what to do, and waits for what happens by name.
"use strict";

const happened = [];
let wake = () => {};
let agent, session;

const MEDIA = { mediaConstraints: { audio: true, video: false }, pcConfig: { iceServers: [] } };

function tell(what, detail = null) {
  happened.push({ what, detail });
  wake();
}

// The first event of this name that nobody has waited for.
async function until(what) {
  for (;;) {
    const at = happened.findIndex((one) => one.what === what);
    if (at >= 0) return happened.splice(at, 1)[0].detail;
    await new Promise((resolve) => (wake = resolve));
  }
}

function start(server, uri, password) {
  agent = new JsSIP.UA({ sockets: [new JsSIP.WebSocketInterface(server)], uri, password, register_expires: 600 });
  agent.on("registered", () => tell("registered"));
  agent.on("registrationFailed", (event) => tell("registrationFailed", event.cause));
  agent.on("newRTCSession", (event) => {
    session = event.session;
    for (const what of ["accepted", "confirmed"]) session.on(what, (one) => tell(what, one.originator));
    for (const what of ["ended", "failed"]) session.on(what, (one) => tell(what, [one.originator, one.cause]));
    if (session.connection) watch(session.connection);
    else session.on("peerconnection", (one) => watch(one.peerconnection));
    session.on("progress", (one) => tell("progress", one.originator));
    if (event.originator === "remote") tell("rings", event.request.from.uri.toString());
  });
  agent.start();
}

// The first packet of sound unmutes the peer's track.
function watch(connection) {
  connection.addEventListener("track", (event) => event.track.addEventListener("unmute", () => tell("sound")));
}

const call = (uri) => void agent.call(uri, MEDIA);
const answer = () => session.answer(MEDIA);
const hangUp = () => session.terminate();
const refuse = () => session.terminate({ status_code: 486 });
