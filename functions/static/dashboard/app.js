// Beside htmx: signing in with a key, copying a command, a slider's number. Everything works without it.
"use strict";

const form = document.getElementById("sign-in");
if (form) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const problem = document.getElementById("problem");
    problem.textContent = "";
    try {
      const answer = await fetch(form.action, {
        method: "POST",
        cache: "no-store",
        headers: { "x-functions-key": form.elements.key.value.trim(), "content-type": "application/json" },
        body: JSON.stringify({ name: form.elements.name.value.trim() }),
      });
      if (answer.ok) location.assign(form.dataset.next);
      else if (answer.status === 401) problem.textContent = "This key is not accepted.";
      else problem.textContent = (await answer.json()).detail || `The app answers with HTTP ${answer.status}.`;
    } catch {
      problem.textContent = "The app can't be reached. Is it running?";
    }
  });
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
});
for (const button of document.querySelectorAll("[data-copy]")) button.hidden = !navigator.clipboard;

document.addEventListener("input", (event) => {
  const shown = event.target.dataset && event.target.dataset.shown;
  if (shown) document.getElementById(shown).textContent = event.target.value;
});

// What somebody has opened, and a button that is there, stay so when the page is brought up to date.
htmx.config.morphIgnore.push("open", "hidden");

// A page that nobody looks at asks for nothing.
document.addEventListener("htmx:before:request", (event) => {
  if (document.hidden && event.target.matches("[data-live]")) event.preventDefault();
});
