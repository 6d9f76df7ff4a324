// Starts the try-it page; it reads the description that the service gives of itself.
"use strict";
window.addEventListener("load", () => {
  SwaggerUIBundle({ url: "/api/openapi.json", dom_id: "#docs", deepLinking: true, defaultModelsExpandDepth: 0, tryItOutEnabled: true, persistAuthorization: false, validatorUrl: null });
});
