// Gives what is wrong with the page for those who can't see it well or use no mouse.
(() => {
  const wrong = [];
  const shown = (e) => e.getClientRects().length > 0 && getComputedStyle(e).visibility === "visible";
  const name = (e) =>
    (e.getAttribute("aria-label") || e.innerText || e.alt || e.labels?.[0]?.innerText || "").trim();
  if (!document.documentElement.lang) wrong.push("html has no lang");
  if (!document.title.trim()) wrong.push("no title");
  if (document.querySelectorAll("h1").length !== 1) wrong.push("not exactly one h1");
  if (document.querySelectorAll("main").length !== 1) wrong.push("not exactly one main");
  for (const e of document.querySelectorAll("a, button, input:not([type=hidden]), select, textarea"))
    if (shown(e) && !name(e)) wrong.push(`no name: ${e.outerHTML.slice(0, 100)}`);
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at))) wrong.push(`id twice: ${id}`);
  let level = 0;
  for (const e of document.querySelectorAll("h1, h2, h3, h4")) {
    if (Number(e.tagName[1]) > level + 1) wrong.push(`heading skips a level: ${e.innerText}`);
    level = Number(e.tagName[1]);
  }
  for (const e of document.querySelectorAll("table"))
    if ([...e.querySelectorAll("th")].some((th) => !th.scope)) wrong.push("th without a scope");

  const numbers = (color) => color.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) =>
    [r, g, b]
      .map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
      .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
  const ground = (e) => {
    for (let at = e; at; at = at.parentElement) {
      const found = numbers(getComputedStyle(at).backgroundColor);
      if (found[3] === undefined || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const e = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !shown(e) || e.closest("option, .unseen, .skip")) continue;
    const style = getComputedStyle(e);
    const [a, b] = [light(numbers(style.color)), light(ground(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5))
      wrong.push(`contrast ${ratio.toFixed(2)}: ${texts.currentNode.data.trim().slice(0, 40)}`);
  }
  for (const e of document.querySelectorAll("button, .button, input:not([type=hidden]), select, .count")) {
    const { width, height } = e.getBoundingClientRect();
    if (shown(e) && (width < 24 || height < 24)) wrong.push(`too small to touch: ${name(e)}`);
  }
  return wrong;
})()
