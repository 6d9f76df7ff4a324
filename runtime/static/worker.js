// The wallet without a network: its own files, and one page that shows what this browser kept. It stores no page and no answer of anybody.
"use strict";
const OWN = `kabao-${VERSION}`, KEPT = "kabao-shell";
self.addEventListener("install", (event) => {
  const bring = async () => {
    await (await caches.open(OWN)).addAll(ASSETS);
    const before = await caches.match(SHELL, { cacheName: KEPT });
    if (before) { // the page that was kept goes with the files of its day
      const now = await fetch(before.url, { credentials: "omit" });
      if (now.ok && (await caches.has(KEPT))) await (await caches.open(KEPT)).put(SHELL, now); // unless it was forgotten meanwhile
    }
    await self.skipWaiting();
  };
  event.waitUntil(bring());
});
self.addEventListener("activate", (event) => {
  const forget = async () => {
    for (const name of await caches.keys()) if (name.startsWith("kabao-") && name !== OWN && name !== KEPT) await caches.delete(name);
    await self.clients.claim();
  };
  event.waitUntil(forget());
});
self.addEventListener("fetch", (event) => {
  const request = event.request;
  if (request.method !== "GET" || new URL(request.url).origin !== self.location.origin) return;
  const page = async () => {
    try {
      return await fetch(request);
    } catch (away) {
      return (await caches.match(SHELL, { cacheName: KEPT })) ?? Response.error();
    }
  };
  const asset = async () => {
    const found = await caches.match(request);
    if (found) return found;
    try {
      return await fetch(request);
    } catch (away) {
      return (await caches.match(request, { ignoreSearch: true })) ?? Response.error();
    }
  };
  if (request.mode === "navigate") event.respondWith(page());
  else if (ASSETS.some((one) => one.split("?")[0] === new URL(request.url).pathname)) event.respondWith(asset());
});
