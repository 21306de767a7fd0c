// A plot over time. uPlot draws on a canvas; the same figures follow as a table for who can't see it.
import type {JSX} from 'preact';
import {useEffect, useRef} from 'preact/hooks';
import uPlot from 'uplot';
import {exact} from './format';

export interface Line { label: string; color: string; values: (number | null)[]; fill?: boolean }

const HOUR = 3600, DAY = 86_400;

/// Times of the axis, as fine as they are apart.
function times_text(seconds: number[]): string[] {
  const whole = (seconds[seconds.length - 1] ?? 0) - (seconds[0] ?? 0);
  const options: Intl.DateTimeFormatOptions = whole > 2 * DAY ? {day: 'numeric', month: 'short'} :
    {hour: '2-digit', minute: '2-digit', ...(whole < HOUR / 4 ? {second: '2-digit'} : {}), hourCycle: 'h23'};
  return seconds.map((time) => new Date(time * 1000).toLocaleString(undefined, options));
}

/// The value of a CSS variable: the plot has the colours of the page, light or dark.
function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function options(lines: Line[], width: number, format: (value: number) => string, steps: boolean): uPlot.Options {
  const axis: uPlot.Axis = {
    stroke: colour('--quiet'), grid: {stroke: colour('--line'), width: 1}, ticks: {stroke: colour('--line'), width: 1},
    font: '12px system-ui, sans-serif',
  };
  return {
    width, height: 220,
    legend: {live: true},
    cursor: {drag: {x: true, y: false}},
    scales: {y: {range: (_, __, max) => [0, Math.max(1, max * 1.05)]}},
    axes: [{...axis, space: 90, values: (_, ticks) => times_text(ticks)}, {...axis, size: 84, values: (_, ticks) => ticks.map((tick: number | null) => tick === null ? '' : format(tick))}],
    series: [{value: (_, time: number | null) => time === null ? '–' : exact(new Date(time * 1000).toISOString())}, ...lines.map((line): uPlot.Series => ({
      label: line.label, stroke: colour(line.color), width: 2, points: {show: line.values.length < 3},
      value: (_, value: number | null) => value === null ? '–' : format(value),
      ...(steps && uPlot.paths.stepped ? {paths: uPlot.paths.stepped({align: 1})} : {}),
      ...(line.fill ? {fill: `${colour(line.color)}33`} : {}),
    }))],
  };
}

/// `times` in seconds, ascending. With `steps` a value holds until the next one.
export function Plot({title, times, lines, format = String, steps = false}: {
  title: string; times: number[]; lines: Line[]; format?: (value: number) => string; steps?: boolean;
}): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const text = JSON.stringify([times, lines]);
  useEffect(() => {
    const element = place.current;
    if (!element || times.length === 0) return undefined;
    const data: uPlot.AlignedData = [times, ...lines.map((line) => line.values)];
    let plot = new uPlot(options(lines, element.clientWidth, format, steps), data, element);
    const sized = new ResizeObserver(() => plot.setSize({width: element.clientWidth, height: 220}));
    sized.observe(element);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const redraw = (): void => {
      plot.destroy();
      plot = new uPlot(options(lines, element.clientWidth, format, steps), data, element);
    };
    dark.addEventListener('change', redraw);
    return () => {
      sized.disconnect();
      dark.removeEventListener('change', redraw);
      plot.destroy();
    };
  }, [text]);
  if (times.length === 0) return <p class="hint">No figures yet.</p>;
  const last = times.length - 1;
  return (
    <figure>
      <div ref={place} class="plot" aria-hidden="true" />
      <figcaption class="unseen">
        {title}, until {exact(new Date((times[last] ?? 0) * 1000).toISOString())}:{' '}
        {lines.map((line) => `${line.label} ${format(line.values[last] ?? 0)}`).join(', ')}
      </figcaption>
    </figure>
  );
}
