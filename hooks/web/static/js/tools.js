// Brush, eraser and hand, the size of the brush, and the circle that shows it.

export class Tools {
  // `usable()` tells whether there is something to paint on.
  constructor(stage, view, usable) {
    Object.assign(this, { stage, view, usable, chosen: "brush", held: false, size: 36 });
    this.circle = document.getElementById("cursor");
    this.slider = document.getElementById("size");
    stage.addEventListener("pointermove", (event) => this.follow(event));
    stage.addEventListener("pointerleave", () => (this.circle.hidden = true));
  }

  get now() {
    return this.held ? "hand" : this.chosen;
  }

  choose(tool) {
    this.chosen = tool;
    this.show();
  }

  hold(on) {
    if (this.held === on) return;
    this.held = on;
    this.show();
  }

  // Pixels on the screen, at every zoom: to paint finer, zoom in.
  setSize(size) {
    this.size = Math.min(Math.max(size, Number(this.slider.min)), Number(this.slider.max));
    this.slider.value = Math.round(this.size);
    this.showSize();
  }

  resize(factor) {
    this.setSize(this.size * factor);
  }

  show() {
    for (const tool of ["brush", "eraser", "hand"]) document.getElementById(tool).setAttribute("aria-pressed", this.now === tool);
    const paints = Boolean(this.usable()) && this.now !== "hand" && !this.stage.classList.contains("comparing");
    this.stage.classList.toggle("painting", paints);
    this.stage.classList.toggle("moving", this.now === "hand" || this.stage.classList.contains("comparing"));
    if (!paints) this.circle.hidden = true;
  }

  showSize() {
    Object.assign(this.circle.style, { width: `${this.size}px`, height: `${this.size}px`, margin: `${-this.size / 2}px` });
  }

  follow(event) {
    this.circle.hidden = event.pointerType === "touch" || !this.stage.classList.contains("painting") || Boolean(event.target.closest("#zoom"));
    const { left, top } = this.stage.getBoundingClientRect();
    this.circle.style.transform = `translate(${event.clientX - left}px, ${event.clientY - top}px)`;
  }
}
