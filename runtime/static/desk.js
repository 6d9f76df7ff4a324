// The officer's desk: a field that is ready for a scanner's keys, and a camera that reads codes. Its pages work without this.
"use strict";
const form = document.getElementById("desk-form");
if (form) {
  const english = document.documentElement.lang === "en";
  const say = (zh, en) => (english ? en : zh);
  const field = form.querySelector("#presented"), cause = form.querySelector("#cause");
  const panel = document.getElementById("camera"), picture = document.getElementById("camera-picture"), status = document.getElementById("camera-status");
  const open = document.getElementById("camera-open");
  const OPEN = "kabao-camera", SEEN = "kabao-camera-seen";
  const BETWEEN_MS = 150, BETWEEN_FRAMES_MS = 600, GONE_MS = 1500, MISSES = 2, WIDEST = 960;
  const tell = (message) => { status.textContent = message; };
  let stream = null, detector = null, lastSeen = 0, misses = 0, waiting = 0;

  // A scanner types: what is typed to nobody goes to the field.
  // On a phone its keyboard would cover the verdict.
  if (document.getElementById("verdict") && matchMedia("(pointer: coarse)").matches) {
    field.blur();
    window.scrollTo(0, 0);
  } else if (!form.querySelector("[aria-invalid=true]")) field.focus({ preventScroll: true });
  else if (field.matches("[aria-invalid=true]")) field.select(); // the next scan replaces what was refused
  document.addEventListener("keydown", (event) => {
    const isForSomeone = event.target.closest?.("input, textarea, select, button, a, summary, video, [role=region]");
    if (!isForSomeone && event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey) field.focus({ preventScroll: true });
  });

  const digest = async (text) => {
    const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
    return btoa(String.fromCharCode(...new Uint8Array(hash)));
  };
  const byBrowser = async () => (await detector.detect(picture))[0]?.rawValue ?? null;
  const byService = async () => {
    const canvas = document.createElement("canvas");
    const scale = Math.min(1, WIDEST / picture.videoWidth);
    canvas.width = picture.videoWidth * scale;
    canvas.height = picture.videoHeight * scale;
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    const frame = await new Promise((done) => { canvas.toBlob(done, "image/jpeg", 0.85); });
    const body = new FormData();
    body.append("frame", frame, "frame.jpg");
    body.append("as_department", form.querySelector("input[name=as_department]").value);
    const headers = { Accept: "application/json", "X-CSRFToken": form.querySelector("input[name=csrf_token]").value };
    const answer = await fetch(panel.dataset.framesUrl, { method: "POST", body, headers });
    if (answer.status === 429) return undefined; // nobody looked
    const said = await answer.json();
    if (!answer.ok) throw new Error(said.detail ?? said.title);
    return said.text;
  };

  const look = async () => {
    if (!stream) return;
    let text = null;
    try {
      if (picture.videoWidth) text = await (detector ? byBrowser() : byService());
      if (text === null && picture.videoWidth) missed();
    } catch (error) {
      if (detector) detector = null; // a browser that has the name and not the thing
      else tell(error instanceof TypeError ? say("网络中断，正在重试…", "The network is away; trying again…") : error.message);
    }
    if (text && stream && (await isNew(text))) return found(text);
    waiting = setTimeout(look, detector ? BETWEEN_MS : BETWEEN_FRAMES_MS);
  };
  // The code that was just verified is still before the camera when the next page opens: it must be looked for, and not be there, before it counts again.
  const isNew = async (text) => {
    const before = sessionStorage.getItem(SEEN);
    if (before !== (await digest(text))) return true;
    lastSeen = Date.now();
    misses = 0;
    tell(say("此码已读取，请换下一位出示。", "This code was read; the next holder, please."));
    return false;
  };
  const missed = () => {
    misses += 1;
    if (misses >= MISSES && Date.now() - lastSeen > GONE_MS) sessionStorage.removeItem(SEEN);
    tell(say("请把二维码对准镜头。", "Hold the code before the camera."));
  };
  const found = async (text) => {
    field.value = text;
    form.querySelector("#file").value = "";
    sessionStorage.setItem(SEEN, await digest(text));
    if (!cause.value.trim()) {
      tell(say("已读取。请填写事由，然后核验。", "Read. Say why, then verify."));
      stop();
      return cause.focus();
    }
    tell(say("已读取，正在核验…", "Read; verifying…"));
    form.requestSubmit();
  };

  const start = async () => {
    open.disabled = true;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: false, video: { facingMode: "environment", width: { ideal: 1280 } } });
      picture.srcObject = stream;
      panel.hidden = false;
      await picture.play();
      detector = "BarcodeDetector" in window ? new BarcodeDetector({ formats: ["qr_code"] }) : null;
      sessionStorage.setItem(OPEN, "yes");
      open.hidden = true;
      lastSeen = Date.now();
      look();
    } catch (error) {
      stop();
      const refused = error.name === "NotAllowedError" || error.name === "SecurityError";
      tell(refused ? say("浏览器未允许使用摄像头。", "The browser does not allow the camera.") : say("没有可用的摄像头。", "There is no camera that can be used."));
    }
    open.disabled = false;
  };
  const stop = () => {
    clearTimeout(waiting);
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = null;
    panel.hidden = true;
    open.hidden = false;
  };

  if (navigator.mediaDevices?.getUserMedia) {
    open.hidden = false;
    open.addEventListener("click", start);
    document.getElementById("camera-close").addEventListener("click", () => { sessionStorage.removeItem(OPEN); tell(""); stop(); field.focus(); });
    window.addEventListener("pagehide", stop);
    if (sessionStorage.getItem(OPEN)) start();
  }
}
