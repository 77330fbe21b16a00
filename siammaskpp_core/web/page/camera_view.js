// The picture with the outlines of the targets, and the box while it is dragged; zoom.
// Coordinates are pixels of the camera image, unless a name ends with "OnPage".

const TAP_PX = 8; // a shorter drag, in pixels of the page, is a tap
const MAX_ZOOM = 16;
const FONT = "600 13px system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";
const STATES = { TRACKING: "", UNCERTAIN: "uncertain", LOST: "lost" };

export class CameraView {
  // `selected(box, image)` is called with [x, y, width, height] and the image on which the box was drawn. The
  // width and height of a tap are 0. `zoomed(factor)` is called when the zoom has changed.
  constructor(canvas, selected, zoomed) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.selected = selected;
    this.zoomed = zoomed;
    this.image = null; // on the screen: {header, width, height, objects, picture}
    this.newer = null; // arrived while a box was dragged: until then the picture stands still
    this.zoom = 1;
    this.left = this.top = 0; // upper left corner of what is shown
    this.pointers = new Map(); // id -> position on the page
    this.drag = null; // {pointer, from, to}
    this.pinch = null; // {distanceOnPage, centerOnPage}
    this.pending = null; // the box that was sent, until there is an answer
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#end(event));
    canvas.addEventListener("pointercancel", (event) => this.#lose(event));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  show(image) {
    if (this.drag && this.image) {
      this.newer?.picture.close();
      this.newer = image;
      return;
    }
    const isOther = this.image && (this.image.width !== image.width || this.image.height !== image.height);
    this.image?.picture.close();
    this.image = image;
    if (isOther) this.fit();
    this.canvas.parentElement.style.setProperty("--ratio", image.width / image.height);
    this.draw();
  }

  setPending(box) {
    this.pending = box;
    this.draw();
  }

  cancel() {
    this.drag = this.pinch = null;
    const { newer } = this;
    this.newer = null;
    if (newer) this.show(newer);
    else this.draw();
  }

  // Zoom ----------------------------------------------------------------------------------------------

  fit() {
    this.zoomBy(0);
  }

  // Multiply the zoom around a point of the page, by default the middle of the picture.
  zoomBy(factor, pointOnPage = [this.canvas.clientWidth / 2, this.canvas.clientHeight / 2]) {
    if (!this.image) return;
    const [x, y] = this.#toImage(pointOnPage);
    this.zoom = Math.max(1, Math.min(MAX_ZOOM, this.zoom * factor));
    this.#place([x, y], pointOnPage);
  }

  // Show the point of the image at the point of the page, as far as the picture still fills its frame.
  #place([x, y], [xOnPage, yOnPage]) {
    const { image, zoom } = this;
    const limited = (value, length) => Math.max(0, Math.min(length - length / zoom, value));
    this.left = limited(x - xOnPage / this.#scale(), image.width);
    this.top = limited(y - yOnPage / this.#scale(), image.height);
    this.zoomed(zoom);
    this.draw();
  }

  #scale() {
    return (this.canvas.clientWidth / this.image.width) * this.zoom;
  }

  #toImage([xOnPage, yOnPage]) {
    return [this.left + xOnPage / this.#scale(), this.top + yOnPage / this.#scale()];
  }

  #toPage([x, y]) {
    return [(x - this.left) * this.#scale(), (y - this.top) * this.#scale()];
  }

  // Drawing -------------------------------------------------------------------------------------------

  draw() {
    const { canvas, context, image, zoom } = this;
    if (!image) return;
    const density = window.devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * density);
    const height = Math.round(canvas.clientHeight * density);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    context.setTransform(1, 0, 0, 1, 0, 0);
    const { picture } = image;
    const shrunk = picture.width / image.width; // the picture may be smaller than the image
    const part = [this.left * shrunk, this.top * shrunk, picture.width / zoom, picture.height / zoom];
    context.imageSmoothingEnabled = zoom < 6; // pixels of small things are to be seen
    context.drawImage(picture, ...part, 0, 0, width, height);
    context.setTransform(density, 0, 0, density, 0, 0); // from here on in pixels of the page
    const objects = image.objects ?? [];
    for (const object of objects) if (object.corners) this.#outline(object);
    objects.filter(({ corners }) => !corners).forEach((object, row) => this.#tag(object, 8, 8 + 25 * row));
    if (this.pending) this.#rectangle(this.pending, [6, 4]);
    if (this.drag) this.#rectangle(boxOf(this.drag), []);
  }

