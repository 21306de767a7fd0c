// The daemon is killed and started again under the page, then the line is cut: it says how old the picture is, then what
// happened meanwhile.
export default async ({tab, url, ask, facts}) => {
  const page = await tab();
  await page.goto(`${url}#/firmware`);
  await page.getByText('● live').waitFor();
  await ask('kill');
  await page.getByText(/^○ as of .* ago$/).waitFor();
  await page.getByRole('alert').getByText('can’t be reached').first().waitFor();
  await ask('start');
  await page.getByText('● live').waitFor();
  await page.getByRole('cell', {name: facts.version, exact: true}).waitFor();

  await page.context().setOffline(true);
  await page.getByText(/^○ as of .* ago$/).waitFor();
  await ask('upload');
  await page.context().setOffline(false);
  await page.getByText('● live').waitFor({timeout: 60_000});
  await page.getByRole('cell', {name: facts.next, exact: true}).waitFor();
};
