// Niceties for pages that work without them: print, copy, show a password, stand at what was wrong, and no second sending of a form.
"use strict";
const mine = document.body.dataset.wallet; // none on a page that knows nobody by design
const forgetKept = () => {
  localStorage.removeItem("kabao.kept");
  window.caches?.delete("kabao-shell");
};
try {
  const kept = localStorage.getItem("kabao.kept");
  if (kept && mine !== undefined && JSON.parse(kept).wallet !== mine) forgetKept();
  document.querySelector("form[action='/signout']")?.addEventListener("submit", forgetKept);
} catch {
  // a browser that keeps nothing has nothing to forget
}
const wrong = document.querySelector("main [aria-invalid='true'], main .notice--danger[role='alert']");
if (wrong) {
  if (wrong.tabIndex < 0) wrong.tabIndex = -1;
  wrong.focus(); // where to go on after an answer that refused: a page that was loaded anew begins at its top
}
for (const button of document.querySelectorAll(".js-print")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}
document.querySelector(".account-nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
if (navigator.clipboard) {
  for (const button of document.querySelectorAll(".js-copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copies);
      await navigator.clipboard.writeText((source.value ?? source.textContent).trim());
      button.textContent = button.dataset.done;
    });
  }
}
for (const button of document.querySelectorAll(".js-reveal")) {
  const field = document.getElementById(button.dataset.reveals);
  const show = (shown) => {
    field.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
  };
  button.hidden = false;
  button.addEventListener("click", () => show(field.type === "password"));
  field.form.addEventListener("submit", () => show(false)); // a browser keeps what was typed as text
}
for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", (event) => {
    const button = event.submitter?.id || "form"; // another button of the same form asks for something else
    if (form.dataset.sent === button) event.preventDefault();
    form.dataset.sent = button;
    setTimeout(() => delete form.dataset.sent, 3000);
  });
}
