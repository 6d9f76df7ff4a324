// Passkeys: making one, and using one to sign in or to prove oneself once more. Every page that loads this has other ways beside it.
"use strict";
for (const section of document.querySelectorAll("[data-passkey]")) {
  const english = document.documentElement.lang === "en";
  const say = (zh, en) => (english ? en : zh);
  const { passkey: use, options: optionsUrl, finish: finishUrl, next } = section.dataset;
  const status = section.querySelector("[data-passkey-status]");
  const button = section.querySelector("#passkey-use");
  const RENEWED_MS = 240_000, RENEWALS = 15; // a challenge lasts five minutes; a page left open asks anew for an hour
  let waiting = null; // the question that stands behind the number field, while it stands

  const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const known = (list) => (list ?? []).map((one) => ({ ...one, id: bytes(one.id) }));

  const creation = (json) => PublicKeyCredential.parseCreationOptionsFromJSON?.(json) ?? {
    ...json, challenge: bytes(json.challenge), user: { ...json.user, id: bytes(json.user.id) }, excludeCredentials: known(json.excludeCredentials),
  };
  const request = (json) => PublicKeyCredential.parseRequestOptionsFromJSON?.(json) ?? {
    ...json, challenge: bytes(json.challenge), allowCredentials: known(json.allowCredentials),
  };
  const asJson = (credential) => {
    if (credential.toJSON) {
      try { return credential.toJSON(); } catch { /* a password manager's own object: read it by hand */ }
    }
    const response = { clientDataJSON: text(credential.response.clientDataJSON) };
    for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (credential.response[name]) response[name] = text(credential.response[name]);
    }
    if (credential.response.getTransports) response.transports = credential.response.getTransports();
    return { id: credential.id, rawId: text(credential.rawId), type: credential.type, response };
  };

  class Refused extends Error {
    constructor(problem) {
      super(problem.code);
      this.problem = problem;
    }
  }
  const ask = async (url, document_) => {
    const answer = await fetch(url, {
      method: "POST",
      body: JSON.stringify(document_),
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": document.querySelector("input[name=csrf_token]").value },
    });
    const content = await answer.json();
    if (!answer.ok) throw new Refused(content);
    return content;
  };
  const words = (error) => {
    if (error instanceof Refused) return error.problem.detail ?? error.problem.title;
    switch (error.name) {
      case "NotAllowedError": return say("没有完成：已取消、超时，或这台设备上没有可用的通行密钥。", "Not done: it was cancelled, took too long, or there is no passkey for this on the device.");
      case "InvalidStateError": return say("这台设备上已有本账号的通行密钥，不用再添加。", "This device has a passkey of your account already.");
      case "NotSupportedError":
      case "ConstraintError": return say("这台设备不支持：需要能用指纹、面容或锁屏密码验证。", "This device cannot do it: it must know you by fingerprint, face or the lock of its screen.");
      case "SecurityError": return say("当前网址不能使用通行密钥。", "Passkeys cannot be used at this address.");
      default: return say("网络或浏览器出错，请稍后重试，或改用其他方式。", "The network or the browser failed; try again, or another way.");
    }
  };
  const tell = (message, isFault = false) => {
    status.textContent = message;
    status.className = message ? `notice notice--${isFault ? "danger" : "info"} mt-3 mb-0` : "";
  };
  const failed = (error) => {
    if (error.problem?.go) return location.assign(error.problem.go);
    tell(words(error), true);
  };

  const make = async () => {
    const options = creation(await ask(optionsUrl, {}));
    const credential = asJson(await navigator.credentials.create({ publicKey: options }));
    return ask(finishUrl, { credential, name: section.querySelector("#passkey-name").value });
  };
  const prove = async (more = {}) => {
    const options = request(await ask(optionsUrl, {}));
    const credential = asJson(await navigator.credentials.get({ publicKey: options, ...more }));
    tell(say("正在验证…", "Checking…"));
    try {
      return await ask(finishUrl, { credential, next });
    } catch (error) {
      if (error.problem?.code === "passkey-unknown") {
        PublicKeyCredential.signalUnknownCredential?.({ rpId: options.rpId, credentialId: credential.id }).catch(() => {});
      }
      throw error;
    }
  };
  const act = async () => {
    button.disabled = true;
    waiting?.abort();
    tell(say("请按设备的提示操作…", "Follow what your device asks for…"));
    try {
      const answer = await (use === "register" ? make() : prove());
      tell(say("完成，正在打开…", "Done; going on…"));
      location.assign(answer.next);
    } catch (error) {
      failed(error);
      button.disabled = false;
    }
  };
  // The browser offers passkeys in the number field itself; whoever types a number instead never notices.
  const offer = async (renewals = RENEWALS) => {
    const mine = waiting = new AbortController();
    let isRenewal = false;
    const renewal = setTimeout(() => { isRenewal = true; mine.abort(); }, RENEWED_MS);
    try {
      location.assign((await prove({ mediation: "conditional", signal: mine.signal })).next);
    } catch (error) {
      if (error instanceof Refused) failed(error);
      if (renewals && (isRenewal || error instanceof Refused)) offer(renewals - 1);
    } finally {
      clearTimeout(renewal);
    }
  };

  if (!window.PublicKeyCredential || !navigator.credentials) {
    section.querySelector("[data-passkey-missing]").hidden = false;
  } else {
    section.querySelector("[data-passkey-ready]").hidden = false;
    if (use === "register") {
      section.querySelector("#passkey-form").addEventListener("submit", (event) => { event.preventDefault(); act(); });
    } else {
      button.addEventListener("click", act);
    }
    if (use === "signin") PublicKeyCredential.isConditionalMediationAvailable?.().then((is) => { if (is) offer(); });
  }
  window.addEventListener("pageshow", (event) => { if (event.persisted) { button.disabled = false; tell(""); } });
}
