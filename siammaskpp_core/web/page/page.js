// The page: connection to the robot or to the program, player, list of targets, and the commands.

import { CameraView } from "./camera_view.js";

const RECONNECT_MS = 1500;
const SCORE_PERIOD_MS = 300;
const MESSAGE_MS = 5000;
const UNDO_MS = 10000;
const STATES = {
  CONNECTING: "connecting", ABSENT: "no tracker", OFFLINE: "no connection", INACTIVE: "inactive", WAITING: "no images", IDLE: "ready",
  TRACKING: "tracking", UNCERTAIN: "uncertain", LOST: "lost", ERROR: "error", PAUSED: "paused", ENDED: "end of the video", SAVED: "saved",
};
const NO_CONNECTION = "No connection to the robot: nothing was changed.";

const $ = (id) => document.getElementById(id);
const items = new Map(); // id -> the elements of a target in the list
const colours = new Map(); // id -> the last colour of a target, which has none while it is not seen
let socket = null;
let redrawn = null; // id of the target whose box is drawn again
let lastNumber = 0;
let scoredAt = 0; // time of the last update of the scores
let messageTimer = 0; // removes the message below the picture
let status = { commands: [] };
let undo = null; // brings back what was removed last
let isSaved = false; // the outputs are written, and the program ends
let wanted = null; // number of the frame that the slider asks for

// Kept for this origin only: a cookie would go to the servers on all other ports of the host, too.
const token = takeToken();
const AUTHORIZATION = token ? { Authorization: `Bearer ${token}` } : {};

const cameraView = new CameraView($("picture"), setTarget, (zoom) => {
  for (const id of ["zoom-out", "zoom-fit"]) $(id).hidden = zoom <= 1;
});
hint();
listKeys();

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
    if (isSaved) return; // the program has ended
    showState("OFFLINE");
    $("camera-view").classList.add("old");
    showProblem(reason ? `${reason}.` : `No connection to the ${status.video ? "program" : "robot"}; trying again.`);
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
    for (const object of image.objects ?? []) {
      if (object.colour) colours.set(object.id, object.colour);
      object.colour ??= colours.get(object.id);
    }
    cameraView.show(image);
    $("waiting").hidden = true;
    if (image.objects) listTargets(image.objects, image.header);
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

function showStatus(newest) {
  if (isSaved) return;
  const isFirst = !status.state;
  status = { commands: [], ...newest };
  setText($("source"), status.tracker);
  showState(status.state);
  // The tracker's message comes first: tracker and page receive images independently of each other.
  const isBroken = ["ABSENT", "ERROR", "WAITING"].includes(status.state);
  showProblem(isBroken ? status.message : status.camera);
  $("camera-view").classList.toggle("old", Boolean(status.camera));
  setText($("message"), isBroken ? "" : status.message);
  // While no results arrive, only the status tells that all targets have been removed.
  if (status.targets === 0 && items.size && performance.now() - scoredAt > 2000) listTargets([]);
  $("numbers").replaceChildren(...pairs(numbersOf(status)));
  if (status.video) showPlayer(status.video);
  if (isFirst) {
    $("numbers-box").open = !status.video;
    listKeys();
  }
  if (isFirst || !messageTimer) hint();
}

function numbersOf(status) {
  const ms = (value) => (value == null ? "–" : `${value.toFixed(0)} ms`);
  const fps = { "Images per second": status.fps?.toFixed(1) ?? "–" };
  if (status.video) return { ...fps, Engine: status.engine ?? "–" };
  return {
    ...fps,
    "Latency, median": ms(status.latency_median_ms),
    "Latency, 95 %": ms(status.latency_p95_ms),
    "Age of results": ms(status.age_median_ms),
    "Images received": status.frames_received ?? "–",
    "Images skipped": status.frames_dropped ?? "–",
    Engine: status.engine ?? "–",
  };
}

function showState(state) {
  $("state").dataset.state = state;
  setText($("state"), STATES[state] ?? state);
}

function showProblem(text) {
  $("problem").hidden = !text;
  setText($("problem"), text ?? "");
}

// Player of a video -----------------------------------------------------------------------------------

