
// --- widgets: each place in the page is filled by the function that its kind names -----------------------------------

for (const place of document.querySelectorAll("[data-widget]")) {
  widgets[place.dataset.widget](place, JSON.parse(document.getElementById(`${place.id}-data`).textContent));
  place.hidden = false;
  document.querySelector(`[data-for="${place.id}"]`).hidden = true;
}
