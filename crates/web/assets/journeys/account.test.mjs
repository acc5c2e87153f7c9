// What everybody has of their own.
import assert from "node:assert/strict";
import { test } from "node:test";
import { market, open, password, signIn, signUp } from "./browser.mjs";

test("a session that ends in the middle of a form loses nothing", async (t) => {
  const page = await open(t);
  const { login } = await signUp(page);
  await page.goto("/account");
  await page.fill("#user_name", "Li \"the\" Wei");
  // The session ends elsewhere.
  const cookies = await page.context().cookies();
  const session = cookies.find((cookie) => cookie.name === "__Host-yunshi");
  await fetch(`${market}/api/v1/sessions/current`, { method: "DELETE", headers: { authorization: `Bearer ${session.value}` } });
  await page.click("form[action='/account'] button");
  await page.fill("#login", login);
  await page.fill("#password", password);
  await page.click("form.form button");
  await page.click("main form button");
  await page.waitForSelector("[role=status]");
  assert.equal(await page.inputValue("#user_name"), "Li \"the\" Wei");
});

test("two tabs that change the same thing do not overwrite each other", async (t) => {
  const page = await open(t);
  await signUp(page);
  await page.goto("/account");
  const other = await page.context().newPage();
  await other.goto("/account");
  await page.fill("#phone", "010-1234567");
  await page.click("form[action='/account'] button");
  await page.waitForSelector("[role=status]");
  await other.fill("#phone", "020-7654321");
  await other.click("form[action='/account'] button");
  assert.ok(await other.locator("form[action='/account'] [role=alert]").first().isVisible());
  assert.equal(await other.inputValue("#phone"), "020-7654321");
});

test("leaving a form in which something was typed asks first", async (t) => {
  const page = await open(t);
  await signUp(page);
  await page.goto("/account");
  await page.fill("#phone", "010-1234567");
  let asked = false;
  page.on("dialog", (dialog) => { asked = true; return dialog.dismiss(); });
  await page.click("a.brand");
  await page.waitForTimeout(300);
  assert.ok(asked);
  assert.match(page.url(), /\/account/);
});

test("an owner adds a member, who may look and not manage", async (t) => {
  const page = await open(t, { language: "zh-CN" });
  const { login } = await signUp(page);
  await page.goto("/account/members/new");
  await page.fill("#user_name", "张敏");
  await page.fill("#email", "zhang@example.com");
  await page.fill("#login", `${login}.m`);
  await page.fill("#password", password);
  await page.click("form.form button");
  assert.match(await page.textContent("form.form"), /不能为空/, "a role is needed");
  await page.fill("#password", password);
  await page.check("input[value='buyer.viewer']");
  await page.click("form.form button");
  await page.waitForSelector("[role=status]");
  const member = await open(t);
  await signIn(member, `${login}.m`);
  await member.goto("/account/members");
  assert.equal(await member.locator("h1").count(), 1);
  assert.doesNotMatch(await member.textContent("main"), /张敏/);
});

test("a token is made, copied and revoked", async (t) => {
  const page = await open(t);
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await signUp(page);
  await page.goto("/account/tokens");
  await page.fill("#name", "reports");
  await page.check("input[value='buyer.view']");
  await page.click("form[action='/account/tokens'] button");
  const token = await page.textContent("#made-token");
  await page.click("[data-copy]");
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), token);
  const asked = () => fetch(`${market}/api/v1/balance`, { headers: { authorization: `Bearer ${token}` } }).then((answer) => answer.status);
  assert.equal(await asked(), 200);
  await page.goto("/account/tokens");
  await page.click("form[action$='/revoke'] button");
  await page.waitForSelector("[role=status]");
  assert.equal(await asked(), 401);
});

test("signing out elsewhere ends that session", async (t) => {
  const [here, there] = [await open(t), await open(t)];
  const { login } = await signUp(here);
  await signIn(there, login);
  await here.goto("/account");
  await here.click("form[action$='/end'] button");
  await here.waitForSelector("[role=status]");
  await there.goto("/account");
  assert.match(there.url(), /\/sign-in/);
});

test("messages are read one by one or all at once", async (t) => {
  const page = await open(t, { language: "zh-CN" });
  await signIn(page, "hongda");
  await page.goto("/account/notices");
  const unread = await page.locator(".letters .new").count();
  if (unread > 0) {
    await page.locator(".letters .new button").first().click();
    await page.goto("/account/notices");
    assert.equal(await page.locator(".letters .new").count(), unread - 1);
    if (unread > 1) await page.click("form[action='/account/notices/read'] button");
  }
  assert.equal(await page.locator(".letters .new").count(), 0);
  assert.equal(await page.locator(".bell b").count(), 0);
});
