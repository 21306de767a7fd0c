// Texts from values.

const MINUTE = 60, HOUR = 3600, DAY = 86400;

export const number = (value: number): string => value.toLocaleString('en-US');

/// `12 s`, `3 min`, `2 h`, `5 d`.
export function span(seconds: number): string {
  const whole = Math.round(Math.abs(seconds));
  if (whole < 2 * MINUTE) return `${whole} s`;
  if (whole < 2 * HOUR) return `${Math.round(whole / MINUTE)} min`;
  if (whole < 2 * DAY) return `${Math.round(whole / HOUR)} h`;
  return `${number(Math.round(whole / DAY))} d`;
}

/// Relative to `now` (ms): `12 s ago`, `in 3 min`.
export function relative(time: string, now: number): string {
  const seconds = (Date.parse(time) - now) / 1000;
  if (Number.isNaN(seconds)) return time;
  if (Math.abs(seconds) < 1) return 'now';
  return seconds < 0 ? `${span(seconds)} ago` : `in ${span(seconds)}`;
}

/// In the viewer's zone, with the zone's name.
export function exact(time: string): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? time : date.toLocaleString(undefined, {dateStyle: 'medium', timeStyle: 'long'});
}

export function clock(time: string): string {
  return new Date(time).toLocaleTimeString(undefined, {hour12: false});
}

export function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    ++unit;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

export function percent(part: number, whole: number): string {
  if (whole <= 0) return '0 %';
  const share = part / whole * 100;
  if (share > 0 && share < 1) return '< 1 %';
  if (share < 100 && share > 99) return '> 99 %';
  return `${Math.round(share)} %`;
}

export function devices(count: number): string {
  return count === 1 ? '1 device' : `${number(count)} devices`;
}

/// `retry_wait` → `retry wait`.
export const words = (code: string): string => code.replaceAll('_', ' ');

interface Hours { days?: string[]; from: string; to: string; timezone?: string }

function hours_text({days = [], from, to, timezone = 'UTC'}: Hours): string {
  const when = days.length > 0 && days.length < 7 ? days.join(', ') : 'every day';
  return `${when} ${from}–${to} ${timezone === 'device' ? 'in each device’s zone' : timezone}`;
}

export function window_text(windows: Hours[] | null): string {
  return windows?.length ? windows.map(hours_text).join('; ') : 'always';
}

/// A text of the server's as a sentence.
export function sentence(text: string): string {
  const trimmed = text.trim();
  return trimmed === '' ? '' : trimmed[0]!.toUpperCase() + trimmed.slice(1) + (/[.!?]$/.test(trimmed) ? '' : '.');
}
