import assert from 'node:assert/strict';
import {createHash} from 'node:crypto';
import {test} from 'node:test';
import {digest_of, Sha256} from '../../../src/web/app/sha256';

const expected = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const pattern = (length: number): Uint8Array => Uint8Array.from({length}, (_, index) => (index * 31 + length) & 255);

test('each length up to three blocks has the digest of node’s', () => {
  for (let length = 0; length <= 200; ++length) {
    const sum = new Sha256();
    sum.update(pattern(length));
    assert.equal(sum.digest(), expected(pattern(length)), `${length} bytes`);
  }
});

test('pieces of any length make the same digest', () => {
  const bytes = pattern(5000);
  for (const piece of [1, 3, 63, 64, 65, 127, 1000]) {
    const sum = new Sha256();
    for (let at = 0; at < bytes.length; at += piece) sum.update(bytes.subarray(at, at + piece));
    assert.equal(sum.digest(), expected(bytes), `pieces of ${piece}`);
  }
});

test('a file is read piece by piece, says how far it is, and can be stopped', async () => {
  const bytes = pattern(2_500_000);
  const seen: number[] = [];
  const file = new Blob([bytes as BlobPart]);
  assert.equal(await digest_of(file, (done) => seen.push(done), new AbortController().signal), `sha256:${expected(bytes)}`);
  assert.deepEqual(seen, [1_048_576, 2_097_152, 2_500_000]);
  const stopped = new AbortController();
  await assert.rejects(digest_of(file, () => stopped.abort(), stopped.signal));
});
