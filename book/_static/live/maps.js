// From activations and gradients to a map: gamlib/scores.py, methods.py, maps.py and boxes.py in JavaScript.
//
// A layer holds a: activations A, g: gradients G of the score s, both (pixel, channel); side, channels; and, for one of
// the reader's switches, relu and before: the ReLU that made A, and A before it. Numbers of equations are the paper's.
(globalThis.GamLive ??= {parts: []}).parts.push(function maps(live) {
  'use strict';
  const relu = (x) => (x > 0 ? x : x === x ? 0 : x);  // NaN stays
  const dot = (x, y) => x.reduce((sum, value, i) => sum + value * y[i], 0);

  /** A score and v = ds/dh, from which the backward starts; x, y: embeddings of the photograph and of the other one. */
  live.SCORES = {
    /** The logit of a class: w_c . h + b_c. */
    class(x, y, head, target) {
      const v = head.weight.subarray(target * x.length, (target + 1) * x.length);
      return {s: dot(x, v) + head.bias[target], v};
    },
    dot: (x, y) => ({s: dot(x, y), v: y}),
    /** Eq. 5: h(y) / (|h(x)| |h(y)|) - s h(x) / |h(x)|^2. */
    cosine(x, y) {
      const own = Math.sqrt(dot(x, x)), other = Math.sqrt(dot(y, y)), s = dot(x, y) / (own * other);
      // between a photograph and itself it is 0, and rounding would leave noise
      const same = x.every((value, i) => value === y[i]);
      return {s, v: x.map((value, i) => (same ? 0 : y[i] / (own * other) - s * value / own ** 2))};
    },
  };

  /** sum_k A_k o G_k with four switches: pool G over the pixels; ReLU on A, on G, on the sum. And a fifth: before A's ReLU. */
  live.switched = ({pool, reluA, reluG, reluSum, before}) => (layer) => {
    const {channels: c, side} = layer, pixels = side * side, map = new Float64Array(pixels);
    const a = before ? layer.before : layer.a, g = before ? live.throughRelu(layer.relu, layer.g, layer.a) : layer.g;
    const mean = new Float64Array(c);
    if (pool) for (let p = 0; p < pixels; p++) for (let k = 0; k < c; k++) mean[k] += g[p * c + k] / pixels;
    for (let p = 0; p < pixels; p++) {
      for (let k = 0; k < c; k++) {
        const activation = a[p * c + k], gradient = pool ? mean[k] : g[p * c + k];
        map[p] += (reluA ? relu(activation) : activation) * (reluG ? relu(gradient) : gradient);
      }
    }
    return reluSum ? map.map(relu) : map;
  };

  live.SETTINGS = {
    gam: {reluA: true, reluG: true},
    grad_cam: {pool: true, reluSum: true},
    layer_cam: {reluG: true, reluSum: true},
  };

  /** Eq. 6 as the original code computes it in 32 bits, e^s left in: infinite above s = 88.72, and a little earlier. */
  function gradCamPp(layer, s) {
    const f = Math.fround, e = f(Math.exp(f(s)));
    return weighted(layer, (positive, sum, p, alpha, first) => {
      first[p] = e * positive;
      const second = f(first[p] * positive), below = f(second * f(2 + f(positive * sum)));
      alpha[p] = second / (below === 0 ? 1 : below);
    });
  }

  /** Eq. 6 in closed form, e^s cancelled: alpha = [G > 0] / (2 + G sum_ij A). */
  const gradCamPpStable = (layer) => weighted(layer, (positive, sum, p, alpha, first) => {
    first[p] = positive;
    alpha[p] = positive > 0 ? 1 / (2 + positive * relu(sum)) : 0;
  });

  /** [ sum_k w_k A_k ]_+ with w_k = sum_ij alpha first, alpha divided by its sum over the pixels; in 32 bits. */
  function weighted({a, g, channels: c, side}, write) {
    const pixels = side * side, map = new Float32Array(pixels), alpha = new Float32Array(pixels), first = new Float32Array(pixels);
    for (let k = 0; k < c; k++) {
      let sum = 0, total = 0, weight = 0;
      for (let j = k; j < a.length; j += c) sum += a[j];
      for (let p = 0; p < pixels; p++) {
        write(relu(g[p * c + k]), sum, p, alpha, first);
        total += alpha[p];
      }
      for (let p = 0; p < pixels; p++) weight += Math.fround(Math.fround(alpha[p] / (total === 0 ? 1 : total)) * first[p]);
      weight = Math.fround(weight);
      for (let p = 0; p < pixels; p++) map[p] += Math.fround(weight * a[p * c + k]);
    }
    return map.map(relu);
  }

  // name -> formula: (layer, s) -> raw map of one layer
  live.METHODS = {
    gam: live.switched(live.SETTINGS.gam),  // Eq. 1: sum_k [A_k]_+ o [G_k]_+
    grad_cam: live.switched(live.SETTINGS.grad_cam),  // Eq. 3: [ sum_k mean(G_k) A_k ]_+
    grad_cam_pp: gradCamPp,
    grad_cam_pp_stable: gradCamPpStable,
    layer_cam: live.switched(live.SETTINGS.layer_cam),  // [ sum_k [G_k]_+ o A_k ]_+
  };

  // the 2 x 2 table: gradients pooled or local, cut before the channels are summed or after
  live.TABLE = {
    'pooled G, ReLU before the sum': {pool: true, reluA: true, reluG: true},
    'local G, ReLU before the sum: GAM': live.SETTINGS.gam,
    'pooled G, ReLU after the sum: Grad-CAM': live.SETTINGS.grad_cam,
    'local G, ReLU after the sum: HiResCAM': {reluSum: true},
  };

  const matrices = {};
  /** Rows of the matrix that resamples `length` values to `size`: cubic with a = -0.75, edges repeated, as torch has it. */
  function interpolation(length, size) {
    const cubic = (t) => (t <= 1 ? 1.25 * t ** 3 - 2.25 * t ** 2 + 1 : -0.75 * (t ** 3 - 5 * t ** 2 + 8 * t - 4));
    return (matrices[[length, size]] ??= Array.from({length: size}, (_, i) => {
      const row = new Float64Array(length), at = (i + 0.5) * length / size - 0.5, low = Math.floor(at);
      for (let j = low - 1; j <= low + 2; j++) row[Math.min(Math.max(j, 0), length - 1)] += cubic(Math.abs(at - j));
      return row;
    }));
  }

  /** RSZ: (side * side) -> (size * size). */
  function resize(map, side, size) {
    const rows = interpolation(side, size), half = new Float64Array(size * side), out = new Float64Array(size * size);
    rows.forEach((row, i) => row.forEach((w, j) => {
      if (w) for (let x = 0; x < side; x++) half[i * side + x] += w * map[j * side + x];
    }));
    rows.forEach((row, x) => row.forEach((w, j) => {
      if (w) for (let i = 0; i < size; i++) out[i * size + x] += w * half[i * side + j];
    }));
    return out;
  }

  /** NRM: to [0, 1]; a map that is constant up to rounding becomes 0, a value that is not finite spoils the map. */
  function minMax(map) {
    let low = Infinity, high = -Infinity, finite = true;
    for (const value of map) { finite &&= Number.isFinite(value); low = Math.min(low, value); high = Math.max(high, value); }
    const span = high - low, flat = span === 0 || span < 64 * 2 ** -23 * Math.max(-low, high);
    return finite ? map.map((value) => (value - low) / (flat ? Infinity : span)) : map.fill(NaN);
  }

  /** Eq. 2: the mean over the layers. */
  live.saliency = (layers, formula, s, size) => {
    const out = new Float32Array(size * size);
    for (const layer of layers) {
      const drawn = minMax(resize(formula(layer, s), layer.side, size));
      drawn.forEach((value, p) => { out[p] += value / layers.length; });
    }
    return out;
  };

  /** [x0, y0, x1, y1], half-open: around the largest 8-connected region of map >= threshold; null where there is none. */
  live.largestBox = (map, threshold, size) => {
    const above = new Uint8Array(map.length), stack = new Int32Array(map.length), least = Math.fround(threshold);
    for (let p = 0; p < map.length; p++) above[p] = map[p] >= least ? 1 : 0;
    let best = null, most = 0;
    for (let start = above.indexOf(1); start >= 0; start = above.indexOf(1, start)) {
      let x0 = size, y0 = size, x1 = 0, y1 = 0, area = 0, waiting = 1;
      stack[0] = start;
      above[start] = 0;
      while (waiting) {
        const p = stack[--waiting], x = p % size, y = (p - x) / size;
        area++;
        x0 = Math.min(x0, x); y0 = Math.min(y0, y); x1 = Math.max(x1, x + 1); y1 = Math.max(y1, y + 1);
        for (let v = Math.max(y - 1, 0); v <= Math.min(y + 1, size - 1); v++) {
          for (let u = Math.max(x - 1, 0); u <= Math.min(x + 1, size - 1); u++) {
            if (above[v * size + u]) { above[v * size + u] = 0; stack[waiting++] = v * size + u; }
          }
        }
      }
      if (area > most) [most, best] = [area, [x0, y0, x1, y1]];
    }
    return best;
  };
});
