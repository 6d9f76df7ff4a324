// The desk's page of scanning to sign in: ask how it stands until it is answered or over. The page works without this.
"use strict";
const panel = document.getElementById("scan");
if (panel) {
  const english = document.documentElement.lang === "en";
  const left = document.getElementById("scan-left");
  const status = document.getElementById("scan-status");
  const ends = Date.now() + 1000 * Number(panel.dataset.seconds);
  let done = false;
  const tick = () => {
    const seconds = Math.max(0, Math.ceil((ends - Date.now()) / 1000));
    left.textContent = english ? `${seconds} seconds left` : `剩余 ${seconds} 秒`;
  };
  const finish = (act) => { done = true; clearInterval(ticking); act(); };
  const ask = async () => {
    if (done) return;
    let state = "waiting";
    try {
      const answer = await fetch(panel.dataset.stateUrl, { headers: { Accept: "application/json" }, cache: "no-store" });
      if (answer.ok) ({ state } = await answer.json());
    } catch { /* the network is away; the next question may find it back */ }
    if (state === "confirmed") {
      status.textContent = english ? "Confirmed" : "已确认";
      return finish(() => document.getElementById("scan-enter").submit());
    }
    if (state !== "waiting" || Date.now() > ends + 5000) return finish(() => location.reload());
    setTimeout(ask, document.hidden ? 5000 : 1500);
  };
  const ticking = setInterval(tick, 1000);
  tick();
  setTimeout(ask, 1500);
}
