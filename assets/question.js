// Questions and messages in dialogs of our own: in another site's frame, as on the Hub, a browser may show none of its own
// and take the answer for a no.
const part = (name, given, ...within) => {
  const made = Object.assign(document.createElement(name), given);
  made.append(...within);
  return made;
};
const actions = (...buttons) => part("div", { className: "actions" }, ...buttons.map((given) => part("button", given)));

// Whether yes was said; Escape and Back say no.
const answered = (words, ...within) => {
  const form = part("form", { method: "dialog" }, part("p", { textContent: words }), ...within);
  const dialog = part("dialog", { className: "question", role: "alertdialog", ariaLabel: words }, form);
  const refuse = () => dialog.close();
  document.querySelector(".gradio-container").append(dialog);
  dialog.addEventListener("keydown", (event) => event.stopPropagation()); // what lies behind it stays as it is
  dialog.showModal();
  addEventListener("popstate", refuse);
  return new Promise((answer) => {
    dialog.addEventListener("close", () => {
      removeEventListener("popstate", refuse);
      dialog.remove();
      answer(dialog.returnValue === "yes");
    });
  });
};

tgem.ask = (words, deed) => answered(words, actions({ textContent: "Cancel" }, { textContent: deed, value: "yes" }));

// Args: text: to be copied by hand.
tgem.tell = (words, text) => {
  const field = part("input", { readOnly: true, value: text, ariaLabel: words });
  const read = answered(words, ...(text ? [field] : []), actions({ textContent: "Close" }));
  field.select(); // now: Safari would undo it while the field gets the focus
  return read;
};
