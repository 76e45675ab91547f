// Albums: photos are dragged from one to another, or moved by the menu under each; names change where they stand.
// What Python may listen to: "propose" "move" "undo" "rename" "merge" "remove" "seek" "unfold" "pack"
const names = () => JSON.parse(element.querySelector(".albums")?.dataset.albums ?? "[]");
const keyOf = (part) => part.closest(".album")?.dataset.key;
const cardOf = (photo) => element.querySelector(`li[data-photo="${photo}"]`);
let back = null; // where the keyboard was: the column and the place of a photo that is moved, and that photo
// An answer draws the board into the elements that are there, each by its place: what a hand holds meanwhile is known by
// the photo, and a menu that is open by its album, for their elements may be those of others then.
let held = null; // the photo whose menu has the focus
let chosen = ""; // there, by keys that are to be followed by Enter
let open = null; // the column whose album's menu is open
let typed = null; // the name that is being typed there

function fill(menu) {
  if (menu.options.length > 1) return;
  const here = keyOf(menu);
  for (const [words, to] of [...names().map((name) => [name, "=" + name]), ["None of these", "-"]])
    if (to !== here) menu.add(new Option(words, to));
}

function move(photo, to) {
  const card = cardOf(photo);
  if (card) {
    back = { photo, key: keyOf(card), at: [...card.parentElement.children].indexOf(card) };
    card.classList.add("waiting");
  }
  trigger("move", { photo, to });
}

for (const when of ["focusin", "pointerover"])
  element.addEventListener(when, (event) => event.target.matches("select.move") && fill(event.target));

element.addEventListener("focusin", ({ target }) => {
  back = null; // the keyboard has gone on
  if (!target.matches("select.move")) return;
  const { photo } = target.closest("li").dataset;
  if (photo !== held) chosen = "";
  held = photo;
});

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
  move(menu.closest("li").dataset.photo, menu.value);
  menu.value = chosen = ""; // it is done once
}

element.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.matches("select.move") || !event.target.value) return;
  event.preventDefault(); // else it opens the menu
  moveChosen(event.target);
});
element.addEventListener("focusout", ({ target }) =>
  setTimeout(() => {
    if (!target.isConnected) return; // the albums were drawn anew
    const menu = target.closest(".album-menu"), { activeElement } = document;
    if (menu && activeElement !== document.body && !menu.contains(activeElement)) menu.open = false;
    moveChosen(target);
    if (!target.matches("select.move")) return; // which may be where the keyboard goes on to
    const followed = cardOf(held)?.querySelector("select.move"); // the menu, where an answer has put it
    if (activeElement !== followed) back = null; // the keyboard is elsewhere, and stays there
    if (document.activeElement !== target && held === target.closest("li").dataset.photo) held = null;
  }),
);

element.addEventListener("change", (event) => {
  const { target } = event;
  if (target.dataset.rename && keyOf(target) === open) typed = null;
  if (!keyed) moveChosen(target);
  else if (target.matches("select.move")) chosen = target.value;
  if (target.dataset.rename && target.value.trim() && target.value !== target.dataset.rename) {
    changing = true;
    trigger("rename", { album: target.dataset.rename, name: target.value });
  }
  if (target.dataset.seek) trigger("seek", { key: target.dataset.seek, words: target.value });
});

ours.merge = (button) => {
  const menu = button.parentElement.querySelector("[data-merge]");
  if (!menu.value) return menu.focus();
  changing = true;
  button.closest("details").open = false; // or an Undo would open it again
  trigger("merge", { album: menu.dataset.merge, into: menu.value });
  menu.value = "";
};
const closeMenu = (button) => {
  const menu = button.closest("details");
  menu.open = false;
  menu.querySelector("summary").focus();
};
ours.pack = (button) => {
  closeMenu(button);
  trigger("pack", { ...button.dataset });
};
element.addEventListener("click", ({ target }) => {
  const more = target.closest(".more");
  if (more) back = { key: keyOf(more), at: more.closest(".album").querySelectorAll("select.move").length }; // the first new one
});
ours.remove = async (button) => {
  const { album } = button.dataset;
  closeMenu(button);
  if (!(await tgem.ask(`Delete the album “\u2068${album}\u2069”? Its photos stay in the gallery.`, "Delete"))) return;
  document.querySelector("#tabs [data-tab-id=albums]").focus(); // the button goes with the album
  open = null;
  trigger("remove", { album });
};

let changing = false; // what was used is drawn away by its answer: the focus stays in this tab
ours.undo = () => {
  changing = true;
  trigger("undo", {});
};

