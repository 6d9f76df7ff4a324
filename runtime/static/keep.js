// Keeping the wallet's cards, or one code, in this browser, because the person asked for it: covered, for a week at most, in the browser's own store.
"use strict";
const NAME = "kabao.kept";
const english = document.documentElement.lang === "en";
const read = () => JSON.parse(localStorage.getItem(NAME) ?? "null");
const button = document.getElementById("keep"), codes = document.querySelectorAll(".js-keep-code");
async function keep({ code, all, again = false }) {
  const answer = await fetch("/wallet/kept.json", { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error("not given");
  const given = await answer.json(), before = read();
  if (given.wallet !== document.body.dataset.wallet) return;
  const kept = { ...(before?.codes ?? {}), ...(code ? { [code.id]: code } : {}) };
  const cards = given.cards.filter((card) => all || kept[card.id]);
  const valid = Object.fromEntries(cards.filter((card) => card.is_valid && kept[card.id]).map((card) => [card.id, kept[card.id]]));
  await navigator.serviceWorker.register("/wallet/worker.js", { scope: "/wallet" });
  const shell = await fetch(`/wallet/kept?lang=${english ? "en" : "zh"}`, { credentials: "omit" });
  if (!shell.ok) throw new Error("not given");
  await (await caches.open("kabao-shell")).put("/wallet/kept", shell);
  if (again && !read()) return forget(); // that was asked for meanwhile
  localStorage.setItem(NAME, JSON.stringify({ wallet: given.wallet, all, at: new Date().toISOString(), cards, codes: valid }));
}
async function forget() {
  localStorage.removeItem(NAME);
  await caches.delete("kabao-shell");
  await (await navigator.serviceWorker.getRegistration("/wallet"))?.unregister();
}
function say() {
  if (!button) return;
  button.textContent = read() ? button.dataset.forget : button.dataset.keep;
  document.getElementById("kept-link").hidden = !read();
  document.getElementById("keep-panel").hidden = false;
}
if ("serviceWorker" in navigator && "caches" in window) {
  say();
  button?.addEventListener("click", async () => {
    button.disabled = true;
    await (read() ? forget() : keep({ all: true })).finally(() => { button.disabled = false; });
    say();
  });
  if (button && read()) keep({ all: read().all, again: true }).then(say, () => {});
  for (const one of codes) {
    one.hidden = false;
    one.addEventListener("click", async () => {
      const picture = document.getElementById(one.dataset.picture).src;
      const code = { id: one.dataset.licence, picture, until: one.dataset.until, says: one.dataset.says };
      await keep({ code, all: read()?.all ?? false });
      one.textContent = one.dataset.done;
      one.disabled = true;
    });
  }
}
