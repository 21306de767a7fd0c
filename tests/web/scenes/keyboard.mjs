// A rollout by keys alone: found, ordered, started, paused, resumed, cancelled. What has the focus is always to be seen.
const MOST_STOPS = 80;

const focus_is = (page, name) => page.evaluate((wanted) => {
  const at = document.activeElement;
  const label = at.getAttribute('aria-label') ?? at.labels?.[0]?.textContent ?? at.textContent;
  return label.trim().startsWith(wanted);
}, name);

/// Where the focus is a control, it has an outline within the window.
const focus_shows = (page) => page.evaluate(() => {
  const at = document.activeElement;
  if (at === document.body || at.id === 'main') return true;
  const {outlineStyle, outlineWidth} = getComputedStyle(at);
  const {top, bottom} = at.getBoundingClientRect();
  return outlineStyle !== 'none' && outlineWidth !== '0px' && bottom > 0 && top < innerHeight;
});

export default async ({tab, url, facts, assert}) => {
  const page = await tab();
  await page.goto(url);
  const {keyboard} = page;
  const to = async (name) => {
    for (let stop = 0; stop < MOST_STOPS; ++stop) {
      await keyboard.press('Tab');
      assert.ok(await focus_shows(page), `the focus before ${name} is not to be seen`);
      if (await focus_is(page, name)) return;
    }
    assert.fail(`no key leads to ${name}`);
  };
  const press = async (name) => {
    await to(name);
    await keyboard.press('Enter');
  };
  await page.getByRole('link', {name: 'New rollout'}).waitFor();
  await press('New rollout');
  await page.getByRole('heading', {name: 'New rollout'}).waitFor();
  await to('Firmware');
  await keyboard.type('1.1.0');
  await to('Channel');
  await keyboard.type('stable');
  await to('Stages');
  await keyboard.type('1, 100%');
  await to('Between stages');
  await keyboard.type('600');
  await page.getByText(`1.1.0 to ${facts.devices} devices`).waitFor();
  await press('Start for');
  await page.getByRole('heading', {name: /1\.1\.0 → stable/}).getByText('running').waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');  // the new view, not its end

  await press('Pause');
  await page.getByRole('heading', {name: /1\.1\.0 → stable/}).getByText('paused').waitFor();
  await press('Resume');
  await page.getByRole('heading', {name: /1\.1\.0 → stable/}).getByText('running').waitFor();
  await press('Cancel');
  const dialog = page.getByRole('dialog');
  await dialog.getByText(/will not be updated/).waitFor();
  await keyboard.press('Escape');
  await dialog.waitFor({state: 'detached'});
  assert.ok(await focus_is(page, 'Cancel'), 'the focus is back where it was');
  await keyboard.press('Enter');
  await dialog.waitFor();
  const late = await dialog.elementHandle();
  await keyboard.press('Escape');
  await dialog.waitFor({state: 'detached'});
  await keyboard.press('Enter');
  await dialog.waitFor();
  await late.evaluate((gone) => gone.dispatchEvent(new Event('close')));  // as a busy browser sends it
  await press('Cancel the rollout');
  await page.getByRole('heading', {name: /1\.1\.0 → stable/}).getByText('cancelled').waitFor();
};
