// Photos on their way in: the strip of each fills pass by pass from when it is first seen, however often it is redrawn.
const seen = new Map(); // photo -> when that was, ms

watch("value", () => {
  const now = performance.now();
  for (const card of element.querySelectorAll(".encoding + .grid li[data-photo]")) {
    if (!seen.has(card.dataset.photo)) seen.set(card.dataset.photo, now);
    card.style.setProperty("--since", `${seen.get(card.dataset.photo) - now}ms`);
  }
});
