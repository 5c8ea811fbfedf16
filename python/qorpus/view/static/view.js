// Keys: "/" searches; j, k and arrows walk through records, and left and right through pages.
"use strict";

const records = Array.from(document.querySelectorAll(".record"));

function follow(rel) {
  const link = document.querySelector(`a[rel~="${rel}"]`);
  if (link) link.click();
  return Boolean(link);
}

function step(by) {
  // The page of one record has no list: its neighbours are before and after it.
  if (!records.length) return follow(by > 0 ? "next" : "prev");
  const at = records.findIndex((record) => record.contains(document.activeElement));
  const to = at < 0 ? (by > 0 ? 0 : -1) : at + by;
  if (to < 0) return at === 0 && follow("prev");
  if (to >= records.length) return follow("next");
  records[to].focus();
  records[to].scrollIntoView({ block: "nearest" });
  return true;
}

const keys = {
  "/": () => (document.getElementById("search").select(), true),
  j: () => step(1),
  ArrowDown: () => records.length > 0 && step(1),
  k: () => step(-1),
  ArrowUp: () => records.some((record) => record.contains(document.activeElement)) && step(-1),
  ArrowRight: () => follow("next"),
  ArrowLeft: () => follow("prev"),
  Enter: () => {
    const record = document.activeElement;
    if (!records.includes(record)) return false;
    record.querySelector("a").click();
    return true;
  },
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (typing) {
    if (event.key === "Escape") typing.blur();
    return;
  }
  // A drawing that is wider than its box scrolls.
  const wide = event.target.closest(".scroll");
  if (wide && wide.scrollWidth > wide.clientWidth && event.key.startsWith("Arrow")) return;
  if (Object.hasOwn(keys, event.key) && keys[event.key]()) event.preventDefault();
});

// In the box of a query, Ctrl+Enter runs it.
for (const area of document.querySelectorAll("textarea")) {
  area.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) area.form.requestSubmit();
  });
}
