// The map of a gallery: Ctrl and the wheel, fingers or buttons zoom, dragging moves, the dot that is pointed at shows its photo.
let zoom = 1, left = 0, top = 0; // of what is in view, in units of the drawing
let held = null; // where the pointer took hold of the map
const fingers = new Map(); // where each stands that is on it
const NEAR = 16; // px
const field = () => element.querySelector(".field");
const drawing = () => field()?.querySelector(":scope > svg");
const size = () => drawing().viewBox.baseVal;
const perPixel = () => size().width / drawing().getBoundingClientRect().width;

function draw() {
  const { width, height } = size();
  left = Math.min(Math.max(left, 0), width - width / zoom);
  top = Math.min(Math.max(top, 0), height - height / zoom);
  const group = drawing().querySelector("g");
  group.setAttribute("transform", `scale(${zoom}) translate(${-left} ${-top})`);
  field().style.setProperty("--zoom", zoom);
}

// Zoom so that what is under a point of the screen stays there.
function zoomAt(x, y, factor) {
  const box = drawing().getBoundingClientRect(), unit = perPixel();
  const next = Math.min(Math.max(zoom * factor, 1), 40);
  left += (x - box.left) * unit * (1 / zoom - 1 / next);
  top += (y - box.top) * unit * (1 / zoom - 1 / next);
  zoom = next;
  hide();
  draw();
}

function nearest(x, y, least = NEAR) {
  let found = null;
  for (const dot of drawing().querySelectorAll("g circle")) {
    const box = dot.getBoundingClientRect();
    const away = Math.hypot(box.left + box.width / 2 - x, box.top + box.height / 2 - y);
    if (away < least) [found, least] = [dot, away];
  }
  return found;
}

const peek = () => field().querySelector(".peek");

function hide() {
  const shown = drawing()?.querySelector(".pointed");
  shown?.classList.remove("pointed");
  if (peek()) peek().hidden = true;
}

function show(dot) {
  const card = peek();
  if (card.dataset.photo === dot.dataset.photo && !card.hidden) return;
  hide();
  dot.classList.add("pointed");
  const image = new Image(), words = document.createElement("span");
  image.src = dot.dataset.src;
  image.alt = "";
  words.textContent = `${dot.dataset.name} · ${dot.dataset.ran}`;
  card.replaceChildren(image, words);
  card.dataset.photo = dot.dataset.photo;
  card.hidden = false;
  const at = dot.getBoundingClientRect(), box = field().getBoundingClientRect();
  card.style.left = `${Math.min(Math.max(at.left - box.left - card.offsetWidth / 2, 0), box.width - card.offsetWidth)}px`;
  const above = at.top - box.top - card.offsetHeight - 8;
  card.style.top = `${above >= 0 ? above : at.bottom - box.top + 8}px`;
}

element.addEventListener("wheel", (event) => {
  if (!(event.ctrlKey || event.metaKey) || !event.target.closest(".field > svg")) return; // the wheel alone scrolls the page
  event.preventDefault();
  zoomAt(event.clientX, event.clientY, Math.exp(-event.deltaY / 300));
}, { passive: false });

element.addEventListener("pointerdown", (event) => {
  if (!event.target.closest(".field > svg")) return;
  held = { x: event.clientX, y: event.clientY, moved: false };
  if (event.pointerType === "touch") fingers.set(event.pointerId, event);
});
for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, ({ pointerId }) => fingers.delete(pointerId));

// Two fingers are ours, or the browser would scroll with them.
const ofTwo = ({ target, touches }) => touches.length === 2 && target.closest(".field > svg");
element.addEventListener("touchmove", (event) => ofTwo(event) && event.preventDefault(), { passive: false });

// What is under two fingers stays between them.
function pinch(event) {
  const spread = () => {
    const [one, other] = fingers.values();
    return Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
  };
  const before = spread();
  fingers.set(event.pointerId, event);
  const [one, other] = fingers.values();
  if (before) zoomAt((one.clientX + other.clientX) / 2, (one.clientY + other.clientY) / 2, spread() / before);
  held = null;
}

element.addEventListener("pointermove", (event) => {
  if (!drawing()) return;
  if (fingers.size === 2 && fingers.has(event.pointerId)) return pinch(event);
  if (held && event.buttons) {
    const x = event.clientX - held.x, y = event.clientY - held.y;
    if (!held.moved && Math.hypot(x, y) < 6) return;
    left -= (x * perPixel()) / zoom;
    top -= (y * perPixel()) / zoom;
    held = { x: event.clientX, y: event.clientY, moved: true };
    hide();
    return draw();
  }
  if (!event.target.closest(".field > svg")) return;
  const dot = nearest(event.clientX, event.clientY);
  dot ? show(dot) : hide();
});

element.addEventListener("click", (event) => {
  const button = event.target.closest(".zoom");
  if (button) {
    const box = drawing().getBoundingClientRect(), to = button.dataset.zoom;
    const middle = [box.left + box.width / 2, box.top + box.height / 2];
    const dot = nearest(...middle, Infinity).getBoundingClientRect(); // it stays in view, or one might zoom into nothing
    const at = to === "in" ? [dot.left + dot.width / 2, dot.top + dot.height / 2] : middle;
    return zoomAt(...at, { in: 1.6, out: 1 / 1.6, all: 1 / zoom }[to]);
  }
  const moved = held?.moved;
  held = null;
  if (moved || !event.target.closest(".field > svg")) return;
  const dot = nearest(event.clientX, event.clientY);
  if (!dot) return hide();
  if (event.pointerType === "touch") return show(dot); // its photo is the button then
  tgem.openTab("results");
  trigger("select", { photo: dot.dataset.photo });
});

// A finger that is lifted leaves, too, and may touch the card next.
element.addEventListener("pointerleave", (event) => event.pointerType === "touch" || hide());

// Dots are as large on every screen.
function fit() {
  const wide = drawing()?.getBoundingClientRect().width;
  if (wide) field().style.setProperty("--unit", size().width / wide);
}

watch("value", () => {
  [zoom, left, top] = [1, 0, 0];
  fit();
});
new ResizeObserver(fit).observe(element);
