// A ranking arrived as a file, or the photos of an album by their addresses: save them.
watch("value", () => {
  element.querySelector("a[download]")?.click();
  document.querySelectorAll("#answer .waiting").forEach((button) => button.classList.remove("waiting"));
  const { zip, name } = element.querySelector("[data-zip]")?.dataset ?? {};
  if (zip) tgem.zip(zip.split(" "), name);
});
