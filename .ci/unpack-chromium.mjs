// Decompresses the brotli files of npm's @sparticuz/chromium: node unpack-chromium.mjs PACKAGE_BIN OUT
import { createReadStream, createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress } from 'node:zlib';

const [from, out] = process.argv.slice(2);
mkdirSync(out, { recursive: true });
for (const [compressed, name] of [['chromium.br', 'headless_shell'], ['swiftshader.tar.br', 'swiftshader.tar']]) {
    await pipeline(createReadStream(join(from, compressed)), createBrotliDecompress(), createWriteStream(join(out, name)));
}
