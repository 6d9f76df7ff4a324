// Scanning a request with the camera, where the browser can read QR codes; the page works without this.
"use strict";
const camera = document.getElementById("camera");
if (camera && "BarcodeDetector" in window && navigator.mediaDevices) {
  const english = document.documentElement.lang === "en";
  const picture = document.getElementById("scan-picture");
  const status = document.getElementById("scan-status");
  const link = document.getElementById("link");
  camera.hidden = false;
  document.getElementById("scan").addEventListener("click", async () => {
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch {
      status.textContent = english ? "The camera cannot be used; paste the link instead." : "无法使用相机，请粘贴链接。";
      return;
    }
    const detector = new BarcodeDetector({ formats: ["qr_code"] });
    picture.srcObject = stream;
    picture.hidden = false;
    await picture.play();
    const stop = () => { for (const track of stream.getTracks()) track.stop(); picture.hidden = true; };
    const look = async () => {
      if (picture.hidden) return;
      const found = await detector.detect(picture).catch(() => []);
      if (!found.length) return setTimeout(look, 250);
      stop();
      link.value = found[0].rawValue;
      document.getElementById("open").requestSubmit();
    };
    status.textContent = english ? "Point the camera at the code." : "请将相机对准二维码。";
    look();
  });
}
