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

// A key on a menu that is not open changes its choice at once, on the way to another: such a choice waits for Enter, or
// until the menu is left.
let keyed = false; // a key is being answered
for (const when of ["keydown", "keypress"])
  element.addEventListener(when, () => {
    keyed = true;
    setTimeout(() => (keyed = false));
  });

function moveChosen(menu) {
  if (!menu.matches("select.move") || !menu.value) return;
  move(menu.closest("li"), menu.value);
  menu.value = ""; // it is done once
}

element.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.matches("select.move") || !event.target.value) return;
  event.preventDefault(); // else it opens the menu
  moveChosen(event.target);
});
element.addEventListener("focusout", ({ target }) =>
  setTimeout(() => {
    if (!target.isConnected) return; // the albums were drawn anew
    moveChosen(target);
    if (!element.contains(document.activeElement)) back = null; // the keyboard is elsewhere, and stays there
  }),
);

element.addEventListener("change", (event) => {
  const { target } = event;
  if (!keyed) moveChosen(target);
  if (target.dataset.rename && target.value.trim() && target.value !== target.dataset.rename)
    trigger("rename", { album: target.dataset.rename, name: target.value });
  if (target.dataset.seek) trigger("seek", { key: target.dataset.seek, words: target.value });
});

ours.merge = (button) => {
  const menu = button.parentElement.querySelector("[data-merge]");
  if (!menu.value) return menu.focus();
  trigger("merge", { album: menu.dataset.merge, into: menu.value });
  menu.value = "";
};
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
  if (back) {
    const column = [...element.querySelectorAll(".album")].find((other) => other.dataset.key === back.key);
    const menus = [...(column?.querySelectorAll("select.move") ?? [])];
    (menus[Math.min(back.at, menus.length - 1)] ?? element.querySelector("select.move"))?.focus({ preventScroll: true });
    back = null;
  }
  const menu = element.querySelector("select.move:focus");
  if (menu) fill(menu); // its choices were drawn away
});
