// The page: its buttons, keys and files, and what they do to the editor.

import { Compare } from "./compare.js";
import { Editor } from "./editor.js";
import { showExamples } from "./examples.js";
import { Gestures } from "./gestures.js";
import * as keys from "./keys.js";
import { clear, say } from "./messages.js";
import * as server from "./server.js";
import { Tools } from "./tools.js";
import { View } from "./view.js";

const byId = (id) => document.getElementById(id);
const stage = byId("stage");
let settings = { upload: Infinity };

const view = new View(stage, byId("picture"), () => {
  compare?.show();
  tools?.showSize();
  showPercent();
});
const choices = () => ({ detail: document.querySelector("[name=detail]:checked").value, dilate: byId("dilate").value });
const elements = { mask: byId("mask"), before: byId("before"), after: byId("after"), resize: (size) => view.resize(size) };
const editor = new Editor(elements, choices, () => render());
const compare = new Compare(stage, byId("after"), byId("divider"), view);
const tools = new Tools(stage, view, () => !editor.work && editor.size);
new Gestures(stage, view, () => (compare.on ? "hand" : tools.now), {
  begin: (point) => editor.begin(point, tools.size / view.scale, tools.now === "eraser"),
  extend: (point) => editor.extend(point),
  end: () => editor.end(),
  cancel: () => editor.drop(),
});

function render() {
  const { state, photo, size, work } = editor;
  document.body.classList.toggle("empty", !size && !editor.loading);
  byId("picture").hidden = byId("zoom").hidden = !size;
  byId("file").textContent = title();
  byId("hint").hidden = !size || editor.history.canUndo || editor.painted;
  stage.classList.toggle("busy", Boolean(work));
  const on = { fill: work || editor.painted, undo: editor.history.canUndo, redo: editor.history.canRedo, again: editor.canRepeat, compare: state.version, download: photo && state.version };
  for (const [id, enabled] of Object.entries(on)) byId(id).disabled = !enabled || (editor.busy && !(work && id === "fill"));
  byId("fill").textContent = work ? "Cancel" : "Fill";
  byId("fill").classList.toggle("cancel", Boolean(work));
  byId("compare").setAttribute("aria-pressed", compare.on);
  byId("lossy").hidden = !photo?.lossy;
  for (const id of ["upload-mask", "download-mask", "invert", "clear"]) byId(id).disabled = !photo || editor.busy || (["download-mask", "clear"].includes(id) && !editor.painted);
  renderProgress(work || (editor.loading && size), work ? editor.progress : null);
  renderSources();
  showPercent();
  tools.show();
}

// Screen pixels per pixel of the photo, which may be shown reduced.
function showPercent() {
  const scale = editor?.photo ? (view.scale * editor.size.width) / editor.photo.width : view.scale;
  byId("percent").value = `${Math.round(scale * 100)} %`;
}

function title() {
  const { photo, size, state } = editor;
  if (!size) return editor.loading ? "Loading…" : "";
  const filled = state.filled && `filled ${state.filled.filled.toLocaleString("en")} pixels in ${state.filled.seconds.toFixed(1)} s`;
  return [editor.name, photo && `${photo.width} × ${photo.height}`, filled].filter(Boolean).join("  ·  ");
}

function renderProgress(on, share) {
  const bar = byId("progress");
  bar.hidden = !on;
  bar.classList.toggle("waiting", share === null);
  bar.firstElementChild.style.transform = share === null ? "" : `scaleX(${share})`;
}

function renderSources() {
  const image = byId("sources"), { version } = editor.state, patch = editor.versions.patches?.get(version);
  image.hidden = !(byId("trace").checked && editor.photo && patch?.traced);
  if (image.hidden) return;
  const address = server.sourcesAddress(editor.photo.key, version);
  if (image.getAttribute("src") !== address) image.src = address;
  const [left, top, width, height] = patch.place.map((value) => `${value}px`);
  Object.assign(image.style, { left, top, width, height });
}

