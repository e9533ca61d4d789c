"use strict";
// Tells of a model when its dot is pointed at, and finds models by words. Without it, dots have
// their browser's own tooltips.
const dots = [...document.querySelectorAll("[data-told]")];
const rows = [...document.querySelectorAll("[data-row]")];
const told = document.querySelector(".told");
const form = document.querySelector(".pick");
const search = form.querySelector("input[type=search]");
const groups = [...form.querySelectorAll("[data-group]")];
const shown = form.querySelector("output");
const texts = dots.map((dot) => dot.querySelector("title").textContent);
const rowTexts = rows.map((row) => row.textContent.toLowerCase());

const tell = (event) => {
  const at = dots.indexOf(event.target.closest("[data-told]"));
  if (at < 0) return;
  told.textContent = texts[at];
  told.hidden = false;
};
for (const kind of ["pointerover", "click"]) document.addEventListener(kind, tell);

const filter = () => {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = new Set(groups.filter((box) => box.checked).map((box) => box.dataset.group));
  const matches = (text) => words.every((word) => text.includes(word));
  texts.forEach((text, i) => {
    const group = text.includes("· open ·") ? "open" : "proprietary";
    dots[i].classList.toggle("off", !wanted.has(group));
    dots[i].classList.toggle("dim", !matches(text.toLowerCase()));
  });
  let count = 0;
  rows.forEach((row, i) => {
    const group = row.querySelector(".key").classList.contains("open") ? "open" : "proprietary";
    const ok = wanted.has(group) && matches(rowTexts[i]);
    row.hidden = !ok;
    count += ok;
  });
  shown.value = `${count} of ${rows.length} models`;
};
search.addEventListener("input", filter);
form.addEventListener("change", filter);
form.addEventListener("submit", (event) => event.preventDefault());
form.hidden = false;
filter();
