// Mouse, pen and fingers on the stage. One finger or the left button paints; two fingers move and zoom; so do the wheel and the hand.

const CONTROLS = "button, #divider, #welcome, #zoom";

export class Gestures {
  // `tool()` is "brush", "eraser" or "hand"; `strokes` has begin(point), extend(point), end() and cancel().
  constructor(stage, view, tool, strokes) {
    Object.assign(this, { stage, view, tool, strokes, fingers: new Map(), painting: null, last: null });
    stage.addEventListener("pointerdown", (event) => this.down(event));
    stage.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, (event) => this.up(event));
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    // Otherwise the browser makes gestures of its own of a finger: a magnifier, a fling that swallows the next tap.
    stage.addEventListener("touchstart", (event) => event.target.closest(CONTROLS) || event.preventDefault(), { passive: false });
    stage.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  place({ clientX, clientY }) {
    const { left, top } = this.stage.getBoundingClientRect();
    return [clientX - left, clientY - top];
  }

  down(event) {
    if (event.target.closest(CONTROLS) || event.button > 1) return;
    this.stage.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, this.place(event));
    this.last = this.span();
    if (this.fingers.size > 1 || event.button === 1 || this.tool() === "hand") {
      this.stop(false); // a second finger makes it a pinch: what the first one painted was not meant
      this.stage.classList.add("held");
    } else if (this.strokes.begin(this.view.toPicture(...this.place(event)))) {
      this.painting = event.pointerId;
    }
  }

  move(event) {
    if (!this.fingers.has(event.pointerId)) return;
    this.fingers.set(event.pointerId, this.place(event));
    if (this.painting === event.pointerId) {
      const between = event.getCoalescedEvents?.() ?? []; // all places since the last frame, for smooth curves
      for (const one of between.length ? between : [event]) this.strokes.extend(this.view.toPicture(...this.place(one)));
    } else if (this.stage.classList.contains("held")) this.drag();
  }

  drag() {
    const span = this.span();
    this.view.move(span.x - this.last.x, span.y - this.last.y);
    if (span.width && this.last.width) this.view.zoom(span.width / this.last.width, span.x, span.y);
    this.last = span;
  }

  up(event) {
    if (!this.fingers.delete(event.pointerId)) return;
    if (this.painting === event.pointerId) this.stop(event.type === "pointerup");
    this.last = this.span();
    if (!this.fingers.size) this.stage.classList.remove("held");
  }

  stop(keep) {
    if (this.painting !== null) keep ? this.strokes.end() : this.strokes.cancel();
    this.painting = null;
  }

  wheel(event) {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode ? 24 : 1);
    this.view.zoom(Math.exp(-Math.max(-200, Math.min(200, pixels)) * (event.ctrlKey ? 0.008 : 0.002)), ...this.place(event));
  }

  // Middle of the fingers, and the distance of two.
  span() {
    const [first = [0, 0], second] = this.fingers.values();
    if (!second) return { x: first[0], y: first[1], width: 0 };
    return { x: (first[0] + second[0]) / 2, y: (first[1] + second[1]) / 2, width: Math.hypot(first[0] - second[0], first[1] - second[1]) };
  }
}
