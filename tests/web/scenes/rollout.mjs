// The usual jobs by clicks alone: upload, roll out with a dry run, watch, a bad firmware that halts, read why, roll back;
// find a device and why it isn't updated; block the firmware.
const drop = async (page, name, bytes) => {
  const data = await page.evaluateHandle(({name: file, bytes: list}) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(list)], file));
    return transfer;
  }, {name, bytes: [...bytes]});
  await page.locator('.drop').dispatchEvent('drop', {dataTransfer: data});
};

async function upload(page, until, name, bytes, version) {
  await page.getByRole('link', {name: 'Firmware', exact: true}).click();
  await drop(page, name, bytes);
  await until(async () => await page.getByLabel('Version', {exact: true}).inputValue() === version, 'the version is taken from the name');
  await page.getByRole('button', {name: /^Upload/}).click();
  await page.getByText(`${version} is there; both digests are`).waitFor();
}

async function roll_out(page, version, devices) {
  await page.getByRole('row', {name: new RegExp(`^${version} `)}).getByRole('link', {name: 'Roll out'}).click();
  await page.getByRole('combobox', {name: /^Channel/}).selectOption('stable');
  await page.getByLabel('Stages', {exact: true}).fill('2, 100%');
  await page.getByLabel('Failure budget', {exact: true}).fill('2');
  await page.getByLabel('Proof takes (minutes)', {exact: true}).fill('0.02');
  await page.getByLabel('Between stages (minutes)', {exact: true}).fill('0');
  await page.getByText(`${version} to ${devices} devices`).waitFor();
}

export default async ({tab, url, facts, assert, until, picture, check_access}) => {
  const page = await tab();
  await page.goto(url);
  await page.getByText('Nothing needs you.').waitFor();
  await upload(page, until, 'gw-a-1.1.0.bin', Buffer.alloc(70_000, 'good'), '1.1.0');
  await roll_out(page, '1.1.0', facts.devices);
  await check_access(page, 'the dry run');
  await picture(page, 'new-rollout');
  await page.getByRole('button', {name: `Start for ${facts.devices} devices`}).click();
  await page.getByText('1.1.0 is the target of stable.').waitFor({timeout: 60_000});
  await page.getByText(`${facts.devices} of ${facts.devices}`).first().waitFor();

  await upload(page, until, 'gw-a-2.0.0.bin', Buffer.alloc(70_000, 'bad'), '2.0.0');
  await roll_out(page, '2.0.0', facts.devices);
  await page.getByRole('button', {name: /^Start for/}).click();
  await page.getByRole('heading', {name: /2\.0\.0 → stable/}).getByText('halted').waitFor({timeout: 60_000});
  const bad = page.url();
  await page.getByText('Nobody else gets it.').waitFor();
  await page.locator('td', {hasText: 'no space left on /dev/mmcblk0p3'}).first().waitFor();
  await check_access(page, 'a halted rollout');
  await picture(page, 'halted-rollout');

  // It goes on after a retry with a larger budget, and halts again: the firmware is bad.
  await page.getByRole('button', {name: 'Retry failed'}).click();
  await page.getByRole('dialog').getByText('2 devices failed after the installation').waitFor();
  await page.getByRole('dialog').getByRole('button', {name: 'Try again'}).click();
  await page.getByRole('dialog').waitFor({state: 'detached'});
  await page.getByRole('button', {name: 'Resume'}).click();
  await page.getByRole('dialog').getByLabel('New failure budget').fill('3');
  await page.getByRole('dialog').getByRole('button', {name: 'Resume'}).click();
  await page.getByText(/failed, of at most 3\. Nobody else gets it/).waitFor({timeout: 60_000});

  // The first screen says so, and leads there.
  await page.getByRole('link', {name: 'Overview'}).click();
  await page.getByText(/The rollout of 2\.0\.0 on stable .* halted/).waitFor();
  await check_access(page, 'the overview with a halted rollout');
  await page.getByRole('link', {name: 'Read why'}).click();
  await page.getByRole('link', {name: /^fleet-/}).first().click();
  await page.getByText('Why it isn’t updated').waitFor();
  await page.locator('pre', {hasText: 'no space left'}).waitFor();
  await check_access(page, 'a device');

  await page.goto(bad);
  await page.getByRole('button', {name: 'Roll back'}).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText(/failed\./).waitFor();
  await check_access(page, 'a question');
  await picture(page, 'roll-back');
  await dialog.getByRole('button', {name: 'Roll back'}).click();
  await page.waitForURL((now) => now.href !== bad && /RO_/.test(now.href));
  await page.getByRole('heading', {name: /1\.1\.0 → stable/}).waitFor();

  await page.getByRole('link', {name: 'Firmware', exact: true}).click();
  await page.getByRole('row', {name: /^2\.0\.0 /}).getByRole('button', {name: 'Block'}).click();
  await page.getByRole('dialog').getByLabel('Reason', {exact: true}).fill('fills the disk');
  await page.getByRole('dialog').getByRole('button', {name: 'Block it'}).click();
  await page.getByText('blocked: fills the disk').waitFor();

  // A device by its name, as somebody who was called would look for it.
  await page.getByRole('link', {name: 'Overview'}).click();
  await page.getByLabel('Find a device', {exact: true}).fill('fleet-003');
  await page.keyboard.press('Enter');
  await page.getByRole('link', {name: 'fleet-003', exact: true}).click();
  await page.getByRole('heading', {name: 'fleet-003'}).waitFor();
  await page.goBack();
  assert.match(page.url(), /where=id%7Efleet-003/);

  await page.getByRole('link', {name: 'Failures'}).click();
  await page.getByRole('cell', {name: /no space left/}).waitFor();
  await check_access(page, 'failures');
};
