"use strict";
// Filters the flips of a benchmark by outcome and by text. Without it, all of them are listed.
for (const block of document.querySelectorAll("[data-flips]")) {
  const items = [...block.querySelectorAll("[data-outcome]")];
  const form = block.querySelector("form");
  const search = form.querySelector("input[type=search]");
  const shown = form.querySelector("output");
  let texts = null; // read on the first search: hundreds of long outputs cost nothing until then

  const filter = () => {
    const outcome = form.querySelector("input[type=radio]:checked").value;
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length && !texts) texts = items.map((item) => item.textContent.toLowerCase());
    let count = 0;
    items.forEach((item, i) => {
      const wanted =
        (outcome === "all" || item.dataset.outcome === outcome) &&
        words.every((word) => texts[i].includes(word));
      item.hidden = !wanted;
      count += wanted;
    });
    shown.value = `${count} of ${items.length} shown`;
  };

  let timer = 0;
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(filter, 120);
  });
  form.addEventListener("change", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  filter();
}
