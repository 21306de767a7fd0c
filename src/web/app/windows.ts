// Maintenance windows as people write them, a line each: `sat,sun 23:00-04:00 Europe/Berlin`, as otactl takes them.
import type {Window} from './schema';

/// Only the parts are told apart; the server judges them. Without a line: always.
export function windows_of(text: string): Window[] | null {
  const lines = text.split('\n').map((line) => line.trim()).filter((line) => line !== '');
  return lines.length > 0 ? lines.map(window_of) : null;
}

function window_of(line: string): Window {
  const parts = line.split(/\s+/);
  const at = parts.findIndex((part) => /^\d.*[-–]/.test(part));
  const [from = '', to = ''] = (parts[at] ?? line).split(/[-–]/);
  const days = parts.slice(0, Math.max(at, 0)).join(',').split(',').filter((day) => day !== '');
  const timezone = parts.slice(at + 1).join(' ');
  return {from, to, ...(days.length > 0 ? {days: days as NonNullable<Window['days']>} : {}), ...(at >= 0 && timezone ? {timezone} : {})};
}

export function lines_of(windows: Window[] | null): string {
  return (windows ?? []).map(({days = [], from, to, timezone}) =>
    [days.length < 7 && days.join(','), `${from}-${to}`, timezone].filter(Boolean).join(' ')).join('\n');
}
