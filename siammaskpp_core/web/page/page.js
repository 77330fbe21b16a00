// The page: connection to the robot, list of targets, and the two commands.

import { CameraView } from "./camera_view.js";

const RECONNECT_MS = 1500;
const SCORE_PERIOD_MS = 300;
const MESSAGE_MS = 5000;
const HINT = "Drag a box around an object to track it.";
const STATES = {
  CONNECTING: "connecting", ABSENT: "no tracker", OFFLINE: "no connection", INACTIVE: "inactive", WAITING: "no images", IDLE: "ready",
  TRACKING: "tracking", UNCERTAIN: "uncertain", LOST: "lost", ERROR: "error",
};

const $ = (id) => document.getElementById(id);
const items = new Map(); // id -> the elements of a target in the list
let socket = null;
let redrawn = null; // id of the target whose box is drawn again
let lastNumber = 0;
let scoredAt = 0; // time of the last update of the scores
let messageTimer = 0; // removes the message below the picture

// Kept for this origin only: a cookie would go to the servers on all other ports of the host, too.
const token = takeToken();
const AUTHORIZATION = token ? { Authorization: `Bearer ${token}` } : {};

const cameraView = new CameraView($("picture"), setTarget, () => say("Drag from one corner of the object to the other."));
hint();

function takeToken() {
  const given = new URLSearchParams(location.search).get("token");
  if (given !== null) {
    localStorage.setItem("token", given);
    history.replaceState(null, "", "/");
  }
  return localStorage.getItem("token") ?? "";
}

// Connection ------------------------------------------------------------------------------------------

