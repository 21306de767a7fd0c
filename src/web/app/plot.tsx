// A plot over time. uPlot draws on a canvas; the same figures follow as a table for who can't see it.
import type {JSX} from 'preact';
import {useEffect, useRef} from 'preact/hooks';
import uPlot from 'uplot';
import {exact} from './format';

export interface Line { label: string; color: string; values: (number | null)[]; fill?: boolean }

/// The value of a CSS variable: the plot has the colours of the page, light or dark.
function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function options(lines: Line[], width: number, format: (value: number) => string): uPlot.Options {
  const axis: uPlot.Axis = {
    stroke: colour('--quiet'), grid: {stroke: colour('--line'), width: 1}, ticks: {stroke: colour('--line'), width: 1},
    font: '12px system-ui, sans-serif',
  };
  return {
    width, height: 220,
    legend: {live: true},
    cursor: {drag: {x: true, y: false}},
    scales: {y: {range: (_, __, max) => [0, Math.max(1, max * 1.05)]}},
    axes: [axis, {...axis, size: 84, values: (_, ticks) => ticks.map((tick: number | null) => tick === null ? '' : format(tick))}],
    series: [{}, ...lines.map((line): uPlot.Series => ({
      label: line.label, stroke: colour(line.color), width: 2, points: {show: line.values.length < 3},
      value: (_, value: number | null) => value === null ? '–' : format(value),
      ...(line.fill ? {fill: `${colour(line.color)}33`} : {}),
    }))],
  };
}

/// `times` in seconds, ascending.
export function Plot({title, times, lines, format = String}: {
  title: string; times: number[]; lines: Line[]; format?: (value: number) => string;
}): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const text = JSON.stringify([times, lines]);
  useEffect(() => {
    const element = place.current;
    if (!element || times.length === 0) return undefined;
    const data: uPlot.AlignedData = [times, ...lines.map((line) => line.values)];
    let plot = new uPlot(options(lines, element.clientWidth, format), data, element);
    const sized = new ResizeObserver(() => plot.setSize({width: element.clientWidth, height: 220}));
    sized.observe(element);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const redraw = (): void => {
      plot.destroy();
      plot = new uPlot(options(lines, element.clientWidth, format), data, element);
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
