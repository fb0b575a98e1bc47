"use strict";
// Keeps the operator's numbers up to date; without it the page shows what was true when it was opened.
(() => {
  const live = document.getElementById("live");
  const refresh = async () => {
    if (document.hidden || live.contains(document.activeElement)) return;
    try {
      const answer = await fetch(live.dataset.from, { redirect: "error" });
      if (answer.ok) live.innerHTML = await answer.text();
    } catch {
      // the server is away, or the session ended: the next try may do
    }
  };
  window.setInterval(refresh, 5000);
})();
