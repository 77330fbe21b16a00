// The picture with outlines on it, and the box that is dragged. Coordinates are the camera image's own pixels.

const TAP_PX = 8; // shorter drags, on the screen, are taken for a tap

export class Stage {
  // `selected(box, view)` is called with [x, y, width, height] and the view that was on the screen just then.
  constructor(canvas, selected, tapped) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.selected = selected;
    this.tapped = tapped;
    this.view = null; // what is on the screen: {header, width, height, objects, picture}
    this.drag = null; // {pointer, from, to}
    this.asked = null; // the box that waits for an answer
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#end(event));
    canvas.addEventListener("pointercancel", () => this.#cancel());
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.#cancel());
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  show(view) {
    this.view?.picture.close();
    this.view = view;
    this.canvas.parentElement.style.setProperty("--ratio", view.width / view.height);
    this.draw();
  }

  setAsked(box) {
    this.asked = box;
    this.draw();
  }

  draw() {
    const { canvas, context, view } = this;
    if (!view) return;
    const density = window.devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * density);
    const height = Math.round(canvas.clientHeight * density);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(view.picture, 0, 0, width, height);
    context.setTransform(density, 0, 0, density, 0, 0); // from here on in pixels of the page
    const scale = canvas.clientWidth / view.width;
    for (const object of view.objects ?? []) if (object.corners) this.#outline(object, scale);
    if (this.asked) this.#rectangle(this.asked, scale, [6, 4]);
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
    const middle = points.reduce((sum, [x]) => sum + x / 4, 0);
    const top = Math.min(...points.map(([, y]) => y));
    const x = Math.max(0, Math.min(middle - width / 2, this.canvas.clientWidth - width));
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
    if (!event.isPrimary) return this.#cancel(); // a second finger is no box
    if (event.button !== 0 || !this.view) return;
    event.preventDefault();
    document.activeElement?.blur?.(); // the keyboard of a phone goes away
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
    const { view } = this;
    this.#cancel();
    const scale = this.canvas.clientWidth / view.width;
    if (Math.max(box[2], box[3]) * scale < TAP_PX) this.tapped();
    else this.selected(box, view);
  }

  #cancel() {
    this.drag = null;
    this.draw();
  }

  // Where an event is in the image, not beyond its edges.
  #point(event) {
    const edge = this.canvas.getBoundingClientRect();
    const share = (value, from, length) => Math.max(0, Math.min(1, (value - from) / length));
    return [
      share(event.clientX, edge.left, edge.width) * this.view.width,
      share(event.clientY, edge.top, edge.height) * this.view.height,
    ];
  }
}

function boxOf({ from, to }) {
  const [x, y] = [Math.min(from[0], to[0]), Math.min(from[1], to[1])];
  return [x, y, Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1])];
}
