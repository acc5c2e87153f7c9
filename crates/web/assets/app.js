// What makes pages smooth where scripts run; every page works without. htmx carries the attributes `hx-…` of the templates.
import htmx from "htmx.org";

window.htmx = htmx;

// A second press of a button sends nothing; coming back to the page frees it.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  if (form.dataset.sent) return event.preventDefault();
  form.dataset.sent = "yes";
  form.querySelectorAll("button").forEach((button) => button.setAttribute("aria-disabled", "true"));
});
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-sent]").forEach((form) => {
    delete form.dataset.sent;
    form.querySelectorAll("button").forEach((button) => button.removeAttribute("aria-disabled"));
  });
});

// A filter takes effect when it is chosen.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-go]")) event.target.form.requestSubmit();
});

// Leaving a form in which something was typed asks first.
let typed = false;
document.addEventListener("input", (event) => {
  if (event.target.form?.matches("[data-keep]")) typed = true;
});
document.addEventListener("submit", () => (typed = false));
window.addEventListener("beforeunload", (event) => {
  if (typed) event.preventDefault();
});

// On a narrow screen the filters wait for who wants them, and the way that one is on is in sight.
if (matchMedia("(max-width: 860px)").matches) {
  for (const facets of document.querySelectorAll("details.facets")) facets.open = false;
  const on = document.querySelector(".ways .on");
  if (on) on.parentElement.scrollLeft = on.offsetLeft - on.parentElement.offsetLeft;
}

// Copies what stands in the element that the button names.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(document.querySelector(button.dataset.copy).textContent.trim());
  const label = button.textContent;
  button.textContent = button.dataset.copied;
  setTimeout(() => (button.textContent = label), 1500);
});
for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;

// What changes while somebody looks: the server says that it did, and the page is read anew, keeping what has the focus.
for (const part of document.querySelectorAll("[data-live]")) {
  const source = new EventSource(part.dataset.live);
  source.addEventListener("changed", () => htmx.ajax("GET", location.href, { target: "#main", select: "#main", swap: "outerMorph" }));
  source.addEventListener("ended", () => source.close());
}
