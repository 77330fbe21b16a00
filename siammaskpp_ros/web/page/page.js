// Connection to the robot, the list of objects, and the two commands.

import { Stage } from "./stage.js";

const RECONNECT_MS = 1500;
const SCORE_EVERY_MS = 300;
const ANSWER_MS = 5000;
const HINT = "Drag a box around an object to follow it.";
const STATES = {
  CONNECTING: "connecting", ABSENT: "no tracker", OFFLINE: "no connection", INACTIVE: "inactive", WAITING: "no images", IDLE: "ready",
  TRACKING: "tracking", UNCERTAIN: "uncertain", LOST: "lost", ERROR: "error", UNKNOWN: "unknown",
};

const $ = (id) => document.getElementById(id);
const items = new Map(); // id -> the elements of an object in the list
let socket = null;
let redrawn = null; // the id that the next box replaces
let lastNumber = 0;
let scored = 0;
let answered = 0; // the timer that takes an answer away

const stage = new Stage($("picture"), setTarget, () => say("Drag from one corner of the object to the other."));
hint();

// Connection ------------------------------------------------------------------------------------------

function connect() {
  if (document.hidden || socket) return; // nothing is sent to a page that nobody sees
  let opened = false;
  const mine = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
  socket = mine;
  mine.binaryType = "arraybuffer";
  mine.onopen = () => {
    opened = true;
    mine.send("next");
  };
  mine.onmessage = ({ data }) => (typeof data === "string" ? showStatus(JSON.parse(data)) : showPacket(data, mine));
  mine.onclose = async ({ reason }) => {
    if (socket !== mine) return; // closed by this page itself
    socket = null;
    showState("OFFLINE");
    $("stage").classList.add("old");
    showProblem(reason ? `${reason}.` : "No connection to the robot; trying again.");
    // The token may have become another one: the answer to that is a page of its own.
    if (!opened && (await refused())) return location.reload();
    setTimeout(connect, RECONNECT_MS);
  };
}

