// The connection to the server: asks for frames as fast as it can show them, and comes back.

import { addSample, clearSamples, drawChart } from "./chart.js";
import { drawScene } from "./overlay.js";

const IN_FLIGHT = 2;
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 4000;
const FIGURES_MS = 250;
const CAMERAS_MS = 2000;

const $ = (id) => document.getElementById(id);
const buttons = [...document.querySelectorAll("[data-overlay]")];
const shown = {};
let socket = null;
let delay = FIRST_DELAY_MS;
let retry = 0;
let newest = 0;
let last = null;
let figuresAt = 0;

function setStatus(state, text) {
  $("status").dataset.state = state;
  if ($("status").textContent !== text) {
    $("status").textContent = text;
  }
}

function setNotice(text) {
  $("notice").hidden = !text;
  $("notice").textContent = text;
}

function ask() {
  if (socket?.readyState === WebSocket.OPEN && !document.hidden) {
    socket.send(JSON.stringify({ masks: shown.masks }));
  } else if (socket) {
    socket.owed = (socket.owed ?? 0) + 1;
  }
}

function redraw() {
  if (last) {
    drawScene($("picture"), last.header, last.picture, last.masks, shown);
  }
}

async function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  let at = 4 + length;
  const pictures = header.bytes.map((bytes, index) => {
    const type = index === 0 ? "image/jpeg" : "image/png";
    const blob = new Blob([new Uint8Array(buffer, at, bytes)], { type });
    at += bytes;
    return createImageBitmap(blob);
  });
  const [picture, ...masks] = await Promise.all(pictures);
  return { header, picture, masks };
}

function free(frame) {
  frame?.picture.close();
  frame?.masks.forEach((mask) => mask.close());
}

async function onFrame(buffer, number) {
  ask();
  const frame = await unpack(buffer);
  if (number < newest || frame.header.scene.camera !== $("camera").value) {
    free(frame); // it was overtaken, or its camera left, while it was decoded
    return;
  }
  newest = number;
  free(last);
  last = frame;
  redraw();
  const { scene, vitals } = frame.header;
  addSample(scene.stages_ms, vitals.age_ms);
  showVitals(vitals);
  showSeen(frame.header);
}

function forget() {
  // Nothing of one camera may stand under the name of another.
  free(last);
  last = null;
  const picture = $("picture");
  picture.getContext("2d").clearRect(0, 0, picture.width, picture.height);
  picture.setAttribute("aria-label", "No frame yet");
  for (const id of ["fps", "age", "frames", "dropped"]) {
    $(id).textContent = "–";
  }
  $("seen").textContent = "";
  $("health").replaceChildren();
  clearSamples();
  drawChart($("chart"), $("legend"));
  setStatus("waiting", "Connecting");
  setNotice("");
  figuresAt = 0;
}

function showSeen({ scene, lines }) {
  const counts = {};
  for (const { class: name } of Object.values(scene.detections).flat()) {
    counts[name] = (counts[name] ?? 0) + 1;
  }
  const boxes = Object.entries(counts).sort().map(([name, count]) => `${name} x ${count}`);
  const text = [boxes.join(", ") || "nothing in boxes", ...lines].join(" · ");
  $("seen").textContent = text;
  $("picture").setAttribute("aria-label", `Frame ${scene.frame}: ${text}`);
}

function lossOf({ silent_s: silent, frames, source }) {
  const time = `${Math.round(silent)} s`;
  if (source.state === "lost") {
    const why = source.reason ? ` (${source.reason})` : "";
    return `The camera has been lost for ${time}${why}. It is being connected again.`;
  }
  if (source.state === "ended") {
    return source.reason ? `The camera is lost: ${source.reason}.` : "The source has ended.";
  }
  return frames ? `No frame for ${time}.` : "Waiting for the first frame.";
}

function showVitals(vitals) {
  if (vitals.camera !== $("camera").value) {
    return; // of the camera before
  }
  if (vitals.flowing) {
    setStatus("live", "Live");
    setNotice("");
  } else {
    setStatus(vitals.frames ? "lost" : "waiting", vitals.frames ? "No frames" : "Waiting");
    setNotice(lossOf(vitals));
  }
  const now = performance.now();
  if (now - figuresAt < FIGURES_MS) {
    return;
  }
  figuresAt = now;
  $("fps").textContent = vitals.flowing ? vitals.fps.toFixed(1) : "0";
  $("age").textContent = vitals.age_ms === null ? "–" : `${vitals.age_ms.toFixed(0)} ms`;
  $("frames").textContent = vitals.frames;
  $("dropped").textContent = vitals.source.dropped;
  showHealth(vitals);
  drawChart($("chart"), $("legend"));
}

