// Marks on the photo: strokes, mask files, inversions. They are drawn again from the list when something is undone, so that the history
// needs no copies of the canvas. Coordinates are those of the shown picture.

const COLOUR = "#ff3b6b";

export class Marks {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { willReadFrequently: false });
  }

  resize({ width, height }) {
    Object.assign(this.canvas, { width, height });
  }

  show(list) {
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    for (const mark of list) this.draw(mark);
  }

  draw(mark) {
    const { context: c, canvas } = this;
    c.save();
    c.fillStyle = c.strokeStyle = COLOUR;
    if (mark.kind === "stroke") {
      c.globalCompositeOperation = mark.erase ? "destination-out" : "source-over";
      trace(c, mark);
    } else if (mark.kind === "file") {
      const own = tinted(mark.bitmap, canvas);
      c.drawImage(own, 0, 0);
    } else if (mark.kind === "invert") {
      c.globalCompositeOperation = "source-out";
      c.fillRect(0, 0, canvas.width, canvas.height);
    }
    c.restore();
  }

  // Only what may be painted is sent. Returns null if nothing can be.
  async cutOut(list) {
    const { width, height } = this.canvas;
    const box = bounds(list, width, height);
    if (!box) return null;
    const part = document.createElement("canvas");
    Object.assign(part, { width: box.right - box.left, height: box.bottom - box.top });
    part.getContext("2d").drawImage(this.canvas, -box.left, -box.top);
    const blob = await new Promise((done) => part.toBlob(done, "image/png"));
    return { blob, left: box.left, top: box.top, width, height };
  }
}

function trace(c, { points, width }) {
  c.lineWidth = width;
  c.lineCap = c.lineJoin = "round";
  c.beginPath();
  c.moveTo(...points[0]);
  for (const point of points) c.lineTo(...point);
  c.stroke();
}

// The mask file's opaque pixels in our colour, at the size of the canvas.
function tinted(bitmap, { width, height }) {
  const layer = document.createElement("canvas");
  Object.assign(layer, { width, height });
  const c = layer.getContext("2d");
  c.drawImage(bitmap, 0, 0, width, height);
  c.globalCompositeOperation = "source-in";
  c.fillStyle = COLOUR;
  c.fillRect(0, 0, width, height);
  return layer;
}

export function bounds(list, width, height) {
  let box = { left: width, top: height, right: 0, bottom: 0 };
  for (const mark of list) {
    if (mark.kind !== "stroke") box = { left: 0, top: 0, right: width, bottom: height };
    else if (!mark.erase) {
      const reach = mark.width / 2 + 1;
      for (const [x, y] of mark.points) {
        box = { left: Math.min(box.left, x - reach), top: Math.min(box.top, y - reach), right: Math.max(box.right, x + reach), bottom: Math.max(box.bottom, y + reach) };
      }
    }
  }
  box = { left: Math.max(0, Math.floor(box.left)), top: Math.max(0, Math.floor(box.top)), right: Math.min(width, Math.ceil(box.right)), bottom: Math.min(height, Math.ceil(box.bottom)) };
  return box.left < box.right && box.top < box.bottom ? box : null;
}
