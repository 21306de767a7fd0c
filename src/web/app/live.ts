// When the views read again, and how old they are. Views subscribe; each tick they read what they show anew.
import {useEffect, useReducer, useRef, useState} from 'preact/hooks';
import {get, Problem, type Query} from './api';
import {follow} from './stream';

export const POLL_MS = 5000;    // for what no event announces: downloads that go on, devices that are seen
const AT_ONCE_MS = 100;  // events come in bursts
const LEAST_MS = 1000;   // between two that events cause

type Listener = () => void;
const ticks = new Set<Listener>();
const states = new Set<Listener>();

/// `reachable`: the last call was answered; `read_at`: when one was (ms); `live`: events arrive as they happen; `polls`: the
/// key may not read events.
export const connection = {reachable: true, read_at: Date.now(), live: false, polls: false};

function set_state(change: Partial<typeof connection>): void {
  const {reachable, live, polls} = connection;
  Object.assign(connection, change);
  if (connection.reachable) connection.read_at = Date.now();
  if (reachable !== connection.reachable || live !== connection.live || polls !== connection.polls) states.forEach((listener) => listener());
}

export function tick(): void {
  ticks.forEach((listener) => listener());
}

/// Reads on while the page is shown; a hidden one holds no connection and costs the server nothing.
export function start_live(): () => void {
  let soon: ReturnType<typeof setTimeout> | undefined;
  let stop: (() => void) | undefined;
  let last = 0;
  const later = (): void => {
    soon ??= setTimeout(() => {
      soon = undefined;
      last = Date.now();
      tick();
    }, Math.max(AT_ONCE_MS, last + LEAST_MS - Date.now()));
  };
  const turn = (): void => {
    stop?.();
    stop = document.hidden ? undefined : follow({
      opened: () => {
        set_state({live: true, reachable: true, polls: false});
        tick();
      },
      event: later,
      closed: () => set_state({live: false}),
      refused: () => set_state({live: false, polls: true}),
    });
  };
  const timer = setInterval(() => {
    if (!document.hidden) tick();
  }, POLL_MS);
  turn();
  document.addEventListener('visibilitychange', turn);
  return () => {
    clearInterval(timer);
    clearTimeout(soon);
    stop?.();
    document.removeEventListener('visibilitychange', turn);
  };
}

export function useConnection(): typeof connection {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    const listener = (): void => redraw(0);
    states.add(listener);
    return () => void states.delete(listener);
  }, []);
  return connection;
}

/// Told where a key that was good is not any more.
export const key_refused = {tell: (problem: Problem): void => void problem};

export interface Data<T> { data: T | undefined; error: Problem | undefined; reload: () => void }

/// What `read` answers, read anew at each tick. While that fails, the last answer stays, with the error. `path` and
/// `query` say what is read: where they change, the old answer goes. Without a path nothing is read.
export function useRead<T>(path: string | null, query: Query, read: (signal: AbortSignal) => Promise<T>): Data<T> {
  const [state, set_state_] = useState<{name: string; text: string; data?: T; error?: Problem}>({name: '', text: ''});
  const name = path === null ? '' : path + JSON.stringify(query);
  const reading = useRef(read);
  reading.current = read;
  const again = useRef<() => void>(() => undefined);

  useEffect(() => {
    if (!name) return undefined;
    let abort: AbortController | null = null;
    const load = async (): Promise<void> => {
      if (abort) return;
      const mine = abort = new AbortController();
      try {
        const data = await reading.current(mine.signal);
        set_state({reachable: true});
        const text = JSON.stringify(data);
        set_state_((old) => old.name === name && old.text === text && !old.error ? old : {name, text, data});
      } catch (error) {
        if (mine.signal.aborted) return;
        const problem = error instanceof Problem ? error : new Problem(-1, 'page', String(error));
        set_state({reachable: problem.status !== 0});
        if (problem.status === 401) key_refused.tell(problem);
        set_state_((old) => ({...(old.name === name ? old : {name, text: ''}), error: problem}));
      } finally {
        if (abort === mine) abort = null;
      }
    };
    again.current = () => {
      abort?.abort();
      abort = null;
      void load();
    };
    const listener = (): void => void load();
    ticks.add(listener);
    void load();
    return () => {
      ticks.delete(listener);
      abort?.abort();
    };
  }, [name]);

  const current = state.name === name && name !== '';
  return {data: current ? state.data : undefined, error: current ? state.error : undefined, reload: () => again.current()};
}

export function useGet<T>(path: string | null, query: Query = {}): Data<T> {
  return useRead<T>(path, query, (signal) => get<T>(path ?? '', query, signal));
}

/// The time (ms), anew each second: for relative times.
export function useNow(every = 1000): number {
  const [now, set_now] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => set_now(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}