function showPlayer(video) {
  $("player").hidden = false;
  $("player").classList.toggle("live", video.is_live);
  for (const id of ["play", "back", "forward", "position"]) $(id).hidden = video.is_live;
  setText($("play"), video.is_playing ? "Pause" : "Play");
  $("play").setAttribute("aria-pressed", String(video.is_playing));
  const last = video.last ?? video.tracked_to;
  Object.assign($("position"), { min: video.first, max: last });
  if (wanted === null && !$("position").matches(":active")) $("position").value = video.frame;
  const done = last > video.first ? (video.tracked_to - video.first) / (last - video.first) : 0;
  $("position").style.setProperty("--done", `${100 * done}%`);
  setText($("frame"), video.is_live ? `${video.time_s.toFixed(0)} s` : `${video.frame} / ${last}`);
  $("save").disabled = !video.can_save;
}

async function player(command, body = {}) {
  if (!status.video || status.video.is_live) return;
  const response = await send(command, body);
  if (!response.success) refuse(response.message);
}

function togglePlay() {
  player(status.video?.is_playing ? "pause" : "play");
}

function goTo(frame) {
  player("go_to", { frame });
}

$("play").onclick = togglePlay;
$("back").onclick = () => goTo(status.video.frame - 1);
$("forward").onclick = () => goTo(status.video.frame + 1);
$("position").oninput = seek;

// While the slider is moved, one request is under way: a frame far back takes a moment to find.
async function seek() {
  const isUnderWay = wanted !== null;
  wanted = Number($("position").value);
  if (isUnderWay) return;
  for (let frame = null; frame !== wanted; ) {
    frame = wanted;
    await player("go_to", { frame });
  }
  wanted = null;
}

async function save() {
  if (!status.video?.can_save) return;
  const { first, last, tracked_to, is_live } = status.video;
  const isPart = !is_live && last != null && tracked_to < last;
  if (isPart && !confirm(`Only the frames ${first} to ${tracked_to} of ${last} are tracked. Save these and end?`)) return;
  say("Saving…");
  const response = await send("save", {});
  if (!response.success) return refuse(response.message);
  isSaved = true;
  showState("SAVED");
  showProblem("");
  for (const control of document.querySelectorAll("button, input")) control.disabled = true;
  showMessage(`${response.message}. You can close this page.`, false);
  messageTimer = -1; // stays
}

$("save").onclick = save;

// Targets ---------------------------------------------------------------------------------------------

function listTargets(objects, header) {
  const ids = new Set(objects.map(({ id }) => id));
  for (const id of items.keys()) if (!ids.has(id)) removeItem(id);
  const isScoreDue = performance.now() - scoredAt > SCORE_PERIOD_MS;
  if (isScoreDue) scoredAt = performance.now();
  for (const object of objects) {
    if (!items.has(object.id)) items.set(object.id, makeItem(object.id));
    fillItem(items.get(object.id), object, header, isScoreDue);
  }
  showCount();
  const seen = objects.map(({ id, label, state }) => `${label || id} ${STATES[state] ?? state}`).join(", ");
  $("picture").setAttribute("aria-label", `Camera picture: ${seen || "no target"}`);
}

function showCount() {
  if ($("none").hidden !== items.size > 0 && !messageTimer) queueMicrotask(hint); // it depends on the targets
  $("none").hidden = items.size > 0;
  $("remove-all").hidden = items.size < 2;
}

function makeItem(id) {
  const item = {
    row: create("li"), colour: create("span", "", "colour"), name: create("span", "", "name"), state: create("span", "", "state"),
    meter: create("meter"), score: create("span", "", "score"),
    redraw: create("button", "Draw again"), rename: create("button", "Rename"), remove: create("button", "Remove"),
    last: null, // {header, box, label} where it was last seen
  };
  item.row.dataset.id = id;
  item.redraw.onclick = () => setRedrawn(redrawn === id ? null : id);
  item.rename.onclick = () => beginRename(id);
  item.remove.onclick = () => removeTargets(id);
  const buttons = create("div", "", "buttons");
  buttons.append(item.redraw, item.rename, item.remove);
  item.row.append(item.colour, item.name, item.state, item.meter, item.score, buttons);
  $("targets").append(item.row);
  return item;
}

