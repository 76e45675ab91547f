// The search box of the page's first moment: it stands there until Gradio has drawn the page's own, which goes on with
// what was typed and asked for meanwhile. Runs once, from the document itself.
const theme = new URLSearchParams(location.search).get("__theme"); // which the Hub asks for, and Gradio goes by
const dark = matchMedia("(prefers-color-scheme: dark)").matches;
element.classList.toggle("dark", theme === "dark" || (dark && theme !== "light"));

const typed = element.querySelector("input");
let asked = false;
element.addEventListener("submit", (event) => {
  event.preventDefault();
  asked = Boolean(typed.value.trim());
  if (asked) element.querySelector("[role=status]").textContent = "One moment: the answer comes with the page.";
});

// Once it is there and what drew it has come to its end, or Gradio would write its first value over ours.
const when = (there, then) => {
  const look = () => {
    if (!there()) return;
    looking.disconnect();
    requestAnimationFrame(() => setTimeout(() => then(there())));
  };
  const looking = new MutationObserver(look);
  looking.observe(document.body, { childList: true, subtree: true });
  look();
};

const write = (box, words) => {
  box.value = words;
  box.dispatchEvent(new Event("input", { bubbles: true }));
};

when(
  () => document.querySelector("#query input"),
  (box) => {
    const here = document.activeElement === typed;
    let words = typed.value; // what the visitor has typed last
    box.addEventListener("input", (event) => event.isTrusted && (words = box.value));
    if (words) write(box, words);
    if (here) {
      box.focus();
      if (words) box.setSelectionRange(typed.selectionStart, typed.selectionEnd);
      else box.select();
    }
    element.remove();
    // The page's first answer writes its own words over them. What was asked is sent after it, or it would come last.
    const answered = () => document.querySelector("#answer [data-gallery]");
    when(answered, () => {
      if (words && words !== box.value) write(box, words);
      if (asked) document.querySelector("#query .submit-button").click();
    });
  },
);

// After a reload what was typed is there again.
if (performance.getEntriesByType("navigation")[0]?.type === "reload" && !typed.value) {
  typed.value = sessionStorage.getItem("tgem-words") ?? "";
  asked = Boolean(typed.value && sessionStorage.getItem("tgem-asked"));
  sessionStorage.setItem("tgem-again", asked ? typed.value : ""); // and no third time
}
