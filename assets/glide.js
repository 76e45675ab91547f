// The results: after a second look, cards glide to their new places and the new parts of strips fill up. The list
// scrolls on by itself: its button is pressed when the reader comes near it.
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

const filled = new Set(); // photos whose new parts have been seen filling up
const photoOf = (part) => part?.closest("#grid .hit")?.dataset.photo ?? null;
let focused = null; // the photo whose card has the focus while more are on their way: it gets it back
addEventListener("focusin", ({ target }) => focused && (focused = photoOf(target))); // unless the visitor has gone on
const ahead = new IntersectionObserver((seen) => {
  for (const { isIntersecting, target } of seen) {
    if (!isIntersecting || !target.isConnected) continue;
    ahead.disconnect();
    focused = photoOf(document.activeElement);
    target.click();
  }
}, { rootMargin: "0px 0px 240px" });

watch("value", () => {
  ahead.disconnect();
  const more = element.querySelector(".more");
  if (more) ahead.observe(more);
  if (focused) element.querySelector(`.hit[data-photo="${focused}"]`)?.focus({ preventScroll: true });
  focused = null;
  const before = new Map(places);
  remember();
  if (!element.querySelector("li[data-again]")) filled.clear();
  else if (!still.matches)
    for (const card of element.querySelectorAll("li[data-photo]")) {
      if (before.has(card.dataset.photo)) glide(card, before.get(card.dataset.photo));
      if (!card.matches("[data-again]") || filled.has(card.dataset.photo)) continue;
      filled.add(card.dataset.photo);
      card.querySelectorAll(".strip .new").forEach(fill);
    }
});
new ResizeObserver(remember).observe(element);
