// The live log of events (docs/events.md): server-sent events, read by fetch() because EventSource sends no key.
import {headers_of, url_of} from './api';
import type {Event as LogEvent} from './schema';

export type {LogEvent};

export interface Message { event: string; data: string; id: string | null }

/// Takes a text/event-stream apart (HTML Standard, 9.2.6), as its text arrives.
export class StreamParser {
  private rest = '';

  feed(text: string): Message[] {
    const blocks = (this.rest + text).replace(/\r\n?/g, '\n').split('\n\n');
    this.rest = blocks.pop() ?? '';
    return blocks.flatMap((block) => {
      const message: Message = {event: 'message', data: '', id: null};
      const data: string[] = [];
      for (const line of block.split('\n')) {
        const [, name, value = ''] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? [];
        if (name === 'data') data.push(value);
        else if (name === 'event') message.event = value;
        else if (name === 'id') message.id = value;
      }
      return data.length > 0 ? [{...message, data: data.join('\n')}] : [];
    });
  }
}

const SILENT_MS = 40_000;  // the server writes at least each 15 s
const AGAIN_MS = 3000;

/// `event(null)`: some are gone. `refused`: the key may not read events; nothing follows.
export interface StreamHandlers { opened: () => void; event: (event: LogEvent | null) => void; closed: () => void; refused: () => void }

/// Reads until it is stopped: connects again after a break, where the last event was.
export function follow(handlers: StreamHandlers): () => void {
  const stop = new AbortController();
  let last = '';
  const once = async (): Promise<void> => {
    const abort = new AbortController();
    const end = (): void => abort.abort();
    stop.signal.addEventListener('abort', end);
    let silence = setTimeout(end, SILENT_MS);
    try {
      const headers = headers_of({Accept: 'text/event-stream', ...(last ? {'Last-Event-ID': last} : {})});
      const reply = await fetch(url_of('/events'), {headers, cache: 'no-store', signal: abort.signal});
      if (reply.status === 403) {
        stop.abort();
        handlers.refused();
      }
      if (!reply.ok || !reply.body) return;
      handlers.opened();
      const parser = new StreamParser();
      const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const {value, done} = await reader.read();
        if (done) return;
        clearTimeout(silence);
        silence = setTimeout(end, SILENT_MS);
        for (const {event, data, id} of parser.feed(value)) {
          if (id) last = id;
          handlers.event(event === 'gap' ? null : JSON.parse(data) as LogEvent);
        }
      }
    } finally {
      clearTimeout(silence);
      stop.signal.removeEventListener('abort', end);
    }
  };
  void (async () => {
    while (!stop.signal.aborted) {
      await once().catch(() => undefined);
      if (stop.signal.aborted) return;
      handlers.closed();
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  })();
  return () => stop.abort();
}
