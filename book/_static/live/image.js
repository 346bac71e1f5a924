// From a file to the network's input, as gamlib/images.py and gamlib/models/preprocess.py have it with Pillow.
(globalThis.GamLive ??= {parts: []}).parts.push(function image(live) {
  'use strict';
  const READABLE = 'JPEG, PNG, WebP, GIF, BMP and AVIF';
  const LONGEST_SIDE = 2048, MOST_PIXELS = 178_956_970;  // gamlib/images.py says why

  /** What a file is by its first bytes, whatever its name; '' for what is not known here. */
  function kindOf(bytes) {
    const text = String.fromCharCode(...bytes.subarray(0, 16)), brand = text.slice(4, 12);
    if (/^ftyp(hei|hev|mif1|msf1)/.test(brand)) return 'HEIC';
    if (/^(II\*\0|MM\0\*)/.test(text)) return 'TIFF';
    if (text.startsWith('%PDF')) return 'PDF';
    return text.startsWith('\x89PNG\r\n\x1a\n') ? 'PNG' : '';
  }

  /** File or Blob -> {data: RGBA bytes, width, height}: upright, over white, at most 2048 pixels a side. In a page only. */
  live.decode = async (file, name) => {
    const head = new Uint8Array(await file.slice(0, 26).arrayBuffer()), kind = kindOf(head);
    if (!file.size) throw new Error(`${name} is empty. Choose a photograph: ${READABLE} can be read.`);
    const [depth, colour] = kind === 'PNG' ? [head[24], head[25]] : [8, 2];
    if (depth === 16 && colour === 0) return live.decodeGrey16(file, name);
    let bitmap;
    try {
      bitmap = await createImageBitmap(file, {imageOrientation: 'from-image', colorSpaceConversion: 'none', premultiplyAlpha: 'none'});
    } catch {
      const why = {
        HEIC: 'is a HEIC photograph, which only Safari opens; elsewhere save or share it as JPEG first.',
        TIFF: `is a TIFF file, which this browser does not open. Save it as PNG; ${READABLE} can be read.`,
        PDF: `is a PDF file and no photograph; ${READABLE} can be read.`,
      };
      throw new Error(`${name} ${why[kind] ?? `cannot be read as a photograph, or is too large for this browser; ${READABLE} can be read.`}`);
    }
    if (bitmap.width * bitmap.height > MOST_PIXELS) {
      throw new Error(`${name} is too large: at most ${Math.floor(MOST_PIXELS / 1e6)} million pixels are accepted; scale it down.`);
    }
    const scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height));
    const canvas = document.createElement('canvas');
    canvas.width = Math.max(1, Math.round(bitmap.width * scale));
    canvas.height = Math.max(1, Math.round(bitmap.height * scale));
    const pen = canvas.getContext('2d', {willReadFrequently: true});
    pen.imageSmoothingQuality = 'high';
    pen.fillStyle = 'white';
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    return pen.getImageData(0, 0, canvas.width, canvas.height);
  };

  /** A 16-bit grey PNG, stretched from its own darkest to its own brightest pixel; a browser would keep the upper 8 bits. */
  live.decodeGrey16 = async (file, name) => {
    const bytes = new Uint8Array(await file.arrayBuffer()), view = new DataView(bytes.buffer);
    const width = view.getUint32(16), height = view.getUint32(20);
    if (bytes[28] || Math.max(width, height) > LONGEST_SIDE) {
      throw new Error(`${name} is a 16-bit grey PNG with interlacing or more than ${LONGEST_SIDE} pixels a side; save it with 8 bits.`);
    }
    const packed = [];
    for (let at = 8; at < bytes.length; at += view.getUint32(at) + 12) {
      if (String.fromCharCode(...bytes.subarray(at + 4, at + 8)) === 'IDAT') packed.push(bytes.subarray(at + 8, at + 8 + view.getUint32(at)));
    }
    const stream = new Blob(packed).stream().pipeThrough(new DecompressionStream('deflate'));
    const lines = new Uint8Array(await new Response(stream).arrayBuffer()), row = 2 * width;
    const grey = new Uint8Array(row * height), values = new Uint16Array(width * height);
    for (let y = 0; y < height; y++) {
      const filter = lines[y * (row + 1)];
      for (let x = 0; x < row; x++) {
        const at = y * row + x, left = x > 1 ? grey[at - 2] : 0, up = y ? grey[at - row] : 0;
        const corner = x > 1 && y ? grey[at - row - 2] : 0;
        const guess = left + up - corner, [a, b, c] = [left, up, corner].map((near) => Math.abs(guess - near));
        const paeth = a <= b && a <= c ? left : b <= c ? up : corner;
        grey[at] = lines[y * (row + 1) + 1 + x] + [0, left, up, (left + up) >> 1, paeth][filter];
        if (x % 2) values[at >> 1] = (grey[at - 1] << 8) | grey[at];
      }
    }
    const [low, high] = values.reduce(([least, most], v) => [Math.min(least, v), Math.max(most, v)], [65535, 0]);
    const [floor, span] = high > low ? [low, high - low] : [0, 65535];
    const data = new Uint8ClampedArray(values.length * 4).fill(255);
    values.forEach((v, p) => data.fill((v - floor) * (255 / span), 4 * p, 4 * p + 3));  // rounds half to even, as numpy
    return {data, width, height};
  };

  // Pillow's filters: support, and weight at a distance
  const FILTERS = {
    bicubic: [2, (t) => (t < 1 ? 1.5 * t ** 3 - 2.5 * t ** 2 + 1 : t < 2 ? -0.5 * (t ** 3 - 5 * t ** 2 + 8 * t - 4) : 0)],
    bilinear: [1, (t) => Math.max(0, 1 - t)],
  };

  /** One axis of RGBA bytes resized in Pillow's own fixed-point arithmetic; the filter widens when the image shrinks. */
  function resampled(data, width, height, size, vertical, filter) {
    const [support, weight] = FILTERS[filter], length = vertical ? height : width, scale = length / size;
    const wide = Math.max(scale, 1), reach = support * wide, lines = vertical ? width : height;
    const out = new Uint8ClampedArray(lines * size * 4).fill(255);
    for (let i = 0; i < size; i++) {
      const centre = (i + 0.5) * scale;
      const low = Math.max(Math.trunc(centre - reach + 0.5), 0), high = Math.min(Math.trunc(centre + reach + 0.5), length);
      const weights = Float64Array.from({length: high - low}, (_, j) => weight(Math.abs((j + low - centre + 0.5) / wide)));
      const total = weights.reduce((a, b) => a + b, 0);
      const fixed = weights.map((v) => Math.trunc(v / total * 2 ** 22 + (v < 0 ? -0.5 : 0.5)));
      const step = 4 * (vertical ? width : 1);
      for (let line = 0; line < lines; line++) {
        const from = 4 * (vertical ? low * width + line : line * width + low), to = 4 * (vertical ? i * lines + line : line * size + i);
        for (let c = 0; c < 3; c++) {
          let sum = 2 ** 21;
          for (let j = 0; j < fixed.length; j++) sum += fixed[j] * data[from + j * step + c];
          out[to + c] = Math.floor(sum / 2 ** 22);
        }
      }
    }
    return out;
  }

  /** RGBA of any size -> size * size * 3 bytes, the whole photograph squeezed. */
  live.squeeze = ({data, width, height}, size, filter) => {
    // Pillow 13 begins with the axis that saves more
    const rowsFirst = height > size && height - size > 2 * (width - size);
    for (const vertical of rowsFirst ? [true, false] : [false, true]) {
      if ((vertical ? height : width) === size) continue;
      data = resampled(data, width, height, size, vertical, filter);
      if (vertical) height = size; else width = size;
    }
    const bytes = new Uint8Array(size * size * 3);
    for (let p = 0; p < size * size; p++) for (let c = 0; c < 3; c++) bytes[3 * p + c] = data[4 * p + c];
    return bytes;
  };

  /** Bytes -> the network's input, in 32 bits. */
  live.normalise = (bytes, {mean, std}) => {
    const x = new Float32Array(bytes.length);
    for (let i = 0; i < x.length; i++) {
      x[i] = Math.fround(Math.fround(bytes[i] / 255) - Math.fround(mean[i % 3])) / Math.fround(std[i % 3]);
    }
    return x;
  };
});
