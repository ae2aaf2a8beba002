// Fetches the part of the page that changes, every 5 s while the page is looked at.
"use strict";

const EVERY = 5000;
const live = document.getElementById("live");
const said = document.getElementById("said");

function say(text) {
  if (said && said.textContent !== text) said.textContent = text;
}

// Whoever works by keyboard stays on the same link; whoever has marked text keeps it.
function replace(html) {
  const marked = document.getSelection();
  if (marked && !marked.isCollapsed && live.contains(marked.anchorNode)) return;
  const focused = live.contains(document.activeElement) ? document.activeElement.id : "";
  live.innerHTML = html;
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

async function update() {
  try {
    const answer = await fetch(live.dataset.live, { redirect: "manual" });
    if (answer.type === "opaqueredirect") return location.reload();
    if (!answer.ok) throw new Error(String(answer.status));
    replace(await answer.text());
    document.body.classList.remove("stale");
    say("Live: updates every 5 s.");
  } catch {
    document.body.classList.add("stale");
    say("The controller does not answer: what is shown is old.");
  }
}

async function follow() {
  if (!document.hidden) await update();
  setTimeout(follow, EVERY);
}

if (live) {
  setTimeout(follow, EVERY);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) update(); });
}
for (const select of document.querySelectorAll(".filters select")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}
