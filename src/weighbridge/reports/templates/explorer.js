"use strict";
// All items are data; only the rows in view are elements, so that tens of thousands stay quick.
const ROW_PX = 58;
const SPARE_ROWS = 6;
const [ID, CLUSTER, RESULT, QUESTION, TARGET] = [0, 1, 2, 3, 4];
const [A, B] = [5, 10]; // where each answer's five fields begin:
const [OUTCOME, VALUE, TEXT, WHY, COUNT] = [0, 1, 2, 3, 4];

const { clusters, outcomes, results, items } = JSON.parse(document.getElementById("data").textContent);
const form = document.querySelector("form");
const list = document.getElementById("list");
const rows = document.getElementById("rows");
const article = document.getElementById("item");
const detail = document.getElementById("detail");

let shown = items.map((_, i) => i); // positions in `items`, in order
let chosen = -1; // position in `shown`
const texts = []; // lower case, read while nothing else is to be done, or at the first search

const searchable = (item) =>
  [item[ID], clusters[item[CLUSTER]], item[QUESTION], item[TARGET],
   item[A + TEXT], item[B + TEXT], item[A + WHY], item[B + WHY]].join("\n").toLowerCase();

const readTexts = (until) => {
  while (texts.length < items.length && until()) texts.push(searchable(items[texts.length]));
};

const readWhenIdle = (deadline) => {
  readTexts(() => deadline.timeRemaining() > 2);
  if (texts.length < items.length) requestIdleCallback(readWhenIdle);
};

const element = (tag, text, attributes = {}) => {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
};

const figure = (value) => String(Number(value.toFixed(3)));

// What an answer came to, in a word or, where no word says it, its value.
const inShort = (item, side) => {
  const [outcome, value] = [outcomes[item[side + OUTCOME]], item[side + VALUE]];
  return outcome === "graded" && value !== null ? figure(value) : outcome;
};

const rowOf = (position) => {
  const item = items[shown[position]];
  const row = element("div", "", {
    role: "option", class: "row", id: `row-${position}`, "aria-posinset": position + 1,
    "aria-setsize": shown.length, "aria-selected": position === chosen,
  });
  row.style.top = `${position * ROW_PX}px`;
  const first = element("p", "", { class: "first" });
  first.append(
    element("span", results[item[RESULT]], { "data-result": item[RESULT] }),
    element("bdi", item[QUESTION] === null ? item[ID] : item[QUESTION].slice(0, 160)),
  );
  const sides = `${inShort(item, A)} | ${inShort(item, B)}`;
  row.append(first, element("p", `${sides} · ${item[ID]}`, { class: "second" }));
  return row;
};

let drawn = [0, 0];
const draw = (again) => {
  const first = Math.max(0, Math.floor(list.scrollTop / ROW_PX) - SPARE_ROWS);
  const last = Math.min(
    shown.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW_PX) + SPARE_ROWS);
  if (!again && drawn[0] === first && drawn[1] === last) return;
  drawn = [first, last];
  rows.replaceChildren(...Array.from({ length: last - first }, (_, i) => rowOf(first + i)));
};

const filter = () => {
  const chosenItem = shown[chosen];
  const result = Number(form.elements.result.value);
  const [a, b] = [form.elements.a.value, form.elements.b.value];
  const cluster = form.elements.cluster?.value ?? "";
  const words = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length) readTexts(() => true);
  shown = [];
  items.forEach((item, i) => {
    if (
      (result < 0 || item[RESULT] === result) &&
      (!a || outcomes[item[A + OUTCOME]] === a) &&
      (!b || outcomes[item[B + OUTCOME]] === b) &&
      (cluster === "" || item[CLUSTER] === Number(cluster)) &&
      words.every((word) => texts[i].includes(word))
    ) shown.push(i);
  });
  chosen = shown.indexOf(chosenItem);
  rows.style.height = `${shown.length * ROW_PX}px`;
  list.scrollTop = Math.max(0, chosen) * ROW_PX;
  if (chosen >= 0) list.setAttribute("aria-activedescendant", `row-${chosen}`);
  else list.removeAttribute("aria-activedescendant");
  draw(true);
  form.querySelector("output").value =
    `${shown.length.toLocaleString("en")} of ${items.length.toLocaleString("en")} shown`;
};

