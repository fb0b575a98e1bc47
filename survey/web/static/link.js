"use strict";
// Shows the whole address of the link to come back by: the browser knows it, the server must not believe the request.
(() => {
  const link = document.getElementById("link");
  if (link) link.textContent = link.href;
})();