function showHealth({ source, sinks, degraded, degradations, degrading }) {
  const counts = Object.entries(source).filter(([, value]) => typeof value === "number");
  const facts = counts
    .filter(([name, value]) => value && !["for_s", "dropped"].includes(name))
    .map(([name, value]) => `${value} ${name.replaceAll("_", " ")}`);
  const bad = source.state === "lost" || (source.state === "ended" && source.reason !== "");
  const rows = [["source", [source.state, ...facts].join(", "), bad]];
  if (degraded) {
    const state = degrading ? "degraded" : "full again";
    const text = `${state}, ${degraded} frames degraded in ${degradations} stretches`;
    rows.push(["network", text, degrading]);
  }
  for (const { name, written, dropped, failure } of sinks) {
    const text = failure ?? `${written} written${dropped ? `, ${dropped} dropped` : ""}`;
    rows.push([name, text, failure !== null]);
  }
  $("health").replaceChildren(
    ...rows.map(([name, text, bad]) => {
      const row = document.createElement("tr");
      const head = document.createElement("th");
      const cell = document.createElement("td");
      head.textContent = name;
      head.scope = "row";
      cell.textContent = text;
      cell.className = bad ? "bad" : "";
      row.append(head, cell);
      return row;
    }),
  );
}

function labelOf({ camera, flowing, frames }) {
  return flowing || !frames ? camera : `${camera} (no frames)`;
}

async function listCameras() {
  const answer = await fetch("cameras");
  if (answer.status === 401) {
    throw new Error("This page needs its token: open it once with ?token=… in the address.");
  }
  const cameras = await answer.json();
  const select = $("camera");
  if (cameras.map((each) => each.camera).join() !== [...select.options].map((o) => o.value).join()) {
    const wanted = select.value || new URLSearchParams(location.search).get("camera");
    const options = cameras.map(({ camera: name }) => new Option(name, name, false, name === wanted));
    select.replaceChildren(...options);
  }
  cameras.forEach((each, index) => {
    select.options[index].text = labelOf(each);
  });
}

async function connect() {
  clearTimeout(retry);
  try {
    await listCameras();
  } catch (error) {
    const told = error instanceof TypeError ? "The server cannot be reached." : error.message;
    setStatus("lost", "Disconnected");
    setNotice(`${told} Trying again.`);
    again();
    return;
  }
  const own = new WebSocket(
    `${location.protocol.replace("http", "ws")}//${location.host}/live?camera=` +
      encodeURIComponent($("camera").value),
  );
  own.binaryType = "arraybuffer";
  let number = 0;
  own.onopen = () => {
    delay = FIRST_DELAY_MS;
    newest = 0;
    for (let i = 0; i < IN_FLIGHT; i += 1) {
      ask();
    }
  };
  own.onmessage = ({ data }) => {
    if (own !== socket) {
      return;
    }
    if (typeof data === "string") {
      showVitals(JSON.parse(data));
    } else {
      number += 1;
      onFrame(data, number);
    }
  };
  own.onclose = () => {
    if (own === socket) {
      setStatus("lost", "Disconnected");
      setNotice("The connection to the server was lost. Trying again.");
      again();
    }
  };
  const before = socket;
  socket = own;
  before?.close();
}

function again() {
  clearTimeout(retry);
  retry = setTimeout(connect, delay);
  delay = Math.min(LONGEST_DELAY_MS, 2 * delay);
}

for (const button of buttons) {
  const name = button.dataset.overlay;
  const key = `edge-mtl ${name}`;
  const show = (on) => {
    shown[name] = on;
    button.setAttribute("aria-pressed", on);
  };
  show(localStorage.getItem(key) !== "off");
  button.addEventListener("click", () => {
    show(!shown[name]);
    localStorage.setItem(key, shown[name] ? "on" : "off");
    redraw();
  });
}
$("camera").addEventListener("change", () => {
  forget();
  connect();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && socket) {
    const owed = socket.owed ?? 0;
    socket.owed = 0;
    for (let i = 0; i < owed; i += 1) {
      ask();
    }
  }
});
setInterval(() => {
  if (!document.hidden && $("camera").options.length > 1) {
    listCameras().catch(() => {}); // the connection says what is wrong
  }
}, CAMERAS_MS);
window.addEventListener("resize", redraw);
connect();
