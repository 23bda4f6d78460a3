"use strict";
// Without this script the page loses nothing but sorting and quicker hints: the hints are SVG titles.
const tip = document.createElement("div");
tip.id = "tip";
tip.setAttribute("aria-hidden", "true");
document.body.append(tip);
for (const title of document.querySelectorAll("svg.figure title")) {
  const shape = title.parentElement;
  const text = title.textContent;
  shape.addEventListener("pointerenter", () => {
    title.textContent = "";
    tip.textContent = text;
    tip.classList.add("on");
  });
  shape.addEventListener("pointermove", (event) => {
    const right = event.clientX + 16 + tip.offsetWidth > innerWidth;
    tip.style.left = `${right ? Math.max(4, event.clientX - 16 - tip.offsetWidth) : event.clientX + 16}px`;
    tip.style.top = `${Math.min(event.clientY + 16, innerHeight - tip.offsetHeight - 4)}px`;
  });
  shape.addEventListener("pointerleave", () => {
    title.textContent = text;
    tip.classList.remove("on");
  });
}
const key = (row, column) => {
  const cell = row.cells[column];
  if (!cell) return "";
  return cell.dataset.sort === undefined ? cell.textContent : Number(cell.dataset.sort);
};
const order = (a, b) => {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "number") return -1;
  if (typeof b === "number") return 1;
  return a.localeCompare(b, undefined, { numeric: true });
};
for (const head of document.querySelectorAll("thead th")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = head.textContent;
  head.replaceChildren(button);
  button.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = head.closest("table").tBodies[0];
    const column = head.cellIndex;
    const rows = [...body.rows].sort((a, b) => order(key(a, column), key(b, column)));
    body.append(...(down ? rows.reverse() : rows));
  });
}
