// Runs once for each of our HTML parts. `element` and `trigger` come from Gradio's HTML component.
const columns = () => getComputedStyle(element.querySelector(".grid")).gridTemplateColumns.split(" ").length;

function mark(hit) {
  element.querySelectorAll(".hit[aria-current]").forEach((other) => other.removeAttribute("aria-current"));
  hit.setAttribute("aria-current", "true");
}

function close() {
  const sheet = document.querySelector(".panel[data-picked]");
  sheet?.removeAttribute("data-picked");
  document.querySelector('.hit[aria-current="true"]')?.focus();
}

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.matches(".close")) return close();
  if (button.matches(".hit")) mark(button);
  trigger("select", { ...button.dataset });
});

element.addEventListener("keydown", (event) => {
  const hits = [...element.querySelectorAll(".hit")];
  const at = hits.indexOf(event.target);
  if (event.key === "Escape") return close();
  if (at < 0) return;
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns(), ArrowUp: -columns() }[event.key];
  if (!step || !hits[at + step]) return;
  event.preventDefault();
  hits[at + step].focus();
});
