// The module of a worker that brings one file of a model into the origin's private storage, where engines read it piece
// by piece: no process ever holds a copy of it in memory.
//
// It is asked once, `{ url, sha256, nBytes, isFresh }`, tells how far it is, `{ nBytes }`, and ends with `{ file,
// verifyMillis }`. A file that an earlier visit left is hashed, and fetched again only when it is damaged. Where anything
// fails, from a browser without such storage to a wrong hash, it ends with `{}`: the page then fetches the file into its
// memory, and says what is wrong should that fail too.

const FOLDER = 'tabpool-models';
/** Bytes of a stored file that are hashed at once. */
const WINDOW_BYTES = 1 << 20;
/** Between two reports, milliseconds. */
const REPORT_MILLIS = 50;

self.onmessage = async ({ data: request }) => {
    try {
        self.postMessage(await obtain(request));
    } catch {
        self.postMessage({});
    }
};

async function obtain({ url, sha256, nBytes, isFresh }) {
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle(FOLDER, { create: true });
    const handle = await folder.getFileHandle(sha256, { create: true });
    const access = await handle.createSyncAccessHandle();
    let hash;
    let isRight = false;
    try {
        if (!isFresh && access.getSize() === nBytes) {
            hash = stored(access, nBytes);
            isRight = hash.finish() === sha256;
        }
        if (!isRight) {
            hash = await fetched(access, url);
            isRight = hash.finish() === sha256;
        }
    } finally {
        access.close();
    }
    if (!isRight) {
        await folder.removeEntry(sha256);
        return {};
    }
    return { file: await handle.getFile(), verifyMillis: hash.millis };
}

function stored(access, nBytes) {
    const hash = new Sha256();
    const window = new Uint8Array(Math.min(WINDOW_BYTES, nBytes));
    for (let at = 0; at < nBytes; ) {
        const n = access.read(window, { at });
        if (n === 0) throw new Error('the file is shorter than it was');
        hash.update(window.subarray(0, n));
        at += n;
    }
    return hash;
}

async function fetched(access, url) {
    const hash = new Sha256();
    access.truncate(0);
    const response = await fetch(url);
    if (!response.ok) throw new Error(`HTTP status ${response.status}`);
    const reader = response.body.getReader();
    let at = 0;
    let reported = performance.now();
    for (;;) {
        const { value } = await reader.read();
        if (!value) return hash;
        if (access.write(value, { at }) !== value.length) throw new Error('the storage is full');
        hash.update(value);
        at += value.length;
        if (performance.now() - reported >= REPORT_MILLIS) {
            reported = performance.now();
            self.postMessage({ nBytes: at });
        }
    }
}

/** SHA-256 (FIPS 180-4) of bytes as they arrive; the browser's own takes whole files only. */
class Sha256 {
    /** Time spent, milliseconds. */
    millis = 0;
    #state = Int32Array.from(primes(8), (prime) => fraction(Math.sqrt(prime)));
    #rest = new Uint8Array(64);
    #nRest = 0;
    #nBytes = 0;

    update(bytes) {
        const started = performance.now();
        this.#nBytes += bytes.length;
        let at = 0;
        if (this.#nRest > 0) {
            at = Math.min(64 - this.#nRest, bytes.length);
            this.#rest.set(bytes.subarray(0, at), this.#nRest);
            this.#nRest += at;
            if (this.#nRest === 64) {
                compress(this.#state, this.#rest, 0);
                this.#nRest = 0;
            }
        }
        for (; at + 64 <= bytes.length; at += 64) compress(this.#state, bytes, at);
        this.#rest.set(bytes.subarray(at), this.#nRest);
        this.#nRest += bytes.length - at;
        this.millis += performance.now() - started;
    }

    /** The digest, lower-case hex. */
    finish() {
        const nBits = BigInt(this.#nBytes) * 8n;
        const padding = new Uint8Array((this.#nRest < 56 ? 64 : 128) - this.#nRest);
        padding[0] = 0x80;
        new DataView(padding.buffer).setBigUint64(padding.length - 8, nBits);
        this.update(padding);
        return Array.from(this.#state, (word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
    }
}

const ROUNDS = Int32Array.from(primes(64), (prime) => fraction(Math.cbrt(prime)));
const schedule = new Int32Array(64);

function compress(state, bytes, at) {
    const w = schedule;
    for (let i = 0; i < 16; i++, at += 4) {
        w[i] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
    }
    for (let i = 16; i < 64; i++) {
        const x = w[i - 15];
        const y = w[i - 2];
        const left = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
        const right = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
        w[i] = w[i - 16] + left + w[i - 7] + right;
    }
    let a = state[0];
    let b = state[1];
    let c = state[2];
    let d = state[3];
    let e = state[4];
    let f = state[5];
    let g = state[6];
    let h = state[7];
    for (let i = 0; i < 64; i++) {
        const right = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
        const one = (h + right + ((e & f) ^ (~e & g)) + ROUNDS[i] + w[i]) | 0;
        const left = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
        const two = (left + ((a & b) ^ (a & c) ^ (b & c))) | 0;
        h = g;
        g = f;
        f = e;
        e = (d + one) | 0;
        d = c;
        c = b;
        b = a;
        a = (one + two) | 0;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
}

/** The first `n` primes. */
function primes(n) {
    const found = [];
    for (let candidate = 2; found.length < n; candidate++) {
        if (found.every((prime) => candidate % prime !== 0)) found.push(candidate);
    }
    return found;
}

/** The first 32 bits of a number's fraction. */
function fraction(number) {
    return ((number % 1) * 4294967296) | 0;
}
