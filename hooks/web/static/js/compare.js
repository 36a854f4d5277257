// Before and after: the result is cut off at a divider, and the photo below it shows.

const STEP = 0.04;

export class Compare {
  constructor(stage, after, divider, view) {
    Object.assign(this, { stage, after, divider, view, share: 0.5, on: false });
    divider.addEventListener("pointerdown", (event) => divider.setPointerCapture(event.pointerId));
    divider.addEventListener("pointermove", (event) => divider.hasPointerCapture(event.pointerId) && this.to(event.clientX));
    divider.addEventListener("keydown", (event) => this.key(event));
  }

  toggle(on = !this.on) {
    this.on = on;
    this.share = 0.5;
    this.divider.hidden = !on;
    this.stage.classList.toggle("comparing", on);
    this.show();
  }

  to(clientX) {
    const x = clientX - this.stage.getBoundingClientRect().left;
    this.share = Math.min(Math.max((x - this.view.x) / (this.view.width * this.view.scale), 0), 1);
    this.show();
  }

  key(event) {
    const step = { ArrowLeft: -STEP, ArrowRight: STEP }[event.key];
    if (!step) return;
    this.share = Math.min(Math.max(this.share + step, 0), 1);
    this.show();
    event.preventDefault();
  }

  // Also called when the view moves: the divider keeps its size on the screen.
  show() {
    const { x, y, width, height, scale } = this.view;
    this.after.style.clipPath = this.on ? `inset(0 0 0 ${this.share * 100}%)` : "";
    const top = Math.max(0, y), bottom = Math.min(this.stage.clientHeight, y + height * scale);
    Object.assign(this.divider.style, { left: `${x + this.share * width * scale}px`, top: `${top}px`, height: `${Math.max(0, bottom - top)}px` });
    this.divider.setAttribute("aria-valuenow", Math.round(this.share * 100));
  }
}