const outcomeOf = (item, side) => {
  const said = [outcomes[item[side + OUTCOME]]];
  const [value, several] = [item[side + VALUE], item[side + COUNT] > 1];
  if (value !== null) said.push(`${several ? "mean" : "value"} ${figure(value)}`);
  if (several) said.push(`one of ${item[side + COUNT]} answers`);
  if (item[side + WHY]) said.push(item[side + WHY]);
  return said.join(" · ");
};

const show = () => {
  const item = items[shown[chosen]];
  const copy = detail.content.cloneNode(true);
  const put = (name, text) => {
    const place = copy.querySelector(`[data-of="${name}"]`);
    if (text === null) {
      if (place.previousElementSibling?.tagName === "H4") place.previousElementSibling.remove();
      place.remove();
    } else place.textContent = text;
  };
  const cluster = clusters[item[CLUSTER]];
  put("id", item[ID]);
  put("result", [results[item[RESULT]], cluster].filter(Boolean).join(" · "));
  put("question", item[QUESTION]);
  put("target", item[TARGET]);
  for (const [name, side] of [["a", A], ["b", B]]) {
    put(`outcome-${name}`, outcomeOf(item, side));
    put(`text-${name}`, item[side + TEXT] === null ? null : item[side + TEXT] || "(nothing)");
  }
  article.replaceChildren(copy);
  article.scrollTop = 0;
  article.querySelector(".back button").addEventListener("click", () => {
    list.focus();
    list.scrollIntoView({ block: "center" });
  });
};

const choose = (position) => {
  if (!shown.length) return;
  chosen = Math.min(Math.max(position, 0), shown.length - 1);
  const top = chosen * ROW_PX;
  if (top < list.scrollTop) list.scrollTop = top;
  if (top + ROW_PX > list.scrollTop + list.clientHeight)
    list.scrollTop = top + ROW_PX - list.clientHeight;
  draw(true);
  list.setAttribute("aria-activedescendant", `row-${chosen}`);
  show();
};

const read = () => {
  if (chosen < 0) choose(0);
  article.focus({ preventScroll: true });
  article.scrollIntoView({ block: "nearest" });
};

list.addEventListener("keydown", (event) => {
  const page = Math.max(1, Math.floor(list.clientHeight / ROW_PX) - 1);
  const steps = {
    ArrowDown: chosen + 1, ArrowUp: chosen - 1, Home: 0, End: shown.length - 1,
    PageDown: chosen + page, PageUp: chosen - page,
  };
  if (event.key in steps) choose(steps[event.key]);
  else if (event.key === "Enter" || event.key === " ") read();
  else return;
  event.preventDefault();
});
list.addEventListener("click", (event) => {
  const row = event.target.closest(".row");
  if (!row) return;
  choose(Number(row.id.slice(4)));
  if (matchMedia("(max-width:52rem)").matches) read();
});
article.addEventListener("keydown", (event) => {
  if (event.key === "Escape") list.focus();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !/INPUT|SELECT|TEXTAREA/.test(event.target.tagName)) {
    form.elements.words.focus();
    event.preventDefault();
  }
});
document.querySelector(".groups")?.addEventListener("click", (event) => {
  if (!event.target.dataset.cluster) return;
  form.elements.cluster.value = event.target.dataset.cluster;
  filter();
  document.getElementById("items").scrollIntoView();
  list.focus({ preventScroll: true });
});
list.addEventListener("scroll", () => requestAnimationFrame(() => draw(false)), { passive: true });
addEventListener("resize", () => draw(false));
form.addEventListener("input", filter);
form.addEventListener("reset", () => setTimeout(filter));
form.addEventListener("submit", (event) => event.preventDefault());
form.hidden = false;
document.querySelector(".panes").hidden = false;
filter();
if ("requestIdleCallback" in window) requestIdleCallback(readWhenIdle);