async function refused() {
  try {
    return [401, 403].includes((await fetch("/", { method: "HEAD" })).status);
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

async function showPacket(data, from) {
  try {
    const view = await unpacked(data);
    stage.show(view);
    $("waiting").hidden = true;
    if (view.objects) listObjects(view.objects);
  } finally {
    if (from.readyState === WebSocket.OPEN) from.send("next"); // one at a time: what is shown is never old
  }
}

async function unpacked(data) {
  const length = new DataView(data).getUint32(0);
  const view = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  view.picture = await createImageBitmap(new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" }));
  return view;
}

function showStatus(status) {
  $("tracker").textContent = status.tracker;
  showState(status.state);
  // The tracker's words come first: it may have images when this page gets none, and the other way round.
  const isBroken = ["ABSENT", "ERROR", "WAITING"].includes(status.state);
  showProblem(isBroken ? status.message : status.camera);
  $("stage").classList.toggle("old", Boolean(status.camera));
  setText($("message"), isBroken ? "" : status.message);
  // Without images there are no results that would say so.
  if (status.targets === 0 && items.size && performance.now() - scored > 2000) listObjects([]);
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
  $("numbers").replaceChildren(...Object.entries(numbers).flatMap(([name, value]) => [made("dt", name), made("dd", value)]));
}

function showState(state) {
  $("state").dataset.state = state;
  setText($("state"), STATES[state] ?? state);
}

function showProblem(text) {
  $("problem").hidden = !text;
  setText($("problem"), text ?? "");
}

// Objects ---------------------------------------------------------------------------------------------

function listObjects(objects) {
  const ids = new Set(objects.map(({ id }) => id));
  for (const id of items.keys()) if (!ids.has(id)) forget(id);
  const isTime = performance.now() - scored > SCORE_EVERY_MS;
  if (isTime) scored = performance.now();
  for (const object of objects) {
    if (!items.has(object.id)) items.set(object.id, makeItem(object.id));
    fillItem(items.get(object.id), object, isTime);
  }
  $("none").hidden = items.size > 0;
  $("remove-all").hidden = items.size < 2;
  const seen = objects.map(({ id, label, state }) => `${label || id} ${STATES[state]}`).join(", ");
  $("picture").setAttribute("aria-label", `Camera picture: ${seen || "no object is followed"}`);
}

function makeItem(id) {
  const item = {
    row: made("li"), colour: made("span", "", "colour"), name: made("span", "", "name"), state: made("span", "", "state"),
    meter: made("meter"), score: made("span", "", "score"), redraw: made("button", "Draw again"), remove: made("button", "Remove"),
  };
  item.row.dataset.id = id;
  item.redraw.onclick = () => setRedrawn(redrawn === id ? null : id);
  item.remove.onclick = () => removeTarget(id);
  const buttons = made("div", "", "buttons");
  buttons.append(item.redraw, item.remove);
  item.row.append(item.colour, item.name, item.state, item.meter, item.score, buttons);
  $("targets").append(item.row);
  return item;
}

function fillItem(item, object, isTime) {
  const name = object.label || object.id;
  item.colour.style.background = object.colour;
  item.state.dataset.state = object.state;
  setText(item.state, STATES[object.state]);
  if (item.label !== object.label) {
    item.label = object.label;
    item.name.textContent = name;
    if (object.label) item.name.append(made("small", object.id));
    item.redraw.setAttribute("aria-label", `Draw ${name} again`);
    item.redraw.setAttribute("aria-pressed", "false");
    item.remove.setAttribute("aria-label", `Remove ${name}`);
    item.meter.setAttribute("aria-label", `Score of ${name}`);
  }
  if (isTime || !item.score.textContent) {
    item.meter.value = object.score;
    setText(item.score, object.score.toFixed(2));
  }
}

function forget(id) {
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

async function setTarget(box, view) {
  const id = redrawn ?? freeId();
  const label = redrawn ? items.get(redrawn).label : $("label").value.trim();
  stage.setAsked(box);
  const answer = await command("/set_target", { header: view.header, box, id, label });
  stage.setAsked(null);
  if (!answer.success) return refuse(answer.message);
  if (!redrawn) $("label").value = "";
  setRedrawn(null);
  say(`${label || id} is followed.`);
}

async function removeTarget(id) {
  const answer = await command("/remove_target", { id });
  answer.success ? say(answer.message) : refuse(answer.message);
  if (!answer.remaining) return;
  for (const other of [...items.keys()]) if (!answer.remaining.includes(other)) forget(other);
  $("none").hidden = items.size > 0;
  $("remove-all").hidden = items.size < 2;
}

$("remove-all").onclick = () => removeTarget("");

async function command(path, body) {
  try {
    const response = await fetch(path, { method: "POST", body: JSON.stringify(body) });
    if (response.status === 401) location.reload();
    return await response.json();
  } catch {
    return { success: false, message: "No connection to the robot: nothing was changed." };
  }
}

// Never one that this page gave before: its results may still be on their way.
function freeId() {
  const used = [...items.keys()].map((id) => Number(/^object(\d+)$/.exec(id)?.[1] ?? 0));
  lastNumber = Math.max(lastNumber, ...used) + 1;
  return `object${lastNumber}`;
}

// The line below the picture: what to do, what was done, or why it was not.

function hint() {
  line(redrawn ? `Drag the new box of ${items.get(redrawn).label || redrawn}.` : HINT, false);
}

function say(text) {
  line(text, false);
  answered = setTimeout(hint, ANSWER_MS);
}

function refuse(text) {
  line(text, true); // stays until something else is done
}

function line(text, isRefusal) {
  clearTimeout(answered);
  $("answer").classList.toggle("refusal", isRefusal);
  $("answer").setAttribute("role", isRefusal ? "alert" : "status");
  setText($("answer"), text);
}

// Elements --------------------------------------------------------------------------------------------

function made(tag, text = "", className = "") {
  return Object.assign(document.createElement(tag), { textContent: text, className });
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text; // screen readers speak every change
}
