// An upload: a dropped or chosen file, its digest computed here first, so that the server can compare.
import type {JSX} from 'preact';
import {useRef, useState} from 'preact/hooks';
import {headers_of, Problem, problem_of, url_of} from './api';
import {bytes, percent} from './format';
import {tick} from './live';
import {digest_of} from './sha256';
import type {Firmware} from './types';
import {Failure} from './ui';

interface Stage { what: string; done: number; whole: number }

/// XMLHttpRequest, since fetch() doesn't say how far an upload is.
function put_image(url: string, file: File, progress: (bytes: number) => void, signal: AbortSignal): Promise<Firmware> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', url);
    for (const [name, value] of Object.entries(headers_of({'Content-Type': 'application/octet-stream'}))) request.setRequestHeader(name, value);
    request.upload.onprogress = ({loaded}) => progress(loaded);
    request.onload = () => request.status < 300 ? resolve(JSON.parse(request.responseText) as Firmware) : reject(problem_of(request.status, request.responseText));
    request.onerror = () => reject(new Problem(0, 'unreachable', 'the connection broke during the upload; nothing was added'));
    request.onabort = () => reject(new Problem(0, 'cancelled', 'the upload was stopped; nothing was added'));
    signal.addEventListener('abort', () => request.abort());
    request.send(file);
  });
}

/// `gw-a-1.5.0.bin` → version and hardware, where the name has them.
export function guess(name: string): {version: string; hardware: string} {
  const found = /^(?:(.*?)[-_])?v?(\d+\.\d+(?:\.\d+)?(?:-[0-9A-Za-z.]+?)?)(?:\.(?:bin|img|swu|raucb|zck|gz|xz|zst))*$/.exec(name);
  return {version: found?.[2] ?? '', hardware: found?.[1] ?? ''};
}

export function Upload(): JSX.Element {
  const [file, set_file] = useState<File>();
  const [over, set_over] = useState(false);
  const choose = (chosen: File | undefined | null): void => {
    if (chosen) set_file(chosen);
  };
  return (
    <>
      <label class={`drop ${over ? 'over' : ''}`}
        onDragOver={(event) => { event.preventDefault(); set_over(true); }} onDragLeave={() => set_over(false)}
        onDrop={(event) => { event.preventDefault(); set_over(false); choose(event.dataTransfer?.files[0]); }}>
        <span>{file ? <><b>{file.name}</b> {bytes(file.size)}</> : 'Drop an image here, or choose it:'}</span>{' '}
        <input type="file" onChange={(event) => choose(event.currentTarget.files?.[0])} />
      </label>
      {file && <UploadForm key={file.name + file.size + file.lastModified} file={file} />}
    </>
  );
}

function UploadForm({file}: {file: File}): JSX.Element {
  const [fields, set_fields] = useState({...guess(file.name), notes: '', signature: '', key_id: '', security: false});
  const [stage, set_stage] = useState<Stage>();
  const [error, set_error] = useState<Problem>();
  const [made, set_made] = useState<Firmware>();
  const stop = useRef(new AbortController());
  const text = (name: 'version' | 'hardware' | 'notes' | 'signature' | 'key_id', label: string, required = false): JSX.Element => (
    <label>{label} <input value={fields[name]} required={required} disabled={stage !== undefined}
      onInput={(event) => set_fields({...fields, [name]: event.currentTarget.value})} /></label>
  );
  const send = async (): Promise<void> => {
    set_error(undefined);
    set_made(undefined);
    stop.current = new AbortController();
    const at = (what: string) => (done: number): void => set_stage({what, done, whole: file.size});
    try {
      const checksum = await digest_of(file, at('computing the digest'), stop.current.signal);
      const {security, ...given} = fields;
      const url = url_of('/firmware', {...given, checksum, ...(security ? {security} : {})});
      const firmware = await put_image(url, file, at('uploading'), stop.current.signal);
      if (firmware.checksum !== checksum) throw new Problem(-1, 'checksum', 'the server has another digest than this file');
      set_made(firmware);
      tick();
    } catch (failed) {
      set_error(failed instanceof Problem ? failed : new Problem(-1, 'page', stop.current.signal.aborted ? 'stopped' : String(failed)));
    }
    set_stage(undefined);
  };
  return (
    <form class="fields" onSubmit={(event) => { event.preventDefault(); void send(); }}>
      {text('version', 'Version', true)}
      {text('hardware', 'Hardware (empty: any)')}
      {text('notes', 'Notes')}
      {text('signature', 'Signature (base64, where there is one)')}
      {text('key_id', 'Its key')}
      <label class="check"><input type="checkbox" checked={fields.security} onChange={(event) => set_fields({...fields, security: event.currentTarget.checked})} /> security update: goes first</label>
      <div class="wide">
        {!stage && <button type="submit" class="primary">Upload {bytes(file.size)}</button>}
        {stage && (
          <div class="buttons">
            <label>{stage.what} {percent(stage.done, stage.whole)} <progress max={stage.whole} value={stage.done} /></label>
            <button type="button" onClick={() => stop.current.abort()}>Stop</button>
          </div>
        )}
        <Failure error={error} />
        {made && <p class="calm" role="status">✓ {made.version} is there; both digests are <code>{made.checksum}</code>.</p>}
      </div>
    </form>
  );
}
