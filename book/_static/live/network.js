// A convolutional network: one forward, and one backward from the embedding h to the layers that maps are read from.
//
// A network is a list of layers, each with the numbers of those it takes its input from: conv, depthwise, linear, add,
// concat, maxpool, mean. `relu` is what follows: "relu", "relu6" or null. Batch norms were folded into the weights.
(globalThis.GamLive ??= {parts: []}).parts.push(function network(live) {
  'use strict';

  live.Network = class {
    /** meta: what the build wrote; weights: Float32Array of all of them. */
    constructor(meta, weights) {
      this.layers = [];
      for (const given of meta.layers) {
        const l = {...given, inputs: given.from, from: given.from.map((i) => this.layers[i])};
        if (l.weight !== undefined) {
          l.weight = weights.subarray(given.weight, given.bias);
          l.bias = weights.subarray(given.bias, given.bias + l.channels);
        }
        this.layers.push(l);
      }
      Object.assign(this, {meta, head: this.layers[meta.logits]});
      const read = meta.read.flatMap((i) => [i, ...(this.layers[i].op === 'concat' ? this.layers[i].inputs : [])]);
      this.opened = new Set(read.filter((i) => this.layers[i].op !== 'concat'));
    }

    /** image (side * side * 3), normalised -> what the layers gave, before: the same before its ReLU, h, logits. */
    async forward(image, pause = async () => {}) {
      const values = [image], before = {};
      for (let i = 1; i < this.layers.length; i++) {
        const l = this.layers[i];
        values[i] = live.KINDS[l.op].forward(l, l.inputs.map((j) => values[j]));
        if (this.opened.has(i)) before[i] = values[i].slice();
        else if (l.op === 'concat' && this.meta.read.includes(i)) before[i] = live.KINDS.concat.forward(l, l.inputs.map((j) => before[j]));
        if (l.relu) live.activate(l.relu, values[i]);
        if (i % 6 === 0) await pause();
      }
      const h = values[this.meta.embedding], logits = values[this.meta.logits];
      values.fill(null, 0, Math.min(...this.meta.read));  // no backward goes there
      return {values, before, h, logits};
    }

    /** What forward gave and v = ds/dh -> the last n layers that maps are read from, last first. */
    async backward({values, before}, v, n, pause = async () => {}) {
      const read = this.meta.read.slice(0, n), stop = Math.min(...read), gradients = [];
      gradients[this.meta.embedding] = v;
      for (let i = this.meta.embedding; i > stop; i--) {
        const l = this.layers[i];
        if (!gradients[i]) continue;
        const g = live.throughRelu(l.relu, gradients[i], values[i]);
        for (const [k, j] of l.inputs.entries()) {
          if (j < stop) continue;
          const d = live.KINDS[l.op].back(l, g, l.inputs.map((from) => values[from]), k);
          gradients[j] = gradients[j] ? d.map((value, at) => value + gradients[j][at]) : d;
        }
        if (!read.includes(i)) delete gradients[i];
        if (i % 6 === 0) await pause();
      }
      const relu = (i) => (this.layers[i].op === 'concat' ? this.layers[i].from[0].relu : this.layers[i].relu);
      return read.map((i) => ({
        a: values[i], before: before[i], g: gradients[i], relu: relu(i), channels: this.layers[i].channels, side: this.layers[i].side,
      }));
    }
  };

  /** Little-endian float16 to float32 by a table of all 65,536 values. */
  live.fromHalf = (halves) => {
    const table = Float32Array.from({length: 65536}, (_, n) => {
      const exponent = (n >> 10) & 31, fraction = n & 1023;
      const size = exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction;
      return n & 0x8000 ? -size : size;
    });
    const full = new Float32Array(halves.length);
    for (let i = 0; i < full.length; i++) full[i] = table[halves[i]];
    return full;
  };
});