async function trying(action) {
  try {
    await action();
  } catch (error) {
    say(error.message, "error");
  }
}

function openPhoto(file, mask) {
  clear();
  if (!file) return;
  if (file.size > settings.upload) return say(`${file.name} has ${Math.round(file.size / 2 ** 20)} MB, the limit is ${settings.upload / 2 ** 20} MB.`, "error");
  compare.toggle(false);
  editor.open(file, mask);
}

function save({ blob, name }) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

async function fill() {
  if (editor.work) return cancel();
  clear();
  compare.toggle(false);
  await editor.fill();
}

function cancel() {
  editor.cancel();
  render();
}

const actions = {
  fill,
  again: () => editor.again(),
  undo: () => editor.move(-1),
  redo: () => editor.move(1),
  open: () => byId("photo-file").click(),
  download: () => !byId("download").disabled && trying(async () => save(await editor.save(byId("lossless").checked))),
  compare: () => (compare.on || editor.state.version) && (compare.toggle(), render()),
  brush: () => choose("brush"),
  eraser: () => choose("eraser"),
  hand: () => choose("hand"),
  hold: () => tools.hold(true),
  release: () => tools.hold(false),
  smaller: () => tools.resize(1 / 1.2),
  larger: () => tools.resize(1.2),
  zoomIn: () => view.zoom(1.4),
  zoomOut: () => view.zoom(1 / 1.4),
  fit: () => view.fit(),
  escape: () => (editor.work ? cancel() : !byId("panel").hidden ? panel(false) : compare.on ? actions.compare() : clear()),
};
keys.listen(actions);

function choose(tool) {
  if (compare.on) compare.toggle(false);
  tools.choose(tool);
  render();
}

function panel(on = byId("panel").hidden) {
  byId("panel").hidden = !on;
  byId("more").setAttribute("aria-expanded", on);
}

const clicks = {
  ...Object.fromEntries(["fill", "again", "undo", "redo", "compare", "download", "brush", "eraser", "hand", "open", "fit"].map((id) => [id, actions[id]])),
  choose: actions.open,
  in: actions.zoomIn,
  out: actions.zoomOut,
  more: () => panel(),
  invert: () => editor.mark({ kind: "invert" }),
  clear: () => editor.clear(),
  "upload-mask": () => byId("mask-file").click(),
  "download-mask": () => trying(async () => save(await editor.saveMask())),
};
for (const [id, action] of Object.entries(clicks)) byId(id).addEventListener("click", () => action());
stage.addEventListener("pointerdown", () => panel(false));
byId("size").addEventListener("input", () => tools.setSize(Number(byId("size").value)));
byId("dilate").addEventListener("input", () => (byId("grown").value = byId("dilate").value));
byId("trace").addEventListener("change", render);

const chosen = (id, use) =>
  byId(id).addEventListener("change", ({ target }) => {
    const [file] = target.files;
    target.value = ""; // so that the same file can be chosen again
    if (file) use(file);
  });
chosen("photo-file", (file) => openPhoto(file));
chosen("mask-file", (file) => trying(() => editor.useMask(file)));

addEventListener("paste", ({ clipboardData }) => {
  const file = [...clipboardData.files].find(({ type }) => type.startsWith("image/"));
  file ? openPhoto(file) : say("The clipboard holds no picture.");
});
addEventListener("dragover", (event) => {
  event.preventDefault();
  byId("drop").hidden = false;
});
addEventListener("dragleave", (event) => event.relatedTarget || (byId("drop").hidden = true));
addEventListener("drop", (event) => {
  event.preventDefault();
  byId("drop").hidden = true;
  openPhoto(event.dataTransfer.files[0]);
});

showExamples(byId("examples"), openPhoto);
render();
trying(async () => {
  settings = await server.settings();
  document.querySelector(`[name=detail][value=${settings.detail}]`).checked = true;
  byId("dilate").value = byId("grown").value = settings.dilate;
});
