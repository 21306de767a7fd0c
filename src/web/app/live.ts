// When the views read again, and how old they are. Views subscribe; each tick they read what they show anew.
import {useEffect, useReducer, useRef, useState} from 'preact/hooks';
import {get, Problem, type Query} from './api';

const POLL_MS = 3000;

type Listener = () => void;
const ticks = new Set<Listener>();
const states = new Set<Listener>();

/// `read_at`: when the server last answered (ms).
export const connection = {reachable: true, read_at: Date.now()};

function set_state(reachable: boolean): void {
  const changed = reachable !== connection.reachable;
  connection.reachable = reachable;
  if (reachable) connection.read_at = Date.now();
  if (changed) states.forEach((listener) => listener());
}

export function tick(): void {
  ticks.forEach((listener) => listener());
}

/// Reads on while the page is shown; a hidden one costs the server nothing.
export function start_live(): () => void {
  const timer = setInterval(() => {
    if (!document.hidden) tick();
  }, POLL_MS);
  const shown = (): void => {
    if (!document.hidden) tick();
  };
  document.addEventListener('visibilitychange', shown);
  return () => {
    clearInterval(timer);
    document.removeEventListener('visibilitychange', shown);
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
        set_state(true);
        const text = JSON.stringify(data);
        set_state_((old) => old.name === name && old.text === text && !old.error ? old : {name, text, data});
      } catch (error) {
        if (mine.signal.aborted) return;
        const problem = error instanceof Problem ? error : new Problem(-1, 'page', String(error));
        set_state(problem.status !== 0);
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
