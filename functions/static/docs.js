// Asks for the function key, loads the OpenAPI document with it, and gives both to Swagger UI.
"use strict";

const form = document.getElementById("key-form");
const problem = document.getElementById("problem");
const button = form.querySelector("button");

function explain(status) {
  if (status === 401) return "This key is not accepted.";
  return `The document can't be loaded now (HTTP ${status}). Try again in a moment.`;
}

function open(spec, key) {
  document.getElementById("gate").remove();
  const ui = SwaggerUIBundle({
    spec,
    domNode: document.getElementById("ui"),
    layout: "BaseLayout",
    presets: [SwaggerUIBundle.presets.apis],
    validatorUrl: null,
    tryItOutEnabled: true,
    persistAuthorization: false,
    displayRequestDuration: true,
    defaultModelsExpandDepth: 0,
    onComplete: () => ui.preauthorizeApiKey("functionKey", key),
  });
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const key = document.getElementById("key").value.trim();
  problem.textContent = "";
  button.disabled = true;
  try {
    const answer = await fetch("swagger.json", { headers: { "x-functions-key": key }, cache: "no-store" });
    if (answer.ok) open(await answer.json(), key);
    else problem.textContent = explain(answer.status);
  } catch {
    problem.textContent = "The app can't be reached. Is it running?";
  } finally {
    button.disabled = false;
  }
});