  #outline(object) {
    const { context, canvas } = this;
    const points = [0, 2, 4, 6].map((i) => this.#toPage([object.corners[i], object.corners[i + 1]]));
    context.setLineDash(object.state === "TRACKING" ? [] : [7, 5]);
    context.beginPath();
    for (const [x, y] of points) context.lineTo(x, y);
    context.closePath();
    context.lineJoin = "round";
    this.#stroke(object.colour);
    const width = this.#width(object);
    const center = points.reduce((sum, [x]) => sum + x / 4, 0);
    const top = Math.min(...points.map(([, y]) => y));
    const x = Math.max(0, Math.min(center - width / 2, canvas.clientWidth - width));
    this.#tag(object, x, Math.max(0, Math.min(top - 24, canvas.clientHeight - 21)));
  }

  // Name, state and score on the colour of the target.
  #tag(object, x, y) {
    const { context } = this;
    const width = this.#width(object);
    context.fillStyle = object.colour ?? "#d5dce3";
    context.fillRect(x, y, width, 21);
    context.fillStyle = "#000";
    context.fillText(textOf(object), x + 6, y + 15);
  }

  #width(object) {
    this.context.font = FONT;
    return this.context.measureText(textOf(object)).width + 12;
  }

  #rectangle([x, y, width, height], dash) {
    const { context } = this;
    const [left, top] = this.#toPage([x, y]);
    context.setLineDash(dash);
    context.beginPath();
    if (width || height) context.rect(left, top, width * this.#scale(), height * this.#scale());
    else context.arc(left, top, 12, 0, 2 * Math.PI);
    this.#stroke("#fff");
  }

  #stroke(colour) {
    const { context } = this;
    context.strokeStyle = "rgb(0 0 0 / 60%)";
    context.lineWidth = 4;
    context.stroke();
    context.strokeStyle = colour;
    context.lineWidth = 2;
    context.stroke();
    context.setLineDash([]);
  }

  // Pointers ------------------------------------------------------------------------------------------

  #begin(event) {
    if (event.button !== 0 || !this.image) return;
    event.preventDefault();
    document.activeElement?.blur?.(); // hides the keyboard of a phone
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.#onPage(event));
    if (this.pointers.size > 1) return this.#beginPinch();
    const point = this.#inside(this.#onPage(event));
    this.drag = { pointer: event.pointerId, from: point, to: point };
    this.draw();
  }

  #move(event) {
    if (!this.pointers.has(event.pointerId)) return;
    this.pointers.set(event.pointerId, this.#onPage(event));
    if (this.pinch) return this.#movePinch();
    if (event.pointerId !== this.drag?.pointer) return;
    this.drag.to = this.#inside(this.#onPage(event));
    this.draw();
  }

  #end(event) {
    const isDragged = event.pointerId === this.drag?.pointer;
    this.pointers.delete(event.pointerId);
    if (this.pinch && this.pointers.size < 2) this.pinch = null;
    if (!isDragged) return;
    this.drag.to = this.#inside(this.#onPage(event));
    const box = boxOf(this.drag);
    const { image } = this;
    const isTap = Math.max(box[2], box[3]) * this.#scale() < TAP_PX;
    this.selected(isTap ? [...this.drag.from, 0, 0] : box, image);
    this.cancel();
  }

  #lose(event) {
    this.pointers.delete(event.pointerId);
    this.cancel();
  }

  // Two fingers zoom and move the picture; a box that one of them had begun is given up.
  #beginPinch() {
    this.cancel();
    this.pinch = this.#fingers();
  }

  #movePinch() {
    const before = this.pinch;
    this.pinch = this.#fingers();
    const fixed = this.#toImage(before.centerOnPage);
    this.zoom = Math.max(1, Math.min(MAX_ZOOM, (this.zoom * this.pinch.distanceOnPage) / before.distanceOnPage));
    this.#place(fixed, this.pinch.centerOnPage);
  }

  #fingers() {
    const [[x0, y0], [x1, y1]] = [...this.pointers.values()];
    return { distanceOnPage: Math.max(1, Math.hypot(x1 - x0, y1 - y0)), centerOnPage: [(x0 + x1) / 2, (y0 + y1) / 2] };
  }

  #wheel(event) {
    event.preventDefault();
    this.zoomBy(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), this.#onPage(event));
  }

  #onPage(event) {
    const edge = this.canvas.getBoundingClientRect();
    return [event.clientX - edge.left, event.clientY - edge.top];
  }

  // The point of the image below a point of the page, limited to the image.
  #inside(pointOnPage) {
    const [x, y] = this.#toImage(pointOnPage);
    return [Math.max(0, Math.min(this.image.width, x)), Math.max(0, Math.min(this.image.height, y))];
  }
}

function textOf({ label, id, state, score }) {
  return [label || id, STATES[state] ?? state.toLowerCase(), score.toFixed(2)].filter(Boolean).join(" ");
}

function boxOf({ from, to }) {
  const [x, y] = [Math.min(from[0], to[0]), Math.min(from[1], to[1])];
  return [x, y, Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1])];
}