function connect() {
  if (document.hidden || socket) return; // a hidden page receives nothing
  let opened = false;
  const mine = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live?token=${encodeURIComponent(token)}`);
  socket = mine;
  mine.binaryType = "arraybuffer";
  mine.onopen = () => {
    opened = true;
    mine.send("next");
  };
  mine.onmessage = ({ data }) => (typeof data === "string" ? showStatus(JSON.parse(data)) : showImage(data, mine));
  mine.onclose = async ({ reason }) => {
    if (socket !== mine) return; // this page has closed it
    socket = null;
    showState("OFFLINE");
    $("camera-view").classList.add("old");
    showProblem(reason ? `${reason}.` : "No connection to the robot; trying again.");
    // Without the right token, the server answers with a page that explains it: load that page.
    if (!opened && (await isDenied())) return location.replace("/token");
    setTimeout(connect, RECONNECT_MS);
  };
}

async function isDenied() {
  try {
    return [401, 403].includes((await fetch("/token", { headers: AUTHORIZATION })).status);
  } catch {
    return false;
  }
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) return connect();
  socket?.close();
  socket = null;
});
connect();

// Pictures and status ---------------------------------------------------------------------------------

async function showImage(data, from) {
  try {
    const image = await decoded(data);
    cameraView.show(image);
    $("waiting").hidden = true;
    if (image.objects) listTargets(image.objects);
  } finally {
    if (from.readyState === WebSocket.OPEN) from.send("next"); // one at a time, so that no queue of old images builds up
  }
}

async function decoded(data) {
  const length = new DataView(data).getUint32(0);
  const image = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  image.picture = await createImageBitmap(new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" }));
  return image;
}

function showStatus(status) {
  $("tracker").textContent = status.tracker;
  showState(status.state);
  // The tracker's message comes first: tracker and page receive images independently of each other.
  const isBroken = ["ABSENT", "ERROR", "WAITING"].includes(status.state);
  showProblem(isBroken ? status.message : status.camera);
  $("camera-view").classList.toggle("old", Boolean(status.camera));
  setText($("message"), isBroken ? "" : status.message);
  // While no results arrive, only the status tells that all targets have been removed.
  if (status.targets === 0 && items.size && performance.now() - scoredAt > 2000) listTargets([]);
  const ms = (value) => (value == null ? "–" : `${value.toFixed(0)} ms`);
  const numbers = {
    "Images per second": status.fps?.toFixed(1) ?? "–",
    "Latency, median": ms(status.latency_median_ms),
    "Latency, 95 %": ms(status.latency_p95_ms),
    "Age of results": ms(status.age_median_ms),
    "Images received": status.frames_received ?? "–",
    "Images skipped": status.frames_dropped ?? "–",
    Engine: status.engine ?? "–",
  };
  $("numbers").replaceChildren(...Object.entries(numbers).flatMap(([name, value]) => [create("dt", name), create("dd", value)]));
}

function showState(state) {
  $("state").dataset.state = state;
  setText($("state"), STATES[state] ?? state);
}

function showProblem(text) {
  $("problem").hidden = !text;
  setText($("problem"), text ?? "");
}

// Targets ---------------------------------------------------------------------------------------------

function listTargets(objects) {
  const ids = new Set(objects.map(({ id }) => id));
  for (const id of items.keys()) if (!ids.has(id)) removeItem(id);
  const isScoreDue = performance.now() - scoredAt > SCORE_PERIOD_MS;
  if (isScoreDue) scoredAt = performance.now();
  for (const object of objects) {
    if (!items.has(object.id)) items.set(object.id, makeItem(object.id));
    fillItem(items.get(object.id), object, isScoreDue);
  }
  $("none").hidden = items.size > 0;
  $("remove-all").hidden = items.size < 2;
  const seen = objects.map(({ id, label, state }) => `${label || id} ${STATES[state] ?? state}`).join(", ");
  $("picture").setAttribute("aria-label", `Camera picture: ${seen || "no target"}`);
}

function makeItem(id) {
  const item = {
    row: create("li"), colour: create("span", "", "colour"), name: create("span", "", "name"), state: create("span", "", "state"),
    meter: create("meter"), score: create("span", "", "score"), redraw: create("button", "Draw again"), remove: create("button", "Remove"),
  };
  item.row.dataset.id = id;
  item.redraw.onclick = () => setRedrawn(redrawn === id ? null : id);
  item.remove.onclick = () => removeTarget(id);
  const buttons = create("div", "", "buttons");
  buttons.append(item.redraw, item.remove);
  item.row.append(item.colour, item.name, item.state, item.meter, item.score, buttons);
  $("targets").append(item.row);
  return item;
}

function fillItem(item, object, isScoreDue) {
  const name = object.label || object.id;
  item.colour.style.background = object.colour;
  item.state.dataset.state = object.state;
  setText(item.state, STATES[object.state] ?? object.state);
  if (item.label !== object.label) {
    item.label = object.label;
    item.name.textContent = name;
    if (object.label) item.name.append(create("small", object.id));
    item.redraw.setAttribute("aria-label", `Draw ${name} again`);
    item.redraw.setAttribute("aria-pressed", "false");
    item.remove.setAttribute("aria-label", `Remove ${name}`);
    item.meter.setAttribute("aria-label", `Score of ${name}`);
  }
  if (isScoreDue || !item.score.textContent) {
    item.meter.value = object.score;
    setText(item.score, object.score.toFixed(2));
  }
}

function removeItem(id) {
  if (redrawn === id) setRedrawn(null);
  items.get(id).row.remove();
  items.delete(id);
}

function setRedrawn(id) {
  redrawn = id;
  for (const [other, item] of items) item.redraw.setAttribute("aria-pressed", String(other === id));
  hint();
}

// Commands --------------------------------------------------------------------------------------------

async function setTarget(box, image) {
  const id = redrawn ?? newId();
  const label = redrawn ? items.get(redrawn).label : $("label").value.trim();
  cameraView.setPending(box);
  const response = await command("/set_target", { header: image.header, box, id, label });
  cameraView.setPending(null);
  if (!response.success) return refuse(response.message);
  if (!redrawn) $("label").value = "";
  setRedrawn(null);
  say(`${label || id} is tracked.`);
}

async function removeTarget(id) {
  const response = await command("/remove_target", { id });
  response.success ? say(response.message) : refuse(response.message);
  if (!response.remaining) return;
  for (const other of [...items.keys()]) if (!response.remaining.includes(other)) removeItem(other);
  $("none").hidden = items.size > 0;
  $("remove-all").hidden = items.size < 2;
}

$("remove-all").onclick = () => removeTarget("");

async function command(path, body) {
  try {
    const response = await fetch(path, { method: "POST", headers: AUTHORIZATION, body: JSON.stringify(body) });
    if (response.status === 401) location.replace("/token");
    return await response.json();
  } catch {
    return { success: false, message: "No connection to the robot: nothing was changed." };
  }
}

// Ids are not used again: results for a removed target may still arrive.
function newId() {
  const used = [...items.keys()].map((id) => Number(/^object(\d+)$/.exec(id)?.[1] ?? 0));
  lastNumber = Math.max(lastNumber, ...used) + 1;
  return `object${lastNumber}`;
}

// The message below the picture: what to do, what was done, or why it was refused.

function hint() {
  showMessage(redrawn ? `Drag the new box of ${items.get(redrawn).label || redrawn}.` : HINT, false);
}

function say(text) {
  showMessage(text, false);
  messageTimer = setTimeout(hint, MESSAGE_MS);
}

function refuse(text) {
  showMessage(text, true); // stays until the next action
}

function showMessage(text, isRefusal) {
  clearTimeout(messageTimer);
  $("message-line").classList.toggle("refusal", isRefusal);
  $("message-line").setAttribute("role", isRefusal ? "alert" : "status");
  setText($("message-line"), text);
}

// Elements --------------------------------------------------------------------------------------------

function create(tag, text = "", className = "") {
  return Object.assign(document.createElement(tag), { textContent: text, className });
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text; // screen readers read every change aloud
}
