"use strict";
// Without this script the page lacks its buttons, and nothing else.
const SHOWN_MS = 2000;
const status = document.getElementById("copied");

// The clipboard's own interface is there for https and this machine only.
async function copy(pre) {
  try {
    await navigator.clipboard.writeText(pre.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(pre);
    return document.execCommand("copy");
  }
}

for (const button of document.querySelectorAll("button[data-copy]")) {
  const pre = document.getElementById(button.dataset.copy);
  const label = button.textContent;
  let timer;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const done = await copy(pre);
    button.textContent = done ? "Copied" : "Selected";
    status.textContent = done ? `Copied: ${button.title}` : "Selected: copy it with Ctrl+C";
    clearTimeout(timer);
    timer = setTimeout(() => {
      button.textContent = label;
      status.textContent = "";
    }, SHOWN_MS);
  });
}
