// The versions of a photo on the canvas. Each fill added a small picture that lies over its parent; number 0 is the photo.

import * as server from "./server.js";

export class Versions {
  constructor(before, after) {
    this.before = before;
    this.after = after;
  }

  reset(bitmap, size) {
    let source = bitmap;
    for (const canvas of [this.before, this.after]) {
      Object.assign(canvas, size);
      const c = canvas.getContext("2d");
      c.imageSmoothingQuality = "high";
      c.drawImage(source, 0, 0, size.width, size.height);
      source = canvas; // a copy takes a fifth of the time of reducing a large photo again
    }
    this.patches = new Map();
  }

  async add(key, parent, { version, box, traced }, scale) {
    const [top, left, bottom, right] = box;
    const place = [left * scale.x, top * scale.y, (right - left) * scale.x, (bottom - top) * scale.y];
    this.patches.set(version, { parent, place, traced, bitmap: await server.versionPicture(key, version, "patch") });
  }

  show(version) {
    const c = this.after.getContext("2d");
    c.globalCompositeOperation = "copy";
    c.drawImage(this.before, 0, 0);
    c.globalCompositeOperation = "source-atop"; // a fill does not change how transparent a pixel is
    c.imageSmoothingQuality = "high";
    for (const { bitmap, place } of this.path(version)) c.drawImage(bitmap, ...place);
  }

  path(version) {
    const found = [];
    for (let patch = this.patches.get(version); patch; patch = this.patches.get(patch.parent)) found.unshift(patch);
    return found;
  }
}
