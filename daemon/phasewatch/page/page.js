// The whole page: words first, then the connection.

import * as alerts from "./alerts.js";
import * as events from "./events.js";
import * as health from "./health.js";
import * as live from "./live.js";
import * as points from "./points.js";
import { chooseLanguage } from "./words.js";

async function choose(language) {
  await chooseLanguage(language);
  live.show();
  alerts.show();
  points.renew();
  events.show();
  health.show();
}

for (const button of document.querySelectorAll("[data-language]"))
  button.addEventListener("click", () => choose(button.dataset.language).catch(() => {}));

await choose(null).catch(() => {});
live.open();
