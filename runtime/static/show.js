// Choosing fields and waiting beside a code; both pages work without this.
"use strict";
const form = document.getElementById("choose");
if (form) {
  sessionStorage.removeItem("kabao-renewed");
  const boxes = [...form.querySelectorAll("#own-choice input[type=checkbox]")];
  const presets = [...form.querySelectorAll("input[name=preset]")];
  const follow = () => {
    const preset = presets.find((one) => one.checked)?.value;
    if (preset && preset !== "own") for (const box of boxes) box.checked = box.dataset.meant.split(" ").includes(preset);
  };
  for (const preset of presets) preset.addEventListener("change", follow);
  for (const box of boxes) {
    box.addEventListener("change", () => { presets.find((one) => one.value === "own").checked = true; });
  }
  follow();
}

const panel = document.getElementById("qr");
if (panel) {
  const english = document.documentElement.lang === "en";
  const left = document.getElementById("qr-left");
  const bar = document.getElementById("qr-progress");
  const ends = Date.now() + 1000 * Number(panel.dataset.seconds);
  bar.hidden = false;
  const another = document.querySelector(".js-again"); // there is none where nobody may renew it from here
  const renewed = Number(sessionStorage.getItem("kabao-renewed") || 0);
  const renew = () => {
    clearInterval(ticking);
    clearTimeout(asking);
    sessionStorage.setItem("kabao-renewed", renewed + 1);
    another.submit();
  };
  const again = () => { clearInterval(ticking); clearTimeout(asking); location.reload(); };
  let leftAt = 0; // whoever has chosen to go elsewhere is not taken back on the way, which may be a slow one
  addEventListener("beforeunload", () => { leftAt = Date.now(); });
  const isLeaving = () => Date.now() - leftAt < 10000;
  const tick = () => {
    const seconds = Math.max(0, Math.ceil((ends - Date.now()) / 1000));
    const clock = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    left.textContent = english ? `${clock} left` : `剩余 ${clock}`;
    bar.value = seconds;
    if (isLeaving()) return;
    if (seconds === 0) again();
    else if (another && seconds <= 5 && !document.hidden && renewed < 11) renew(); // for an hour, while somebody looks at it
  };
  const ask = async () => {
    try {
      const answer = await fetch(panel.dataset.stateUrl, { headers: { Accept: "application/json" }, cache: "no-store" });
      const isOver = [401, 403, 404, 410].includes(answer.status) || (answer.ok && (await answer.json()).state !== "waiting"); // or nobody may show it here
      if (isOver && !isLeaving()) return again();
    } catch { /* the network is away; the next question may find it back */ }
    asking = setTimeout(ask, document.hidden ? 10000 : 2000);
  };
  let asking = setTimeout(ask, 2000);
  const ticking = setInterval(tick, 1000);
  tick();
}