function fillItem(item, object, header, isScoreDue) {
  const name = object.label || object.id;
  item.colour.style.background = object.colour ?? "";
  item.state.dataset.state = object.state;
  setText(item.state, STATES[object.state] ?? object.state);
  item.rename.hidden = !status.commands.includes("rename");
  if (object.box) item.last = { header, box: object.box, label: object.label };
  if (item.label !== object.label && !item.row.querySelector("input")) {
    item.label = object.label;
    item.name.textContent = name;
    if (object.label && object.label !== object.id) item.name.append(create("small", object.id));
    item.redraw.setAttribute("aria-label", `Draw ${name} again`);
    item.redraw.setAttribute("aria-pressed", String(redrawn === object.id));
    item.rename.setAttribute("aria-label", `Rename ${name}`);
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

function beginRename(id) {
  const item = items.get(id);
  const input = Object.assign(create("input"), { value: item.label || "", maxLength: 40, enterKeyHint: "done" });
  input.setAttribute("aria-label", `New label of ${item.label || id}`);
  let isOver = false;
  const end = async (isWanted) => {
    if (isOver) return;
    isOver = true;
    input.remove();
    item.label = undefined; // the next picture writes the name again
    if (!isWanted) return;
    const response = await send("rename", { id, label: input.value.trim() });
    if (!response.success) refuse(response.message);
  };
  input.onkeydown = ({ key }) => {
    if (key === "Enter" || key === "Escape") end(key === "Enter"); // a returned false would swallow the key
  };
  input.onblur = () => end(true);
  item.name.replaceChildren(input);
  input.focus();
  input.select();
}

// Commands --------------------------------------------------------------------------------------------

async function setTarget(box, image) {
  const id = redrawn ?? newId(); // empty: the answer has it
  const label = redrawn ? items.get(redrawn).label : $("label").value.trim();
  const isTap = !box[2] && !box[3];
  cameraView.setPending(box);
  if (isTap) say("Looking for the object…");
  const response = await send("set_target", { header: image.header, box, id, label });
  cameraView.setPending(null);
  if (!response.success) return refuse(response.message);
  if (!redrawn) $("label").value = "";
  setRedrawn(null);
  say(`${label || response.id || id} ${status.video && !status.video.is_playing ? "is set. Play to track it." : "is tracked."}`);
}

// Remove the target with an id, or all of them for an empty id.
async function removeTargets(id) {
  const removed = [...items].filter(([other]) => !id || other === id);
  const response = await send("remove_target", { id });
  if (!response.success) refuse(response.message);
  if (response.success) offerUndo(response.message, removed.map(([other, item]) => [other, item.last]));
  if (!response.remaining) return;
  for (const other of [...items.keys()]) if (!response.remaining.includes(other)) removeItem(other);
  showCount();
}

// A program remembers what it removed. A robot does not: the targets are set where they were last seen.
function offerUndo(message, removed) {
  const canBeSet = removed.filter(([, last]) => last);
  if (!status.commands.includes("undo") && !canBeSet.length) return say(message);
  say(message, UNDO_MS);
  $("undo").hidden = false;
  undo = async () => {
    if (status.commands.includes("undo")) return report(await send("undo", {}));
    for (const [id, last] of canBeSet) {
      let response = await send("set_target", { ...last, id });
      const { image } = cameraView; // the tracker remembers older images for a moment only
      if (!response.success && image) response = await send("set_target", { ...last, header: image.header, id });
      report({ ...response, message: response.success ? `${last.label || id} is tracked from where it was last seen.` : response.message });
    }
  };
}

function takeBack() {
  const action = undo;
  hint();
  action?.();
}

function report({ success, message }) {
  success ? say(message) : refuse(message);
}

$("undo").onclick = takeBack;
$("remove-all").onclick = () => removeTargets("");
$("zoom-in").onclick = () => cameraView.zoomBy(1.6);
$("zoom-out").onclick = () => cameraView.zoomBy(1 / 1.6);
$("zoom-fit").onclick = () => cameraView.fit();

async function send(command, body) {
  try {
    const response = await fetch(`/${command}`, { method: "POST", headers: AUTHORIZATION, body: JSON.stringify(body) });
    if (response.status === 401) location.replace("/token");
    return await response.json();
  } catch {
    return { success: false, message: status.video ? "The program does not answer: it may have ended." : NO_CONNECTION };
  }
}

// Ids are not used again: results for a removed target may still arrive.
function newId() {
  if (status.video) return ""; // the program chooses: the label, or target
  const used = [...items.keys()].map((id) => Number(/^object(\d+)$/.exec(id)?.[1] ?? 0));
  lastNumber = Math.max(lastNumber, ...used) + 1;
  return `object${lastNumber}`;
}

// Keys ------------------------------------------------------------------------------------------------

function keys() {
  const common = [
    ["Esc", "give up a box", ["Escape"], () => (cameraView.cancel(), setRedrawn(null))],
    ["L", "label of the next target", ["l"], () => $("label").focus()],
    ["1 … 9", "draw target 1 … 9 again", [..."123456789"], (key) => [...items.values()][key - 1]?.redraw.click()],
    ["Delete", "remove the target that is drawn again", ["Delete", "Backspace"], () => redrawn && removeTargets(redrawn)],
    ["U", "undo a removal", ["u", "z"], takeBack],
    ["+ − 0", "zoom in, out, whole picture", ["+", "=", "-", "0"], (key) => (key === "0" ? cameraView.fit() : cameraView.zoomBy(key === "-" ? 1 / 1.6 : 1.6))],
  ];
  const frame = (step) => goTo(status.video.frame + step);
  const ofVideo = [
    ["Space", "play, pause", [" "], togglePlay],
    ["← →", "one frame back, forward", ["ArrowLeft", "ArrowRight"], (key) => frame(key === "ArrowLeft" ? -1 : 1)],
    ["Home End", "first, last tracked frame", ["Home", "End"], (key) => goTo(key === "Home" ? status.video.first : status.video.tracked_to)],
  ];
  const end = [["S", "save and end", ["s"], save]];
  if (!status.video) return common;
  return status.video.is_live ? [...end, ...common] : [...ofVideo, ...end, ...common];
}

function listKeys() {
  $("keys").replaceChildren(...pairs(Object.fromEntries(keys().map(([name, use]) => [use, name]))));
}

document.addEventListener("keydown", (event) => {
  const isText = event.target.matches("input:not([type=range])");
  if (isText && event.target.id === "label" && ["Enter", "Escape"].includes(event.key)) return event.target.blur();
  if (isText || event.altKey || event.metaKey || (event.ctrlKey && event.key !== "z")) return;
  if (event.key === " " && event.target.matches("button, summary")) return; // Space presses what has the focus
  const found = keys().find(([, , names]) => names.includes(event.key));
  if (!found) return;
  event.preventDefault();
  found[3](event.key);
});

// The message below the picture: what to do, what was done, or why it was refused.

function hint() {
  const name = redrawn && (items.get(redrawn).label || redrawn);
  if (redrawn) return showMessage(`Drag the new box of ${name}, or tap it.`, false);
  const { video } = status;
  if (video && !video.is_live && items.size && !video.is_playing && video.frame === video.first)
    return showMessage("Play to track, or drag a box around another object.", false);
  if (video && !video.is_live && items.size) return showMessage("To correct a target: pause, Draw again, and drag its box.", false);
  showMessage("Drag a box around an object to track it, or tap it.", false);
}

function say(text, duration_ms = MESSAGE_MS) {
  showMessage(text, false);
  messageTimer = setTimeout(hint, duration_ms);
}

function refuse(text) {
  showMessage(text, true); // stays until the next action
  messageTimer = -1;
}

function showMessage(text, isRefusal) {
  clearTimeout(messageTimer);
  messageTimer = 0;
  $("undo").hidden = true;
  undo = null;
  $("message-line").classList.toggle("refusal", isRefusal);
  $("message-line").setAttribute("role", isRefusal ? "alert" : "status");
  setText($("message-line"), text);
}

// Elements --------------------------------------------------------------------------------------------

function create(tag, text = "", className = "") {
  return Object.assign(document.createElement(tag), { textContent: text, className });
}

function pairs(values) {
  return Object.entries(values).flatMap(([name, value]) => [create("dt", name), create("dd", value)]);
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text; // screen readers read every change aloud
}
