// The camera picture with the outlines of the targets, and the box while it is dragged.
// Coordinates are pixels of the camera image.

const TAP_PX = 8; // a shorter drag, in pixels of the page, is a tap

export class CameraView {
  // `selected(box, image)` is called with [x, y, width, height] and the image on which the box was drawn;
  // `tapped()` is called when the drag was too short for a box.
  constructor(canvas, selected, tapped) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.selected = selected;
    this.tapped = tapped;
    this.image = null; // on the screen: {header, width, height, objects, picture}
    this.drag = null; // {pointer, from, to}
    this.pending = null; // the box that was sent to the tracker, until it responds
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#end(event));
    canvas.addEventListener("pointercancel", () => this.#cancel());
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.#cancel());
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  show(image) {
    this.image?.picture.close();
    this.image = image;
    this.canvas.parentElement.style.setProperty("--ratio", image.width / image.height);
    this.draw();
  }

  setPending(box) {
    this.pending = box;
    this.draw();
  }

  draw() {
    const { canvas, context, image } = this;
    if (!image) return;
    const density = window.devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * density);
    const height = Math.round(canvas.clientHeight * density);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(image.picture, 0, 0, width, height);
    context.setTransform(density, 0, 0, density, 0, 0); // from here on in pixels of the page
    const scale = canvas.clientWidth / image.width;
    for (const object of image.objects ?? []) if (object.corners) this.#outline(object, scale);
    if (this.pending) this.#rectangle(this.pending, scale, [6, 4]);
    if (this.drag) this.#rectangle(boxOf(this.drag), scale, []);
  }

  #outline(object, scale) {
    const { context } = this;
    const points = [0, 2, 4, 6].map((i) => [object.corners[i] * scale, object.corners[i + 1] * scale]);
    context.setLineDash(object.state === "TRACKING" ? [] : [7, 5]);
    context.beginPath();
    for (const [x, y] of points) context.lineTo(x, y);
    context.closePath();
    context.lineJoin = "round";
    this.#stroke(object.colour);
    const text = object.label || object.id;
    context.font = "600 14px system-ui, sans-serif";
    const width = context.measureText(text).width + 12;
    const center = points.reduce((sum, [x]) => sum + x / 4, 0);
    const top = Math.min(...points.map(([, y]) => y));
    const x = Math.max(0, Math.min(center - width / 2, this.canvas.clientWidth - width));
    const y = Math.max(0, Math.min(top - 24, this.canvas.clientHeight - 21));
    context.fillStyle = object.colour;
    context.fillRect(x, y, width, 21);
    context.fillStyle = "#000";
    context.fillText(text, x + 6, y + 15.5);
  }

  #rectangle([x, y, width, height], scale, dash) {
    this.context.setLineDash(dash);
    this.context.beginPath();
    this.context.rect(x * scale, y * scale, width * scale, height * scale);
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

  #begin(event) {
    if (!event.isPrimary) return this.#cancel(); // a second finger cancels the box
    if (event.button !== 0 || !this.image) return;
    event.preventDefault();
    document.activeElement?.blur?.(); // hides the keyboard of a phone
    this.canvas.setPointerCapture(event.pointerId);
    const point = this.#point(event);
    this.drag = { pointer: event.pointerId, from: point, to: point };
    this.draw();
  }

  #move(event) {
    if (event.pointerId !== this.drag?.pointer) return;
    this.drag.to = this.#point(event);
    this.draw();
  }

  #end(event) {
    if (event.pointerId !== this.drag?.pointer) return;
    this.drag.to = this.#point(event);
    const box = boxOf(this.drag);
    const { image } = this;
    this.#cancel();
    const scale = this.canvas.clientWidth / image.width;
    if (Math.max(box[2], box[3]) * scale < TAP_PX) this.tapped();
    else this.selected(box, image);
  }

  #cancel() {
    this.drag = null;
    this.draw();
  }

  // Position of an event in the image, limited to the image.
  #point(event) {
    const edge = this.canvas.getBoundingClientRect();
    const fraction = (value, from, length) => Math.max(0, Math.min(1, (value - from) / length));
    return [
      fraction(event.clientX, edge.left, edge.width) * this.image.width,
      fraction(event.clientY, edge.top, edge.height) * this.image.height,
    ];
  }
}

function boxOf({ from, to }) {
  const [x, y] = [Math.min(from[0], to[0]), Math.min(from[1], to[1])];
  return [x, y, Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1])];
}
