// Each view in light, dark, on a phone and on a 4K screen: no overflow, nothing for axe, pictures for people.
export default async ({tab, url, facts, assert, check_access, picture}) => {
  const views = {overview: '#/', rollouts: '#/rollouts', rollout: `#/rollouts/${facts.rollout}`, devices: '#/devices',
    device: `#/devices/${facts.device}`, task: `#/tasks/${facts.task}`, firmware: '#/firmware', failures: '#/failures',
    audit: '#/audit', events: '#/events', webhooks: '#/webhooks', server: '#/health', new: '#/rollouts/new',
    channels: '#/channels', channel: '#/channels/stable', keys: '#/keys', settings: '#/settings'};
  const looks = {light: {colorScheme: 'light'}, dark: {colorScheme: 'dark'},
    phone: {viewport: {width: 360, height: 740}, reducedMotion: 'reduce', hasTouch: true},
    wide: {viewport: {width: 3840, height: 2160}}};
  for (const [look, options] of Object.entries(looks)) {
    const page = await tab(options);
    for (const [view, address] of Object.entries(views)) {
      await page.goto(url + address);
      await page.locator('main h1').first().waitFor({state: 'attached'});
      await page.getByText(/^Reading/).first().waitFor({state: 'detached'});
      if (look !== 'wide') await check_access(page, `${view} (${look})`);  // it differs from the first by sizes alone
      await picture(page, `${view}-${look}`);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(over <= 0, `${view} (${look}) is ${over} px too wide`);
    }
  }
  const page = await tab();
  await page.goto(url);
  await page.getByRole('heading', {name: 'Rollouts'}).waitFor();
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the content');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
};
