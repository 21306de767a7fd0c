// Ten thousand devices, and the first view over a poor line: how long a person waits.
const KBIT = 1000 / 8;

async function first_view(page, url) {
  const line = await page.context().newCDPSession(page);
  await line.send('Network.enable');
  await line.send('Network.setCacheDisabled', {cacheDisabled: true});
  await line.send('Network.emulateNetworkConditions', {offline: false, latency: 300, downloadThroughput: 1000 * KBIT, uploadThroughput: 1000 * KBIT});
  const begun = Date.now();
  await page.goto(url, {waitUntil: 'commit'});
  await page.getByText('Nothing needs you.').waitFor();
  const took = Date.now() - begun;
  await line.send('Network.emulateNetworkConditions', {offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: -1});
  return took;
}

export default async ({tab, url, facts, assert, patience}) => {
  const page = await tab();
  const first = await first_view(page, url);
  await page.evaluate(() => {
    window.slowest = 0;
    new PerformanceObserver((list) => {
      for (const {duration, interactionId} of list.getEntries()) if (interactionId) window.slowest = Math.max(window.slowest, duration);
    }).observe({type: 'event', durationThreshold: 16, buffered: true});
  });
  await page.getByRole('link', {name: 'Devices', exact: true}).click();
  await page.getByText(`${facts.devices.toLocaleString('en-US')} in all`).waitFor();
  assert.ok(await page.locator('tbody tr').count() <= 50, 'a page of the list, not the list');
  for (let turn = 2; turn < 6; ++turn) {
    await page.getByRole('button', {name: 'Next page'}).click();
    await page.getByText(`page ${turn}`).waitFor();
  }
  await page.getByRole('combobox', {name: /^Order/}).selectOption('-last_seen');
  await page.getByLabel('Filter').pressSequentially('tag.site = s7');
  await page.keyboard.press('Enter');
  await page.getByText('1,000 match').waitFor();
  await page.locator('tbody a', {hasText: /^gw-\d+7$/}).first().click();
  await page.getByRole('heading', {name: /^gw-\d+7$/}).waitFor();
  const slowest = await page.evaluate(() => window.slowest);
  console.error(`first view over 1 Mbit/s and 300 ms: ${first} ms; slowest interaction to next paint: ${slowest} ms`);
  // The goals are 2.5 s and 100 ms on an idle machine (docs/performance.md); a busy one gets twice as long.
  assert.ok(first <= 5000 * patience, `the first view took ${first} ms`);
  assert.ok(slowest <= 200 * patience, `an interaction took ${slowest} ms`);
};
