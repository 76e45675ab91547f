
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

// A picture that is dropped on the search box, or pasted into it, is searched with.
if (!window.searchesByPicture) {
  window.searchesByPicture = true;
  const ask = document.querySelector("#ask");
  const hand = (event, data) => {
    const files = [...(data?.files ?? [])].filter((file) => file.type.startsWith("image/"));
    const input = document.querySelector("#picture")?.parentElement.querySelector("input[type=file]");
    if (!files.length || !input) return;
    event.preventDefault();
    const one = new DataTransfer();
    one.items.add(files[0]);
    input.files = one.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  };
  ask?.addEventListener("dragover", (event) => event.preventDefault());
  ask?.addEventListener("drop", (event) => hand(event, event.dataTransfer));
  ask?.addEventListener("paste", (event) => hand(event, event.clipboardData));
}
