// Goes through all pages that links lead to, one of each kind: two orders are one kind.
const kind = (path) => path.replace(/^\/(categories|operator\/settings)\/.+/, "/$1/*").replace(/\/(?:[a-z]{2,4}_[0-9a-z]+|CS[0-9A-Z]+|\d{6})(?=\/|$)/g, "/*");

/// Where no link leads: a thing that is not there.
const MISSING = "/products/prd_1";

/// Calls `look` on one page of each kind, beginning at the home page, with what is wrong with the way there (a link that leads to nothing); gives
/// their paths.
export async function walk(page, look, begin = ["/", "/styleguide", "/sign-in", "/sign-up", MISSING]) {
  const [known, queue, seen, from] = [new Set(), [...begin], [], new Map()];
  begin.filter((path) => path !== MISSING).forEach((path) => known.add(kind(path)));
  while (queue.length > 0) {
    const path = queue.shift();
    const answer = await page.goto(path);
    const landed = new URL(page.url());
    // A page that sends its reader on is another page.
    if (path !== MISSING && kind(landed.pathname) !== kind(path) && known.has(kind(landed.pathname))) continue;
    seen.push(path);
    const status = answer?.status() ?? 0;
    await look(path, status >= 400 && path !== MISSING ? `a link on ${from.get(path)} leads to ${status}` : "");
    const links = await page.locator("a[href^='/']").evaluateAll((found) => found.map((link) => link.getAttribute("href")));
    for (const link of links) {
      const target = link.split(/[?#]/)[0];
      if (target.startsWith("/docs") || target.startsWith("/api") || /\.(xml|txt|json)$/.test(target) || target.endsWith("/download")) continue;
      if (!known.has(kind(target))) {
        known.add(kind(target));
        from.set(target, path);
        queue.push(target);
      }
    }
  }
  return seen;
}
