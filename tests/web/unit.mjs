// Types and unit tests of the page: bundles tests/web/unit/*.test.ts and runs them by node's own runner.
import {spawnSync} from 'node:child_process';
import {mkdtempSync, readdirSync, rmSync} from 'node:fs';
import {createRequire} from 'node:module';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const page = join(here, '../../src/web');
const {build} = createRequire(join(page, 'build.mjs'))('esbuild');

function run(...command) {
  const {status} = spawnSync(process.execPath, command, {stdio: 'inherit'});
  if (status !== 0) process.exit(status ?? 1);
}

run(join(page, 'node_modules/typescript/bin/tsc'), '-p', page);
const out = mkdtempSync(join(tmpdir(), 'otad-page-'));
process.on('exit', () => rmSync(out, {recursive: true, force: true}));
const tests = readdirSync(join(here, 'unit')).filter((name) => name.endsWith('.test.ts'));
await build({
  entryPoints: tests.map((name) => join(here, 'unit', name)), bundle: true, platform: 'node', format: 'esm', outdir: out,
  outExtension: {'.js': '.mjs'}, nodePaths: [join(page, 'node_modules')], tsconfig: join(page, 'tsconfig.json'),
});
run('--test', ...tests.map((name) => join(out, name.replace(/ts$/, 'mjs'))));
