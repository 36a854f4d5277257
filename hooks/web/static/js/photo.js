// A photo in the browser: decoded here, reduced if it is huge. The server works on the file itself, at full size.

import * as server from "./server.js";

const MOST_PIXELS = 12e6; // of a canvas: what phones can hold three times

export function shownSize(width, height) {
  const scale = Math.min(1, Math.sqrt(MOST_PIXELS / (width * height)));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

// Both happen at once: the upload, and showing the file. `onShown` gets a picture as soon as there is one.
export async function open(file, onShown) {
  const uploading = server.load(file);
  uploading.catch(() => {}); // it is awaited below
  let bitmap = await createImageBitmap(file).catch(() => null);
  if (bitmap) onShown(bitmap, shownSize(bitmap.width, bitmap.height));
  const photo = await uploading;
  const size = shownSize(photo.width, photo.height);
  if (!bitmap || !photo.alike || bitmap.width !== photo.width || bitmap.height !== photo.height) {
    bitmap = await server.preview(photo.key, size);
    onShown(bitmap, size);
  }
  return { ...photo, name: file.name, size };
}
