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
  const asked = live.dataset.live;
  try {
    const answer = await fetch(asked, { redirect: "manual" });
    if (answer.type === "opaqueredirect") return location.reload();
    if (!answer.ok) throw new Error(String(answer.status));
    const html = await answer.text();
    if (asked !== live.dataset.live) return;  // a filter was changed meanwhile
    replace(html);
    document.body.classList.remove("stale");
    const total = live.querySelector("[data-total]")?.dataset.total;
    say(`${total === undefined ? "" : `${total} ${total === "1" ? "agent fits" : "agents fit"}. `}Live: updates every 5 s.`);
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

// Filters hold at once and leave the focus where it is: an arrow key on a list is no new page.
function filter(form) {
  const asked = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));
  live.dataset.live = `${live.dataset.rows}?${asked}`;
  history.replaceState(null, "", asked.size ? `?${asked}` : location.pathname);
  document.getElementById("clear").hidden = asked.size === 0;
  update();
}

const filters = document.querySelector("form.filters");
if (filters) {
  let typing;
  filters.addEventListener("change", () => filter(filters));
  filters.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => filter(filters), 300);
  });
  filters.addEventListener("submit", (event) => {
    event.preventDefault();
    filter(filters);
  });
}
