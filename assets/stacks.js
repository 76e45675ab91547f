// Photos that are nearly the same lie in a stack, the first of them on top; its button opens it, and closes it again.
// Runs for the grid, before cards glide.
const opened = new Set(); // top photos of the stacks that the visitor has opened
const card = (list, photo) => list.querySelector(`:scope > li[data-photo="${photo}"]`);

function show(top, members, on) {
  const button = top.querySelector(".unfold");
  members.forEach((member) => (member.hidden = !on));
  button.setAttribute("aria-expanded", on);
  button.textContent = on ? "Close the stack" : `${members.length + 1} alike`;
}

function stack(list, photos) {
  const [top, ...members] = photos.map((photo) => card(list, photo)).filter(Boolean);
  if (!members.length) return;
  const photo = top.dataset.photo, button = document.createElement("button");
  button.type = "button";
  button.className = "unfold";
  top.classList.add("stack");
  top.append(button);
  top.after(...members);
  members.forEach((member) => member.classList.add("member"));
  button.addEventListener("click", (event) => {
    event.stopPropagation();
    const on = button.getAttribute("aria-expanded") !== "true";
    on ? opened.add(photo) : opened.delete(photo);
    show(top, members, on);
  });
  show(top, members, opened.has(photo) || members.some((member) => member.querySelector("[aria-current]")));
}

function fold() {
  const found = element.querySelector("[data-stacks]");
  if (!found) return;
  for (const list of element.querySelectorAll(".grid"))
    for (const photos of JSON.parse(found.dataset.stacks)) stack(list, photos);
}

watch("value", fold);
