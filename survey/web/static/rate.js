"use strict";
// The page works without this: it adds digit keys, the time on the picture, and a guard against double clicks.
(() => {
  const form = document.getElementById("rating");
  if (!form) return;
  const picture = document.getElementById("picture");
  const scale = form.querySelectorAll("input[name=score]").length;
  let start = performance.now();
  let blurs = 0;
  let entered = "";
  let typed = "";
  let typedAt = 0;
  let sent = false;

  if (picture && !picture.complete) {
    picture.addEventListener("load", () => { start = performance.now(); });
  }
  window.addEventListener("blur", () => { blurs += 1; });
  window.addEventListener("pageshow", (event) => { if (event.persisted) window.location.reload(); });

  const choose = (score) => {
    const radio = form.querySelector(`input[name=score][value="${score}"]`);
    radio.checked = true;
    radio.focus();
  };

  const digit = (key) => {
    const now = performance.now();
    const both = now - typedAt < 1000 ? Number(typed + key) : 0;
    const score = both >= 1 && both <= scale ? both : key === "0" ? 10 : Number(key);
    if (score > scale) return;
    typed = String(score);
    typedAt = now;
    choose(score);
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (/^[0-9]$/.test(event.key)) {
      digit(event.key);
      entered = "keys";
    } else if (event.key.startsWith("Arrow")) {
      entered = "keys";
    } else if (event.key === "Enter" && (event.target === document.body || event.target.name === "score")) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  form.addEventListener("pointerdown", (event) => { entered = event.pointerType || "mouse"; });

  form.addEventListener("submit", (event) => {
    if (sent) {
      event.preventDefault();
      return;
    }
    sent = true;
    form.elements.time_ms.value = Math.max(1, Math.round(performance.now() - start));
    form.elements.viewport_w.value = window.innerWidth;
    form.elements.viewport_h.value = window.innerHeight;
    form.elements.blurs.value = blurs;
    form.elements.entered.value = entered;
  });
})();
