"use strict";
// Looks again every two seconds while the page can be seen, and changes only what has changed.
const PAUSE = 2000;
const GONE = "automl-bench ui has ended: this is how it was last";

async function look() {
  if (document.hidden) return;
  const when = document.getElementById("when");
  let page;
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (!answer.ok) return;
    page = new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    when.textContent = GONE;
    return;
  }
  const old = document.getElementById("live");
  const fresh = page.getElementById("live");
  if (old.innerHTML !== fresh.innerHTML && !old.contains(document.activeElement)) old.replaceWith(document.adoptNode(fresh));
  when.textContent = page.getElementById("when").textContent;
}

setInterval(look, PAUSE);
document.addEventListener("visibilitychange", look);
