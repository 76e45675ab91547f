// Runs once for each of our HTML parts. `element`, `trigger` and `watch` come from Gradio's HTML component.
// What Python may listen to: "select" "again" "alike" "deepen" "explain" "discard" "more" "present".
const columns = () => getComputedStyle(element.querySelector(".grid")).gridTemplateColumns.split(" ").length;

function mark(hit) {
  document.querySelectorAll(".hit[aria-current]").forEach((other) => other.removeAttribute("aria-current"));
  hit.setAttribute("aria-current", "true");
}

function close() {
  document.querySelector(".panel[data-picked]")?.removeAttribute("data-picked");
  document.querySelector('.hit[aria-current="true"]')?.focus();
}

async function copy(text, button) {
  const words = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = words), 1600);
  } catch {
    prompt("Copy this address", text); // without https the clipboard is closed to us
  }
}

const address = (rest) => location.origin + location.pathname + rest;
const ours = {
  copy: (button) => copy(button.parentElement.querySelector("[data-link]").textContent, button),
  share: (button) => copy(address(button.dataset.share), button),
};

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.matches(".close")) return close();
  const name = button.dataset.event;
  if (ours[name]) return ours[name](button);
  if (!name) return;
  if (button.matches(".hit")) mark(button);
  if (name === "discard" && !confirm("Delete this photo?")) return;
  button.classList.toggle("waiting", !button.matches(".hit") && name !== "present"); // until its part is drawn anew
  trigger(name, { ...button.dataset });
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

watch("value", () => {
  element.querySelectorAll(".waiting").forEach((button) => button.classList.remove("waiting"));
  element.querySelectorAll("[data-link]").forEach((link) => (link.textContent = address("?gallery=" + link.dataset.link)));
});
