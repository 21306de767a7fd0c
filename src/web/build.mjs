// Bundles the page and writes its files, compressed, as a C++ source: node build.mjs OUT.cpp
// The script and the style sheet are named by their content, so that they may be cached for ever.
import {createHash} from 'node:crypto';
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {gzipSync} from 'node:zlib';
import {build} from 'esbuild';

const MOST = 120_000;  // bytes of script and style together, compressed

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2];
const digest = (bytes) => createHash('sha256').update(bytes).digest('hex').slice(0, 16);

async function bundle(entry) {
  const result = await build({
    entryPoints: [join(here, 'app', entry)],
    absWorkingDir: here,
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: ['firefox115', 'chrome115'],
    tsconfig: join(here, 'tsconfig.json'),
    legalComments: 'none',
    logLevel: 'warning',
  });
  return Buffer.from(result.outputFiles[0].contents);
}

function asset(path, contentType, bytes) {
  return {path, contentType, digest: digest(bytes), gzip: gzipSync(bytes, {level: 9})};
}

function named(name, contentType, bytes) {
  const [base, extension] = name.split('.');
  return asset(`/web/${base}-${digest(bytes)}.${extension}`, contentType, bytes);
}

const script = named('app.js', 'text/javascript; charset=utf-8', await bundle('main.tsx'));
const style = named('style.css', 'text/css; charset=utf-8', await bundle('style.css'));
const icon = named('icon.svg', 'image/svg+xml', readFileSync(join(here, 'app/icon.svg')));
const html = readFileSync(join(here, 'app/index.html'), 'utf8')
  .replace('app.js', script.path.slice(1))
  .replace('style.css', style.path.slice(1))
  .replace('icon.svg', icon.path.slice(1));
const assets = [asset('/', 'text/html; charset=utf-8', Buffer.from(html)), script, style, icon];

const size = script.gzip.length + style.gzip.length;
if (size > MOST) throw new Error(`script and style are ${size} bytes compressed, more than ${MOST}`);
console.log(`page: script ${script.gzip.length} B, style ${style.gzip.length} B compressed`);

// As a text: a number above 127 is no char where char has a sign, and one below 0 none where it has not (ARM).
const octal = (byte) => `\\${byte.toString(8).padStart(3, '0')}`;
const array = ({gzip}, index) => `constexpr char kBytes${index}[] = "${[...gzip].map(octal).join('')}";`;
const row = ({path, contentType, digest: sum, gzip}, index) =>
  `    {"${path}", "${contentType}", "${sum}", {kBytes${index}, ${gzip.length}}},`;
mkdirSync(dirname(out), {recursive: true});
writeFileSync(out, `#include "web/assets.hpp"

namespace ota::web {
namespace {

${assets.map(array).join('\n')}

constexpr Asset kAssets[] = {
${assets.map(row).join('\n')}
};

}  // namespace

std::span<const Asset> assets() noexcept { return kAssets; }

}  // namespace ota::web
`);
