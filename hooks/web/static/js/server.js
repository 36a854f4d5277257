// What the page asks the server for. Every failure is an Error whose message can be shown.

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Is it still running?");
  }
  if (!answer.ok) throw new Error(await reason(answer));
  return answer;
}

async function reason(answer) {
  try {
    return sentence((await answer.json()).error);
  } catch {
    return `The server answered with status ${answer.status}.`;
  }
}

// A message begins with a capital, but a name of a file stays as it is.
export const sentence = (text) => text.replace(/^[a-z]+(?= )/, (word) => word.charAt(0).toUpperCase() + word.slice(1));

const query = (values) => new URLSearchParams(values).toString();

export const settings = async () => (await ask("settings")).json();

export const load = async (file) => (await ask(`photos?${query({ name: file.name || "photo.png" })}`, { method: "POST", body: file })).json();

const image = async (path, options) => createImageBitmap(await (await ask(path, options)).blob());

export const preview = (key, size) => image(`photos/${key}/preview?${query(size)}`);

export const versionPicture = (key, version, kind) => image(`photos/${key}/versions/${version}/${kind}.png`);

export const sourcesAddress = (key, version) => `photos/${key}/versions/${version}/sources.png`;

export const readMask = (key, file) => image(`photos/${key}/read-mask?${query({ name: file.name || "mask.png" })}`, { method: "POST", body: file });

// `cut` is what marks.js cuts out: { blob, left, top, width, height }
const painting = (cut) => ({ left: cut.left, top: cut.top, width: cut.width, height: cut.height });

export const maskFile = async (key, cut) => (await ask(`photos/${key}/mask?${query(painting(cut))}`, { method: "POST", body: cut.blob })).blob();

// The server answers a fill with one JSON object per line: { progress } again and again, then the version or { error }.
export async function fill(key, cut, options, signal, onProgress) {
  const answer = await ask(`photos/${key}/fill?${query({ ...painting(cut), ...options })}`, { method: "POST", body: cut.blob, signal });
  for await (const line of lines(answer.body)) {
    const report = JSON.parse(line);
    if (report.error) throw new Error(sentence(report.error));
    if (report.version) return report;
    onProgress(report.progress);
  }
  throw new Error("The server ended the connection before the fill was done.");
}

async function* lines(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const found = (rest + part.value).split("\n");
    rest = found.pop();
    yield* found;
  }
}

export async function download(key, version, lossless) {
  const answer = await ask(`photos/${key}/download?${query({ version, ...(lossless && { lossless: 1 }) })}`);
  const header = answer.headers.get("content-disposition") || "";
  const coded = header.match(/filename\*=utf-8''([^;]+)/i), plain = header.match(/filename="([^"]+)"/);
  return { blob: await answer.blob(), name: coded ? decodeURIComponent(coded[1]) : plain ? plain[1] : "filled.png" };
}

// A beacon is sent even while the page closes.
export const leave = (key) => navigator.sendBeacon(`photos/${key}/leave`);
