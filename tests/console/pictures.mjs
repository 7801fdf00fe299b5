// Takes pictures of the console, to look at and for docs/pictures: pictures.mjs DIRECTORY. A real agent under the demo's load,
// in its trouble.

import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { api, launch_browser, open_page, root, Stage, until } from "./support.js";

const directory = process.argv[2] ?? "build/pictures";
const stage = new Stage();
let browser;
try {
  mkdirSync(directory, { recursive: true });
  const demo = await stage.demo("calm");
  // the demo only, whatever else this machine does
  const include = [{ ports: Object.values(demo.ports) }, { command_lines: [`*${root}/deploy/demo/*`] }, { executables: ["*/nginx"] }];
  const config = path.join(stage.directory, "sonde.yaml");
  writeFileSync(config, JSON.stringify({ discovery: { include } }));
  const agent = await stage.sonde({ args: ["--config", config, "--resource-interval", "1"] });
  await until(async () => (await api(agent, "endpoints?window_s=60")).past_hour_s >= 90, "a minute and a half of usual load", 180_000);
  demo.process.stdin.write("queueing\n");
  await new Promise((resolve) => setTimeout(resolve, 45_000));
  const query = new URLSearchParams({ side: "server", port: demo.ports.orders, route: "/orders/{id}" });
  const row = (await api(agent, `endpoints?${query}`)).endpoints[0];
  // asked for anew: what else this machine does may drive it out of the store
  const slowest = async () => (await api(agent, `transactions?${new URLSearchParams({ service: row.service, route: row.route, side: "server", sort: "duration", limit: 1 })}`)).transactions[0];
  const key = new URLSearchParams({ service: row.service, route: row.route, method: row.method, side: row.side, port: row.port });
  browser = await launch_browser();
  for (const theme of ["light", "dark"])
    for (const width of [1440, 390]) {
      const page = await open_page(browser, agent, { width, height: width === 390 ? 844 : 900, theme });
      const views = { transaction: `transaction?id=${(await slowest()).id}`, now: "now", endpoint: `endpoint?${key}`, map: "map" };
      for (const [name, hash] of Object.entries(views)) {
        await page.show(hash);
        await new Promise((resolve) => setTimeout(resolve, 2500));
        await page.screenshot({ path: path.join(directory, `${name}-${theme}-${width}.png`) });
      }
      await page.context().close();
    }
  console.log(`pictures are in ${directory}`);
} finally {
  await browser?.close();
  await stage.end();
}
