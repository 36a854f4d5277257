// Messages that go away by themselves, sooner if they are read and closed.

const LONG = 9000, SHORT = 5000; // milliseconds

const place = document.getElementById("messages");

export function say(text, kind = "note") {
  for (const old of place.children) if (old.firstChild.textContent === text) old.remove();
  const box = document.createElement("div");
  box.className = `message ${kind}`;
  box.setAttribute("role", kind === "error" ? "alert" : "status");
  const words = document.createElement("span");
  words.textContent = text;
  const close = document.createElement("button");
  close.setAttribute("aria-label", "Close this message");
  close.innerHTML = '<svg><use href="#i-close"/></svg>';
  close.addEventListener("click", () => box.remove());
  box.append(words, close);
  place.append(box);
  setTimeout(() => box.remove(), kind === "error" ? LONG : SHORT);
}

export function clear() {
  place.replaceChildren();
}
