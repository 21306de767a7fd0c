// Plays one scene (tests/web/scenes) in Debian's Chromium against a daemon that runs already.
// Environment: PAGE_SCENE, PAGE_URL, PAGE_FACTS (JSON, for the scene), PAGE_OUT (folder for pictures), OTAD_PATIENCE.
// What only the test's owner can do is asked for: a line of JSON on standard output, answered by a line on standard input.
import assert from 'node:assert/strict';
import {mkdirSync, readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {join} from 'node:path';
import {createInterface} from 'node:readline';
import {chromium} from 'playwright-core';

const {PAGE_SCENE: name, PAGE_URL: url, PAGE_OUT: out = '', PAGE_FACTS: facts = '{}', PAGE_CHROMIUM: program = '/usr/bin/chromium'} = process.env;
const patience = Number(process.env.OTAD_PATIENCE ?? '1');
const axe_source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const answers = createInterface({input: process.stdin})[Symbol.asyncIterator]();

async function ask(what) {
  console.log(JSON.stringify({ask: what}));
  const {value, done} = await answers.next();
  assert.ok(!done, `nobody answers ${what}`);
  return JSON.parse(value);
}

/// A tab that notes what no page of ours may do: errors, and requests to elsewhere.
async function open_tab(browser, options = {}) {
  // axe is the test's own script: the policy would keep it out.
  const context = await browser.newContext({locale: 'en-GB', timezoneId: 'UTC', viewport: {width: 1280, height: 800}, ...options});
  context.setDefaultTimeout(20_000 * patience);
  const page = await context.newPage();
  const wrong = [];
  page.on('pageerror', (error) => wrong.push(`error: ${error}`));
  page.on('console', (message) => {
    if (message.type() === 'error' && !/Failed to load resource|net::ERR_/.test(message.text())) wrong.push(`console: ${message.text()}`);
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !/^(blob|data):/.test(request.url())) wrong.push(`request to ${request.url()}`);
  });
  page.on('dialog', (dialog) => {
    wrong.push(`a dialog of the browser: ${dialog.message()}`);
    void dialog.dismiss();
  });
  return {page, wrong};
}

/// Everything that axe-core finds in the page as it is.
async function check_access(page, what) {
  await page.evaluate(axe_source);
  const {violations} = await page.evaluate(() => window.axe.run(document, {resultTypes: ['violations']}));
  const found = violations.map(({id, nodes}) => `${id}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160) + ' ' + node.any.map((one) => one.message).join(' ')).join(' | ')}`);
  assert.deepEqual(found, [], `axe on ${what}`);
}

async function picture(page, title) {
  if (!out) return;
  mkdirSync(out, {recursive: true});
  await page.screenshot({path: join(out, `${title}.png`), fullPage: true});
}

async function until(condition, what, seconds = 30) {
  const end = Date.now() + seconds * 1000 * patience;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const {default: play} = await import(`./scenes/${name}.mjs`);
const browser = await chromium.launch({executablePath: program, args: ['--no-sandbox', '--disable-dev-shm-usage', '--force-color-profile=srgb']});
const tabs = [];
const tools = {
  url, facts: JSON.parse(facts), patience, assert, ask, until, picture, check_access, browser,
  tab: async (options) => {
    const tab = await open_tab(browser, options);
    tabs.push(tab);
    return tab.page;
  },
};
try {
  await play(tools);
  for (const {wrong} of tabs) assert.deepEqual(wrong, []);
  console.log(JSON.stringify({passed: name}));
} catch (error) {
  for (const [index, {page}] of tabs.entries()) {
    await picture(page, `failed-${name}-${index}`).catch(() => undefined);
    console.error(`--- tab ${index}: ${page.url()}\n${(await page.locator('body').innerText().catch(() => '')).slice(0, 3000)}`);
  }
  throw error;
} finally {
  await browser.close();
  process.stdin.destroy();
}
