// Undo and redo. A state is never changed: { version, marks, seed }; a stroke, a fill or anything else makes a new one.

export class History {
  constructor(onChange) {
    this.onChange = onChange;
    this.reset();
  }

  reset() {
    this.states = [{ version: 0, marks: [], seed: 0 }];
    this.place = 0;
  }

  get state() {
    return this.states[this.place];
  }

  get canUndo() {
    return this.place > 0;
  }

  get canRedo() {
    return this.place < this.states.length - 1;
  }

  push(change) {
    const before = this.state;
    this.states = [...this.states.slice(0, this.place + 1), { ...before, ...change }];
    this.place += 1;
    this.onChange(before);
  }

  move(steps) {
    const before = this.state;
    this.place = Math.min(Math.max(this.place + steps, 0), this.states.length - 1);
    if (this.state !== before) this.onChange(before);
  }
}
