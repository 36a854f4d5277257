// The keyboard. Fields keep their own keys.

const FIELDS = "input:not([type=range]):not([type=radio]):not([type=checkbox]), textarea, select";

export function listen(actions) {
  addEventListener("keydown", (event) => {
    const bracket = "[]".includes(event.key); // on many keyboards they need AltGr, which counts as Ctrl and Alt
    if (event.target.matches?.(FIELDS) || (event.altKey && !bracket)) return;
    const command = (event.ctrlKey || event.metaKey) && !event.altKey;
    const name = command ? withControl(event) : plain(event);
    if (!name) return;
    event.preventDefault();
    actions[name](event);
  });
  addEventListener("keyup", (event) => event.code === "Space" && actions.release());
  addEventListener("blur", () => actions.release());
  // A button that was clicked must not keep the focus: Enter would press it again instead of filling.
  addEventListener("click", (event) => event.detail > 0 && event.target.closest?.("button, input[type=range], input[type=checkbox]") && document.activeElement?.blur());
}

function withControl({ key, shiftKey }) {
  return { z: shiftKey ? "redo" : "undo", y: "redo", o: "open", s: "download" }[key.toLowerCase()];
}

function plain({ key, code, target, repeat }) {
  if (code === "Space") return target.matches("button") && !repeat ? null : "hold";
  if (key === "Enter") return target.matches("button") ? null : "fill";
  const names = { "[": "smaller", "]": "larger", "+": "zoomIn", "=": "zoomIn", "-": "zoomOut", "0": "fit", f: "fit", b: "brush", e: "eraser", h: "hand", c: "compare", r: "again", Escape: "escape" };
  return names[key] ?? names[key.toLowerCase()];
}