element.addEventListener("keydown", (event) => {
  const menu = event.target.closest(".album-menu");
  if (event.key !== "Escape" || !menu) return;
  resetName(menu); // before it is left, which would rename the album
  menu.open = false;
  menu.querySelector("summary").focus();
});

const resetName = (menu) => {
  const name = menu.querySelector("[data-rename]");
  name.value = name.dataset.rename;
  typed = null;
};

element.addEventListener("toggle", ({ target }) => {
  if (target.open) {
    open = keyOf(target);
    if (typed === null) resetName(target);
  }
  else if (open === keyOf(target)) open = typed = null;
}, true);
element.addEventListener("input", ({ target }) => target.dataset.rename && (typed = target.value));
document.addEventListener("click", ({ target }) => {
  for (const menu of element.querySelectorAll(".album-menu[open]")) if (!menu.contains(target)) menu.open = false;
});

// Dragging
let dragged = null; // the photo, and the column that it is dragged from
const under = (event) => dragged && event.target.closest?.(".album:not(.pile)");
element.addEventListener("dragstart", (event) => {
  const card = event.target.closest?.("li[data-photo]");
  dragged = card && { photo: card.dataset.photo, key: keyOf(card) };
  event.dataTransfer.effectAllowed = "move";
  if (dragged) event.dataTransfer.setData("application/x-photo", dragged.photo); // WebKit drags nothing without data
});
element.addEventListener("dragover", (event) => {
  const column = under(event);
  element.querySelectorAll(".album.over").forEach((other) => other !== column && other.classList.remove("over"));
  if (!column || column.dataset.key === dragged.key) return;
  event.preventDefault();
  column.classList.add("over");
});
element.addEventListener("drop", (event) => {
  const column = under(event);
  if (!column) return;
  event.preventDefault();
  move(dragged.photo, column.dataset.key);
});
element.addEventListener("dragend", () => {
  dragged = null;
  element.querySelectorAll(".album.over").forEach((column) => column.classList.remove("over"));
});

let known = null; // the albums that were drawn last, and the gallery that they are of
// An album that was added stands at the end, which may be out of sight.
function showNew() {
  const before = known, { gallery } = document.querySelector("#answer [data-gallery]")?.dataset ?? {};
  known = { gallery, names: names() };
  const added = known.names.filter((name) => !before?.names.includes(name));
  if (before?.gallery !== gallery || added.length !== 1 || known.names.length !== before.names.length + 1) return;
  const column = [...element.querySelectorAll(".album")].find((each) => each.dataset.key === "=" + added[0]);
  const board = column?.parentElement, beyond = column?.getBoundingClientRect().right - board?.getBoundingClientRect().right;
  if (beyond > 0) board.scrollBy({ left: beyond }); // sideways alone: the box for the next album stays in view
}

watch("value", () => {
  // Once the browser has dropped the focus of what was drawn away.
  if (changing) setTimeout(() => document.activeElement === document.body && document.querySelector("#tabs [data-tab-id=albums]").focus());
  changing = false;
  showNew();
  if (open && !names().includes(open.slice(1))) open = null; // or an Undo would open it again
  for (const menu of element.querySelectorAll(".album-menu")) {
    menu.open = keyOf(menu) === open;
    const name = menu.querySelector("[data-rename]");
    if (!menu.open || typed === null || name.value === typed) continue;
    name.value = typed;
    name.focus();
  }
  const here = back?.photo && cardOf(back.photo);
  if (back && !(here && keyOf(here) === back.key)) { // else an earlier question is answered, and it is still to be moved
    const column = [...element.querySelectorAll(".album")].find((other) => other.dataset.key === back.key);
    const menus = [...(column?.querySelectorAll("select.move") ?? [])];
    const next = menus[Math.min(back.at, menus.length - 1)] ?? element.querySelector("select.move");
    next?.focus({ preventScroll: true });
    held = next?.closest("li").dataset.photo; // where the moved photo's element is the next one's, it has the focus already
    back = null;
  }
  const menu = element.querySelector("select.move:focus");
  if (!menu && (!held || document.activeElement !== document.body)) return; // else the menu went with what was drawn away
  const own = cardOf(held)?.querySelector("select.move");
  const moving = back; // whose answer is still to come, wherever an earlier one has put its menu
  own ? own.focus({ preventScroll: true }) : menu?.blur();
  back = moving;
  if (!own) return (held = null);
  fill(own); // its choices were drawn away, and what was chosen
  if ([...own.options].some(({ value }) => value === chosen)) own.value = chosen;
});
