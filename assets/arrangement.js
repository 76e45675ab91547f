// A choice in a box over the photos arranges them.
// What Python may listen to: "arrange".
element.addEventListener("change", (event) => {
  const boxes = [...event.target.closest(".arrangement").querySelectorAll("select")];
  trigger("arrange", Object.fromEntries(boxes.map((box) => [box.name, box.value])));
});

// A browser keeps to what a visitor chose in a box, whatever the HTML says later.
watch("value", () => element.querySelectorAll("option[selected]").forEach((option) => (option.selected = true)));
