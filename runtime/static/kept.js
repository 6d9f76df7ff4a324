// The page that shows what this browser kept: it is drawn here, from the browser's own store, since without a network nobody else can.
"use strict";
const NAME = "kabao.kept", WEEK = 7 * 24 * 3600 * 1000;
const english = document.documentElement.lang === "en";
const say = (text) => (english ? text.en : text.zh);
const list = document.getElementById("kept-cards"), card = document.getElementById("kept-card");
const moment = (time) => new Date(time).toLocaleString(english ? "en-GB" : "zh-CN", { dateStyle: "medium", timeStyle: "short", timeZone: "Asia/Shanghai" });
let kept = JSON.parse(localStorage.getItem(NAME) ?? "null");
if (kept && Math.abs(Date.now() - Date.parse(kept.at)) > WEEK) { // from the future, too: by a clock that was wrong, it would never be a week old
  localStorage.removeItem(NAME);
  kept = null;
}
const today = new Date(Date.now() + 8 * 3600 * 1000).toISOString().slice(0, 10);
const coded = (one) => Number(kept.codes[one.id] !== undefined);
for (const one of kept?.cards.sort((a, b) => coded(b) - coded(a)) ?? []) {
  const over = one.last_day && one.last_day < today;
  const drawn = card.content.cloneNode(true), part = (name) => drawn.querySelector(`[data-part=${name}]`);
  part("face").classList.add(`licence--${one.colour}`);
  if (over || !one.is_valid) part("face").classList.add("licence--inactive");
  part("issuer").textContent = say(one.issuer);
  part("name").textContent = say(one.name);
  part("holder").textContent = one.holder;
  part("number").textContent = one.number;
  part("validity").textContent = say(one.validity);
  part("state").textContent = over ? list.dataset.over : say(one.state_name);
  part("state").classList.add(`state--${over ? "expired" : one.state}`);
  const code = kept.codes[one.id];
  if (code && !over && Date.parse(code.until) > Date.now() && code.picture.startsWith("data:image/svg+xml")) {
    part("code").hidden = false;
    part("picture").src = code.picture;
    part("until").textContent = `${list.dataset.until} ${moment(code.until)}`;
    part("says").textContent = code.says;
  }
  list.append(drawn);
}
document.getElementById(kept ? "kept-some" : "kept-none").hidden = false;
if (kept) document.getElementById("kept-at").textContent = moment(kept.at);
document.getElementById("kept-forget").addEventListener("click", () => {
  localStorage.removeItem(NAME);
  location.reload();
});
