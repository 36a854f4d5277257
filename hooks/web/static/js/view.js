// Zoom and place of the picture on the stage: a CSS transform, so that moving it paints nothing anew.

const LARGEST = 24; // pixels of the screen per shown pixel
const MARGIN = 24;

export class View {
  constructor(stage, picture, onChange) {
    Object.assign(this, { stage, picture, onChange, scale: 1, x: 0, y: 0, width: 1, height: 1, fitted: true });
    new ResizeObserver(() => (this.fitted ? this.fit() : this.apply())).observe(stage);
  }

  resize({ width, height }) {
    Object.assign(this, { width, height });
    Object.assign(this.picture.style, { width: `${width}px`, height: `${height}px` });
    this.fit();
  }

  get whole() {
    const margin = Math.min(MARGIN, this.stage.clientWidth / 30);
    return Math.min((this.stage.clientWidth - 2 * margin) / this.width, (this.stage.clientHeight - 2 * margin) / this.height);
  }

  fit() {
    this.scale = Math.min(this.whole, Math.max(1, this.whole / 2, 3));
    this.x = (this.stage.clientWidth - this.width * this.scale) / 2;
    this.y = (this.stage.clientHeight - this.height * this.scale) / 2;
    this.apply();
    this.fitted = true;
  }

  zoom(factor, x = this.stage.clientWidth / 2, y = this.stage.clientHeight / 2) {
    const scale = Math.min(Math.max(this.scale * factor, Math.min(this.whole, 1) / 2), LARGEST);
    this.x = x - ((x - this.x) * scale) / this.scale;
    this.y = y - ((y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.apply();
  }

  move(x, y) {
    this.x += x;
    this.y += y;
    this.apply();
  }

  // From a place on the stage to a place in the shown picture.
  toPicture(x, y) {
    return [(x - this.x) / this.scale, (y - this.y) / this.scale];
  }

  apply() {
    const rest = 60; // of the picture, some pixels always stay on the stage
    this.x = Math.min(Math.max(this.x, rest - this.width * this.scale), this.stage.clientWidth - rest);
    this.y = Math.min(Math.max(this.y, rest - this.height * this.scale), this.stage.clientHeight - rest);
    this.fitted = false;
    this.picture.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
    this.picture.classList.toggle("close", this.scale >= 3);
    this.onChange();
  }
}
