// Posts the one form of the page at once; a browser that comes back to the page by its history is left with the button.
"use strict";
const [entry] = performance.getEntriesByType("navigation");
if (entry?.type !== "back_forward") document.getElementById("form-post").submit();
