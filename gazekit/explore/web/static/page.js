// What every page does: forms that show what was chosen at once, and buttons that copy.
for (const form of document.querySelectorAll("form[data-auto]")) {
  form.addEventListener("change", (event) => {
    if (event.target.matches("select, input[type=checkbox]")) { form.requestSubmit(); }
  });
  form.addEventListener("submit", () => {
    for (const field of form.elements) { if (field.value === "" && field.name) { field.disabled = true; } }
  });
}
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) { return; }
  const source = document.getElementById(button.dataset.copy), said = button.closest("details").querySelector(".copied");
  try {
    await navigator.clipboard.writeText(source.textContent);
    said.textContent = "copied";
  } catch {
    const range = document.createRange();
    range.selectNodeContents(source);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    said.textContent = "selected: copy it with Ctrl+C";
  }
});
