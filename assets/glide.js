
// The results: after a second look, cards glide to their new places and the new parts of strips fill up.
const still = matchMedia("(prefers-reduced-motion: reduce)");
const places = new Map(); // photo -> where its card was

function remember() {
  places.clear();
  for (const card of element.querySelectorAll("li[data-photo]"))
    places.set(card.dataset.photo, [card.offsetLeft, card.offsetTop]);
}

function glide(card, [left, top]) {
  const x = left - card.offsetLeft, y = top - card.offsetTop;
  if (x || y)
    card.animate([{ transform: `translate(${x}px, ${y}px)` }, { transform: "none" }], { duration: 650, easing: "cubic-bezier(.3,0,.1,1)" });
}

function fill(piece, after) {
  piece.animate([{ clipPath: "inset(0 100% 0 0)" }, { clipPath: "inset(0 0 0 0)" }], { duration: 260, delay: 200 + 140 * after, fill: "backwards", easing: "ease-out" });
}

watch("value", () => {
  const before = new Map(places);
  remember();
  if (still.matches || !element.querySelector("li[data-again]")) return;
  for (const card of element.querySelectorAll("li[data-photo]")) {
    if (before.has(card.dataset.photo)) glide(card, before.get(card.dataset.photo));
    card.querySelectorAll(".strip .new").forEach(fill);
  }
});
new ResizeObserver(remember).observe(element);
