// What a task's transfer log says: which chunks came over which transport, and how fast.
import type {LogEntry} from './types';

export type Square = 'missing' | 'http' | 'mqtt' | 'wrong';
export interface Cell { square: Square; first: number; last: number }

const MOST_CELLS = 400;

/// Of each chunk the last that is known. More than MOST_CELLS chunks are summed up: a cell is what its worst chunk is.
export function squares_of(count: number, have: number, entries: LogEntry[]): Cell[] {
  const chunks = new Array<Square>(Math.min(count, 65_536)).fill('missing');
  for (const entry of entries)
    for (const [first = 0, last = first] of entry.chunks)
      for (let i = Math.max(0, first); i <= last && i < chunks.length; ++i)
        chunks[i] = entry.kind === 'mismatch' ? 'wrong' : entry.transport === 'mqtt' ? 'mqtt' : 'http';
  if (have >= count) for (let i = 0; i < chunks.length; ++i) if (chunks[i] === 'missing' || chunks[i] === 'wrong') chunks[i] = 'http';
  const size = Math.ceil(chunks.length / MOST_CELLS);
  const cells: Cell[] = [];
  const rank: Square[] = ['wrong', 'missing', 'mqtt', 'http'];
  for (let first = 0; first < chunks.length; first += size) {
    const last = Math.min(first + size, chunks.length) - 1;
    const part = new Set(chunks.slice(first, last + 1));
    cells.push({first, last, square: rank.find((square) => part.has(square)) ?? 'missing'});
  }
  return cells;
}

/// The rate (bytes/s) of each run of chunks over time, and 0 where nothing was sent for a while.
export function rates_of(entries: LogEntry[]): {times: number[]; rates: (number | null)[]} {
  const times: number[] = [];
  const rates: (number | null)[] = [];
  const GAP_S = 5;
  for (const {at, bytes, ms, rate} of entries) {
    if (bytes === 0 || ms <= 0) continue;
    const end = Date.parse(at) / 1000;
    const begin = end - ms / 1000;
    const last = times[times.length - 1];
    if (last !== undefined && begin > last + GAP_S) {
      times.push(last + 0.001, begin - 0.001);
      rates.push(0, 0);
    }
    const from = Math.max(begin, (times[times.length - 1] ?? begin - 1) + 0.001);
    if (from >= end) continue;
    times.push(from, end);
    rates.push(rate, rate);
  }
  return {times, rates};
}
