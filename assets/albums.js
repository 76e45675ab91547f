// Albums: photos are dragged from one to another, or moved by the menu under each; names change where they stand.
// What Python may listen to: "propose" "move" "undo" "rename" "merge" "remove" "seek" "unfold"
const names = () => JSON.parse(element.querySelector(".albums")?.dataset.albums ?? "[]");
const keyOf = (part) => part.closest(".album")?.dataset.key;
let back = null; // where the keyboard was: the column and the place of a photo that was moved

function fill(menu) {
  if (menu.options.length > 1) return;
  const here = keyOf(menu);
  for (const [words, to] of [...names().map((name) => [name, "=" + name]), ["None of these", "-"]])
    if (to !== here) menu.add(new Option(words, to));
}

function move(card, to) {
  const cards = [...card.parentElement.children];
  back = { key: keyOf(card), at: cards.indexOf(card) };
  card.classList.add("waiting");
  trigger("move", { photo: card.dataset.photo, to });
}

for (const when of ["focusin", "pointerover"])
  element.addEventListener(when, (event) => event.target.matches("select.move") && fill(event.target));

element.addEventListener("change", (event) => {
  const { target } = event;
  if (target.matches("select.move") && target.value) move(target.closest("li"), target.value);
  if (target.dataset.merge && target.value) trigger("merge", { album: target.dataset.merge, into: target.value });
  if (target.dataset.rename && target.value.trim() && target.value !== target.dataset.rename)
    trigger("rename", { album: target.dataset.rename, name: target.value });
  if (target.dataset.seek) trigger("seek", { key: target.dataset.seek, words: target.value });
});

ours.remove = ({ dataset }) => {
  if (confirm(`Delete the album “${dataset.album}”? Its photos stay in the gallery.`)) trigger("remove", { ...dataset });
};

element.addEventListener("keydown", (event) => {
  const menu = event.target.closest(".album-menu");
  if (event.key !== "Escape" || !menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

// Dragging
let dragged = null;
const under = (event) => dragged && event.target.closest?.(".album:not(.pile)");
element.addEventListener("dragstart", (event) => {
  dragged = event.target.closest?.("li[data-photo]");
  event.dataTransfer.effectAllowed = "move";
});
element.addEventListener("dragover", (event) => {
  const column = under(event);
  element.querySelectorAll(".album.over").forEach((other) => other !== column && other.classList.remove("over"));
  if (!column || column.dataset.key === keyOf(dragged)) return;
  event.preventDefault();
  column.classList.add("over");
});
element.addEventListener("drop", (event) => {
  const column = under(event);
  if (!column) return;
  event.preventDefault();
  move(dragged, column.dataset.key);
});
element.addEventListener("dragend", () => {
  dragged = null;
  element.querySelectorAll(".album.over").forEach((column) => column.classList.remove("over"));
});

watch("value", () => {
  if (!back) return;
  const column = [...element.querySelectorAll(".album")].find((other) => other.dataset.key === back.key);
  const menus = [...(column?.querySelectorAll("select.move") ?? [])];
  (menus[Math.min(back.at, menus.length - 1)] ?? element.querySelector("select.move"))?.focus({ preventScroll: true });
  back = null;
});
