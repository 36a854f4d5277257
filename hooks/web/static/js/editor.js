// The photo on the stage, what is painted on it and what was filled: all that a visitor does to a photo.

import { History } from "./history.js";
import { Marks } from "./marks.js";
import { say } from "./messages.js";
import { open } from "./photo.js";
import * as server from "./server.js";
import { Versions } from "./versions.js";

export class Editor {
  // `choices()` are the options of a fill. `onChange()` is called whenever something that the page shows has changed.
  constructor(elements, choices, onChange) {
    this.choices = choices;
    this.onChange = onChange;
    this.elements = elements;
    this.marks = new Marks(elements.mask);
    this.versions = new Versions(elements.before, elements.after);
    this.history = new History((before) => this.changed(before));
    Object.assign(this, { photo: null, size: null, work: null, progress: null, stroke: null });
    addEventListener("pagehide", (event) => event.persisted || this.leave());
  }

  get state() {
    return this.history.state;
  }

  get painted() {
    return this.state.marks.length > 0;
  }

  // Whether nothing can be done to the photo: it is being filled, or another one is about to take its place.
  get busy() {
    return Boolean(this.work || (this.loading && this.photo));
  }

  // Load a photo; `mask` is a mask file for it, if there is one. The photo before stays until the server has read the new one.
  async open(file, mask) {
    this.cancel();
    const before = this.photo, show = (picture) => this.show(file.name, ...picture);
    let shown;
    const loading = (this.loading = open(file, (...picture) => loading === this.loading && (before ? (shown = picture) : show(picture))));
    this.onChange();
    try {
      const photo = await loading;
      if (loading !== this.loading) return void server.leave(photo.key);
      this.leave();
      if (before) show(shown);
      this.photo = photo;
    } catch (error) {
      if (loading !== this.loading) return;
      if (!before) this.size = null;
      say(error.message, "error");
      mask = null;
    }
    this.loading = null;
    if (mask) await this.useMask(mask).catch((error) => say(error.message, "error"));
    this.onChange();
  }

  show(name, bitmap, size) {
    Object.assign(this, { name, size });
    this.versions.reset(bitmap, size);
    this.marks.resize(size);
    this.history.reset();
    this.elements.resize(size);
    this.onChange();
  }

  leave() {
    if (this.photo) server.leave(this.photo.key);
    this.photo = null;
  }

  changed(before) {
    if (before.version !== this.state.version) this.versions.show(this.state.version);
    if (before.marks !== this.state.marks) this.marks.show(this.state.marks);
    this.onChange();
  }

  mark(mark) {
    if (this.size && !this.busy) this.history.push({ marks: [...this.state.marks, mark] });
  }

  clear() {
    if (this.painted && !this.busy) this.history.push({ marks: [] });
  }

  begin(point, width, erase) {
    if (!this.size || this.busy) return false;
    this.stroke = { kind: "stroke", erase, width, points: [point] };
    this.marks.draw(this.stroke);
    return true;
  }

  extend(point) {
    const { points } = this.stroke;
    this.marks.draw({ ...this.stroke, points: [points.at(-1), point] });
    points.push(point);
  }

  end() {
    this.mark(this.stroke);
    this.stroke = null;
  }

  drop() {
    this.stroke = null;
    this.marks.show(this.state.marks);
  }

  move(steps) {
    if (!this.busy) this.history.move(steps);
  }

  async useMask(file) {
    const bitmap = await server.readMask(this.photo.key, file);
    this.mark({ kind: "file", bitmap });
  }

  async saveMask() {
    const cut = await this.marks.cutOut(this.state.marks);
    if (!cut) throw new Error("Nothing is painted: paint over the part to fill.");
    return { blob: await server.maskFile(this.photo.key, cut), name: `${this.name.replace(/\.[^.]*$/, "")}-mask.png` };
  }

  save(lossless) {
    return server.download(this.photo.key, this.state.version, lossless);
  }

  // Fill what is painted. Another seed gives another result.
  async fill(seed = 0) {
    if (this.busy || !this.size) return;
    const work = (this.work = new AbortController()), { version, marks } = this.state;
    this.progress = null;
    this.onChange();
    try {
      if (this.loading) await this.loading;
      const cut = await this.marks.cutOut(marks);
      if (!cut) throw new Error("Nothing is painted: paint over the part to fill.");
      const { key } = this.photo, options = { version, seed, ...this.choices() };
      const found = await server.fill(key, cut, options, work.signal, (share) => this.advance(share));
      await this.versions.add(key, version, found, { x: this.size.width / this.photo.width, y: this.size.height / this.photo.height });
      work.signal.throwIfAborted();
      this.work = null;
      this.history.push({ version: found.version, marks: [], seed, filled: found });
    } catch (error) {
      if (error.name !== "AbortError") say(error.message, "error");
    }
    if (this.work === work) this.work = null;
    this.onChange();
  }

  // Fill again what was filled last, with another seed.
  async again() {
    if (this.busy || !this.canRepeat) return;
    const { seed } = this.state;
    this.history.move(-1);
    await this.fill(seed + 1);
  }

  get canRepeat() {
    const { states, place } = this.history;
    return place > 0 && states[place].version !== states[place - 1].version;
  }

  advance(share) {
    this.progress = share;
    this.onChange();
  }

  cancel() {
    this.work?.abort();
    this.work = null;
  }
}
