// The kinds of layers: what each computes, and how a gradient goes back through it.
//
// Values and gradients are Float32Arrays in the order (pixel, channel), so that a 1x1 convolution is a product of rows.
// A layer knows its own channels and side, the layers that it takes its input from, and its weights.
(globalThis.GamLive ??= {parts: []}).parts.push(function layers(live) {
  'use strict';

  /** y (pixels, cout) = x (pixels, cin) w^T + b, w (cout, cin): two pixels by four outputs at a time, in 64 bits. */
  function product(x, w, b, pixels, cin, cout) {
    const y = new Float32Array(pixels * cout);
    for (let o = 0; o < cout; o += 4) {
      // at the odd end of a side the last one is computed again
      const o1 = Math.min(o + 1, cout - 1), o2 = Math.min(o + 2, cout - 1), o3 = Math.min(o + 3, cout - 1);
      const w0 = o * cin, w1 = o1 * cin, w2 = o2 * cin, w3 = o3 * cin;
      const b0 = b ? b[o] : 0, b1 = b ? b[o1] : 0, b2 = b ? b[o2] : 0, b3 = b ? b[o3] : 0;
      for (let p = 0; p < pixels; p += 2) {
        const q = Math.min(p + 1, pixels - 1), xp = p * cin, xq = q * cin;
        let p0 = b0, p1 = b1, p2 = b2, p3 = b3, q0 = b0, q1 = b1, q2 = b2, q3 = b3;
        for (let i = 0; i < cin; i++) {
          const u = x[xp + i], v = x[xq + i], k0 = w[w0 + i], k1 = w[w1 + i], k2 = w[w2 + i], k3 = w[w3 + i];
          p0 += u * k0; p1 += u * k1; p2 += u * k2; p3 += u * k3;
          q0 += v * k0; q1 += v * k1; q2 += v * k2; q3 += v * k3;
        }
        const yp = p * cout, yq = q * cout;
        y[yp + o] = p0; y[yp + o1] = p1; y[yp + o2] = p2; y[yp + o3] = p3;
        y[yq + o] = q0; y[yq + o1] = q1; y[yq + o2] = q2; y[yq + o3] = q3;
      }
    }
    return y;
  }

  function transposed(w, rows, columns) {
    const t = new Float32Array(w.length);
    for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) t[c * rows + r] = w[r * columns + c];
    return t;
  }

  /** Calls f(input pixel, output pixel, tap) for all that a layer's k x k window connects; beyond the edge is nothing. */
  function slide({kernel, stride, pad, from: [input], side}, f) {
    for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) for (let dy = 0; dy < kernel; dy++) {
      const v = y * stride - pad + dy;
      if (v < 0 || v >= input.side) continue;
      for (let dx = 0; dx < kernel; dx++) {
        const u = x * stride - pad + dx;
        if (u >= 0 && u < input.side) f(v * input.side + u, y * side + x, dy * kernel + dx);
      }
    }
  }

  const single = (l) => l.kernel === 1 && l.stride === 1;
  const taps = (l) => l.kernel * l.kernel * l.from[0].channels;

  // kind of layer -> forward(layer, inputs) and back(layer, gradient of its output, inputs, which input)
  const KINDS = {
    conv: {
      /** The image's windows laid out as rows, then a product. */
      forward(l, [x]) {
        if (single(l)) return product(x, l.weight, l.bias, l.side ** 2, l.from[0].channels, l.channels);
        const cin = l.from[0].channels, rows = new Float32Array(l.side ** 2 * taps(l));
        slide(l, (input, output, tap) => {
          const at = output * taps(l) + tap * cin, start = input * cin;
          for (let i = 0; i < cin; i++) rows[at + i] = x[start + i];
        });
        return product(rows, l.weight, l.bias, l.side ** 2, taps(l), l.channels);
      },
      back(l, g) {
        const rows = product(g, (l.turned ??= transposed(l.weight, l.channels, taps(l))), null, l.side ** 2, l.channels, taps(l));
        if (single(l)) return rows;
        const cin = l.from[0].channels, d = new Float32Array(l.from[0].side ** 2 * cin);
        slide(l, (input, output, tap) => {
          const at = output * taps(l) + tap * cin, start = input * cin;
          for (let i = 0; i < cin; i++) d[start + i] += rows[at + i];
        });
        return d;
      },
    },
    depthwise: {
      /** Three taps at a time, so that a sum is fetched and put back a third as often. */
      forward(l, [x]) {
        const c = l.channels, y = new Float32Array(l.side ** 2 * c), starts = [], places = [];
        const w = (l.longer ??= Float32Array.from({length: l.weight.length + c}, (_, i) => l.weight[i] ?? 0));
        for (let p = 0; p < y.length; p += c) y.set(l.bias, p);
        const add = (to) => {
          while (starts.length % 3) { starts.push(starts[0]); places.push(l.weight.length); }  // zeros
          for (let t = 0; t < starts.length; t += 3) {
            const a = starts[t], b = starts[t + 1], d = starts[t + 2], u = places[t], v = places[t + 1], q = places[t + 2];
            for (let i = 0; i < c; i++) y[to + i] += x[a + i] * w[u + i] + x[b + i] * w[v + i] + x[d + i] * w[q + i];
          }
          starts.length = places.length = 0;
        };
        let now = 0;
        slide(l, (input, output, tap) => {
          if (output !== now) { add(now * c); now = output; }
          starts.push(input * c); places.push(tap * c);
        });
        add(now * c);
        return y;
      },
      back(l, g) {
        const c = l.channels, w = l.weight, d = new Float32Array(l.from[0].side ** 2 * c);
        slide(l, (input, output, tap) => {
          const from = output * c, to = input * c, at = tap * c;
          for (let i = 0; i < c; i++) d[to + i] += g[from + i] * w[at + i];
        });
        return d;
      },
    },
    linear: {forward: (l, [x]) => product(x, l.weight, l.bias, 1, l.from[0].channels, l.channels)},
    add: {forward: (l, [x, y]) => x.map((value, j) => value + y[j]), back: (l, g) => g},
    concat: {
      forward(l, inputs) {
        const y = new Float32Array(l.side ** 2 * l.channels);
        let at = 0;
        for (const [k, {channels: c}] of l.from.entries()) {
          for (let p = 0; p < l.side ** 2; p++) y.set(inputs[k].subarray(p * c, p * c + c), p * l.channels + at);
          at += c;
        }
        return y;
      },
      back(l, g, inputs, k) {
        const c = l.from[k].channels, d = new Float32Array(l.side ** 2 * c);
        const at = l.from.slice(0, k).reduce((sum, {channels}) => sum + channels, 0);
        for (let p = 0; p < l.side ** 2; p++) d.set(g.subarray(p * l.channels + at, p * l.channels + at + c), p * c);
        return d;
      },
    },
    maxpool: {
      forward(l, [x]) {
        const c = l.channels, y = new Float32Array(l.side ** 2 * c).fill(-Infinity);
        slide(l, (input, output) => {
          for (let i = 0; i < c; i++) y[output * c + i] = Math.max(y[output * c + i], x[input * c + i]);
        });
        return y;
      },
      /** To the first of the largest, as torch has it. */
      back(l, g, [x]) {
        const c = l.channels, y = KINDS.maxpool.forward(l, [x]), d = new Float32Array(x.length), left = g.slice();
        slide(l, (input, output) => {
          for (let i = 0; i < c; i++) if (left[output * c + i] && x[input * c + i] === y[output * c + i]) {
            d[input * c + i] += left[output * c + i];
            left[output * c + i] = 0;
          }
        });
        return d;
      },
    },
    mean: {
      forward(l, [x]) {
        const sum = new Float64Array(l.channels);
        for (let p = 0; p < x.length; p += l.channels) for (let i = 0; i < l.channels; i++) sum[i] += x[p + i];
        return Float32Array.from(sum, (value) => value / l.from[0].side ** 2);
      },
      back(l, g) {
        const pixels = l.from[0].side ** 2, d = new Float32Array(pixels * l.channels), share = g.map((value) => value / pixels);
        for (let p = 0; p < pixels; p++) d.set(share, p * l.channels);
        return d;
      },
    },
  };
  live.KINDS = KINDS;

  /** ReLU or ReLU6 in place. */
  live.activate = (kind, x) => {
    const most = kind === 'relu6' ? 6 : Infinity;
    for (let j = 0; j < x.length; j++) if (x[j] < 0) x[j] = 0; else if (x[j] > most) x[j] = most;
  };

  /** The gradient before the ReLU from that after it, whose output is a. */
  live.throughRelu = (kind, g, a) => {
    const most = kind === 'relu6' ? 6 : Infinity;
    return kind ? g.map((value, j) => (a[j] > 0 && a[j] < most ? value : 0)) : g;
  };
});
