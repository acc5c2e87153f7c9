// What the journeys share: a browser, people in it, and what must hold on every page.
//
// MARKET is the address of a demo market, PASSWORD everybody's password there, CHROMIUM the browser, PICTURES a folder for what a failed
// journey saw. One browser serves all journeys of a file; each journey has a context of its own, as if on a machine of its own.
import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { after } from "node:test";
import { chromium } from "playwright-core";

export const market = process.env.MARKET;
export const password = process.env.PASSWORD;
const pictures = process.env.PICTURES;
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
after(() => browser.close());

export const axe = await readFile(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

/// A browser for a journey. Whatever a page complains about (a script that fails, something that the policy forbids) fails the journey.
export async function open(t, options = {}) {
  const { language = "en", width = 1280, scheme = "light", scripts = true } = options;
  const context = await browser.newContext({
    baseURL: market,
    locale: language,
    viewport: { width, height: 900 },
    colorScheme: scheme,
    javaScriptEnabled: scripts,
    acceptDownloads: true,
  });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  const complaints = [];
  const heard = (page) => {
    page.on("pageerror", (error) => complaints.push(`${page.url()}: ${error}`));
    // An answer that says no is written to the console by the browser itself; that is no fault of the page.
    page.on("console", (line) => line.type() === "error" && !line.text().startsWith("Failed to load resource") && complaints.push(`${page.url()}: ${line.text()}`));
  };
  heard(page);
  context.on("page", heard);
  t.after(async () => {
    if (!t.passed && pictures) {
      await mkdir(pictures, { recursive: true });
      for (const [n, one] of context.pages().entries()) {
        await one.screenshot({ path: `${pictures}/failed-${t.name.replace(/[^a-z0-9]+/gi, "-")}-${n}.png`, fullPage: true }).catch(() => {});
      }
    }
    await context.close();
  });
  t.after(() => assert.deepEqual(complaints, []));
  return page;
}

export async function signIn(page, login, secret = password) {
  await page.goto("/sign-in");
  await page.fill("#login", login);
  await page.fill("#password", secret);
  await page.click("form.form button");
  await page.waitForURL((url) => url.pathname !== "/sign-in");
}

let people = 0;

/// Somebody new: signs up by the pages and is in.
export async function signUp(page) {
  people += 1;
  const name = `j${process.pid.toString(36)}${Date.now().toString(36)}${people}`;
  await page.goto("/sign-up");
  await page.fill("#account", `Account ${name}`);
  await page.fill("#title", `Company ${name}`);
  await page.fill("#name", "Li Wei");
  await page.fill("#email", `${name}@example.com`);
  await page.fill("#login", name);
  await page.fill("#password", password);
  await page.click("form.form button");
  await page.waitForURL((url) => url.pathname !== "/sign-up");
  return { login: name, account: `Account ${name}` };
}

/// The API, for what a journey needs but is not about.
export async function api(login) {
  const call = async (token, method, path, body, headers = {}) => {
    const answer = await fetch(`${market}/api/v1${path}`, {
      method,
      headers: { "content-type": "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : null;
  };
  const { token } = await call(null, "POST", "/sessions", { login, password });
  const once = () => ({ "idempotency-key": crypto.randomUUID() });
  return {
    get: (path) => call(token, "GET", path),
    post: (path, body = {}) => call(token, "POST", path, body),
    once: (path, body = {}) => call(token, "POST", path, body, once()),
  };
}

/// Gives an account money, as a bank transfer that has arrived.
export async function deposit(login, minor) {
  const [operator, person] = [await api("admin"), await api(login)];
  const me = await person.get("/me");
  const account = me.account?.id ?? me.account_id ?? me.user.account_id;
  await operator.once("/operator/deposits", { account_id: account, amount: { minor, currency: "CNY" }, bank_reference: crypto.randomUUID() });
}

/// The serious faults that axe finds on a page, and whether it is wider than the window.
export async function faults(page) {
  const found = await page.evaluate(async (source) => {
    if (!window.axe) (0, eval)(source);
    const result = await window.axe.run(document, { resultTypes: ["violations"] });
    return result.violations
      .filter((one) => ["serious", "critical"].includes(one.impact))
      .map((one) => `${one.id}: ${one.nodes.slice(0, 3).map((node) => `${node.target.join(" ")} ${node.any[0]?.message ?? ""}`).join(" | ")}`);
  }, axe);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  return wide > 0 ? [...found, `${wide} px wider than the window`] : found;
}

/// A context in which axe may be put into pages: the policy of our own pages forbids it, as it should.
export async function laboratory(options = {}) {
  const { language = "en", width = 1280, scheme = "light" } = options;
  return browser.newContext({ baseURL: market, locale: language, viewport: { width, height: 900 }, colorScheme: scheme, bypassCSP: true });
}
