"use strict";
// A picture is rated when it has been seen: until it is decoded, keys and buttons do nothing. The page works without
// this; then the server makes sure that the picture was asked for.
(() => {
  const form = document.getElementById("rating");
  if (!form) return;
  const pictures = [...document.querySelectorAll(".picture")];
  const picture = pictures[0];
  const note = document.getElementById("note");
  const enlarge = document.getElementById("enlarge");
  const fieldsets = [...form.querySelectorAll("fieldset")];
  const next = form.querySelector("button[type=submit]");
  const buttons = fieldsets.filter((fieldset) => fieldset.querySelector("input[type=radio]"));
  const scale = buttons.length ? buttons[0].querySelectorAll("input[type=radio]").length : 0;
  const values = form.elements;
  const texts = JSON.parse(form.dataset.messages);
  const pauses = [1, 2, 4]; // seconds before a picture is asked for again
  let ready = false;
  let start = 0;
  let blurs = 0;
  let entered = "";
  let typed = "";
  let typedAt = 0;
  let typedIn = null;
  let sent = false;

  const wait = (seconds) => new Promise((done) => { window.setTimeout(done, 1000 * seconds); });
  const online = () => (navigator.onLine ? Promise.resolve() : new Promise((done) => { window.addEventListener("online", done, { once: true }); }));
  const say = (text) => { note.textContent = text; note.hidden = !text; };
  const lock = (on) => { fieldsets.forEach((fieldset) => { fieldset.disabled = on; }); next.disabled = on; };

  // Send until the server has answered: it takes a rating once, however often it comes.
  const send = async (address, body) => {
    for (;;) {
      try {
        const answer = await fetch(address, { method: "POST", body, redirect: "manual", credentials: "same-origin" });
        if (answer.status !== 429 && answer.status < 500) return answer;
        if (answer.headers.has("X-Survey-Not-Open")) return answer;
        say(texts.busy);
      } catch {
        say(texts.no_connection);
      }
      await wait(2);
      await online();
    }
  };
  const go = () => { window.location.replace(form.dataset.next); };

  // A cross, the picture for its time, a mask; counted in frames of the screen, which stand still while the tab is hidden.
  const frame = () => new Promise(window.requestAnimationFrame);
  const until = async (moment) => { while (performance.now() < moment) await frame(); };
  const expose = async (fixation, exposure) => {
    const stage = picture.closest(".stage");
    const canvas = document.getElementById("mask");
    const paint = canvas.getContext("2d");
    for (let x = 0; x < canvas.width; x += 1) {
      for (let y = 0; y < canvas.height; y += 1) {
        paint.fillStyle = `hsl(${Math.floor(360 * Math.random())} 60% ${Math.floor(20 + 60 * Math.random())}%)`;
        paint.fillRect(x, y, 1, 1);
      }
    }
    stage.className = "stage fixating";
    await until(performance.now() + fixation);
    stage.className = "stage";
    await frame();
    const onset = performance.now();
    await until(onset + exposure - 8); // half a frame early: a frame is never cut
    stage.className = "stage masked";
    await frame();
    values.exposed_ms.value = Math.max(1, Math.round(performance.now() - onset));
    return onset;
  };

  // Decode a picture, asking for it again; false where it does not come.
  const decoded = async (image) => {
    for (let k = 0; ; k += 1) {
      try {
        await image.decode();
        return true;
      } catch {
        say(texts.not_arrived);
      }
      if (k >= pauses.length) return false;
      await wait(pauses[k]);
      await online();
      image.src = `${image.src.split("?")[0]}?again=${k + 1}`;
    }
  };

  const show = async () => {
    const failed = (await Promise.all(pictures.map(decoded))).indexOf(false);
    if (failed >= 0) {
      say(texts.cannot_be_shown);
      await send(form.dataset.failed, new URLSearchParams({ csrf_token: values.csrf_token.value, slot: values.slot.value, position: failed + 1 }));
      go();
      return;
    }
    await frame();
    say("");
    values.load_ms.value = Math.round(performance.now());
    start = performance.now();
    if (form.dataset.exposure) start = await expose(Number(form.dataset.fixation), Number(form.dataset.exposure));
    ready = true;
    lock(false);
  };

  // A slider without a start value: it has none until it is touched, and the form cannot be sent before.
  for (const field of form.querySelectorAll("input.slider")) {
    const slide = document.createElement("input");
    slide.type = "range";
    for (const name of ["min", "max", "step"]) slide[name] = field[name];
    slide.className = "untouched";
    slide.setAttribute("aria-label", field.getAttribute("aria-label"));
    const take = () => { slide.className = ""; field.value = slide.value; };
    slide.addEventListener("input", take);
    slide.addEventListener("pointerup", take);
    slide.addEventListener("keydown", (event) => { if (/^(Arrow|Home|End|Page)/.test(event.key)) window.setTimeout(take); });
    field.hidden = true;
    field.required = false;
    field.after(slide);
  }
  const unanswered = () => fieldsets.find((fieldset) => {
    const field = fieldset.querySelector("input.slider");
    return field ? !field.value : !fieldset.querySelector("input:checked");
  });

  // What pointer and keys do, but not which key: a letter, the time since the last step, the place; in base 36. Capital
  // letters are steps that a script made.
  const steps = [];
  let stepAt = 0;
  const step = (letter, event, place) => {
    const now = Math.round(performance.now());
    if (steps.length >= 300 || (letter === "m" && (steps.length >= 250 || now - stepAt < 50))) return;
    const where = place ? `.${[event.clientX, event.clientY].map((side) => Math.max(0, Math.round(side)).toString(36)).join(".")}` : "";
    steps.push((event.isTrusted ? letter : letter.toUpperCase()) + (now - stepAt).toString(36) + where);
    stepAt = now;
  };
  for (const [name, letter] of [["pointermove", "m"], ["pointerdown", "p"], ["click", "c"]]) {
    document.addEventListener(name, (event) => { step(letter, event, true); }, { capture: true, passive: true });
  }
  document.addEventListener("keydown", (event) => { step("k", event); }, { capture: true, passive: true });
  window.addEventListener("focus", (event) => { step("r", event); });

  values.script.value = "on";
  lock(true);
  if (enlarge) enlarge.hidden = false;
  show();

  window.addEventListener("blur", (event) => { blurs += 1; step("l", event); });
  window.addEventListener("pageshow", (event) => { if (event.persisted) window.location.reload(); });

  const toggle = (on) => {
    document.body.classList.toggle("large", on);
    enlarge.setAttribute("aria-pressed", String(on));
    enlarge.textContent = on ? texts.smaller : texts.enlarge;
  };
  if (enlarge) {
    enlarge.addEventListener("click", () => { toggle(!document.body.classList.contains("large")); });
    if (pictures.length === 1) picture.addEventListener("click", () => { toggle(!document.body.classList.contains("large")); });
  }

  const choose = (fieldset, score, how) => {
    const radio = fieldset.querySelector(`input[type=radio][value="${score}"]`);
    radio.checked = true;
    radio.focus(how);
    radio.dispatchEvent(new Event("change", { bubbles: true }));
  };

  // Of several pictures the best and the worst are marked; a click answers the first question without an answer.
  const picked = (name) => { const radio = form.querySelector(`input[name=${name}]:checked`); return radio ? Number(radio.value) : 0; };
  if (pictures.length > 1) {
    pictures.forEach((image, k) => {
      image.addEventListener("click", () => {
        if (!ready) return;
        const open = pictures.length > 2 ? buttons.find((fieldset) => !fieldset.querySelector("input:checked")) || buttons[buttons.length - 1] : buttons[0];
        choose(open, k + 1, { preventScroll: true });
      });
    });
    form.addEventListener("change", (event) => {
      const twice = pictures.length > 2 && picked("score") && picked("score") === picked("worst");
      if (twice) form.querySelectorAll(`input[name=${event.target.name === "score" ? "worst" : "score"}]`).forEach((radio) => { radio.checked = false; });
      pictures.forEach((image, k) => {
        image.parentElement.className = picked("score") === k + 1 ? "best" : pictures.length > 2 && picked("worst") === k + 1 ? "worst" : "";
      });
    });
  }

  // A digit answers the first question that has no answer; when all have, the one that has the focus.
  const digit = (key) => {
    const now = performance.now();
    const both = now - typedAt < 1000 && typedIn ? Number(typed + key) : 0;
    const goesOn = both >= 1 && both <= scale;
    const open = buttons.find((fieldset) => !fieldset.querySelector("input:checked"));
    const target = goesOn ? typedIn : open || buttons.find((fieldset) => fieldset.contains(document.activeElement)) || buttons[0];
    const score = goesOn ? both : key === "0" ? 10 : Number(key);
    if (!target || score > scale) return;
    typed = String(score);
    typedAt = now;
    typedIn = target;
    choose(target, score);
  };

  document.addEventListener("keydown", (event) => {
    if (!ready || event.ctrlKey || event.altKey || event.metaKey) return;
    const pressed = /^(?:Digit|Numpad)([0-9])$/.exec(event.code) || /^([0-9])$/.exec(event.key);
    if (pressed) {
      digit(pressed[1]); // by place: the top row of a French keyboard gives & é " without Shift
      entered = "keys";
    } else if (event.key === "Escape" && enlarge) {
      toggle(false);
    } else if (event.key.startsWith("Arrow")) {
      entered = "keys";
      const first = /Up$/.test(event.key) || /Left$/.test(event.key) === (document.documentElement.dir !== "rtl");
      if (pictures.length === 2 && !form.contains(document.activeElement)) choose(buttons[0], first && !/Down$/.test(event.key) ? 1 : 2);
    } else if (event.key === "Enter" && (event.target === document.body || form.contains(event.target)) && event.target !== next) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  form.addEventListener("pointerdown", (event) => { entered = event.pointerType || "mouse"; });

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (sent || !ready) return;
    const open = unanswered();
    if (open) {
      open.querySelector("input:not([hidden])").focus();
      return;
    }
    sent = true;
    values.time_ms.value = Math.max(1, Math.round(performance.now() - start));
    values.viewport_w.value = window.innerWidth;
    values.viewport_h.value = window.innerHeight;
    values.blurs.value = blurs;
    values.entered.value = entered;
    values.trace.value = steps.join(" ");
    const sizes = pictures.map((image) => {
      const box = image.getBoundingClientRect();
      const fit = Math.min(1, box.width / image.naturalWidth, box.height / image.naturalHeight);
      return [image.naturalWidth * fit, image.naturalHeight * fit];
    }).sort((one, other) => one[0] * one[1] - other[0] * other[1]);
    if (sizes.length) [values.shown_w.value, values.shown_h.value] = sizes[0].map((side) => Math.max(1, Math.round(side)));
    const body = new URLSearchParams(new FormData(form));
    next.disabled = true;
    await send(form.action, body);
    go();
  });
})();
